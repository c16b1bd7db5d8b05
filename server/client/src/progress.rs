//! What the person in front of the terminal sees while bytes move.
//!
//! On a terminal: one bar for everything and one for each file in flight. Elsewhere (a log, a
//! pipe): one line for each finished file and one for every tenth of the whole. All of it goes to
//! standard error; standard output belongs to the summary.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressStyle};

use super::answer::printable;
use super::send::SMALL;
use crate::terminal;

/// The display of one push or pull.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
    total: ProgressBar,
    tenths: Arc<AtomicU64>,
}

impl Progress {
    /// A display for `bytes` bytes, as bars if standard error is a terminal.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let total = match &bars {
            Some(bars) => {
                let bar = bars.add(ProgressBar::new(bytes));
                bar.set_style(style(
                    "{bar:30} {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  \
                     {decimal_bytes_per_sec}  {eta} left",
                ));
                bar.enable_steady_tick(Duration::from_millis(500));
                bar
            }
            None => {
                ProgressBar::with_draw_target(Some(bytes), indicatif::ProgressDrawTarget::hidden())
            }
        };
        Self {
            bars,
            total,
            tenths: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Says a line without disturbing the bars.
    pub fn say(&self, line: &str) {
        let line = printable(line);
        match &self.bars {
            Some(bars) => bars.suspend(|| terminal::say(&line)),
            None => terminal::say(&line),
        }
    }

    /// Begins to show a file of `length` bytes.
    #[must_use]
    pub fn file(&self, path: &str, length: u64) -> FileProgress {
        let bar = match &self.bars {
            // There are hundreds of small ones at once, each for a moment.
            Some(bars) if length > SMALL => {
                let bar = bars.insert_before(&self.total, ProgressBar::new(length));
                bar.set_style(style("{bar:30} {percent:>3}%  {msg}"));
                bar.set_message(printable(path));
                bar
            }
            _ => ProgressBar::hidden(),
        };
        FileProgress {
            whole: self.clone(),
            bar,
            path: path.to_owned(),
            length,
            position: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Takes the bars away.
    pub fn end(&self) {
        self.total.finish_and_clear();
    }

    fn say_tenths(&self) {
        let Some(bytes) = self.total.length().filter(|bytes| *bytes > 0) else {
            return;
        };
        let now = self.total.position() / (bytes / 10).max(1);
        if self.tenths.fetch_max(now, Ordering::Relaxed) < now && now < 10 {
            let position = DecimalBytes(self.total.position());
            terminal::say(&format!("{now}0 % ({position} of {})", DecimalBytes(bytes)));
        }
    }
}

/// The display of one file. Clones move the same bar.
#[derive(Debug, Clone)]
pub struct FileProgress {
    whole: Progress,
    bar: ProgressBar,
    path: String,
    length: u64,
    position: Arc<AtomicU64>,
}

impl FileProgress {
    /// `bytes` more have moved.
    pub fn advance(&self, bytes: u64) {
        self.position.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
        self.whole.total.inc(bytes);
        if self.whole.bars.is_none() {
            self.whole.say_tenths();
        }
    }

    /// The other side holds `position` bytes, more or fewer than we thought.
    pub fn set(&self, position: u64) {
        let before = self.position.swap(position, Ordering::Relaxed);
        self.bar.set_position(position);
        if position >= before {
            self.whole.total.inc(position - before);
        } else {
            self.whole.total.dec(before - position);
        }
    }

    /// Says a line about this file.
    pub fn say(&self, line: &str) {
        self.whole.say(&format!("{}: {line}", self.path));
    }

    /// All of it is on the other side; what to say of it comes later.
    pub fn arrived(&self) {
        self.set(self.length);
        self.bar.finish_and_clear();
    }

    /// The file is done; `what` happened to it.
    pub fn done(&self, what: &str) {
        self.arrived();
        if self.whole.bars.is_none() {
            let length = DecimalBytes(self.length);
            self.whole.say(&format!("{what} {} ({length})", self.path));
        }
    }

    /// The file did not arrive, and the reason.
    pub fn failed(&self, why: &str) {
        self.bar.finish_and_clear();
        self.say(why);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant")
}
