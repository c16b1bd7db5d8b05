//! What is due when, for every stage, and what stands in the way.

use chrono_tz::Tz;
use stemvault_storage::ids::{AttemptId, OrderId, SessionId};
use stemvault_storage::order::{Client, Hold, Policy, Proof, Unproven};
use stemvault_storage::session::{Kind, Review};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in a test is well-formed")
}

fn session() -> SessionRow {
    SessionRow {
        session: SessionId([9; 32]),
        kind: Kind::Material,
        sealed_at: at("2026-01-10T00:00:00Z"),
        files: 3,
        bytes: 700,
        review: Review::Submitted,
        released: false,
        proven: None,
    }
}

const UNTIL: &str = "2028-03-01T00:00:00Z";

/// Completed on 2026-01-31, released on 2026-05-01, purged on 2028-01-31; led as far as this stage.
fn order(stage: Stage) -> Order {
    let number = OrderNumber::try_from("2026-0117".to_owned()).unwrap();
    let created = at("2026-01-01T00:00:00Z");
    let mut order = Order::new(OrderId([7; 16]), number, Client::default(), created);
    let policy = Policy {
        working_days: 90,
        archive_months: 24,
        time_zone: Tz::UTC,
    };
    let proof = Proof {
        attempt: AttemptId([1; 16]),
        proven_at: at("2026-02-01T00:00:00Z"),
        sessions: vec![SessionId([9; 32])],
        files: 3,
        bytes: 700,
        stored_bytes: 500,
    };
    let late = at("2028-06-01T00:00:00Z");
    while order.stage() != stage {
        let next = match order.stage() {
            Stage::Open => order.complete(at("2026-01-31T12:00:00Z"), policy),
            Stage::Completed => order.archived(proof.clone()),
            Stage::Archived => order.releasing(late, &[]),
            Stage::Releasing => order.released(),
            Stage::Released if stage == Stage::Recalled => order.recall(at(UNTIL)),
            Stage::Released => order.purging(late, true),
            Stage::Purging => order.purged(),
            Stage::Sealing | Stage::Recalled | Stage::Purged => panic!("no way to {stage:?}"),
        };
        order = next.unwrap();
    }
    order
}

fn words(order: &Order, sessions: &[SessionRow], now: &str, date: &str) -> Vec<String> {
    let plan = plan(
        [Subject {
            order,
            sessions,
            unfinished: &[],
        }],
        at(now),
        at(date),
    );
    let word = |action: &Action| format!("{} {}", action.due_at.format("%F"), action.verb.name());
    plan.actions.iter().map(word).collect()
}

#[test]
fn each_stage_has_its_future() {
    let end = "2030-01-01T00:00:00Z";
    let all = [
        "2026-01-31 archive",
        "2026-05-01 release",
        "2028-01-31 purge",
    ];
    for (stage, expected) in [
        (Stage::Open, &[][..]),
        (Stage::Completed, &all[..]),
        (Stage::Archived, &all[1..]),
        (Stage::Releasing, &all[1..]),
        (Stage::Released, &all[2..]),
        (
            Stage::Recalled,
            &["2028-03-01 end_recall", "2028-03-01 purge"],
        ),
        (Stage::Purging, &all[2..]),
        (Stage::Purged, &[]),
    ] {
        let found = words(&order(stage), &[session()], "2026-02-02T00:00:00Z", end);
        assert_eq!(found, expected, "{}", stage.name());
    }
}

#[test]
fn a_plan_ends_at_its_date() {
    let archived = order(Stage::Archived);
    let now = "2026-02-02T00:00:00Z";
    assert!(words(&archived, &[session()], now, "2026-05-01T11:59:59Z").is_empty());
    assert_eq!(
        words(&archived, &[session()], now, "2026-05-01T12:00:00Z"),
        ["2026-05-01 release"]
    );
}

#[test]
fn what_is_kept_says_why() {
    let mut held = order(Stage::Archived);
    held.hold = Some(Hold {
        reason: "the label asks".into(),
        at: at("2026-02-01T00:00:00Z"),
    });
    let subject = [session()];
    let late = at("2028-06-01T00:00:00Z");
    let found = plan(
        [Subject {
            order: &held,
            sessions: &subject,
            unfinished: &[],
        }],
        late,
        late,
    );
    assert!(found.actions.iter().all(|action| action.verb == Verb::Kept));
    assert_eq!(found.actions[0].reason, "held: the label asks");

    let unproven = order(Stage::Completed);
    let found = plan(
        [Subject {
            order: &unproven,
            sessions: &subject,
            unfinished: &[],
        }],
        late,
        late,
    );
    assert!(
        found
            .actions
            .iter()
            .any(|action| action.reason.starts_with("not proven"))
    );
}

#[test]
fn an_order_with_nothing_in_it_goes_without_an_archive() {
    let empty = order(Stage::Completed);
    let found = words(&empty, &[], "2026-02-02T00:00:00Z", "2030-01-01T00:00:00Z");
    assert_eq!(found, ["2028-01-31 purge"]);
}

#[test]
fn what_cannot_be_purged_says_so_and_what_to_do() {
    let late = at("2028-06-01T00:00:00Z");
    let reason = |order: &Order| overdue(order, true, late);
    let completed = order(Stage::Completed);
    assert!(reason(&completed).unwrap().contains("retention runs"));
    assert_eq!(overdue(&completed, false, late), None);
    assert_eq!(overdue(&completed, true, at("2028-01-01T00:00:00Z")), None);
    // It is released and purged by itself, one after the other.
    let archived = order(Stage::Archived);
    assert_eq!(reason(&archived), None);
    let doubt = Unproven {
        attempt: AttemptId([1; 16]),
        at: late,
        damaged: 1,
        first: "block 3".to_owned(),
    };
    let archived = archived.doubted(doubt.clone()).unwrap();
    let says = reason(&archived).unwrap();
    assert!(says.contains("archive-again 2026-0117"), "{says}");
    let sessions = [session()];
    let subject = Subject {
        order: &archived,
        sessions: &sessions,
        unfinished: &[],
    };
    let found = plan([subject], late, late).actions;
    let kept: Vec<_> = found.iter().map(|action| action.verb).collect();
    assert_eq!(kept, [Verb::Kept, Verb::Kept]);
    assert!(found[1].reason.starts_with("overdue"), "{found:?}");
    let released = order(Stage::Released).doubted(doubt).unwrap();
    assert_eq!(reason(&released), None);
}

#[test]
fn what_expires_is_in_the_plan_and_a_hold_keeps_it() {
    let mut open = order(Stage::Open);
    let unfinished = [Unfinished {
        path: "kick.wav".to_owned(),
        bytes: 40,
        expires_at: at("2026-02-14T00:00:00Z"),
    }];
    let actions = |order: &Order| {
        let subject = Subject {
            order,
            sessions: &[],
            unfinished: &unfinished,
        };
        plan(
            [subject],
            at("2026-02-01T00:00:00Z"),
            at("2026-03-01T00:00:00Z"),
        )
        .actions
    };
    let [action] = &actions(&open)[..] else {
        panic!("{:?}", actions(&open));
    };
    assert_eq!((action.verb, action.bytes), (Verb::Expire, 40));
    assert!(action.reason.contains("kick.wav"));
    open.hold = Some(Hold {
        reason: "the label asks".into(),
        at: at("2026-02-01T00:00:00Z"),
    });
    assert_eq!(actions(&open)[0].verb, Verb::Kept);
}
