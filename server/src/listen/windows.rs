//! How much an HTTP/2 client may send before we have taken it.
//!
//! A sender may have so much on its way; on a long line that decides its speed. Taken bytes are given
//! back by the third of a window, so it has to be half as large again as what the line holds. The length
//! of the line is known from the handshake, its rate is not: a gigabit is assumed. Every connection may
//! have 16 MiB; what a longer line wants beyond comes out of one budget for all, and without that it
//! does with 16.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What every connection has. The defaults of HTTP/2 hold uploads to a fraction of what a line carries.
const EACH: u32 = 16 << 20;

/// What none goes beyond.
const MOST: u32 = 64 << 20;

/// Bytes a second that a line may carry.
const RATE: f64 = 125e6;

/// What the budget is counted in.
const UNIT: u32 = 1 << 20;

/// The windows of all connections.
#[derive(Clone, Debug)]
pub(super) struct Windows(Arc<Semaphore>);

/// The window of a connection, of its streams together and of each alone.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) bytes: u32,
    _beyond: Option<OwnedSemaphorePermit>,
}

impl Windows {
    /// Together they go so many bytes beyond what every one has.
    pub(super) fn new(beyond: u64) -> Self {
        let units = usize::try_from(beyond / u64::from(UNIT)).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// The window for a line on which an answer takes so long.
    pub(super) fn of(&self, journey: Duration) -> Window {
        let wanted = RATE * journey.as_secs_f64() * 1.5;
        let wanted = wanted.clamp(f64::from(EACH), f64::from(MOST)) as u32;
        let beyond = (wanted - EACH).div_ceil(UNIT);
        let permit = Arc::clone(&self.0).try_acquire_many_owned(beyond).ok();
        Window {
            bytes: if permit.is_some() { wanted } else { EACH },
            _beyond: permit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_have_wide_windows_while_there_is_memory() {
        let windows = Windows::new(100 << 20);
        let of = |milliseconds| windows.of(Duration::from_millis(milliseconds));
        assert_eq!(of(1).bytes, EACH);
        assert_eq!(of(80).bytes, EACH);
        let wide = of(120);
        assert!((22_000_000..24_000_000).contains(&wide.bytes), "{wide:?}");
        let (first, second) = (of(9000), of(9000));
        assert_eq!((first.bytes, second.bytes), (MOST, EACH));
        drop(first);
        assert_eq!(of(9000).bytes, MOST);
    }
}
