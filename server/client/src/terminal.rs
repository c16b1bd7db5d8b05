//! Lines for whoever runs a command or a server.
//!
//! Losing a line is never a failure of the work: a reader that went away (`| head -1`), a full disk
//! or a closed terminal ends nothing. Only where the output itself is what was asked for does
//! [`print`] say that it did not arrive. Nothing that a terminal could obey leaves here.

use std::io::{self, Write};

use anyhow::Context;

use crate::shown::printable_lines;

/// A line of progress, to standard error.
pub fn say(line: &str) {
    lost_or_not(io::stderr().lock(), line);
}

/// A line that sums up what was done, to standard output.
pub fn tell(line: &str) {
    lost_or_not(io::stdout().lock(), line);
}

fn lost_or_not(mut out: impl Write, line: &str) {
    // In one write: lines of several processes into one pipe do not mix.
    let line = format!("{}\n", printable_lines(line));
    drop(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
}

/// Text that was asked for, to standard output, with a line break at its end. A reader that went away
/// has what it wanted.
///
/// # Errors
/// When standard output does not take it for another reason.
pub fn print(text: &str) -> anyhow::Result<()> {
    let text = printable_lines(text.trim_end_matches('\n'));
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{text}").and_then(|()| out.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}
