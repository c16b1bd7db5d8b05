//! The upload page in Chromium, Firefox and WebKit, through TLS: from the folder to the receipt,
//! interrupted in every way that happens to musicians, by keyboard alone, behind a proxy that refuses
//! large requests.

use anyhow::{Context, Result, ensure};
use stemvault_tests::browser::{Engine, play};

async fn a_folder_becomes_a_receipt_comes_back_and_is_mended(engine: Engine) -> Result<()> {
    let played = play(engine, "folder").await?;
    ensure!(played.all("receipt").count() == 2);
    played.check_hashes()
}

async fn what_would_come_back_is_not_sent_unless_the_client_says_so(engine: Engine) -> Result<()> {
    play(engine, "refused").await.map(drop)
}

async fn the_page_goes_on_by_itself_after_a_crash_a_pause_and_an_outage(
    engine: Engine,
) -> Result<()> {
    play(engine, "shaken").await?.check_hashes()
}

async fn a_closed_page_goes_on_with_the_same_folder(engine: Engine) -> Result<()> {
    let played = play(engine, "closed").await?;
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

async fn a_killed_browser_has_copies_of_small_files(engine: Engine) -> Result<()> {
    play(engine, "copies").await?.check_hashes()
}

async fn copies_of_small_files_outlive_the_page_that_is_left(engine: Engine) -> Result<()> {
    play(engine, "left").await?.check_hashes()
}

async fn a_killed_browser_with_handles_goes_on_unasked(engine: Engine) -> Result<()> {
    play(engine, "handles").await.map(drop)
}

async fn requests_shrink_to_what_a_proxy_lets_through(engine: Engine) -> Result<()> {
    play(engine, "narrow").await.map(drop)
}

async fn a_proxy_that_takes_everything_at_once_does_not_make_the_page_lie(
    engine: Engine,
) -> Result<()> {
    play(engine, "buffered").await?.check_hashes()
}

async fn a_file_that_changes_while_it_is_sent_is_named_and_starts_again(
    engine: Engine,
) -> Result<()> {
    play(engine, "changed").await?.check_hashes()
}

async fn what_was_taken_back_is_gone_and_the_receipt_names_it(engine: Engine) -> Result<()> {
    play(engine, "taken").await.map(drop)
}

async fn a_mixture_of_two_files_is_found_by_its_bytes_and_sent_again(engine: Engine) -> Result<()> {
    play(engine, "mixed").await?.check_hashes()
}

async fn a_file_that_grows_or_shrinks_while_it_is_sent_arrives_as_it_is(
    engine: Engine,
) -> Result<()> {
    play(engine, "resized").await?.check_hashes()
}

async fn an_accepted_order_s_link_says_so_and_has_the_receipt(engine: Engine) -> Result<()> {
    play(engine, "accepted").await.map(drop)
}

async fn where_the_checks_cannot_be_asked_the_page_says_so_of_their_files_alone(
    engine: Engine,
) -> Result<()> {
    play(engine, "unchecked").await?.check_hashes()
}

async fn what_outlives_a_crash_and_a_reload_is_pulled_as_it_was(engine: Engine) -> Result<()> {
    play(engine, "through").await?.check_hashes()
}

async fn a_keyboard_is_enough(engine: Engine) -> Result<()> {
    play(engine, "keyboard").await.map(drop)
}

async fn it_fits_three_screens_and_can_be_read_aloud(engine: Engine) -> Result<()> {
    play(engine, "looks").await.map(drop)
}

async fn it_speaks_french_where_the_browser_does(engine: Engine) -> Result<()> {
    play(engine, "french").await.map(drop)
}

/// A test of each scene in an engine.
macro_rules! scenes {
    ($name:ident, $engine:ident: $($(#[$how:meta])* $scene:ident,)*) => {
        mod $name {
            use stemvault_tests::browser::Engine;
            $(
                $(#[$how])*
                #[tokio::test(flavor = "multi_thread")]
                async fn $scene() -> anyhow::Result<()> {
                    super::$scene(Engine::$engine).await
                }
            )*
        }
    };
}

scenes!(chromium, Chromium:
    a_folder_becomes_a_receipt_comes_back_and_is_mended,
    what_would_come_back_is_not_sent_unless_the_client_says_so,
    the_page_goes_on_by_itself_after_a_crash_a_pause_and_an_outage,
    a_closed_page_goes_on_with_the_same_folder,
    a_killed_browser_has_copies_of_small_files,
    copies_of_small_files_outlive_the_page_that_is_left,
    a_killed_browser_with_handles_goes_on_unasked,
    requests_shrink_to_what_a_proxy_lets_through,
    a_proxy_that_takes_everything_at_once_does_not_make_the_page_lie,
    a_file_that_changes_while_it_is_sent_is_named_and_starts_again,
    what_was_taken_back_is_gone_and_the_receipt_names_it,
    a_mixture_of_two_files_is_found_by_its_bytes_and_sent_again,
    a_file_that_grows_or_shrinks_while_it_is_sent_arrives_as_it_is,
    an_accepted_order_s_link_says_so_and_has_the_receipt,
    where_the_checks_cannot_be_asked_the_page_says_so_of_their_files_alone,
    a_keyboard_is_enough,
    it_fits_three_screens_and_can_be_read_aloud,
    it_speaks_french_where_the_browser_does,
);

scenes!(firefox, Firefox:
    a_folder_becomes_a_receipt_comes_back_and_is_mended,
    what_would_come_back_is_not_sent_unless_the_client_says_so,
    the_page_goes_on_by_itself_after_a_crash_a_pause_and_an_outage,
    a_closed_page_goes_on_with_the_same_folder,
    a_killed_browser_has_copies_of_small_files,
    copies_of_small_files_outlive_the_page_that_is_left,
    a_killed_browser_with_handles_goes_on_unasked,
    requests_shrink_to_what_a_proxy_lets_through,
    a_proxy_that_takes_everything_at_once_does_not_make_the_page_lie,
    what_was_taken_back_is_gone_and_the_receipt_names_it,
    a_mixture_of_two_files_is_found_by_its_bytes_and_sent_again,
    a_file_that_grows_or_shrinks_while_it_is_sent_arrives_as_it_is,
    an_accepted_order_s_link_says_so_and_has_the_receipt,
    where_the_checks_cannot_be_asked_the_page_says_so_of_their_files_alone,
    a_keyboard_is_enough,
    it_fits_three_screens_and_can_be_read_aloud,
);

scenes!(webkit, WebKit:
    what_outlives_a_crash_and_a_reload_is_pulled_as_it_was,
    a_killed_browser_has_copies_of_small_files,
    copies_of_small_files_outlive_the_page_that_is_left,
    a_mixture_of_two_files_is_found_by_its_bytes_and_sent_again,
);
