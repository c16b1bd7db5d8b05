//! Senders of every dialect at once, some that take over from themselves and some that remove what they
//! are sending, and a server that is killed under them, again and again: by SIGKILL at any moment, or
//! right before one of its writes. In the second test the power goes with it, and the disk has what was
//! synced; in the third everything lies in buckets of an S3 server, which sometimes dies as well. What
//! was acknowledged stays, also that something is gone; every file arrives whole, a submit works, and
//! after the sweep nothing lies in the bucket that nothing names.
//!
//! Half a minute of each; `tests/torture --minutes 30 --seed 7` for more. A seed chooses the files,
//! the moments and the writes; how far a sender is by then, it cannot.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::disk::Disk;
use stemvault_tests::order::{Files, Job, b3, check_receipt, text};
use stemvault_tests::sender::{Dialect, Sender};
use stemvault_tests::studio::{PATIENCE, Setup, Stores, Studio};
use stemvault_tests::victim::{Fate, Victim, somebody_sends};
use tokio::task::JoinSet;

/// How long, in seconds, and of which seed, unless the environment says so.
const SECONDS: u64 = 30;
const SEED: u64 = 4;

/// Orders of one studio before the next.
const ROUNDS: usize = 6;
/// Bytes of a studio's disk; few of them are ever used.
const DISK: u64 = 4 << 30;

const BLOCK: usize = 4 << 20;
/// A file or part that is no longer, and says so at its start, is one block.
const SMALL: usize = 256 << 10;
const HEADER: usize = 44;
/// 24 bits, two channels.
const FRAME: usize = 6;

fn said(name: &str, default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(default), |text| Ok(text.parse()?))
}

/// A WAV of noise: no two blocks of it are the same.
fn wav(rng: &mut StdRng, frames: usize) -> Bytes {
    let samples = frames * FRAME;
    let mut file = vec![0; HEADER + samples];
    rng.fill_bytes(&mut file[HEADER..]);
    file[..4].copy_from_slice(b"RIFF");
    file[4..8].copy_from_slice(&(samples as u32 + 36).to_le_bytes());
    file[8..20].copy_from_slice(b"WAVEfmt \x10\0\0\0");
    file[20..24].copy_from_slice(b"\x01\0\x02\0");
    file[24..28].copy_from_slice(&48_000_u32.to_le_bytes());
    file[28..32].copy_from_slice(&(48_000 * FRAME as u32).to_le_bytes());
    file[32..36].copy_from_slice(b"\x06\0\x18\0");
    file[36..40].copy_from_slice(b"data");
    file[40..44].copy_from_slice(&(samples as u32).to_le_bytes());
    file.into()
}

/// Objects that are left of a file when nothing is left over.
fn objects(sender: &Sender) -> usize {
    let in_frames = |bytes: usize| 1 + (bytes - HEADER).div_ceil(BLOCK - BLOCK % FRAME);
    let file = |bytes: usize| if bytes <= SMALL { 1 } else { in_frames(bytes) };
    let length = sender.bytes.len();
    match sender.dialect {
        // They do not say their length when they begin.
        Dialect::Deferred | Dialect::Draft => in_frames(length),
        Dialect::Parts => {
            let third = length / 3;
            let last = length - 2 * third;
            file(third) + third.div_ceil(BLOCK) + last.div_ceil(BLOCK)
        }
        _ => file(length),
    }
}

/// One order: everybody sends, the server dies meanwhile.
struct Round {
    number: String,
    senders: Vec<Sender>,
    /// They begin something and never end it.
    quitters: Vec<Sender>,
    /// They remove what they send.
    removers: Vec<Sender>,
}

impl Round {
    async fn begin(studio: &Studio, fate: &mut Fate, nth: usize) -> Result<Self> {
        let number = format!("2026-{nth:04}");
        let job = Job::create(studio.door(), &number).await?;
        let link = job.link(json!({"scope": "upload"})).await?;
        let link = studio.door().url(&link)?.to_string();
        let (rng, unheard) = (&mut fate.rng, &fate.unheard);
        let mut sender = |path: Option<String>, dialect| {
            // Most are of a few blocks, some of less than one.
            let most = [30_000, 400_000, 1_600_000][rng.random_range(0..3)];
            let frames = rng.random_range(10_000..most);
            Sender {
                door: studio.door().clone(),
                number: number.clone(),
                link: link.clone(),
                path,
                bytes: wav(rng, frames),
                dialect,
                piece: rng.random_range(100_000..3_000_000),
                pace: Duration::from_millis(rng.random_range(0..20)),
                unheard: Arc::clone(unheard),
                under_way: None,
            }
        };
        let named = |dialect| Sender {
            // A rival is answered before its end, by itself.
            under_way: (dialect != Dialect::Rivals).then(|| Arc::clone(&fate.under_way)),
            ..sender(Some(format!("{dialect:?}.wav")), dialect)
        };
        let senders = Dialect::ALL.map(named).to_vec();
        let quitters = [Dialect::Pieces, Dialect::WithCreation].map(|it| sender(None, it));
        let remover = |name: &str| sender(Some(name.to_owned()), Dialect::Whole);
        let removers = ["one.wav", "two.wav"].map(remover);
        Ok(Self {
            number,
            senders,
            quitters: quitters.to_vec(),
            removers: removers.to_vec(),
        })
    }

    fn job<'a>(&'a self, studio: &'a Studio) -> Job<'a> {
        Job {
            door: studio.door(),
            number: &self.number,
        }
    }

    fn files(&self) -> Files {
        let file = |it: &Sender| Some((it.path.clone()?, it.bytes.clone()));
        self.senders.iter().filter_map(file).collect()
    }

    /// Everybody sends; in a mortal round the server dies meanwhile, and once when all are done.
    async fn send(&self, victim: &mut Victim, fate: &mut Fate, mortal: bool) -> Result<()> {
        let mut sending = JoinSet::new();
        for sender in &self.senders {
            let sender = sender.clone();
            sending.spawn(async move {
                let (url, hash) = sender.send().await?;
                ensure!(hash == b3(&sender.bytes), "{url}: the hash is {hash}");
                anyhow::Ok(())
            });
        }
        for quitter in &self.quitters {
            let quitter = quitter.clone();
            sending.spawn(async move { quitter.give_up().await });
        }
        for remover in &self.removers {
            let remover = remover.clone();
            sending.spawn(async move { remover.remove().await.context("removing") });
        }
        let mut deaths = 0;
        let patience = tokio::time::sleep(PATIENCE * 2);
        tokio::pin!(patience);
        // Enough for everybody to be somewhere else each time, and an end to it.
        while mortal && deaths < 6 {
            let life = Duration::from_millis(fate.rng.random_range(10..900));
            let (under_way, first) = (Arc::clone(&fate.under_way), deaths == 0);
            let over = async {
                tokio::time::sleep(life).await;
                if first {
                    // However slow the machine is, the first death meets somebody.
                    somebody_sends(&under_way).await;
                }
            };
            tokio::pin!(over);
            let all = loop {
                tokio::select! {
                    joined = sending.join_next() => match joined {
                        Some(joined) => joined??,
                        None => break true,
                    },
                    () = &mut over => break false,
                }
            };
            if all {
                break;
            }
            victim.die(fate)?;
            deaths += 1;
            // Every second one may die by itself, right before a write.
            let point = fate.rng.random_range(1..120_u32).to_string();
            let point = fate.rng.random_bool(0.5).then_some(&*point);
            victim.studio.set_env("STEMVAULT_CRASH_AT", point);
            if let Err(error) = victim.studio.restart().await {
                // Before it was seen to be ready.
                ensure!(point.is_some(), "{error:?}");
                victim.studio.set_env("STEMVAULT_CRASH_AT", None);
                victim.studio.restart().await?;
            }
        }
        if mortal {
            victim.die(fate)?;
            victim.studio.set_env("STEMVAULT_CRASH_AT", None);
            victim.studio.restart().await?;
        }
        loop {
            tokio::select! {
                joined = sending.join_next() => match joined {
                    Some(joined) => joined??,
                    None => return Ok(()),
                },
                () = &mut patience => bail!("some never end:\n{}", victim.studio.log()),
            }
        }
    }

    /// What everybody sent is there, and stays there through a submit.
    async fn submit(&self, victim: &mut Victim, fate: &mut Fate, mortal: bool) -> Result<()> {
        let files = self.files();
        if mortal {
            let job = self.number.clone();
            let door = victim.studio.door().clone();
            let submit = tokio::spawn(async move {
                let number = &*job;
                let door = &door;
                drop(Job { door, number }.submit().await);
            });
            tokio::time::sleep(Duration::from_millis(fate.rng.random_range(0..300))).await;
            victim.die(fate)?;
            submit.await?;
            victim.studio.restart().await?;
        }
        let studio = &victim.studio;
        let job = self.job(studio);
        let order = job.order().await?;
        let sealed = order["sessions"].as_array().and_then(|all| all.first());
        let session = match sealed {
            Some(sealed) => text(sealed, "session")?.to_owned(),
            None => text(&job.submit().await?, "session")?.to_owned(),
        };
        let path = format!("orders/{}/sessions/{session}", self.number);
        check_receipt(&studio.door().get(&path).await?, &files)?;
        job.compare(&session, &files).await
    }
}

/// Blocks, and whatever else lies where blocks lie.
fn working(studio: &Studio) -> Result<Vec<PathBuf>> {
    let mut found = bucket::objects(&studio.bucket().join("orders"))?;
    found.retain(|path| path.to_string_lossy().contains("/working/"));
    Ok(found)
}

/// Lets what nobody continues expire, sweeps, and looks: nothing may be left over, nothing missing.
/// How many objects were.
async fn sweep(studio: &Studio, expected: usize) -> Result<usize> {
    let door = studio.door();
    let before = working(studio)?.len();
    door.post("clock", json!({"advance": "15d"})).await?;
    let mut found = Vec::new();
    // What expires in one run is swept in the next at the latest.
    for _ in 0..3 {
        door.post("retention/run", json!({})).await?;
        found = working(studio)?;
        ensure!(
            found.len() >= expected,
            "{expected} blocks belong here, {} are left",
            found.len()
        );
        if found.len() == expected {
            return Ok(before.saturating_sub(expected));
        }
        door.post("clock", json!({"advance": "1d"})).await?;
    }
    let runs = door.get("runs").await?;
    bail!(
        "{expected} blocks belong here, there are {}: {found:#?}\n{runs}",
        found.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_every_dialect_outlive_the_server() -> Result<()> {
    torture(|| Ok(Some(Place::default()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_every_dialect_outlive_power_cuts() -> Result<()> {
    // Beside the build, which is on a disk; the usual place for such things may be memory.
    torture(|| {
        let disk = Disk::new(env!("CARGO_TARGET_TMPDIR").as_ref(), DISK)?;
        let on = |disk| Place {
            disk: Some(disk),
            stores: Stores::Files,
        };
        Ok(disk.map(on))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_every_dialect_outlive_the_server_over_buckets() -> Result<()> {
    torture(|| {
        Ok(Some(Place {
            disk: None,
            stores: Stores::S3,
        }))
    })
    .await
}

/// Where a studio's data lies.
#[derive(Default)]
struct Place {
    disk: Option<Disk>,
    stores: Stores,
}

/// Goes on until the time is over; `place` says where a studio's data lies, or that there is none.
async fn torture(place: impl Fn() -> Result<Option<Place>>) -> Result<()> {
    let seed = said("STEMVAULT_TORTURE_SEED", SEED)?;
    let span = Duration::from_secs(said("STEMVAULT_TORTURE_SECONDS", SECONDS)?);
    println!("seed {seed}, {span:?}");
    let mut fate = Fate::new(seed);
    let enough = tokio::spawn(tokio::time::sleep(span));
    let (mut files, mut swept) = (0, 0);
    let mut lives = 0;
    while lives < 1 || !enough.is_finished() {
        let Some(Place { disk, stores }) = place()? else {
            return Ok(());
        };
        let data_dir = disk.as_ref().map(|disk| disk.mount().join("data"));
        let studio = Studio::open(Setup {
            data_dir,
            stores,
            // Each lost answer may leave an upload that nobody goes on with.
            settings: "max_open = 1000\n".to_owned(),
            ..Setup::default()
        });
        let mut victim = Victim {
            studio: studio.await?,
            disk,
            in_buckets: stores == Stores::S3,
        };
        let mut expected = 0;
        // The first is undisturbed: what it leaves is what all others may leave.
        for nth in 0..ROUNDS {
            if nth >= 2 && enough.is_finished() {
                break;
            }
            let round = Round::begin(&victim.studio, &mut fate, nth).await?;
            let mortal = nth > 0;
            let told = || format!("seed {seed}, life {lives}, round {nth}");
            let sent = round.send(&mut victim, &mut fate, mortal).await;
            sent.with_context(told)?;
            let submitted = round.submit(&mut victim, &mut fate, mortal).await;
            submitted.with_context(told)?;
            expected += round.senders.iter().map(objects).sum::<usize>();
            swept += sweep(&victim.studio, expected).await.with_context(told)?;
            files += Dialect::ALL.len();
        }
        victim.studio.done().await?;
        lives += 1;
    }
    let unheard = fate.unheard.load(Ordering::Relaxed);
    let Fate {
        deaths, cut_off, ..
    } = fate;
    println!(
        "{deaths} deaths under {files} files, {cut_off} of them in the middle of a body: {unheard} answers lost, {swept} objects swept"
    );
    // Like with like: deaths while nobody sent, or under a submit, cost no sender an answer.
    ensure!(
        cut_off > 0 && unheard >= cut_off,
        "the server died in peace"
    );
    ensure!(swept > 0, "nothing was ever left over");
    Ok(())
}
