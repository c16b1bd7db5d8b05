//! Every stage against every verb, and the calendar.

use chrono_tz::Tz;

use super::*;
use crate::audit::Actor;
use crate::ids::AttemptId;
use crate::session::{Form, Kind, Rules};

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

fn order(state: State) -> Order {
    let number = OrderNumber::try_from("2026-0117".to_owned()).unwrap();
    let start = at("2026-01-17T10:00:00Z");
    let order = Order::new(OrderId([7; 16]), number, Client::default(), start);
    Order { state, ..order }
}

fn kept() -> Kept {
    Kept {
        clock: RetentionClock {
            completed_at: at("2026-01-17T10:00:00Z"),
            policy: policy(Tz::UTC),
        },
        archive: archive(),
    }
}

fn archive() -> Archive {
    Archive {
        proof: proof(),
        doubt: None,
    }
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

fn states() -> Vec<State> {
    let earlier = Some(archive());
    let Kept { clock, .. } = kept();
    vec![
        State::Open {
            earlier: earlier.clone(),
        },
        State::Sealing {
            sealing: sealing(),
            earlier: earlier.clone(),
        },
        State::Completed { clock, earlier },
        State::Archived(kept()),
        State::Releasing(kept()),
        State::Released(kept()),
        State::Recalled {
            kept: kept(),
            until: at("2029-01-01T00:00:00Z"),
        },
        State::Purging {
            ended: clock.into(),
            archive: Some(archive()),
        },
        State::Purged(clock.into()),
    ]
}

type Verb = (
    &'static str,
    fn(&Order) -> Result<Order, Refusal>,
    &'static str,
);

/// Verb, what it does two years later, and the stages (in the order of `states`) that allow it.
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
        for (state, mark) in states().into_iter().zip(allowed.chars()) {
            let before = order(state);
            let stage = before.stage().name();
            match verb(&before) {
                Ok(_) => assert_eq!(mark, 'X', "{name} of {stage} was allowed"),
                Err(refusal) => {
                    assert_eq!(mark, '.', "{name} of {stage}: {refusal}");
                    assert!(refusal.message.contains("2026-0117"), "{refusal}");
                }
            }
        }
    }
}

#[test]
fn a_hold_stops_release_and_purge_and_can_be_lifted() {
    let late = at("2028-06-01T00:00:00Z");
    for (state, verb) in [
        (State::Archived(kept()), "releasing"),
        (State::Released(kept()), "purging"),
    ] {
        let held = order(state)
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
    let archived = order(State::Archived(kept()));
    let due = archived.release_due().unwrap();
    let early = archived.releasing(due - chrono::TimeDelta::seconds(1), &[]);
    assert_eq!(early.unwrap_err().kind, RefusalKind::WrongStage);
    let other = archived.releasing(due, &[SessionId([8; 32])]);
    assert_eq!(other.unwrap_err().kind, RefusalKind::NotProven);
    assert!(archived.releasing(due, &[SessionId([9; 32])]).is_ok());
}

#[test]
fn a_purged_order_knows_its_client_no_more() {
    let mut purging = order(State::Purging {
        ended: Ended::default(),
        archive: Some(archive()),
    });
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

/// As the version before states carried their facts wrote them: one of every stage.
const ROWS: &str = include_str!("rows.jsonl");

#[test]
fn rows_of_every_stage_are_read_and_written_as_they_were() {
    let mut stages = Vec::new();
    for row in ROWS.lines() {
        let order: Order = serde_json::from_str(row).unwrap();
        stages.push(order.stage().name());
        assert_eq!(serde_json::to_string(&order).unwrap(), row);
    }
    let all = states();
    let all: Vec<_> = all.iter().map(|state| state.stage().name()).collect();
    assert_eq!(stages, all);
}

#[test]
fn a_row_that_says_what_cannot_be_is_refused_and_says_why() {
    let without = |row: usize, field: &str| {
        let row = ROWS.lines().nth(row).unwrap();
        let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
        row[field] = serde_json::Value::Null;
        serde_json::from_value::<Order>(row).map(drop)
    };
    let (completed, archived, purged) = (2, 3, 8);
    for (row, field, lacks) in [
        (completed, "policy", "no retention clock"),
        (archived, "completed_at", "no retention clock"),
        (archived, "proof", "no proof"),
    ] {
        let said = without(row, field).unwrap_err().to_string();
        assert!(said.contains("2026-0117") && said.contains(lacks), "{said}");
    }
    // Work goes on without a proof, and a tombstone knows no policy.
    without(completed, "proof").unwrap();
    without(purged, "policy").unwrap();
}
