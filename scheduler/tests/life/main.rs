//! A seeded simulation of an order's life: a random workload on two nodes over in-memory stores,
//! with faults, against a naive model of what outsiders were told (`told.rs` has the invariants).
//!
//! A seed is a run, always the same one. `STEMVAULT_SEED=k` runs one of them and tells its story,
//! `STEMVAULT_SEEDS=n` runs the first n.

mod audit;
mod catalog;
mod chance;
mod joining;
mod late;
mod material;
mod names;
mod node;
mod office;
mod rest;
mod run;
mod sending;
mod store;
mod told;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use run::{Outcome, run, steps};

/// Runs by default: about half a minute on two cores.
const RUNS: u64 = 300;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

#[test]
fn an_orders_life_keeps_its_promises() {
    if let Some(seed) = number("STEMVAULT_SEED") {
        let outcome = run(seed, &steps(seed));
        println!("{}", outcome.log.join("\n"));
        report(seed, outcome);
        return;
    }
    let runs = number("STEMVAULT_SEEDS").unwrap_or(RUNS);
    let (next, first) = (AtomicU64::new(0), Mutex::new(None::<u64>));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs || first.lock().unwrap().is_some_and(|first| first < seed) {
                return;
            }
            if run(seed, &steps(seed)).broken.is_some() {
                let mut first = first.lock().unwrap();
                *first = Some(first.map_or(seed, |first| first.min(seed)));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if let Some(seed) = first.into_inner().unwrap() {
        report(seed, run(seed, &steps(seed)));
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..4 {
        let [first, again] = [(); 2].map(|()| run(seed, &steps(seed)));
        let differs = first.log.iter().zip(&again.log).find(|(a, b)| a != b);
        assert_eq!(first.log.len(), again.log.len(), "seed {seed}: {differs:?}");
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(
            (first.trace, first.calls),
            (again.trace, again.calls),
            "seed {seed}"
        );
    }
}

/// Panics with the shortest story that breaks the same promise, if one was broken.
fn report(seed: u64, outcome: Outcome) {
    let Some(broken) = &outcome.broken else {
        return;
    };
    let (left, shortest) = shrink(seed, broken);
    let shortest = shortest.unwrap_or(outcome);
    panic!(
        "seed {seed} breaks a promise: {}\n{}\n(the shortest of its runs that do: {left} steps)",
        shortest.broken.as_deref().unwrap_or_default(),
        shortest.log.join("\n")
    );
}

/// Leaves out steps as long as the run still breaks the same promise.
fn shrink(seed: u64, broken: &str) -> (usize, Option<Outcome>) {
    let promise = |why: &str| why.chars().take(20).collect::<String>();
    let (mut left, mut shortest) = (steps(seed), None);
    let mut part = left.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < left.len() {
            let mut fewer = left.clone();
            fewer.drain(at..left.len().min(at + part));
            let outcome = run(seed, &fewer);
            if outcome
                .broken
                .as_deref()
                .is_some_and(|why| promise(why) == promise(broken))
            {
                (left, shortest) = (fewer, Some(outcome));
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    (left.len(), shortest)
}
