//! The right to send a file: so many downloads at once for a link and for a connection, and the
//! share of the memory in which their blocks wait to be taken.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Extensions, HeaderMap, Method};
use stemvault_storage::ids::LinkId;
use stemvault_storage::outflow::Share;
use stemvault_storage::refusal::RefusalKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::error::{Answer, Failure};

/// Downloads of one connection at once: in HTTP/2 a client may ask for many more.
const OF_CONNECTION: usize = 32;

/// How long a download waits until others of its link or connection have ended, and when to ask
/// again if none has.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(5);

/// The downloads of a connection; in the extensions of each of its requests.
#[derive(Clone, Debug)]
pub(crate) struct OfConnection(Arc<Semaphore>);

impl Default for OfConnection {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(OF_CONNECTION)))
    }
}

/// Who asks for a file, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The link that opens it; none where a token does.
    pub link: Option<LinkId>,
    /// How.
    pub method: &'a Method,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// What else came with it.
    pub extensions: &'a Extensions,
}

/// A download that may run; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) share: Arc<Share>,
    _of_link: OwnedSemaphorePermit,
    _of_connection: Option<OwnedSemaphorePermit>,
}

impl Asked<'_> {
    /// The turn of this download.
    ///
    /// # Errors
    /// [`RefusalKind::TooMany`] if others run and none of them ends in time.
    pub(crate) async fn turn(&self, app: &App) -> Answer<Turn> {
        let share = app.vault.outflow().share(self.link);
        let turn = async {
            let of_connection = match self.extensions.get::<OfConnection>() {
                Some(OfConnection(turns)) => Some(Arc::clone(turns).acquire_owned().await),
                None => None,
            };
            let of_link = share.stream().await;
            Turn {
                share: Arc::clone(&share),
                _of_link: of_link,
                _of_connection: of_connection.map(|turn| turn.expect("never closed")),
            }
        };
        tokio::time::timeout(PATIENCE, turn).await.map_err(|_| {
            let message = format!(
                "too many downloads run at once by this link or connection: let one of them end, then ask again in {} s",
                AGAIN.as_secs()
            );
            let kind = RefusalKind::TooMany { retry: AGAIN };
            Failure::refused(kind, message).at_limit("downloads", OF_CONNECTION as u64)
        })
    }
}
