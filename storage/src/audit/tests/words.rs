//! The words of a log: one for every decision, the same wherever it is written.

use super::{ORDER, vector};
use crate::audit::{Entry, What};
use crate::ids::{AttemptId, LinkId, SessionId, UploadId};
use crate::order::{Client, Hold, Order, Proof, Unproven};
use crate::rebuild::tests::world::AT_ONCE;
use crate::refusal::Refusal;
use crate::tables::{decode, encode};

#[test]
fn words_are_the_same_in_json_and_in_the_hash() {
    let (link, session) = (LinkId([1; 16]), SessionId([2; 32]));
    let attempt = AttemptId([3; 16]);
    for what in [
        What::Created,
        What::LinkMade(link),
        What::LinkRevoked(link),
        What::Submitted(session),
        What::SubmittedAndReturned(session),
        What::Accepted(session),
        What::Returned(session),
        What::Completed,
        What::Reopened,
        What::Archived(attempt),
        What::Doubted(attempt),
        What::ProvenAgain(attempt),
        What::ArchivedAgain,
        What::Expired(UploadId([4; 16])),
        What::Releasing,
        What::Released,
        What::Recalled,
        What::RecallEnded,
        What::Held,
        What::HoldLifted,
        What::Purging,
        What::Purged,
        What::UploadRemoved(UploadId([4; 16])),
        What::Downloaded(session),
        What::Changed,
    ] {
        let json = serde_json::to_value(what).unwrap();
        assert_eq!(json["what"], what.name());
        assert_eq!(
            json.get("about").and_then(|it| it.as_str()),
            what.about().as_deref()
        );
        let entry = Entry { what, ..vector() };
        assert_eq!(decode::<Entry>(&encode(&entry)).unwrap(), entry);
    }
}

#[test]
fn every_transition_has_its_word() {
    let now = "2026-01-05T09:00:00Z".parse().unwrap();
    let attempt = AttemptId([3; 16]);
    let proof = Proof {
        attempt,
        proven_at: now,
        sessions: Vec::new(),
        files: 0,
        bytes: 0,
        stored_bytes: 0,
    };
    let unproven = Unproven {
        attempt,
        at: now,
        damaged: 1,
        first: "block 3 of \"kick.wav\"".to_owned(),
    };
    let hold = Hold {
        reason: "a lawyer asked".to_owned(),
        at: now,
    };
    let number = "2026-0117".to_owned().try_into().unwrap();
    let mut order = Order::new(ORDER, number, Client::default(), now);
    type Verb<'a> = &'a dyn Fn(&Order) -> Result<Order, Refusal>;
    let verbs: [(Verb<'_>, What); 19] = [
        (&|it| it.complete(now, AT_ONCE), What::Completed),
        (&Order::reopen, What::Reopened),
        (&|it| it.complete(now, AT_ONCE), What::Completed),
        (&|it| it.hold(hold.clone()), What::Held),
        (&Order::release_hold, What::HoldLifted),
        (&|it| it.archived(proof.clone()), What::Archived(attempt)),
        (&|it| it.doubted(unproven.clone()), What::Doubted(attempt)),
        (&|it| it.proven_again(attempt), What::ProvenAgain(attempt)),
        (&|it| it.doubted(unproven.clone()), What::Doubted(attempt)),
        (&Order::archive_again, What::ArchivedAgain),
        (&|it| it.archived(proof.clone()), What::Archived(attempt)),
        (&|it| it.releasing(now, &[]), What::Releasing),
        (&Order::released, What::Released),
        (&|it| it.recall(now), What::Recalled),
        (
            &|it| it.recall(now + chrono::TimeDelta::days(1)),
            What::Recalled,
        ),
        (&Order::end_recall, What::RecallEnded),
        (&|it| it.purging(now, false), What::Purging),
        (&Order::purged, What::Purged),
        (
            &|it| {
                Ok(Order {
                    gate: 9,
                    ..it.clone()
                })
            },
            What::Changed,
        ),
    ];
    for (verb, what) in verbs {
        let next = verb(&order).unwrap();
        assert_eq!(crate::order::decision(&order, &next), what);
        order = next;
    }
}
