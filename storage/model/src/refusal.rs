//! A no, with its reason: which order, which file, and what to do next.

use std::time::Duration;

/// What kind of no; a front end chooses its status by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Not the form of an order number, or not the studio's pattern.
    BadOrderNumber,
    /// There is no such order, upload, session, file or link.
    NotFound,
    /// The order exists already.
    AlreadyExists,
    /// The order's stage does not allow it.
    WrongStage,
    /// A hold forbids it.
    Held,
    /// Not every session is proven recallable.
    NotProven,
    /// The path cannot be stored or could escape.
    BadPath,
    /// Required metadata is missing, or it is malformed.
    BadMetadata,
    /// One file, or the order, would be larger than the studio allows.
    TooLarge,
    /// The disk has no room for it.
    NoSpace,
    /// Too much at once, or in too short a time, from this side.
    TooMany {
        /// When it is worth asking again.
        retry: Duration,
    },
    /// Too much at once from all sides together.
    Crowded {
        /// When it is worth asking again.
        retry: Duration,
    },
    /// The upload stands at another offset.
    OffsetMismatch {
        /// Where it stands.
        offset: u64,
    },
    /// Another request took over, or the order changed meanwhile: ask again.
    TakenOver,
    /// It is gone, and was announced to go.
    Gone,
    /// The whole file does not have the sum that was said of it, and never will: begin it again.
    WrongSum,
    /// The request makes no sense as it is.
    BadRequest,
    /// A protection of the retention run stopped it.
    Stopped,
}

/// A limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its setting, without the section: `max_order`.
    pub name: &'static str,
    /// Its value, in bytes or a count.
    pub value: u64,
}

/// A typed no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// One sentence for a human, with what to do next.
    pub message: String,
    /// The order it is about.
    pub order: Option<Box<str>>,
    /// The file it is about.
    pub file: Option<Box<str>>,
    /// The limit that it comes from.
    pub limit: Option<Box<Limit>>,
    /// The fields of a form that are to be filled in or mended.
    pub missing: Box<[String]>,
}

impl RefusalKind {
    /// When it is worth asking again, if that is known.
    #[must_use]
    pub fn retry(self) -> Option<Duration> {
        match self {
            Self::TooMany { retry } | Self::Crowded { retry } => Some(retry),
            _ => None,
        }
    }
}

impl Refusal {
    /// A no of this kind.
    #[must_use]
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            order: None,
            file: None,
            limit: None,
            missing: Box::default(),
        }
    }

    /// Says which limit was met.
    #[must_use]
    pub fn at_limit(mut self, name: &'static str, value: u64) -> Self {
        self.limit = Some(Box::new(Limit { name, value }));
        self
    }

    /// Says which order.
    #[must_use]
    pub fn of_order(mut self, number: &impl std::fmt::Display) -> Self {
        self.order = Some(number.to_string().into());
        self
    }

    /// Says which fields of a form.
    #[must_use]
    pub fn of_fields(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.missing = names.into_iter().collect();
        self
    }

    /// Says which file.
    #[must_use]
    pub fn of_file(mut self, path: impl Into<Box<str>>) -> Self {
        self.file = Some(path.into());
        self
    }
}
