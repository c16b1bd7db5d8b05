//! The words for no: which limit, its value, which order and file, and what to do next.

use std::fmt::{self, Display};
use std::time::Duration;

use super::bounds::{Bound, Over};
use crate::order::OrderNumber;
use crate::refusal::{Refusal, RefusalKind};

/// When it is worth asking again for a place among the uploads of a link, and of the server.
const PLACE: Duration = Duration::from_secs(5);
const ROOM: Duration = Duration::from_secs(60);

/// A bound that was met, and by whom.
#[derive(Debug)]
pub(super) struct No<'a> {
    pub(super) over: Over,
    pub(super) number: &'a OrderNumber,
    pub(super) file: &'a str,
    pub(super) asked: Asked,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// A new file.
    New {
        /// Of this length, if that is known.
        length: Option<u64>,
    },
    /// More bytes of a file of unknown length.
    More {
        /// How many of it will be here.
        safe: u64,
    },
}

impl No<'_> {
    /// The refusal, in words for whoever uploads.
    pub(super) fn refusal(&self) -> Refusal {
        let (name, kind) = named(self.over.bound);
        let mut message = self.message();
        if let Asked::More { safe } = self.asked {
            message = format!("{message}; its first {} are safe", Exact(safe));
        }
        Refusal::new(kind, message)
            .of_order(self.number)
            .of_file(self.file)
            .at_limit(name, self.over.value)
    }

    fn message(&self) -> String {
        let Self {
            over: Over { value, taken, .. },
            number,
            file,
            asked,
        } = self;
        let size = Exact(*value);
        let length = match asked {
            Asked::New { length } => *length,
            Asked::More { .. } => None,
        };
        let sum = match asked {
            Asked::New { length } => Exact(taken.saturating_add(length.unwrap_or(0))).to_string(),
            Asked::More { .. } => format!("more than {size}"),
        };
        let go = match asked {
            Asked::New { .. } => "begin",
            Asked::More { .. } => "go on with",
        };
        match self.over.bound {
            Bound::File => {
                let has = length.map_or_else(|| sum.clone(), |has| Exact(has).to_string());
                format!(
                    "{file:?} of order {number} has {has}, the studio takes files of up to {size}: split it, or ask the studio"
                )
            }
            Bound::OrderFiles => format!(
                "order {number} has {taken} files and takes {value}: pack small files together instead of {file:?}, or ask the studio"
            ),
            Bound::OrderParts => format!(
                "order {number} has {taken} parts of files and takes {value}: send {file:?} in larger parts or in one, or ask the studio"
            ),
            Bound::OrderBytes => format!(
                "with {file:?} order {number} would have {sum}, the studio takes up to {size}: remove what is not needed, or ask the studio"
            ),
            Bound::LinkFiles => format!(
                "{taken} files came by this upload link of order {number}, which takes {value}: pack small files together instead of {file:?}, or ask the studio for another link"
            ),
            Bound::LinkBytes => format!(
                "with {file:?} this upload link of order {number} would have taken {sum}, it takes up to {size}: remove what is not needed, or ask the studio for another link"
            ),
            Bound::LinkOpen => format!(
                "{taken} files of order {number} are not finished, and this upload link takes {value} at once: finish or remove one of them, then begin {file:?} (the link, opened in a browser, lists them)"
            ),
            Bound::OpenTotal => format!(
                "the studio's server has {taken} unfinished uploads and takes {value} at once: {go} {file:?} of order {number} in some minutes, or tell the studio"
            ),
            Bound::Unfinished => format!(
                "the unfinished uploads of the studio's server have {} and may have {size} together: {go} {file:?} of order {number} in some minutes, or tell the studio",
                Exact(*taken)
            ),
            Bound::Floor => {
                let has = length.map_or_else(String::new, |has| format!(" ({})", Exact(has)));
                format!(
                    "the studio's disk has no room for {file:?}{has} of order {number} at this moment, because {size} of it stay free: nothing is lost, tell the studio and try again later"
                )
            }
        }
    }
}

/// The setting of a bound, and what kind of no it makes.
fn named(bound: Bound) -> (&'static str, RefusalKind) {
    let large = RefusalKind::TooLarge;
    let crowded = RefusalKind::Crowded { retry: ROOM };
    match bound {
        Bound::File => ("max_file", large),
        Bound::OrderFiles | Bound::OrderParts => ("max_files", large),
        Bound::OrderBytes => ("max_order", large),
        Bound::LinkFiles => ("max_link_files", large),
        Bound::LinkBytes => ("max_link", large),
        Bound::LinkOpen => ("max_open", RefusalKind::TooMany { retry: PLACE }),
        Bound::OpenTotal => ("max_open_total", crowded),
        Bound::Unfinished => ("max_unfinished", crowded),
        Bound::Floor => ("free_disk_floor", RefusalKind::NoSpace),
    }
}

/// Bytes for people, but never rounded: what differs looks different.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact(pub(super) u64);

impl Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1_000_000, "MB"),
        ];
        for (unit, name) in units {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{} {name}", self.0 / unit);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}
