//! Going on while the server is out of order, as a patient client does, and holding it to its word:
//! it says when to come back, and keeps what it acknowledged.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Url;

use crate::door::Answer;
use crate::studio::PATIENCE;
use crate::tus::Place;

/// Asks again until the server is no longer out of order; it says so in words, and when to come.
///
/// # Errors
/// If it does not, or stays out of order.
pub async fn patiently<F: Future<Output = Result<Answer>>>(ask: impl Fn() -> F) -> Result<Answer> {
    let asking = async {
        loop {
            let answer = ask().await?;
            if answer.status != 503 {
                return anyhow::Ok(answer);
            }
            says_when(&answer)?;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.context("the server stays out of order")?
}

/// Checks that a server which is out of order says that nothing is lost, and when to come back.
///
/// # Errors
/// If it does not.
pub fn says_when(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 503, "{answer:?}");
    let again: u64 = answer.header("retry-after").parse()?;
    ensure!(again > 0, "{answer:?}");
    ensure!(
        answer.text().contains("nothing that was received is lost"),
        "{answer:?}"
    );
    Ok(())
}

/// Uploads a file as a client does that goes on after every failure; what was acknowledged to it
/// has to be there each time. The file's hash, as the server says it.
///
/// # Errors
/// If something acknowledged is gone, or the upload does not end.
pub async fn persist(place: &Place, upload: &Url, bytes: &Bytes, piece: usize) -> Result<String> {
    let mut acknowledged = 0;
    let sending = async {
        loop {
            let head = patiently(|| place.try_head(upload)).await?;
            let kept: usize = head.header("upload-offset").parse()?;
            ensure!(
                kept >= acknowledged,
                "{acknowledged} bytes were acknowledged, {kept} are there"
            );
            if kept == bytes.len() {
                return Ok(head.header("stemvault-hash").to_owned());
            }
            let body = bytes.slice(kept..bytes.len().min(kept + piece));
            let sent = kept + body.len();
            let answer = place.try_patch(upload, kept as u64, body).await?;
            if answer.status == 204 {
                acknowledged = sent;
            } else {
                says_when(&answer)?;
            }
        }
    };
    let sent = tokio::time::timeout(PATIENCE, sending).await;
    sent.context("the upload does not end")?
}
