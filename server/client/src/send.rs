//! One file on its way up, through whatever happens to it.
//!
//! The server's offset is the only truth: after every trouble it is asked again, and the file
//! goes on from there. What cannot get better by itself (a refusal, a file that changes under our
//! hands) ends the file and leaves the others alone.

mod begin;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use url::Url;

use super::answer::Failure;
use super::flow::Place;
use super::matching::{Plan, Start, decide};
use super::patience::{GIVE_UP, Patience};
use super::progress::FileProgress;
use super::records::Uploads;
use super::rows::Coming;
use super::source::Source;
use super::target::{Arrived, How, NotSent, Target};
use super::tus::Position;

/// Files up to this size are small: they are read whole, and share connections.
pub const SMALL: u64 = 1 << 20;
/// Files up to this size travel in the request that creates them, which saves a journey. What of a larger
/// one has arrived is asked more quickly when its address is known.
pub const AT_ONCE: u64 = 16 << 20;
/// This many times a server may say in a row that there is no place before that is worth a line.
const PLACES: u32 = 4;
/// This many times a server may contradict its own offset before we believe that it means no.
const CONFLICTS: u32 = 4;

impl Target {
    /// Brings one file to the server, beginning as planned; a small one when there is a place for it, and in
    /// a row if it is expected there.
    ///
    /// # Errors
    /// Why it is not there. What did arrive stays on the server and is continued by the next push.
    pub async fn send(
        &self,
        source: Source,
        plan: Plan,
        coming: Option<Coming>,
        progress: &FileProgress,
    ) -> Result<Arrived, NotSent> {
        let length = source.file().length;
        let place = match length {
            0..=SMALL => Some(self.flow.enter(length).await),
            _ => None,
        };
        let mut flight = Flight {
            target: self,
            source,
            progress,
            at: At::Planned(plan),
            patience: Patience::new(self.clock.clone(), GIVE_UP),
            reached: 0,
            moved: Arc::new(AtomicU64::new(0)),
            how: How::Sent,
            conflicts: 0,
            repeated: false,
            failed_at: Duration::ZERO,
            place,
            coming,
            alone: false,
        };
        loop {
            if let Some(why) = self.closed.get() {
                return Err(NotSent::Refused(why.clone()));
            }
            match flight.step().await {
                Ok(None) => {}
                Ok(Some(arrived)) => return Ok(arrived),
                Err(Trouble::Final(why)) => return Err(why),
                Err(Trouble::Remote(failure)) => flight.recover(failure).await?,
            }
        }
    }
}

/// Where a file stands, as far as we know.
enum At {
    /// Ask the server's list.
    Look,
    /// Known from the list; nothing done yet.
    Planned(Plan),
    /// Bytes are missing; `offset` if the server just said it.
    Open { upload: Url, offset: Option<u64> },
    /// All bytes are there; `hash` if the server said it.
    Complete { upload: Url, hash: Option<String> },
}

enum Trouble {
    Remote(Failure),
    Final(NotSent),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Remote(failure)
    }
}

impl From<io::Error> for Trouble {
    fn from(problem: io::Error) -> Self {
        Self::Final(NotSent::Unreadable(problem))
    }
}

struct Flight<'a> {
    target: &'a Target,
    source: Source,
    progress: &'a FileProgress,
    at: At,
    patience: Patience,
    reached: u64,
    moved: Arc<AtomicU64>,
    how: How,
    conflicts: u32,
    repeated: bool,
    /// When a request failed last.
    failed_at: Duration,
    /// Of a small file, until it has arrived.
    place: Option<Place<'a>>,
    /// While it may join a row.
    coming: Option<Coming>,
    /// A row that it was in came to nothing.
    alone: bool,
}

impl Flight<'_> {
    /// Does the next thing; `Some` when the file is there and checked.
    async fn step(&mut self) -> Result<Option<Arrived>, Trouble> {
        let length = self.source.file().length;
        match &self.at {
            At::Look => {
                let listed = self.target.listed(self.failed_at).await?;
                let kind = self.target.kind.as_deref();
                self.at = At::Planned(decide(self.source.file(), kind, &listed.uploads));
            }
            At::Planned(plan) => {
                let coming = self.coming.take();
                for id in &plan.replaces {
                    let old = self.target.endpoint.upload(id);
                    self.target.endpoint.terminate(&old).await?;
                }
                match &plan.start {
                    Start::New => self.create(length, coming).await?,
                    Start::Continue { id } => {
                        self.how = How::Resumed;
                        let upload = self.target.endpoint.upload(id);
                        let offset = None;
                        self.at = At::Open { upload, offset };
                    }
                    Start::Check { id, hash } => {
                        self.how = How::AlreadyThere;
                        let upload = self.target.endpoint.upload(id);
                        let hash = Some(hash.clone());
                        self.at = At::Complete { upload, hash };
                    }
                }
            }
            At::Open { upload, offset } => {
                let upload = upload.clone();
                let offset = match offset {
                    Some(offset) => *offset,
                    None => {
                        let position = self.target.endpoint.position(&upload).await?;
                        if self.stands_at(&upload, position, length) {
                            return Ok(None);
                        }
                        self.reached
                    }
                };
                let position = self.append(&upload, offset, length).await?;
                self.stands_at(&upload, position, length);
            }
            At::Complete { upload, hash } => {
                let (upload, hash) = (upload.clone(), hash.clone());
                return self.check(upload, hash).await;
            }
        }
        Ok(None)
    }

    /// Notes what the server said; whether all bytes are there.
    fn stands_at(&mut self, upload: &Url, position: Position, length: u64) -> bool {
        let offset = position.offset;
        self.progress.set(offset.min(length));
        if offset > self.reached {
            self.patience.progressed();
            self.conflicts = 0;
        }
        self.reached = offset;
        let upload = upload.clone();
        if offset >= length {
            let hash = position.hash;
            self.at = At::Complete { upload, hash };
            return true;
        }
        let offset = Some(offset);
        self.at = At::Open { upload, offset };
        false
    }

    /// Sends everything from `offset` on in one request.
    async fn append(
        &mut self,
        upload: &Url,
        offset: u64,
        length: u64,
    ) -> Result<Position, Trouble> {
        self.source.reach(offset).await?;
        let (body, local) = self.body(offset);
        let endpoint = &self.target.endpoint;
        let appended = endpoint
            .append(upload, offset, length - offset, body, &self.moved)
            .await;
        self.check_local(&local).await?;
        Ok(appended?)
    }

    /// What could not be read here ends the file, whatever the server said.
    async fn check_local(&self, local: &OnceLock<io::Error>) -> Result<(), Trouble> {
        let Some(problem) = local.get() else {
            return Ok(());
        };
        self.still_the_same().await?;
        Err(io::Error::new(problem.kind(), problem.to_string()).into())
    }

    /// Compares both sides' hashes.
    async fn check(
        &mut self,
        upload: Url,
        hash: Option<String>,
    ) -> Result<Option<Arrived>, Trouble> {
        let ours = self.source.hash().await?;
        self.still_the_same().await?;
        let theirs = match hash {
            Some(hash) => hash,
            None => self.listed_hash(&upload).await?,
        };
        if theirs.eq_ignore_ascii_case(&ours.to_string()) {
            return Ok(Some(Arrived {
                how: self.how,
                hash: ours,
                moved: self.moved.load(Ordering::Relaxed),
                upload,
            }));
        }
        self.target.endpoint.terminate(&upload).await?;
        if self.how != How::AlreadyThere {
            if self.repeated {
                return Err(Trouble::Final(NotSent::Damaged));
            }
            self.repeated = true;
            self.progress
                .say("other bytes arrived than are here; sending it again");
        }
        self.start_anew();
        Ok(None)
    }

    async fn listed_hash(&self, upload: &Url) -> Result<String, Trouble> {
        let position = self.target.endpoint.position(upload).await?;
        if let Some(hash) = position.hash {
            return Ok(hash);
        }
        let uploads: Uploads = self.target.connection.get(&self.target.list).await?;
        let id = upload
            .path_segments()
            .and_then(|mut names| names.next_back());
        uploads
            .uploads
            .into_iter()
            .find(|it| Some(it.id.as_str()) == id)
            .and_then(|it| it.hash)
            .ok_or(Trouble::Final(NotSent::Unconfirmed))
    }

    /// Ends the file if it is not the one any more that was found; what arrived is a mixture.
    async fn still_the_same(&self) -> Result<(), Trouble> {
        if self.source.file().is_unchanged()? {
            return Ok(());
        }
        if let At::Open { upload, .. } | At::Complete { upload, .. } = &self.at {
            // If this fails too, the next push finds another time of change and replaces it.
            drop(self.target.endpoint.terminate(upload).await);
        }
        Err(Trouble::Final(NotSent::Changed))
    }

    fn start_anew(&mut self) {
        self.source = Source::new(self.source.file().clone());
        self.reached = 0;
        self.progress.set(0);
        self.at = At::Planned(Plan {
            start: Start::New,
            replaces: Vec::new(),
        });
    }

    /// Decides whether, and where, to go on after the server or the network said no.
    async fn recover(&mut self, failure: Failure) -> Result<(), NotSent> {
        self.failed_at = self.target.clock.monotonic();
        // No row waits for one that will try again later.
        self.coming = None;
        if let Err(Trouble::Final(why)) = self.still_the_same().await {
            return Err(why);
        }
        let known = matches!(self.at, At::Open { .. } | At::Complete { .. });
        let crowded = !known && failure.status() == Some(429);
        if let Some(place) = self.place.as_ref().filter(|_| crowded) {
            place.refused();
        }
        if known && failure.is_gone() {
            self.progress
                .say("the server no longer has it; sending it anew");
            self.start_anew();
        } else if known && failure.status() == Some(409) && self.conflicts < CONFLICTS {
            self.conflicts += 1;
        } else if !failure.passes() {
            let why = failure.to_string();
            if !known && (failure.is_gone() || matches!(failure.status(), Some(401))) {
                // No upload is meant, so it is the link, the order or the token.
                drop(self.target.closed.set(why.clone()));
            }
            return Err(NotSent::Refused(why));
        }
        let Some(wait) = self.patience.next(failure.retry_after()) else {
            return Err(NotSent::GaveUp(failure));
        };
        // That there is no place yet is said once it lasts.
        if self.patience.tries() == if crowded { PLACES } else { 1 } {
            self.progress.say(&format!("{failure}; trying again"));
        }
        tokio::time::sleep(wait).await;
        match &mut self.at {
            At::Open { offset, .. } => *offset = None,
            // The request may have been carried out and only its answer lost; unless that said no.
            At::Planned(_) if !crowded => self.at = At::Look,
            At::Planned(_) | At::Look | At::Complete { .. } => {}
        }
        if !known && !self.alone {
            self.coming = self.target.coming(self.source.file().length);
        }
        Ok(())
    }
}
