//! What the clock may do, and what is believed of it, over restarts.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::clock::SharedClock;
use crate::clock::{MovableClock, StoppedClock};
use crate::rebuild::tests::world::World;
use crate::vault::Vault;

fn clock() -> Arc<MovableClock> {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    Arc::new(MovableClock::new(Arc::new(StoppedClock::new(start))))
}

#[test]
fn time_that_passes_is_no_jump_and_a_jump_is_in_both_directions() {
    for (jump, jumped) in [
        (0, false),
        (59, false),
        (61, true),
        (-61, true),
        (2 * 365 * 24 * 60, true),
    ] {
        let clock = clock();
        let time = TrustedClock::new(Arc::clone(&clock) as SharedClock);
        clock.advance(Duration::from_secs(400 * 86400));
        let before = time.now();
        clock.jump(TimeDelta::minutes(jump));
        assert_eq!(time.doubt().is_some(), jumped, "{jump} minutes");
        let seen = if jumped { before } else { clock.now() };
        assert_eq!(time.now(), seen, "{jump} minutes");
        clock.advance(Duration::from_secs(60));
        assert_eq!(time.now(), seen + TimeDelta::minutes(1));
        assert_eq!(time.latest(), time.now().max(clock.now()));
        // The right time comes back by itself ...
        clock.jump(TimeDelta::minutes(-jump));
        assert_eq!(time.doubt(), None);
        clock.jump(TimeDelta::minutes(jump));
        // ... or somebody says that this is it.
        time.accept();
        assert_eq!(time.doubt(), None);
    }
}

/// What the next process believes, after the clock moved by so much while none was running.
async fn after(world: &World, moved: TimeDelta) -> Vault {
    world.clock.jump(moved);
    let vault = world.restarted();
    vault.timekeeper.recover_time().await.unwrap();
    vault
}

#[tokio::test]
async fn a_restart_accepts_no_jump_and_a_weekend_is_none() {
    for (moved, doubted) in [
        (TimeDelta::minutes(1), false),
        (TimeDelta::days(3), false),
        (TimeDelta::days(15), true),
        (TimeDelta::days(-2), true),
        (TimeDelta::days(3650), true),
    ] {
        let world = World::new().await;
        world.vault.timekeeper.keep_time().await.unwrap();
        let known = world.vault.core.clock().now();
        let vault = after(&world, moved).await;
        assert_eq!(vault.core.time().doubt().is_some(), doubted, "{moved}");
        if !doubted {
            continue;
        }
        assert_eq!(vault.core.clock().now(), known);
        vault.timekeeper.keep_time().await.unwrap();
        // And the next restart does not either, whatever time it takes.
        let vault = after(&world, TimeDelta::hours(2)).await;
        assert!(vault.core.time().doubt().is_some(), "{moved}");
        vault.timekeeper.accept_time().await.unwrap();
        assert_eq!(vault.core.time().doubt(), None);
        let vault = after(&world, TimeDelta::hours(2)).await;
        assert_eq!(
            vault.core.time().doubt(),
            None,
            "acceptance is a row: {moved}"
        );
    }
}

#[tokio::test]
async fn a_jump_of_a_day_that_was_seen_is_not_forgotten_by_a_restart() {
    let world = World::new().await;
    world.vault.timekeeper.keep_time().await.unwrap();
    world.clock.jump(TimeDelta::days(1));
    world.vault.timekeeper.keep_time().await.unwrap();
    let vault = after(&world, TimeDelta::zero()).await;
    assert!(
        vault.core.time().doubt().is_some(),
        "a restart within a weekend"
    );
    // Somebody sets it right while the server is down.
    let vault = after(&world, -TimeDelta::days(1)).await;
    assert_eq!(vault.core.time().doubt(), None);
}

#[tokio::test]
async fn without_a_row_the_newest_date_is_known() {
    let world = World::new().await;
    world.days(10);
    world.order("2026-0001").await;
    for (moved, doubted) in [(3, false), (30, true), (-60, true)] {
        let vault = after(&world, TimeDelta::days(moved)).await;
        assert_eq!(vault.core.time().doubt().is_some(), doubted, "{moved} days");
        world.clock.jump(-TimeDelta::days(moved));
    }
}

#[tokio::test]
async fn what_another_process_accepted_holds_where_the_clock_says_the_same() {
    let world = World::new().await;
    world.vault.timekeeper.keep_time().await.unwrap();
    world.clock.jump(TimeDelta::days(30));
    let other = world.restarted();
    other.timekeeper.recover_time().await.unwrap();
    assert!(world.vault.core.time().doubt().is_some());
    other.timekeeper.accept_time().await.unwrap();
    world.vault.timekeeper.keep_time().await.unwrap();
    assert_eq!(world.vault.core.time().doubt(), None);
}
