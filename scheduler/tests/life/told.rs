//! The naive model: what outsiders were told, and what must follow from it at every moment.
//!
//! I1 acknowledged bytes are readable; I2 an acknowledged hold stops deletion; I3 a release deletes
//! only what is proven; I4 purged is gone for good; I6 no decision, and no rebuild, is laxer than
//! what was told. (I5, nothing stuck and no garbage, is checked when everything has come to rest;
//! I7, two of each job do no harm, because every run has two nodes.)

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Days, Months, Utc};
use object_store::path::Path;
use stemvault_storage::catalog::Version;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::ids::{LinkId, OrderId, SessionId, Token, UploadId};
use stemvault_storage::order::{Order, OrderNumber, Policy, Stage};
use stemvault_storage::session::Kind;

use crate::late::Seen;
use crate::world::{Tier, World};

/// Something that can be told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    Hold,
    /// Yes: files may come in. No: it is completed.
    Open,
    Recall,
    Review(SessionId),
    Link(usize),
}

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Yes,
    No,
    Until(DateTime<Utc>),
    /// A review, by its name.
    Is(&'static str),
}

/// The last word about something; unknown while someone changes it, and after who was not answered.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub word: Option<Word>,
    started: u64,
    running: u64,
}

/// One call that may change a word.
#[derive(Debug)]
pub struct Call {
    pub order: usize,
    pub about: About,
    number: u64,
    alone: bool,
    before: Option<Word>,
}

#[derive(Clone, Debug)]
pub struct UploadTold {
    pub id: UploadId,
    pub kind: Kind,
    pub path: String,
    pub content: Bytes,
    /// The highest offset that anyone was told.
    pub acked: u64,
    /// When a byte last arrived, at the earliest: it expires no sooner than 14 days later.
    pub touched: DateTime<Utc>,
    /// Someone asked for its removal, or another file took its place: it may be gone.
    pub excused: bool,
    /// What it is made of, if it is made of parts.
    pub parts: Vec<(UploadId, Bytes)>,
}

impl UploadTold {
    pub fn is_finished(&self) -> bool {
        // Parts of no bytes may still be of unknown length: nobody was told that they are whole.
        let told = self.parts.is_empty() || !self.content.is_empty();
        told && self.acked == self.content.len() as u64
    }
}

#[derive(Clone, Debug)]
pub struct SessionTold {
    pub id: SessionId,
    pub kind: Kind,
    pub files: Vec<(String, Bytes)>,
    /// The working objects that hold it.
    pub objects: HashSet<String>,
}

/// One call that completes an order, and when it began and ended.
#[derive(Clone, Debug)]
pub struct Completion {
    pub policy: Policy,
    pub began: DateTime<Utc>,
    pub ended: Option<DateTime<Utc>>,
    /// It was refused, or a reopen was acknowledged since.
    pub void: bool,
}

#[derive(Clone, Debug)]
pub struct LinkTold {
    pub id: LinkId,
    pub token: Token,
    pub is_upload: bool,
}

#[derive(Clone, Debug)]
pub struct OrderTold {
    pub id: OrderId,
    pub number: OrderNumber,
    /// The row as it was last committed.
    pub last: Option<(Order, Version)>,
    pub uploads: Vec<UploadTold>,
    pub sessions: Vec<SessionTold>,
    pub links: Vec<LinkTold>,
    /// How often someone began to accept a session: that ends links.
    pub accepts: u64,
    pub completions: Vec<Completion>,
    /// Sessions whose working copy is gone.
    pub released: HashSet<SessionId>,
    /// A purge was decided.
    pub gone: bool,
    pub purged: bool,
    /// Something landed after a release or the purge, as its node slept, and may still be there.
    pub late: bool,
    /// The key went, the tombstone did not come, and then the catalog was lost.
    pub unreadable: bool,
    said: HashMap<About, Said>,
}

#[derive(Clone, Debug, Default)]
pub struct Told {
    pub orders: Vec<OrderTold>,
}

impl Said {
    fn is(word: Word) -> Self {
        Self {
            word: Some(word),
            ..Self::default()
        }
    }
}

impl OrderTold {
    pub fn new(id: OrderId, number: OrderNumber) -> Self {
        let said = [
            (About::Hold, Word::No),
            (About::Open, Word::Yes),
            (About::Recall, Word::No),
        ];
        Self {
            id,
            number,
            last: None,
            uploads: Vec::new(),
            sessions: Vec::new(),
            links: Vec::new(),
            accepts: 0,
            completions: Vec::new(),
            released: HashSet::new(),
            gone: false,
            purged: false,
            late: false,
            unreadable: false,
            said: said.map(|(about, word)| (about, Said::is(word))).into(),
        }
    }

    pub fn word(&self, about: About) -> Option<Word> {
        self.said.get(&about).and_then(|said| said.word)
    }

    pub fn is(&self, about: About, word: Word) -> bool {
        self.word(about) == Some(word)
    }

    pub fn tell(&mut self, about: About, word: Word) {
        self.said.entry(about).or_insert_with(|| Said::is(word));
    }

    fn recalled(&self, now: DateTime<Utc>) -> bool {
        matches!(self.word(About::Recall), Some(Word::Until(until)) if now < until)
    }

    /// Whether one of the completions that may be in force is due.
    fn due(&self, now: DateTime<Utc>, at: impl Fn(&Completion) -> Option<DateTime<Utc>>) -> bool {
        self.completions
            .iter()
            .any(|it| !it.void && at(it).is_some_and(|due| due <= now))
    }

    fn release_due(&self, now: DateTime<Utc>) -> bool {
        self.due(now, |it| {
            it.began
                .checked_add_days(Days::new(it.policy.working_days.into()))
        })
    }

    fn purge_due(&self, now: DateTime<Utc>) -> bool {
        self.due(now, |it| {
            it.began
                .checked_add_months(Months::new(it.policy.archive_months))
        })
    }
}

impl Told {
    pub fn of(&self, path: &Path) -> Option<&OrderTold> {
        let id = path.parts().nth(1)?.as_ref().parse().ok()?;
        self.orders.iter().find(|order| order.id == id)
    }

    /// A call begins that may change what was told; `loosens` if the word may be broken from now.
    pub fn begin(&mut self, order: usize, about: About, loosens: bool) -> Call {
        let said = self.orders[order].said.entry(about).or_default();
        let before = said.word;
        said.started += 1;
        said.running += 1;
        if loosens {
            said.word = None;
        }
        Call {
            order,
            about,
            number: said.started,
            alone: said.running == 1,
            before,
        }
    }

    /// It ends with this word; `None` if nobody knows what it did. `Err`: it was refused.
    pub fn end(&mut self, call: &Call, word: std::result::Result<Option<Word>, ()>) {
        let said = self.orders[call.order].said.entry(call.about).or_default();
        said.running -= 1;
        let alone = call.alone && said.running == 0 && said.started == call.number;
        said.word = match word {
            Ok(word) if alone => word,
            Err(()) if alone => call.before,
            _ => None,
        };
    }

    /// Something lands: of what must stay gone?
    pub fn came_back(&self, seen: &Seen<'_>) -> Option<String> {
        let order = self.of(seen.path)?;
        if !seen.path.as_ref().starts_with("orders/") {
            return None;
        }
        if order.purged {
            return Some("I4 something of a purged order came back".into());
        }
        let session = order
            .sessions
            .iter()
            .find(|it| it.objects.contains(seen.path.as_ref()))?;
        let back = seen.tier == Tier::Working && order.released.contains(&session.id);
        back.then(|| "I4 released working files came back".into())
    }

    /// A delete lands.
    pub fn deleted(&self, seen: &Seen<'_>) -> Option<String> {
        let order = self.of(seen.path)?;
        let path = seen.path.as_ref();
        let last = order.last.as_ref().map(|(order, _)| order);
        let purging = last.is_some_and(|it| matches!(it.stage(), Stage::Purging | Stage::Purged));
        if !seen.there || purging || !path.starts_with("orders/") {
            return None;
        }
        let folder = seen.path.parts().nth(2);
        let third = seen.path.parts().nth(3);
        let (folder, third) = (
            folder.as_ref().map_or("", AsRef::as_ref),
            third.as_ref().map_or("", AsRef::as_ref),
        );
        let version: u64 = third.parse().unwrap_or(u64::MAX / 2);
        let proof = last.and_then(|order| order.proof());
        let session = order.sessions.iter().find(|it| it.objects.contains(path));
        let named = match folder {
            "working" => session.is_some_and(|it| !order.released.contains(&it.id)),
            "archive" => proof.is_some_and(|proof| proof.attempt.to_string() == third),
            "sessions" => order.sessions.iter().any(|it| it.id.to_string() == third),
            // The newest fifty.
            "record" => last.is_none_or(|it| version + 50 > it.version),
            // In the key store the key.
            _ => true,
        };
        if !named {
            return None;
        }
        if order.is(About::Hold, Word::Yes) {
            return Some("I2 deleted under an acknowledged hold".into());
        }
        let covers = |id| proof.is_some_and(|proof| proof.sessions.contains(&id));
        let releasing = last.is_some_and(|order| order.stage() == Stage::Releasing);
        match session {
            Some(session) if releasing && covers(session.id) => None,
            Some(_) if releasing => Some("I3 a release deleted what no proof covers".into()),
            _ => Some("I1 deleted what is needed".into()),
        }
    }

    /// The row of an order changed: was that allowed towards what outsiders know?
    pub fn changed(
        &mut self,
        at: usize,
        row: &Order,
        version: Version,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let order = &mut self.orders[at];
        let stage = row.stage().name();
        let before = order.last.replace((row.clone(), version));
        if before.is_some_and(|(before, _)| before.stage().name() == stage) {
            return None;
        }
        let number = &order.number;
        if order.gone && !matches!(row.stage(), Stage::Purging | Stage::Purged) {
            return Some(format!(
                "I6 order {number} came back from a purge as {stage}"
            ));
        }
        let due = match row.stage() {
            Stage::Releasing => order.release_due(now),
            Stage::Purging => order.gone || order.purge_due(now),
            _ => true,
        };
        match row.stage() {
            Stage::Releasing | Stage::Purging if !order.gone => {
                let why = if order.is(About::Hold, Word::Yes) {
                    "I2 under an acknowledged hold"
                } else if order.is(About::Open, Word::Yes) {
                    "I6 although it was told to be open"
                } else if order.recalled(now) {
                    "I6 during a recall"
                } else if !due {
                    "I6 before it was due"
                } else {
                    order.gone = row.stage() == Stage::Purging;
                    return None;
                };
                Some(format!("{why}: {stage} of order {number} was committed"))
            }
            Stage::Released => {
                let proven = row.proof().into_iter().flat_map(|proof| &proof.sessions);
                order.released.extend(proven.copied());
                None
            }
            Stage::Purged => {
                order.purged = true;
                None
            }
            _ => None,
        }
    }
}

/// A call that may change what was told; whoever is not answered does not know what it did.
#[derive(Debug)]
pub struct Saying {
    world: Arc<World>,
    call: Option<Call>,
}

impl Saying {
    pub fn begin(world: &Arc<World>, order: usize, about: About, loosens: bool) -> Self {
        let call = world.state().told.begin(order, about, loosens);
        Self {
            world: Arc::clone(world),
            call: Some(call),
        }
    }

    /// What the answer says: the word that holds now, or that nothing was changed.
    pub fn end<T>(mut self, answer: &Result<T>, word: impl FnOnce(&T) -> Word) {
        let word = match answer {
            Ok(value) => Ok(Some(word(value))),
            Err(Error::Refused(_)) => Err(()),
            Err(_) => Ok(None),
        };
        let call = self.call.take().expect("it ends once");
        self.world.state().told.end(&call, word);
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.world.state().told.end(&call, Ok(None));
        }
    }
}
