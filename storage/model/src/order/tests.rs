//! Every stage against every verb, and the calendar.

use chrono_tz::Tz;

use super::*;
use crate::ids::AttemptId;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in a test is well-formed")
}

fn policy(zone: Tz) -> Policy {
    Policy {
        working_days: 90,
        archive_months: 24,
        time_zone: zone,
    }
}

fn order(stage: Stage) -> Order {
    let number = OrderNumber::try_from("2026-0117".to_owned()).unwrap();
    let start = at("2026-01-17T10:00:00Z");
    let mut order = Order::new(OrderId([7; 16]), number, Client::default(), start);
    if !matches!(stage, Stage::Open | Stage::Sealing(_)) {
        order.completed_at = Some(start);
        order.policy = Some(policy(Tz::UTC));
    }
    order.proof = Some(proof());
    order.stage = stage;
    order
}

fn proof() -> Proof {
    Proof {
        attempt: AttemptId([1; 16]),
        proven_at: at("2026-01-17T11:00:00Z"),
        sessions: vec![SessionId([9; 32])],
        files: 1,
        bytes: 1,
        stored_bytes: 1,
    }
}

fn sealing() -> Sealing {
    Sealing {
        kind: Kind::Material,
        sealed_at: at("2026-01-18T10:00:00Z"),
        form: Form::new(),
        rules: Rules::new(),
        who: Actor::default(),
    }
}

fn stages() -> Vec<Stage> {
    vec![
        Stage::Open,
        Stage::Sealing(sealing()),
        Stage::Completed,
        Stage::Archived,
        Stage::Releasing,
        Stage::Released,
        Stage::Recalled {
            until: at("2029-01-01T00:00:00Z"),
        },
        Stage::Purging,
        Stage::Purged,
    ]
}

type Verb = (
    &'static str,
    fn(&Order) -> Result<Order, Refusal>,
    &'static str,
);

/// Verb, what it does two years later, and the stages (first letters in the order of `stages`) that allow it.
fn verbs() -> Vec<Verb> {
    fn late() -> DateTime<Utc> {
        at("2028-06-01T00:00:00Z")
    }
    vec![
        ("begin_sealing", |o| o.begin_sealing(sealing()), "X........"),
        ("end_sealing", Order::end_sealing, ".X......."),
        (
            "complete",
            |o| o.complete(late(), policy(Tz::UTC)),
            "X........",
        ),
        ("reopen", Order::reopen, "..XX.X..."),
        ("archived", |o| o.archived(proof()), "..X......"),
        (
            "releasing",
            |o| o.releasing(late(), &[SessionId([9; 32])]),
            "...X.....",
        ),
        ("released", Order::released, "....X...."),
        ("recall", |o| o.recall(late()), ".....XX.."),
        ("end_recall", Order::end_recall, "......X.."),
        ("purging", |o| o.purging(late(), true), ".....X..."),
        ("purging, empty", |o| o.purging(late(), false), "..X..X..."),
        ("purged", Order::purged, ".......X."),
        (
            "hold",
            |o| {
                o.hold(Hold {
                    reason: "label asks".into(),
                    at: late(),
                })
            },
            "XXXX.XX..",
        ),
    ]
}

#[test]
fn every_stage_against_every_verb() {
    for (name, verb, allowed) in verbs() {
        for (stage, mark) in stages().into_iter().zip(allowed.chars()) {
            let before = order(stage.clone());
            match verb(&before) {
                Ok(_) => assert_eq!(mark, 'X', "{name} of {} was allowed", stage.name()),
                Err(refusal) => {
                    assert_eq!(mark, '.', "{name} of {}: {refusal}", stage.name());
                    assert!(refusal.message.contains("2026-0117"), "{refusal}");
                }
            }
        }
    }
}

#[test]
fn a_hold_stops_release_and_purge_and_can_be_lifted() {
    let late = at("2028-06-01T00:00:00Z");
    for (stage, verb) in [(Stage::Archived, "releasing"), (Stage::Released, "purging")] {
        let held = order(stage)
            .hold(Hold {
                reason: "label asks".into(),
                at: late,
            })
            .unwrap();
        let run = |order: &Order| match verb {
            "releasing" => order.releasing(late, &[]),
            _ => order.purging(late, true),
        };
        assert_eq!(run(&held).unwrap_err().kind, RefusalKind::Held);
        assert!(run(&held.release_hold().unwrap()).is_ok());
    }
}

#[test]
fn nothing_is_released_before_it_is_due_or_unproven() {
    let archived = order(Stage::Archived);
    let due = archived.release_due().unwrap();
    let early = archived.releasing(due - chrono::TimeDelta::seconds(1), &[]);
    assert_eq!(early.unwrap_err().kind, RefusalKind::WrongStage);
    let other = archived.releasing(due, &[SessionId([8; 32])]);
    assert_eq!(other.unwrap_err().kind, RefusalKind::NotProven);
    assert!(archived.releasing(due, &[SessionId([9; 32])]).is_ok());
}

#[test]
fn a_purged_order_knows_its_client_no_more() {
    let mut purging = order(Stage::Purging);
    purging.client = Client {
        name: "Band".into(),
        email: Some("b@x".into()),
        title: None,
    };
    assert_eq!(purging.purged().unwrap().client, Client::default());
}

#[test]
fn the_calendar_counts_days_and_months_of_the_studio() {
    let berlin = policy(chrono_tz::Europe::Berlin);
    // 90 days across the change to summer time: the same local hour.
    assert_eq!(
        berlin.release_due(at("2026-01-15T09:00:00Z")),
        at("2026-04-15T08:00:00Z")
    );
    // A local time that does not exist (02:30 on 2026-03-29): the next one that does.
    assert_eq!(
        berlin.release_due(at("2025-12-29T01:30:00Z")),
        at("2026-03-29T01:00:00Z")
    );
    // A local time that occurs twice (02:30 on 2026-10-25): the later one.
    assert_eq!(
        berlin.release_due(at("2026-07-27T00:30:00Z")),
        at("2026-10-25T01:30:00Z")
    );
    // Month ends and the leap day.
    let utc = policy(Tz::UTC);
    assert_eq!(
        utc.purge_due(at("2026-02-28T12:00:00Z")),
        at("2028-02-28T12:00:00Z")
    );
    assert_eq!(
        utc.purge_due(at("2024-02-29T12:00:00Z")),
        at("2026-02-28T12:00:00Z")
    );
}
