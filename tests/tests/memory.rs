//! What the server asks of the C library: that freed memory goes back to the system.

use anyhow::{Result, ensure};
use stemvault_tests::setup::Setup;
use stemvault_tests::studio::Studio;

/// What glibc read when the running server began.
fn environment(studio: &Studio) -> Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{}/environ", studio.pid()?))?;
    let words = String::from_utf8_lossy(&bytes);
    let words = words.split('\0').filter(|word| word.starts_with("MALLOC_"));
    let mut words: Vec<_> = words.map(str::to_owned).collect();
    words.sort();
    Ok(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn freed_memory_goes_back_unless_somebody_says_otherwise() -> Result<()> {
    let studio = Studio::start().await?;
    let set = environment(&studio)?;
    let ours = ["MALLOC_ARENA_MAX=2", "MALLOC_TRIM_THRESHOLD_=1048576"];
    ensure!(set == ours, "{set:?}");
    studio.done().await?;

    // Somebody has decided; and where glibc took the settings away again, once is enough.
    for (name, value, left) in [
        ("MALLOC_ARENA_MAX", "7", &["MALLOC_ARENA_MAX=7"][..]),
        ("STARTED_AGAIN", "1", &[]),
    ] {
        let studio = Studio::open(Setup {
            env: vec![(name.to_owned(), value.to_owned())],
            ..Setup::default()
        })
        .await?;
        let set = environment(&studio)?;
        ensure!(set == left, "{set:?}");
        studio.done().await?;
    }
    Ok(())
}
