//! Logs in memory: what an entry is hashed to, what a changed, removed or swapped one is called, and
//! what comes back with a rebuilt order.

mod back;
mod words;

use super::{Actor, AuditLog, Entry, Head, LostEntries, Span, What};
use crate::catalog::{Batch, Key};
use crate::ids::{EntryHash, LinkId, OrderId};
use crate::link::Scope;
use crate::order::Order;
use crate::rebuild::tests::world::{AT_ONCE, World};
use crate::tables::{self, decode, encode};
use crate::vault::Vault;

const ORDER: OrderId = OrderId([0x11; 16]);

/// The test vector of FORMATS.md.
fn vector() -> Entry {
    Entry {
        sequence: 2,
        at: "2026-01-05T09:00:00.5Z".parse().unwrap(),
        what: What::LinkMade(LinkId([0x22; 16])),
        who: Actor::Token(LinkId([0x33; 16])),
        previous: EntryHash([0x44; 32]),
        said: None,
    }
}

#[test]
fn an_entry_is_written_and_hashed_as_formats_says() {
    let json = String::from_utf8(encode(&vector())).unwrap();
    let hash = vector().hash(ORDER).to_string();
    let formats = include_str!("../../FORMATS.md");
    assert!(formats.contains(&json), "{json}");
    assert!(formats.contains(&hash), "{hash}");
    assert_eq!(decode::<Entry>(json.as_bytes()).unwrap(), vector());
}

#[test]
fn every_field_is_hashed() {
    let changes: [fn(&mut Entry); 8] = [
        |it| it.said = serde_json::from_str("\"\"").unwrap(),
        |it| it.said = serde_json::from_str("\"ab\"").unwrap(),
        |it| it.sequence = 3,
        |it| it.at += chrono::TimeDelta::nanoseconds(1),
        |it| it.what = What::LinkRevoked(LinkId([0x22; 16])),
        |it| it.what = What::LinkMade(LinkId([0x23; 16])),
        |it| it.who = Actor::Link(LinkId([0x33; 16])),
        |it| it.previous = EntryHash([0x45; 32]),
    ];
    for change in changes {
        let mut other = vector();
        change(&mut other);
        assert_ne!(other.hash(ORDER), vector().hash(ORDER), "{other:?}");
    }
    assert_ne!(vector().hash(OrderId([0x12; 16])), vector().hash(ORDER));
}

#[test]
fn nobody_else_decides() {
    for who in [
        Actor::Token(LinkId([1; 16])),
        Actor::Link(LinkId([2; 16])),
        Actor::job("purge"),
    ] {
        assert_eq!(who.to_string().parse(), Ok(who));
    }
    for bad in [
        "",
        "token:x",
        "link:",
        "system:The Band",
        "mail:band@example.org",
    ] {
        assert!(bad.parse::<Actor>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_missing_was_lost_or_removed() {
    let span = |first, last| Span { first, last };
    let lost = LostEntries::of([1, 2, 5, 6, 9], 10);
    assert_eq!(lost.spans, [span(3, 4), span(7, 8), span(10, 10)]);
    assert_eq!(lost.count(), 5);
    let parted = lost.part(span(2, 7));
    assert_eq!(
        parted,
        (vec![span(3, 4), span(7, 7)], vec![span(2, 2), span(5, 6)])
    );
    assert_eq!(LostEntries::of([], 0), LostEntries::default());
    assert_eq!(LostEntries::of([1], 1), LostEntries::default());
}

/// An order of six entries.
async fn six(world: &World) -> OrderId {
    let order = world.order("2026-0001").await;
    let vault = world.vault.by(Actor::Token(LinkId([7; 16])));
    let (link, _) = vault
        .access
        .create_link(order, Scope::Upload, None)
        .await
        .unwrap();
    vault.access.revoke_link(link.id).await.unwrap();
    world.upload(order, "kick.wav", b"boom").await;
    let session = world.submit(order).await;
    vault.sessions.accept(order, session, None).await.unwrap();
    vault.orders.complete(order, AT_ONCE).await.unwrap();
    order
}

fn words(log: &AuditLog) -> Vec<&'static str> {
    log.entries
        .iter()
        .map(|(entry, _)| entry.what.name())
        .collect()
}

async fn sound(vault: &Vault, order: OrderId) -> AuditLog {
    let log = vault.audit.log(order).await.unwrap();
    assert_eq!(log.problems, Vec::<String>::new(), "{log:?}");
    log
}

async fn write(vault: &Vault, key: Key, row: Option<Vec<u8>>) {
    let batch = match row {
        Some(row) => Batch::new().put(key, row),
        None => Batch::new().delete(key),
    };
    vault.core.catalog().commit(batch).await.unwrap();
}

async fn row(vault: &Vault, key: &Key) -> Vec<u8> {
    let row = vault.core.catalog().get(key).await.unwrap().unwrap();
    row.value.to_vec()
}

#[tokio::test]
async fn every_decision_has_its_entry_and_nothing_else_does() {
    let world = World::new().await;
    let order = six(&world).await;
    let log = sound(&world.vault, order).await;
    let expected = [
        "created",
        "link_made",
        "link_revoked",
        "submitted",
        "accepted",
        "completed",
    ];
    assert_eq!(words(&log), expected);
    assert_eq!(log.remarks, Vec::<String>::new());
    let who: Vec<_> = log
        .entries
        .iter()
        .map(|(entry, _)| entry.who.to_string())
        .collect();
    let token = format!("token:{}", "07".repeat(16));
    assert_eq!(
        who,
        [
            "system:server",
            &token,
            &token,
            "system:server",
            &token,
            &token
        ]
    );
    // What changes nothing is no decision.
    let before = world.vault.core.order(order).await.unwrap();
    let same = world
        .vault
        .core
        .change(order, |order| Ok(order.clone()))
        .await;
    assert_eq!(same.unwrap(), before);
    assert_eq!(world.vault.core.order(order).await.unwrap(), before);
}

/// Rows of a log, by their numbers; none: there is none.
type Rows = Vec<(usize, Option<Vec<u8>>)>;

#[tokio::test]
async fn what_was_changed_removed_or_swapped_is_named() {
    let world = World::new().await;
    let order = six(&world).await;
    let mut rows = vec![None; 8];
    for (sequence, there) in (1..).zip(&mut rows[1..7]) {
        *there = Some(row(&world.vault, &tables::entry(order, sequence)).await);
    }
    let changed = |sequence: usize, from: &str, to: &str| {
        let text = String::from_utf8(rows[sequence].clone().unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        vec![(sequence, Some(text.replace(from, to).into_bytes()))]
    };
    let three: Entry = decode(rows[3].as_deref().unwrap()).unwrap();
    let (previous, another) = (three.previous.to_string(), "ab".repeat(32));
    let two_for_three = vec![(2, rows[3].clone()), (3, rows[2].clone())];
    let cases: [(Rows, &[&str]); 11] = [
        (
            changed(2, "token:07", "token:08"),
            &["entry 2 is not what was decided"],
        ),
        (
            changed(3, "link_revoked", "link_made"),
            &["entry 3 is not what was decided"],
        ),
        (
            changed(3, &previous, &another),
            &["entry 3 is not what was decided"],
        ),
        (
            changed(6, "completed", "reopened"),
            &["entry 6 is not what was decided"],
        ),
        (
            changed(6, "completed", "archived"),
            &["entry 6 cannot be read"],
        ),
        (vec![(2, Some(b"{".to_vec()))], &["entry 2 cannot be read"]),
        (
            vec![(4, None), (5, None)],
            &["entries 4 to 5 are missing: they were removed"],
        ),
        (vec![(1, None)], &["entry 1 is missing: it was removed"]),
        (vec![(6, None)], &["entry 6 is missing: it was removed"]),
        (
            two_for_three,
            &["entry 2 bears the number 3", "entry 3 bears the number 2"],
        ),
        (
            vec![(7, rows[6].clone())],
            &["entry 7 was never decided: the log ends with entry 6"],
        ),
    ];
    for (case, expected) in cases {
        for (sequence, value) in case {
            write(&world.vault, tables::entry(order, sequence as u64), value).await;
        }
        let log = world.vault.audit.log(order).await.unwrap();
        assert_eq!(log.problems.len(), expected.len(), "{expected:?}: {log:?}");
        for (problem, expected) in log.problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{expected}: {problem}");
        }
        for (sequence, value) in (0..).zip(&rows).skip(1) {
            write(&world.vault, tables::entry(order, sequence), value.clone()).await;
        }
        sound(&world.vault, order).await;
    }
}

/// Somebody writes all entries anew, head and all: the record in the bucket still knows better.
#[tokio::test]
async fn a_log_that_was_written_anew_is_named() {
    let world = World::new().await;
    let order = six(&world).await;
    let mut head = Head::default();
    for sequence in 1..=6 {
        let key = tables::entry(order, sequence);
        let old: Entry = decode(&row(&world.vault, &key).await).unwrap();
        let entry = head.then(old.what, Actor::job("nobody"), old.at);
        write(&world.vault, key, Some(encode(&entry))).await;
        head = entry.head(order);
    }
    let key = tables::order(order);
    let mut forged: Order = decode(&row(&world.vault, &key).await).unwrap();
    forged.audit = head;
    write(&world.vault, key, Some(encode(&forged))).await;
    let log = world.vault.audit.log(order).await.unwrap();
    assert!(
        log.problems
            .iter()
            .any(|it| it.contains("the log was written anew")),
        "{log:?}"
    );
}

#[tokio::test]
async fn decisions_at_once_make_one_chain() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let decisions = (0..20).map(|_| {
        let vault = std::sync::Arc::clone(&world.vault);
        tokio::spawn(async move {
            vault
                .access
                .create_link(order, Scope::Upload, None)
                .await
                .is_ok()
        })
    });
    let made = futures::future::join_all(decisions).await;
    let made = made
        .into_iter()
        .filter(|made| *made.as_ref().unwrap())
        .count();
    let log = sound(&world.vault, order).await;
    assert!(made > 1);
    assert_eq!(
        (log.entries.len(), log.head.sequence),
        (made + 1, made as u64 + 1)
    );
    // Of two from the same state only one is made, and only its entry is there.
    let at = world.vault.core.settled(order).await.unwrap();
    let next = at
        .order
        .complete(world.vault.core.clock().now(), AT_ONCE)
        .unwrap();
    let (one, other) = tokio::join!(
        world.vault.core.decide(&at, next.clone(), Batch::new()),
        world.vault.core.decide(&at, next, Batch::new())
    );
    assert_eq!(
        [one, other]
            .iter()
            .filter(|it| it.as_ref().unwrap().is_some())
            .count(),
        1
    );
    assert_eq!(sound(&world.vault, order).await.entries.len(), made + 2);
}
