//! The upload page in Chromium, through TLS: from the folder to the receipt, interrupted in every
//! way that happens to musicians, by keyboard alone, behind a proxy that refuses large requests.

use anyhow::{Context, Result, ensure};
use stemvault_tests::browser::play;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_becomes_a_receipt_comes_back_and_is_mended() -> Result<()> {
    let played = play("folder").await?;
    ensure!(played.all("receipt").count() == 2);
    played.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_come_back_is_not_sent_unless_the_client_says_so() -> Result<()> {
    play("refused").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_on_by_itself_after_a_crash_a_pause_and_an_outage() -> Result<()> {
    play("shaken").await?.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_page_goes_on_with_the_same_folder() -> Result<()> {
    let played = play("closed").await?;
    played.check_hashes()?;
    let resumed = played.last("resumed")?;
    let number = |key: &str| resumed[key].as_u64().context("a number");
    let (kept, sent) = (number("kept")?, number("sent")?);
    let all: u64 = played.files.values().map(|bytes| bytes.len() as u64).sum();
    ensure!(kept > 0, "nothing had arrived when the page was closed");
    // What was under way when the page closed may have arrived after the list was read.
    ensure!(
        kept + sent <= all,
        "{kept} of {all} bytes were there, and {sent} were sent"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_browser_has_copies_of_small_files() -> Result<()> {
    play("copies").await?.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_browser_with_handles_goes_on_unasked() -> Result<()> {
    play("handles").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_shrink_to_what_a_proxy_lets_through() -> Result<()> {
    play("narrow").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_takes_everything_at_once_does_not_make_the_page_lie() -> Result<()> {
    play("buffered").await?.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_sent_is_named_and_starts_again() -> Result<()> {
    play("changed").await?.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_checks_cannot_be_asked_the_page_says_so_of_their_files_alone() -> Result<()> {
    play("unchecked").await?.check_hashes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() -> Result<()> {
    play("keyboard").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_fits_three_screens_and_can_be_read_aloud() -> Result<()> {
    play("looks").await.map(drop)
}
