//! How often an upload link may ask for a preflight: each reads up to 20 MiB and every finding of the
//! order, and leaves nothing behind that would be counted elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stemvault_storage::ids::LinkId;
use stemvault_storage::rate::Rate;
use stemvault_storage::refusal::{Refusal, RefusalKind};

/// Enough for as many files in a minute as an order takes by default, twice over.
const MOST: u64 = 160;
const SPAN: Duration = Duration::from_secs(60);

/// Preflights of each link.
#[derive(Debug)]
pub struct Paces(Mutex<Rate<LinkId>>);

impl Default for Paces {
    fn default() -> Self {
        Self(Mutex::new(Rate::new(MOST, SPAN)))
    }
}

impl Paces {
    /// Counts one.
    ///
    /// # Errors
    /// [`RefusalKind::TooMany`] if it is one too many.
    pub fn preflight(&self, link: LinkId, now: Duration) -> Result<(), Refusal> {
        let mut rate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rate.count(link, now).map_err(|retry| {
            let seconds = retry.as_secs() + 1;
            let message = format!(
                "more than {MOST} preflights came by this upload link within a minute: ask again in {seconds} s, with up to {} files in each",
                super::FILES_MAX
            );
            Refusal::new(RefusalKind::TooMany { retry }, message)
        })
    }
}
