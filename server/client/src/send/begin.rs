//! How the upload of a file begins: in a row with others, alone with all of its bytes, or without any.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use reqwest::Body;
use url::Url;

use super::{AT_ONCE, At, Flight, SMALL, Trouble};
use crate::rows::{Coming, Said, Told};
use crate::several::Created;
use crate::target::How;
use crate::tus::Position;

impl Flight<'_> {
    /// Creates the upload. If that came to nothing and it is for the list to say what arrived, it is looked at
    /// next.
    pub(super) async fn create(
        &mut self,
        length: u64,
        coming: Option<Coming>,
    ) -> Result<(), Trouble> {
        let created = match length {
            0..=SMALL => self.small(length, coming).await?,
            AT_ONCE.. => {
                let metadata = self.target.metadata(&self.source);
                Some(self.target.endpoint.create(length, &metadata).await?)
            }
            _ => Some(self.whole(length).await?),
        };
        if let Some((upload, position)) = created {
            self.how = How::Sent;
            self.reached = 0;
            self.stands_at(&upload, position, length);
        }
        Ok(())
    }

    async fn whole(&self, length: u64) -> Result<(Url, Position), Trouble> {
        let metadata = self.target.metadata(&self.source);
        let (body, local) = self.body(0);
        let endpoint = &self.target.endpoint;
        let created = endpoint.create_whole(length, &metadata, body, &self.moved);
        let created = created.await;
        self.check_local(&local).await?;
        Ok(created?)
    }

    /// One whose bytes are read first. None if it was in a row that was refused.
    async fn small(
        &mut self,
        length: u64,
        coming: Option<Coming>,
    ) -> Result<Option<(Url, Position)>, Trouble> {
        let body = self.source.whole().await?;
        let told = match coming {
            Some(coming) => {
                let under_way = self.target.flow.limit();
                coming
                    .join(self.source.file(), body.clone(), under_way)
                    .await
            }
            None => None,
        };
        let created = match told {
            Some(told) => self.told(told),
            None => {
                let metadata = self.target.metadata(&self.source);
                let endpoint = &self.target.endpoint;
                let created = match length {
                    0 => endpoint.create(length, &metadata).await,
                    _ => endpoint.create_small(&metadata, body).await,
                };
                Some(created)
            }
        };
        self.moved.fetch_add(length, Ordering::Relaxed);
        if let Some(Ok(_)) = created
            && let Some(place) = self.place.take()
        {
            place.arrived();
            let flow = &self.target.flow;
            self.target.endpoint.widen(flow.limit());
        }
        Ok(created.transpose()?)
    }

    /// What the answer to a row says of it. None if the row was refused for good.
    fn told(&mut self, told: Told) -> Option<Created> {
        if let Some(place) = &mut self.place {
            place.left(told.left);
        }
        let failure = match told.said {
            Said::File(created) => return Some(created),
            Said::Row(failure) => failure,
        };
        // That the server takes no more at once is not for being in a row.
        self.alone = failure.status() != Some(429);
        if failure.passes() {
            return Some(Err(failure));
        }
        self.failed_at = told.came;
        self.at = At::Look;
        None
    }

    /// The bytes from `offset` on as they are read, and why they could not be.
    pub(super) fn body(&self, offset: u64) -> (Body, Arc<OnceLock<io::Error>>) {
        let local = Arc::new(OnceLock::new());
        let mut pieces = self.source.pieces(offset);
        let stream = futures::stream::poll_fn(move |cx| pieces.poll_recv(cx)).map({
            let (moved, progress) = (self.moved.clone(), self.progress.clone());
            let local = local.clone();
            move |piece| {
                match &piece {
                    Ok(bytes) => {
                        moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        progress.advance(bytes.len() as u64);
                    }
                    Err(problem) => {
                        local.get_or_init(|| io::Error::new(problem.kind(), problem.to_string()));
                    }
                }
                piece
            }
        });
        (Body::wrap_stream(stream), local)
    }
}
