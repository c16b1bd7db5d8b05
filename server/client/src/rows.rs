//! Rows: several small files that travel in one request, where the server takes such.
//!
//! A file that may go in a row is expected ([`Rows::coming`]) from the moment that it is known, and joins
//! once its bytes are there. A row leaves when it is full, or when nobody else is expected: nothing here
//! waits for time to pass. What is refused of a row as a whole says nothing of its files; they go on alone,
//! and whatever lies between cares for smaller rows, or for none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use stemvault_model::clock::SharedClock;
use tokio::sync::{Semaphore, oneshot};

use super::answer::Failure;
use super::collect::LocalFile;
use super::several::{Created, Frame};
use super::tus::Endpoint;

/// Files up to this size go in rows: the server takes no larger ones there.
pub const TINY: u64 = 256 << 10;

/// Files in a row, at most.
pub const FILES: usize = 64;

/// What may be under way is in so many rows at least: while one is answered, the others fill the line.
const PARTS: usize = 4;

/// Bytes of a row, at most: many proxies take no more. Where more files are under way than fit into as many
/// rows as the server takes at once, it is more of them, up to what the server takes.
const BYTES: usize = 1 << 20;
const MORE: usize = 4;

/// Rows at once: the server takes no more of one link.
const AT_ONCE: usize = 16;

/// See the module.
#[derive(Debug)]
pub struct Rows {
    endpoint: Endpoint,
    clock: SharedClock,
    turns: Semaphore,
    next: Mutex<Next>,
}

/// The row that leaves next, and the rule.
#[derive(Debug)]
struct Next {
    row: Vec<Member>,
    bytes: usize,
    /// Files that may join, and whose bytes are not there yet.
    coming: usize,
    /// Files in a row, at most, by what happened to rows; none if nobody takes them.
    files: usize,
    /// Bytes of a row, at most, by the same.
    largest: usize,
    /// When it was last made smaller.
    smaller_at: Option<Duration>,
}

#[derive(Debug)]
struct Member {
    frame: Frame,
    told: oneshot::Sender<Told>,
}

/// What became of a file that went in a row.
#[derive(Debug)]
pub struct Told {
    /// When the row left.
    pub left: Duration,
    /// When the answer came.
    pub came: Duration,
    /// The answer.
    pub said: Said,
}

/// See [`Told`].
#[derive(Debug)]
pub enum Said {
    /// Of this file.
    File(Created),
    /// Of all of the row; some of its files may have arrived.
    Row(Failure),
}

/// A file that is expected.
#[derive(Debug)]
pub struct Coming(Arc<Rows>);

impl Rows {
    /// To an upload link.
    #[must_use]
    pub fn new(endpoint: Endpoint, clock: SharedClock) -> Self {
        Self {
            endpoint,
            clock,
            turns: Semaphore::new(AT_ONCE),
            next: Mutex::new(Next {
                row: Vec::new(),
                bytes: 0,
                coming: 0,
                files: FILES,
                largest: usize::MAX,
                smaller_at: None,
            }),
        }
    }

    /// A file of this length will come; none if it has to go alone.
    #[must_use]
    pub fn coming(self: &Arc<Self>, length: u64) -> Option<Coming> {
        let mut next = self.next();
        if length > TINY || next.files == 0 {
            return None;
        }
        next.coming += 1;
        Some(Coming(Arc::clone(self)))
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a file in, where so many may be under way.
    fn take(self: &Arc<Self>, member: Member, under_way: usize) {
        let mut next = self.next();
        let most = BYTES * (under_way / (FILES * PARTS)).clamp(1, MORE);
        let length = member.frame.length();
        if next.bytes + length > most.min(next.largest) {
            self.leave(&mut next);
        }
        next.bytes += length;
        next.row.push(member);
        if next.row.len() >= (under_way / PARTS).min(next.files) {
            self.leave(&mut next);
        }
    }

    /// Lets the row go. A single file goes alone: it is told so by not being told anything.
    fn leave(self: &Arc<Self>, next: &mut Next) {
        let row = std::mem::take(&mut next.row);
        next.bytes = 0;
        if row.len() > 1 {
            tokio::spawn(Arc::clone(self).send(row));
        }
    }

    async fn send(self: Arc<Self>, row: Vec<Member>) {
        let turn = self.turns.acquire().await;
        let left = self.clock.monotonic();
        let (frames, tell): (Vec<_>, Vec<_>) =
            row.into_iter().map(|it| (it.frame, it.told)).unzip();
        let sent = self.endpoint.create_several(&frames).await;
        drop(turn);
        let came = self.clock.monotonic();
        let said: Vec<_> = match sent {
            Ok(said) => {
                self.next().arrived();
                said.into_iter().map(Said::File).collect()
            }
            Err(failure) => {
                self.next().failed(&failure, &frames, left, came);
                frames.iter().map(|_| Said::Row(failure.clone())).collect()
            }
        };
        for (tell, said) in tell.into_iter().zip(said) {
            // Nobody waits for it any more if the push was stopped.
            drop(tell.send(Told { left, came, said }));
        }
    }
}

impl Next {
    fn arrived(&mut self) {
        if self.files > 0 {
            self.files = (self.files + 1).min(FILES);
        }
    }

    /// What was under way when rows were last made smaller says nothing new.
    fn failed(&mut self, failure: &Failure, row: &[Frame], left: Duration, came: Duration) {
        match failure.status() {
            Some(413) => {
                let bytes: usize = row.iter().map(Frame::length).sum();
                self.largest = self.largest.min(bytes / 2);
            }
            _ if !failure.passes() => self.files = 0,
            // Whether it broke off or took too long for somebody in between: shorter ones may get through.
            None | Some(408 | 504) if self.smaller_at.is_none_or(|at| left > at) => {
                self.files = self.files.min(row.len() / 2).max(2);
                self.smaller_at = Some(came);
            }
            // Who is busy, or not there, says nothing of rows.
            _ => {}
        }
    }
}

impl Coming {
    /// Goes in a row, where so many files may be under way; none if it has to go alone.
    pub async fn join(self, file: &LocalFile, bytes: Bytes, under_way: usize) -> Option<Told> {
        let (told, answer) = oneshot::channel();
        let frame = Frame::new(file, bytes);
        self.0.take(Member { frame, told }, under_way);
        // It is not expected any more: if nobody is, the row leaves.
        drop(self);
        answer.await.ok()
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut next = self.0.next();
        next.coming -= 1;
        if next.coming == 0 {
            self.0.leave(&mut next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use reqwest::StatusCode;
    use stemvault_model::clock::StoppedClock;
    use tokio::time::timeout;
    use url::Url;

    use super::*;
    use crate::connection::{Address, Connection};

    /// Nobody listens there.
    fn rows() -> Arc<Rows> {
        let nowhere = Url::parse("http://127.0.0.1:9/u/link").unwrap();
        let connection = Connection::new(Address::default()).unwrap();
        let clock = Arc::new(StoppedClock::new(chrono::DateTime::UNIX_EPOCH));
        Arc::new(Rows::new(Endpoint::new(connection, nowhere), clock))
    }

    fn file() -> LocalFile {
        LocalFile {
            disk: "x".into(),
            path: "x".into(),
            length: 1000,
            changed: SystemTime::UNIX_EPOCH,
        }
    }

    async fn join(coming: Coming, under_way: usize) -> Option<Told> {
        let bytes = Bytes::from(vec![0; 1000]);
        coming.join(&file(), bytes, under_way).await
    }

    #[tokio::test]
    async fn a_row_leaves_when_it_is_full_or_nobody_else_is_expected() {
        let rows = rows();
        let mut coming: Vec<_> = (0..6).filter_map(|_| rows.coming(1000)).collect();
        let last = coming.pop().unwrap();
        let mut joined: Vec<_> = coming
            .into_iter()
            .map(|coming| Box::pin(join(coming, 16)))
            .collect();
        for one in &mut joined {
            assert!(futures::poll!(one).is_pending());
        }
        let alone = joined.pop().unwrap();
        // Four of sixteen are a row.
        let patience = Duration::from_secs(60);
        for told in timeout(patience, futures::future::join_all(joined))
            .await
            .unwrap()
        {
            assert!(matches!(
                told.unwrap().said,
                Said::Row(Failure::Unreachable(_))
            ));
        }
        assert_eq!(rows.next().row.len(), 1, "it waits for the last one");
        drop(last);
        let told = timeout(patience, alone).await.unwrap();
        assert!(told.is_none(), "one alone is no row");
        assert!(rows.coming(TINY + 1).is_none(), "too large for the server");
    }

    fn refused(status: u16) -> Failure {
        Failure::refused(StatusCode::from_u16(status).unwrap(), "no", None)
    }

    #[test]
    fn rows_are_smaller_where_they_do_not_get_through_and_none_where_nobody_takes_them() {
        let row = |files| -> Vec<_> {
            let frame = |_| Frame::new(&file(), Bytes::from(vec![0; 1000]));
            (0..files).map(frame).collect()
        };
        let second = Duration::from_secs;
        let rows = rows();
        let mut next = rows.next();
        let broken = Failure::Unreachable("broken".into());
        next.failed(&broken, &row(16), second(1), second(3));
        next.failed(&broken, &row(16), second(2), second(4));
        assert_eq!(next.files, 8, "one line that breaks");
        next.failed(&refused(504), &row(3), second(5), second(6));
        assert_eq!(next.files, 2);
        for busy in [429, 500, 502, 503] {
            next.failed(&refused(busy), &row(2), second(7), second(8));
        }
        next.arrived();
        assert_eq!(next.files, 3);
        next.failed(&refused(413), &row(3), second(9), second(9));
        assert!((1500..1700).contains(&next.largest), "{}", next.largest);
        for none in [400, 403, 404, 405, 415, 501] {
            next.files = FILES;
            next.failed(&refused(none), &row(3), second(9), second(9));
            next.arrived();
            assert_eq!(next.files, 0, "{none}");
        }
        drop(next);
        assert!(rows.coming(1).is_none());
    }
}
