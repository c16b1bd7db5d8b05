//! kill -9, at any moment of opening, making and writing a catalog: no acknowledged commit is
//! missing afterwards, none is there in part, and it opens.

mod victim;

use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use victim::{Acknowledged, Victim, check};

#[test]
#[ignore = "the program that the other tests kill"]
fn victim() {
    victim::serve(victim::write);
}

#[tokio::test]
async fn killed_while_writing_and_while_opening() {
    let mut random = StdRng::seed_from_u64(9);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog");
    let mut held = Acknowledged::new();
    let mut killed_at_open = 0;
    for round in 0..40 {
        let mut victim = Victim::start("victim", &path);
        victim.acknowledged.clone_from(&held);
        if round % 2 == 0 {
            victim.wait_for(random.random_range(1..400));
        } else {
            // Not to wait for anything: this is the moment at which it dies.
            sleep(Duration::from_micros(
                random.random_range(0..=3000 * (round - 1)),
            ));
        }
        victim.kill();
        killed_at_open += u32::from(!victim.opened);
        assert_eq!(victim.failure, None);
        held = check(&path, &victim.acknowledged).await;
    }
    println!("killed {killed_at_open} times while it opened; {held:?} commits are there");
    assert!(killed_at_open > 0 && held.values().sum::<u32>() > 1000);
}

#[tokio::test]
async fn killed_while_it_is_made() {
    let mut random = StdRng::seed_from_u64(10);
    let mut unmade = 0;
    for round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/catalog");
        let mut victim = Victim::start("victim", &path);
        sleep(Duration::from_micros(random.random_range(0..=3000 * round)));
        victim.kill();
        unmade += u32::from(!path.join("sled").exists());
        check(&path, &victim.acknowledged).await;
    }
    println!("killed {unmade} times before it was made");
    assert!(unmade > 0);
}
