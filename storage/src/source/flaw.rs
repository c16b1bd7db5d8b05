//! Flaws: what is not as it should be, and which part of an order it is, so that it can be mended.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Source;
use crate::error::{Damage, Error, Result};
use crate::ids::{AttemptId, SessionId};

/// Where bytes of an order lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// As they were sent; with the manifests and the order records.
    Working,
    /// The proven archive attempt.
    Archive,
    /// The second copy of both.
    Mirror,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Archive => "archive",
            Self::Mirror => "mirror",
        }
    }
}

/// Which part of an order.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "flaws are few, and nearly all of them are blocks"
)]
pub enum Part {
    /// A block of a file.
    Block {
        /// Of which session.
        session: SessionId,
        /// Of which file, where it lies.
        source: Source,
        /// Which of its blocks.
        at: usize,
    },
    /// A manifest.
    Manifest(SessionId),
    /// An archive index.
    Index(AttemptId),
    /// An order record.
    Record(u64),
    /// A file: every block is what it claims to be, and the whole is another.
    File,
}

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub struct Flaw {
    /// Where.
    pub tier: Tier,
    /// Of what.
    pub part: Part,
    /// In words.
    pub damage: Damage,
}

/// Keeps what is damaged and goes on; anything else ends the reading.
pub(crate) fn found<T>(
    flaws: &mut Vec<Flaw>,
    tier: Tier,
    part: impl FnOnce() -> Part,
    result: Result<T>,
) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Damaged(damage)) => {
            flaws.push(Flaw {
                tier,
                part: part(),
                damage: *damage,
            });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Flaws that readers met: they were sent nothing of them, and somebody has to mend them.
#[derive(Debug, Default)]
pub struct Noticed(Mutex<Vec<Flaw>>);

/// So many are remembered; whoever reads the others again notices them again.
const NOTICED_MAX: usize = 1000;

impl Noticed {
    pub(crate) fn push(&self, flaw: Flaw) {
        let mut flaws = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |it: &Flaw| it.damage.object == flaw.damage.object;
        if flaws.len() < NOTICED_MAX && !flaws.iter().any(known) {
            flaws.push(flaw);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Takes them.
    #[must_use]
    pub fn take(&self) -> Vec<Flaw> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
