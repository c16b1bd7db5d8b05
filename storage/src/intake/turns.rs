//! Turns of bodies that count only at their end: so many at once, and of those only some for one
//! link, so that nobody who sends slowly keeps out all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::LinkId;

/// One link has no more than this share of the turns.
const SHARE: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    most: usize,
    /// Of each link that has one, or waits for one. What the studio itself sends is no link's.
    of: Mutex<HashMap<Option<LinkId>, Weak<Semaphore>>>,
}

/// A turn; over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            all: Arc::new(Semaphore::new(most)),
            most,
            of: Mutex::default(),
        }
    }

    /// Waits for a turn; first for one of the link's own.
    pub(super) async fn take(&self, link: Option<LinkId>) -> Turn {
        let own = self.own(link).acquire_owned().await;
        let all = Arc::clone(&self.all).acquire_owned().await;
        Turn {
            _own: own.expect("never closed"),
            _of_all: all.expect("never closed"),
        }
    }

    fn own(&self, link: Option<LinkId>) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = of.get(&link).and_then(Weak::upgrade) {
            return own;
        }
        of.retain(|_, own| own.strong_count() > 0);
        let share = match link {
            Some(_) => self.most / SHARE,
            None => self.most / 2,
        };
        let own = Arc::new(Semaphore::new(share.max(1)));
        of.insert(link, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_link_has_its_share_and_others_have_theirs() {
        let turns = Turns::new(16);
        let link = |at| Some(LinkId([at; 16]));
        let now = |link| turns.take(link).now_or_never();
        let first: Vec<_> = (0..9).filter_map(|_| now(link(1))).collect();
        assert_eq!(first.len(), 2);
        assert_eq!((0..9).filter_map(|_| now(link(2))).count(), 9);
        let ours: Vec<_> = (0..20).filter_map(|_| now(None)).collect();
        assert_eq!(ours.len(), 8);
        drop(first);
        assert!(now(link(1)).is_some());
        // Whoever is gone is forgotten.
        drop(now(link(3)));
        assert!(turns.of.lock().unwrap().len() <= 2);
    }
}
