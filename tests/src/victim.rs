//! A server that is killed again and again while others send, and what that costs them: like is
//! compared with like, since a death at which nobody sends costs no sender an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::disk::Disk;
use crate::studio::Studio;

/// A studio that is killed, and the disk under it, if that loses its power.
#[derive(Debug)]
pub struct Victim {
    /// The studio.
    pub studio: Studio,
    /// Its disk, where the power is cut as well.
    pub disk: Option<Disk>,
    /// Whether its bytes lie in an S3 server's buckets, which dies sometimes.
    pub in_buckets: bool,
}

impl Victim {
    /// Kills it, and whatever dies with it.
    ///
    /// # Errors
    /// If it does not die, or the disk cannot be cut off.
    pub fn die(&mut self, fate: &mut Fate) -> Result<()> {
        // Looked at while it stands still: nothing is answered between the look and the death.
        let alive = tokio::task::block_in_place(|| self.studio.server()?.freeze())?;
        if alive && fate.under_way.load(Ordering::SeqCst) > 0 {
            fate.cut_off += 1;
        }
        fate.deaths += 1;
        self.studio.kill9()?;
        if self.in_buckets && fate.rng.random_bool(0.3) {
            let s3 = self.studio.s3()?;
            s3.stop()?;
            s3.go_on()?;
        }
        self.disk.as_mut().map_or(Ok(()), Disk::cut_power)
    }
}

/// What a seed decides, how often the server died of it, and what that cost its clients.
#[derive(Debug)]
pub struct Fate {
    /// Everything that is left to chance.
    pub rng: StdRng,
    /// How often it died.
    pub deaths: usize,
    /// Deaths at which a body was under way: each costs an answer.
    pub cut_off: usize,
    /// Answers that never came.
    pub unheard: Arc<AtomicUsize>,
    /// Bodies under way of those who do nothing but send.
    pub under_way: Arc<AtomicUsize>,
}

impl Fate {
    /// Nobody has died yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            deaths: 0,
            cut_off: 0,
            unheard: Arc::default(),
            under_way: Arc::default(),
        }
    }
}

/// Until a body is under way.
pub async fn somebody_sends(under_way: &AtomicUsize) {
    while under_way.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
