//! Who decides, by pseudonym: the log names no person.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::LinkId;

/// Who decides. Printed as `token:<id>`, `link:<id>` or `system:<word>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever has this API token: staff, or a program of theirs.
    Token(LinkId),
    /// Whoever has this link: a client.
    Link(LinkId),
    /// Nobody; a part of Stemvault, by a word of ours: a job by its name.
    System(Cow<'static, str>),
}

impl Actor {
    /// A job, by its name.
    #[must_use]
    pub const fn job(name: &'static str) -> Self {
        Self::System(Cow::Borrowed(name))
    }
}

impl Default for Actor {
    /// Nobody is known to have asked.
    fn default() -> Self {
        Self::job("server")
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Link(id) => write!(f, "link:{id}"),
            Self::System(word) => write!(f, "system:{word}"),
        }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |id: &str| id.parse::<LinkId>().map_err(|error| error.to_string());
        let is_word = |word: &str| word.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        match text.split_once(':') {
            Some(("token", token)) => Ok(Self::Token(id(token)?)),
            Some(("link", link)) => Ok(Self::Link(id(link)?)),
            Some(("system", word)) if is_word(word) => Ok(Self::System(word.to_owned().into())),
            _ => Err(format!("{text:?} is nobody who decides")),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
