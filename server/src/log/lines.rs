//! Log lines on their way to standard error, in a thread of their own.
//!
//! Whoever logs never waits and never fails: a full disk, a reader that went away or one that hangs
//! costs lines and nothing else. How many were lost is said as soon as lines can be written again,
//! and counted in a metric meanwhile.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader; some MB at most.
const AHEAD: usize = 8192;

/// How long the end of a process waits for the last lines.
const FAREWELL: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Piece>> = OnceLock::new();

/// Lines that found no place in the queue.
static LOST: AtomicU64 = AtomicU64::new(0);

enum Piece {
    Line(Vec<u8>),
    /// Everything before it was written, or lost.
    Reached(SyncSender<()>),
}

/// Where log lines go.
#[derive(Debug, Clone)]
pub(super) struct Lines(SyncSender<Piece>);

/// Begins the thread that writes.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn begin() -> anyhow::Result<Lines> {
    let (queue, lines) = sync_channel(AHEAD);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&lines, &mut io::stderr()))
        .context("the system gives no thread for the log")?;
    Ok(Lines(QUEUE.get_or_init(|| queue).clone()))
}

/// Waits until what was logged is written, for a moment at most: then it is lost.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (reached, end) = sync_channel(1);
    if queue.try_send(Piece::Reached(reached)).is_ok() {
        // Late or gone: nobody reads.
        let _ = end.recv_timeout(FAREWELL);
    }
}

fn write_all(lines: &Receiver<Piece>, out: &mut impl Write) {
    for piece in lines {
        let line = match piece {
            Piece::Line(line) => line,
            Piece::Reached(reached) => {
                // Whoever waited may be gone.
                let _ = reached.try_send(());
                continue;
            }
        };
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            lost_one();
        } else {
            let lost = LOST.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(
                    lines = lost,
                    "lines of this log were lost: they could not be written"
                );
            }
        }
    }
}

fn lost_one() {
    LOST.fetch_add(1, Ordering::Relaxed);
    metrics::counter!("stemvault_log_lines_lost_total").increment(1);
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// A whole line: it is handed over at once, or lost.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Piece::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => lost_one(),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is full for its first writes.
    struct Full(usize, Vec<u8>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_lines_and_a_hanging_reader_stops_nobody() {
        let (queue, lines) = sync_channel(3);
        let mut log = Lines(queue);
        // Nobody reads: the fourth finds no place.
        for line in ["a\n", "b\n", "c\n", "d\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        let mut disk = Full(1, Vec::new());
        write_all(&lines, &mut disk);
        assert_eq!(disk.1, b"b\nc\n");
    }
}
