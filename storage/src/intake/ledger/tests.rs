//! The sums against rows that are added up anew, over seeded histories.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::intake::bounds::{Bound, Disk, LinkMost, Most};
use crate::rows::made::{ORDER, upload};
use crate::upload::{Role, UploadState};

const LINKS: [Option<LinkId>; 3] = [None, Some(LinkId([7; 16])), Some(LinkId([8; 16]))];

fn wide() -> Bounds {
    let most = Most {
        files: 1000,
        bytes: 1000,
    };
    Bounds {
        file: 1000,
        order: most,
        link: Some(LinkMost { most, open: 1000 }),
        open_total: 1000,
        unfinished: 1000,
        disk: None,
    }
}

/// What the rows say.
fn sums(rows: &BTreeMap<UploadId, Upload>, link: Option<LinkId>) -> (Use, Use, Total) {
    let (mut order, mut by_link, mut total) = (Use::default(), Use::default(), Total::default());
    for row in rows.values() {
        let one = Entry::of(row);
        let of_link = (link.is_some() && row.link == link).then_some(&mut by_link);
        for sum in [Some(&mut order), of_link].into_iter().flatten() {
            sum.files += 1;
            sum.bytes += one.bytes;
            sum.open += u64::from(one.open);
        }
        if one.open {
            total.open += 1;
            total.bytes += one.bytes;
            total.promised += one.promised;
        }
    }
    (order, by_link, total)
}

/// Files come, grow, finish and go; the order is read, and forgotten, at any moment between a
/// row's commit and its note here.
#[test]
fn the_sums_are_those_of_the_rows() {
    for seed in 0..400 {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut ledger = Ledger::default();
        let mut rows = BTreeMap::<UploadId, Upload>::new();
        let mut read: Option<Vec<Upload>> = None;
        for _ in 0..60 {
            let id = dice.random_range(0..12_u8);
            let key = UploadId([id; 16]);
            match (dice.random_range(0..8_u64), rows.get(&key).cloned()) {
                (0..=2, None) => {
                    let link = LINKS[dice.random_range(0..3_usize)];
                    let length =
                        (dice.random_range(0..3_u64) > 0).then(|| dice.random_range(0..3_u64) * 10);
                    let entry = Entry::new(link, length, Role::File);
                    ledger.enter(ORDER, key, entry, &wide()).unwrap();
                    if dice.random_range(0..4_u64) > 0 {
                        rows.insert(key, upload(id, link, length, 0));
                        if dice.random_range(0..4_u64) == 0 {
                            ledger.begin(ORDER);
                            read = Some(rows.values().cloned().collect());
                        }
                        ledger.confirm(ORDER, key);
                    } else {
                        ledger.set(ORDER, key, None);
                    }
                }
                (0..=2, Some(row)) if row.state == UploadState::Open => {
                    let offset =
                        (row.offset + dice.random_range(0..9_u64)).min(row.length.unwrap_or(40));
                    let mut granted = 0;
                    if row.length.is_none() {
                        let grown = ledger.grow(ORDER, key, row.offset, 20, &wide());
                        granted = grown.0;
                        assert_eq!(grown, (row.offset + 20, None), "seed {seed}");
                    }
                    let row = upload(id, row.link, row.length, offset);
                    ledger.commit(&row, granted);
                    ledger.release(&row);
                    rows.insert(key, row);
                }
                (3, Some(_)) => {
                    if dice.random_range(0..4_u64) == 0 {
                        ledger.begin(ORDER);
                        read = Some(rows.values().cloned().collect());
                    }
                    rows.remove(&key);
                    ledger.set(ORDER, key, None);
                }
                (4, _) => {
                    ledger.begin(ORDER);
                    read = Some(rows.values().cloned().collect());
                }
                (5, _) => {
                    if let Some(read) = read.take() {
                        let taken = ledger.end(ORDER, &read, &HashSet::new());
                        assert_eq!(taken, ledger.is_whole(ORDER), "seed {seed}");
                    }
                }
                (6, _) if dice.random_range(0..4_u64) == 0 => ledger.forget(ORDER),
                _ => {}
            }
            // Unfinished ones are known as soon as they are there.
            let (_, _, total) = sums(&rows, None);
            assert_eq!(ledger.total(), total, "seed {seed}");
            for link in LINKS.into_iter().filter(|_| ledger.is_whole(ORDER)) {
                let (order, by_link, _) = sums(&rows, link);
                assert_eq!(ledger.of(ORDER, link), (order, by_link), "seed {seed}");
            }
        }
    }
}

#[test]
fn what_is_not_committed_yet_takes_its_place_and_gives_it_back() {
    let mut ledger = Ledger::default();
    let bounds = Bounds {
        disk: Some(Disk {
            free: 100,
            floor: 60,
        }),
        ..wide()
    };
    let new = Entry::new(None, Some(30), Role::File);
    let id = |n| UploadId([n; 16]);
    ledger.enter(ORDER, id(1), new, &bounds).unwrap();
    let no = ledger.enter(ORDER, id(2), new, &bounds).unwrap_err();
    assert_eq!((no.bound, no.value, no.taken), (Bound::Floor, 60, 30));
    ledger.set(ORDER, id(1), None);
    ledger.enter(ORDER, id(2), new, &bounds).unwrap();
    // Removed before its creator noted that it is there: it stays gone.
    ledger.set(ORDER, id(2), None);
    ledger.confirm(ORDER, id(2));
    assert_eq!(ledger.total(), Total::default());
    assert!(ledger.books.is_empty() || ledger.books[&ORDER].entries.is_empty());
}

#[test]
fn a_file_of_unknown_length_takes_what_there_is_and_gives_back_what_it_does_not_use() {
    let mut ledger = Ledger::default();
    let bounds = Bounds {
        file: 100,
        unfinished: 150,
        ..wide()
    };
    let (a, b) = (UploadId([1; 16]), UploadId([2; 16]));
    for id in [a, b] {
        ledger
            .enter(ORDER, id, Entry::new(None, None, Role::File), &bounds)
            .unwrap();
    }
    assert_eq!(ledger.grow(ORDER, a, 0, 80, &bounds), (80, None));
    let (end, met) = ledger.grow(ORDER, b, 0, 80, &bounds);
    assert_eq!((end, met.unwrap().bound), (70, Bound::Unfinished));
    // What it holds it may use; its own end comes first.
    assert_eq!(ledger.grow(ORDER, a, 60, 20, &bounds), (80, None));
    let row = upload(1, None, None, 30);
    ledger.commit(&row, 80);
    assert_eq!(ledger.total().promised, 50 + 70);
    ledger.release(&row);
    assert_eq!(ledger.total().promised, 70);
    let (end, met) = ledger.grow(ORDER, b, 60, 80, &bounds);
    assert_eq!((end, met.unwrap().bound), (100, Bound::File));
}

#[test]
fn the_bytes_of_parts_become_those_of_their_file_and_return_if_there_is_none() {
    let mut ledger = Ledger::default();
    let (parts, file) = ([UploadId([1; 16]), UploadId([2; 16])], UploadId([3; 16]));
    ledger.begin(ORDER);
    assert!(ledger.end(ORDER, &[], &HashSet::new()));
    for part in parts {
        let part_of_60 = Entry::new(None, Some(60), Role::Part);
        ledger.enter(ORDER, part, part_of_60, &wide()).unwrap();
    }
    let of_order = |ledger: &Ledger| ledger.of(ORDER, None).0;
    let before = Use {
        files: 0,
        parts: 2,
        bytes: 120,
        open: 2,
        at_once: 0,
    };
    assert_eq!(of_order(&ledger), before);
    assert_eq!(ledger.claim(ORDER, &parts, true), parts);
    assert_eq!(ledger.claim(ORDER, &parts, true), []);
    let made = Entry::new(None, Some(120), Role::Final);
    ledger.enter(ORDER, file, made, &wide()).unwrap();
    assert_eq!(of_order(&ledger), Use { files: 1, ..before });
    assert_eq!(ledger.total().promised, 120);
    // A part that goes on stays the file's.
    let row = Upload {
        role: Role::Part,
        ..upload(1, None, Some(60), 50)
    };
    ledger.commit(&row, 0);
    assert_eq!(of_order(&ledger), Use { files: 1, ..before });
    ledger.set(ORDER, file, None);
    ledger.claim(ORDER, &parts, false);
    assert_eq!(of_order(&ledger), before);
}
