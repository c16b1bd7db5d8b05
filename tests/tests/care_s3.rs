//! Looking after an archive on a real S3 server: mended from the other tier and from a mirror in two more
//! buckets, its master key changed, its catalog made anew.

use anyhow::{Context, Result, ensure};
use stemvault_tests::bucket;
use stemvault_tests::care::{blocks, mirror_settings, run, spoil, status};
use stemvault_tests::order::{Job, advance, small_files};
use stemvault_tests::s3::S3;
use stemvault_tests::studio::{Setup, Stores, Studio};

const NUMBER: &str = "2026-0117";

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_on_s3_is_mended_rewrapped_mirrored_and_rebuilt() -> Result<()> {
    let home = tempfile::tempdir()?;
    let second = S3::start(&["second", "second-keys"])?;
    let settings = mirror_settings((&second, "second"), (&second, "second-keys"), home.path())?;
    let mut studio = Studio::closed(Setup {
        stores: Stores::S3,
        ..Setup::default()
    })?;
    // Its settings have a table of stores already.
    let own = std::fs::read_to_string(studio.config())?;
    let (places, options) = settings.split_at(settings.find("[stores.").context("options")?);
    let both = own.replacen("[stores]\n", places, 1) + options;
    std::fs::write(studio.config(), both)?;
    studio.restart().await?;
    let files = small_files()?;
    let door = studio.door().clone();
    let job = Job::create(&door, NUMBER).await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;

    // One is another, one is gone: the other tier has both.
    for tier in ["archive", "working"] {
        let all = blocks(&studio, tier)?;
        spoil(&all[..1])?;
        std::fs::remove_file(&all[1])?;
        let told = studio.cli(&["scrub"])?.ok()?;
        ensure!(told.contains("2 flaws mended, 0 left"), "{told}");
    }

    studio.cli(&["keys", "rotate"])?.ok()?;
    advance(&door, "3m").await?;
    studio.cli(&["keys", "retire"])?.ok()?;
    let keys = door.get("keys").await?;
    ensure!(
        keys["problems"].as_array().is_some_and(Vec::is_empty),
        "{keys}"
    );

    studio.cli(&["mirror"])?.ok()?;
    let (colour, says) = status(&door, "mirror").await?;
    ensure!(colour == "green", "{says}");
    let orders = |folder: std::path::PathBuf| bucket::shapes(&folder.join("orders"));
    ensure!(orders(second.folder("second"))? == orders(studio.bucket())?);
    ensure!(orders(second.folder("second-keys"))? == orders(studio.keys())?);

    // Bad in both tiers, and the key as well: the mirror has all of it.
    spoil(&blocks(&studio, "working")?)?;
    spoil(&blocks(&studio, "archive")?)?;
    spoil(&bucket::objects(&studio.keys().join("orders"))?)?;
    let told = studio.cli(&["scrub"])?.ok()?;
    ensure!(told.contains("from the mirror"), "{told}");
    ensure!(told.contains("0 left"), "{told}");
    studio.cli(&["prove", "--whole"])?.ok()?;

    studio.stop()?;
    let mut rebuild = studio.command(&["rebuild", "--replace", "--config"]);
    rebuild.arg(studio.config());
    // It waits for late writes of others, and there are none.
    rebuild.env("STEMVAULT_HURRY", "20");
    let rebuilt = tokio::task::block_in_place(|| rebuild.output())?;
    ensure!(rebuilt.status.success(), "{rebuilt:?}");
    studio.restart().await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    ensure!(job.stage().await? == "archived");
    job.compare(&session, &files).await?;
    // It is the same installation: the mirror is still its own.
    let told = run(studio.door(), "mirror").await?;
    ensure!(told["outcome"] == "done", "{told}");
    studio.done().await
}
