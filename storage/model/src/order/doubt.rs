//! Doubt: an archive that was proven, and of which something did not come back when it was read
//! again. Nothing of the working files goes while there is any; only a reading of the whole ends it.

use crate::ids::AttemptId;
use crate::order::{Kept, Order, Stage, State, Unproven};
use crate::refusal::{Refusal, RefusalKind};

impl Order {
    /// Something of the proven attempt did not come back: the working files stay until it does.
    ///
    /// # Errors
    /// When another attempt counts by now, or it is gone.
    pub fn doubted(&self, unproven: Unproven) -> Result<Self, Refusal> {
        if self.is_gone() {
            return Err(self.no("doubted", "its archive is gone"));
        }
        let mut next = self.clone();
        match next.state.archive_mut() {
            Some(archive) if archive.proof.attempt == unproven.attempt => {
                archive.doubt = Some(unproven);
                Ok(next)
            }
            _ => Err(self.no("doubted", "another archive of it counts by now")),
        }
    }

    /// The whole of the attempt came back: it is proven again.
    ///
    /// # Errors
    /// When it was not in doubt, or for another attempt.
    pub fn proven_again(&self, attempt: AttemptId) -> Result<Self, Refusal> {
        let mut next = self.clone();
        let doubt = next
            .state
            .archive_mut()
            .and_then(|archive| archive.doubt.take());
        match doubt {
            Some(doubt) if doubt.attempt == attempt => Ok(next),
            _ => Err(self.no("proven again", "it was not in doubt")),
        }
    }

    /// Its archive is written anew from the working files, which are all here. Both clocks go on, and
    /// the old archive stays until the new one is proven.
    ///
    /// # Errors
    /// Unless it is archived and in doubt.
    pub fn archive_again(&self) -> Result<Self, Refusal> {
        match &self.state {
            State::Archived(Kept { clock, archive }) if archive.doubt.is_some() => {
                let earlier = Some(archive.clone());
                let clock = *clock;
                Ok(self.to(State::Completed { clock, earlier }))
            }
            State::Completed { .. } => Err(self.no(
                "archived again",
                "it waits for the archive job as it is; `stemvault retention runs` says what came of that",
            )),
            State::Archived(_) => Err(self.no("archived again", "its archive is not in doubt")),
            _ => Err(self.no("archived again", "only one whose working files are all here can be")),
        }
    }

    /// Why nothing of its working files may go, if its archive is in doubt.
    #[must_use]
    pub fn in_doubt(&self, verb: &str) -> Option<Refusal> {
        let unproven = self.unproven()?;
        let message = format!(
            "order {} cannot be {verb}: its archive did not come back when it was read again ({}); once that is mended, `stemvault prove {}` lifts this{}",
            self.number,
            unproven.first,
            self.number,
            self.or_archive_again()
        );
        Some(Refusal::new(RefusalKind::NotProven, message).of_order(&self.number))
    }

    /// Whether a release that was decided before a doubt or a hold arose may delete any more: what is
    /// still there may be what mends the archive.
    ///
    /// # Errors
    /// While it is held or in doubt.
    pub fn may_be_released_on(&self) -> Result<(), Refusal> {
        const VERB: &str = "released any further";
        let refusal = self.held(VERB).or_else(|| self.in_doubt(VERB));
        refusal.map_or(Ok(()), Err)
    }

    /// The same for a purge, which no doubt stops.
    ///
    /// # Errors
    /// While it is held.
    pub fn may_be_purged_on(&self) -> Result<(), Refusal> {
        self.held("purged any further").map_or(Ok(()), Err)
    }

    /// Whether it is being, or was, purged: its key is to be destroyed, or is.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.stage(), Stage::Purging | Stage::Purged)
    }

    /// What else helps an order in doubt, as the end of a sentence.
    #[must_use]
    pub fn or_archive_again(&self) -> String {
        if self.archive_again().is_err() {
            return String::new();
        }
        format!(
            "; if it cannot be mended, `stemvault order archive-again {}` writes it anew from the working files, and its dates stay",
            self.number
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::ids::{OrderId, SessionId};
    use crate::order::{Client, OrderNumber, Policy, Proof};

    fn archived() -> Order {
        let number = OrderNumber::try_from("2026-0117".to_owned()).unwrap();
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let policy = Policy {
            working_days: 0,
            archive_months: 0,
            time_zone: chrono_tz::Tz::UTC,
        };
        let order = Order::new(OrderId([7; 16]), number, Client::default(), now);
        let order = order.complete(now, policy).unwrap();
        order.archived(proof(1)).unwrap()
    }

    fn proof(attempt: u8) -> Proof {
        Proof {
            attempt: AttemptId([attempt; 16]),
            proven_at: DateTime::<Utc>::UNIX_EPOCH,
            sessions: vec![SessionId([9; 32])],
            files: 1,
            bytes: 1,
            stored_bytes: 1,
        }
    }

    fn unproven(attempt: u8) -> Unproven {
        Unproven {
            attempt: AttemptId([attempt; 16]),
            at: DateTime::<Utc>::UNIX_EPOCH,
            damaged: 1,
            first: "block 3 of \"kick.wav\"".to_owned(),
        }
    }

    #[test]
    fn what_is_in_doubt_is_not_released_until_all_of_it_came_back() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let sessions = [SessionId([9; 32])];
        let order = archived();
        assert!(order.releasing(now, &sessions).is_ok());
        let doubted = order.doubted(unproven(1)).unwrap();
        let refusal = doubted.releasing(now, &sessions).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotProven);
        assert!(refusal.message.contains("kick.wav"), "{}", refusal.message);
        assert!(doubted.proven_again(AttemptId([2; 16])).is_err());
        let again = doubted.proven_again(AttemptId([1; 16])).unwrap();
        assert!(again.releasing(now, &sessions).is_ok());
    }

    #[test]
    fn an_archive_that_is_written_again_restarts_no_clock() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert!(archived().archive_again().is_err());
        let doubted = archived().doubted(unproven(1)).unwrap();
        let again = doubted.archive_again().unwrap();
        assert_eq!(again.stage(), Stage::Completed);
        assert_eq!(again.state.ended(), doubted.state.ended());
        assert_eq!(again.proof(), doubted.proof());
        assert!(again.archive_again().is_err());
        let anew = again.archived(proof(2)).unwrap();
        assert!(anew.releasing(now, &[SessionId([9; 32])]).is_ok());
        let State::Archived(kept) = doubted.state.clone() else {
            panic!("{doubted:?}")
        };
        let releasing = doubted.to(State::Releasing(kept));
        assert!(releasing.archive_again().is_err());
    }

    #[test]
    fn a_new_archive_ends_the_doubt_about_the_old_one_and_a_purge_has_none() {
        let doubted = archived().doubted(unproven(1)).unwrap();
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let policy = doubted.policy().unwrap();
        let open = doubted.reopen().unwrap();
        assert!(open.unproven().is_some());
        let anew = open.complete(now, policy).unwrap().archived(proof(2));
        let anew = anew.unwrap();
        assert_eq!(anew.unproven(), None);
        assert!(anew.doubted(unproven(1)).is_err());
        let archive = anew.state.archive().cloned();
        let ended = anew.state.ended();
        let gone = anew.to(State::Purging { ended, archive });
        assert!(gone.doubted(unproven(1)).is_err());
    }
}
