//! The demo clock: a clock that can be moved, and stays moved over restarts.
//!
//! A data directory is a demo from its first start, or never: the file `demo` in it holds how far
//! the date was moved. A demo's records bear dates that no other clock may continue from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::clock::{Clock, MovableClock, SharedClock};
use stemvault_storage::refusal::{Refusal, RefusalKind};

use crate::first_start::write_durably;

/// The name of the file.
const MARKER: &str = "demo";

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Moved {
    /// How far the date is ahead of the machine's.
    wall_moved_ms: i64,
    /// How much of that was let pass, as if one had waited; all of it where nothing says.
    #[serde(default)]
    let_pass_ms: Option<i64>,
}

/// The hands of a demo's clock.
#[derive(Debug)]
pub struct Hands {
    clock: MovableClock,
    marker: PathBuf,
    /// How far the date was moved; held while the file is written.
    wall: tokio::sync::Mutex<TimeDelta>,
    let_pass_ms: AtomicI64,
}

impl Hands {
    /// The clock of a demo, where it stood when the server ended.
    ///
    /// # Errors
    /// When the marker cannot be read or written.
    pub fn open(data_dir: &Path, base: SharedClock) -> anyhow::Result<Arc<Self>> {
        let marker = data_dir.join(MARKER);
        let moved = match std::fs::read_to_string(&marker) {
            Ok(text) => {
                toml::from_str(&text).with_context(|| format!("in {}", marker.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Moved::default(),
            Err(error) => return Err(error).with_context(|| format!("{}", marker.display())),
        };
        let wall = TimeDelta::milliseconds(moved.wall_moved_ms);
        let clock = MovableClock::new(base);
        clock.jump(wall);
        let let_pass_ms = moved.let_pass_ms.unwrap_or(moved.wall_moved_ms);
        store(&marker, wall, let_pass_ms)?;
        Ok(Arc::new(Self {
            clock,
            marker,
            wall: tokio::sync::Mutex::new(wall),
            let_pass_ms: AtomicI64::new(let_pass_ms),
        }))
    }

    /// Lets time pass: both hands.
    ///
    /// # Errors
    /// A refusal when that is beyond any calendar, or the file cannot be written.
    pub async fn advance(&self, span: TimeDelta) -> Result<(), Refusal> {
        let passed = span.to_std().unwrap_or(Duration::ZERO);
        let passes = span.num_milliseconds();
        self.turn(span, passes, |clock| clock.advance(passed)).await
    }

    /// Moves the date alone.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub async fn jump(&self, span: TimeDelta) -> Result<(), Refusal> {
        self.turn(span, 0, |clock| clock.jump(span)).await
    }

    async fn turn(
        &self,
        span: TimeDelta,
        passes_ms: i64,
        turn: impl FnOnce(&MovableClock),
    ) -> Result<(), Refusal> {
        let no = |message: String| Refusal::new(RefusalKind::BadRequest, message);
        let mut wall = self.wall.lock().await;
        let century = TimeDelta::days(36_500);
        let moved = wall
            .checked_add(&span)
            .filter(|moved| moved.abs() < century);
        let moved = moved.ok_or_else(|| no("the demo clock moves by 100 years at most".into()))?;
        let marker = self.marker.clone();
        let let_pass_ms = self.let_pass_ms.load(Ordering::SeqCst) + passes_ms;
        let write = move || store(&marker, moved, let_pass_ms);
        let stored = tokio::task::spawn_blocking(write).await;
        stored
            .expect("writing a file does not panic")
            .map_err(|error| no(format!("the clock was not moved: {error:#}")))?;
        self.let_pass_ms.store(let_pass_ms, Ordering::SeqCst);
        turn(&self.clock);
        *wall = moved;
        Ok(())
    }
}

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn let_pass(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.let_pass_ms.load(Ordering::SeqCst))
    }
}

/// The clock that this data directory goes by: a demo's, or the machine's.
///
/// # Errors
/// When a demo's marker cannot be read.
pub fn clock_of(data_dir: &Path, machine: SharedClock) -> anyhow::Result<SharedClock> {
    if data_dir.join(MARKER).exists() {
        return Ok(Hands::open(data_dir, machine)?);
    }
    Ok(machine)
}

/// Whether this data directory and `--demo-clock` go together. `first`: nothing was started here.
///
/// # Errors
/// When they do not, with what to do.
pub fn check(data_dir: &Path, wanted: bool, first: bool) -> anyhow::Result<()> {
    let marked = data_dir.join(MARKER).exists();
    let place = data_dir.display();
    match (marked, wanted) {
        (true, false) => bail!(
            "{place} is a demo, whose clock was moved: start it with --demo-clock, or choose another --data-dir for real work"
        ),
        (false, true) if !first => bail!(
            "{place} keeps real orders, and --demo-clock would let their time pass: leave it out, or choose another --data-dir for a demo"
        ),
        _ => Ok(()),
    }
}

fn store(marker: &Path, wall: TimeDelta, let_pass_ms: i64) -> anyhow::Result<()> {
    let moved = Moved {
        wall_moved_ms: wall.num_milliseconds(),
        let_pass_ms: Some(let_pass_ms),
    };
    let text = toml::to_string(&moved).expect("a number is TOML");
    let text = format!(
        "# This data directory is a demo: its clock is moved by hand, and its orders are not real.\n{text}"
    );
    write_durably(marker, text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use stemvault_storage::clock::StoppedClock;

    use super::*;

    #[tokio::test]
    async fn a_moved_clock_stays_moved() {
        let folder = tempfile::tempdir().unwrap();
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let base: SharedClock = Arc::new(StoppedClock::new(start));
        let open = || Hands::open(folder.path(), Arc::clone(&base)).unwrap();
        let hands = open();
        hands.advance(TimeDelta::days(91)).await.unwrap();
        hands.jump(TimeDelta::days(-1)).await.unwrap();
        assert_eq!(hands.now(), start + TimeDelta::days(90));
        assert_eq!(hands.monotonic(), Duration::from_secs(91 * 86_400));
        assert_eq!(open().now(), start + TimeDelta::days(90));
        assert_eq!(open().let_pass(), TimeDelta::days(91));
        assert!(hands.jump(TimeDelta::days(40_000)).await.is_err());
    }

    #[test]
    fn a_demo_is_one_from_the_start_or_never() {
        let folder = tempfile::tempdir().unwrap();
        let check = |wanted, first| check(folder.path(), wanted, first).is_ok();
        assert!(check(false, true) && check(true, true) && check(false, false));
        assert!(!check(true, false));
        store(&folder.path().join(MARKER), TimeDelta::zero(), 0).unwrap();
        assert!(check(true, false) && !check(false, false) && !check(false, true));
    }
}
