//! Senders who get in their own way: one takes over from a request of its own that still runs, one
//! removes what it is still sending.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;

use super::{Heard, Sender, Told};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

impl Sender {
    /// Sends all that is missing, and in the middle of it asks where it stands and sends the rest
    /// again from there, as a client does that takes its own connection for dead.
    pub(super) async fn overtake(&self, told: &mut Told) -> Result<()> {
        let url = told.url.clone().context("it was created")?;
        let begun = told.offset;
        let later = async {
            tokio::time::sleep(self.pace * 5 + Duration::from_millis(1)).await;
            let Some(head) = self.head(&url).await? else {
                return anyhow::Ok(None);
            };
            let offset: u64 = head.header("upload-offset").parse()?;
            ensure!(offset >= begun, "{begun} bytes were there, {offset} are");
            let heard = self.rest(&url, offset).await?;
            Ok(heard.or(Some(offset)))
        };
        let (first, second) = tokio::try_join!(self.rest(&url, begun), later)?;
        // Both may have been told something, and neither may be taken back.
        let acknowledged = first.into_iter().chain(second).max();
        told.offset = told.offset.max(acknowledged.unwrap_or(0));
        Ok(())
    }

    /// One PATCH for all from `offset` on; the offset that was acknowledged.
    async fn rest(&self, url: &str, offset: u64) -> Result<Option<u64>> {
        let from = usize::try_from(offset)?;
        ensure!(from <= self.bytes.len(), "{offset} bytes are too many");
        let offset = offset.to_string();
        let headers = [
            TUS,
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", &offset),
        ];
        let body = Some(self.bytes.slice(from..));
        let Heard::Answer(answer) = self.hear(Method::PATCH, url, &headers, body).await? else {
            return Ok(None);
        };
        // 409: the other one took over. 404: it was removed meanwhile.
        ensure!(matches!(answer.status, 204 | 404 | 409), "sent: {answer:?}");
        Ok(answer.header("upload-offset").parse().ok())
    }

    /// Begins, and removes it while it is being sent. Once that was acknowledged it stays gone.
    ///
    /// # Errors
    /// If it does not.
    pub async fn remove(&self) -> Result<()> {
        let mut told = Told::default();
        while told.url.is_none() {
            self.create(&mut told, None).await?;
        }
        let url = told.url.context("it was created")?;
        let removing = async {
            tokio::time::sleep(self.pace * 5 + Duration::from_millis(1)).await;
            // One that nobody answered may have been carried out.
            let mut unheard = false;
            loop {
                match self.hear(Method::DELETE, &url, &[TUS], None).await? {
                    Heard::Nothing => unheard = true,
                    Heard::Answer(answer) if answer.status == 204 => break,
                    Heard::Answer(answer) => {
                        ensure!(unheard && answer.status == 404, "removed: {answer:?}");
                        break;
                    }
                }
            }
            loop {
                if let Heard::Answer(head) = self.hear(Method::HEAD, &url, &[TUS], None).await? {
                    ensure!(head.status == 404, "removed, and there: {head:?}");
                    return anyhow::Ok(());
                }
            }
        };
        tokio::try_join!(self.rest(&url, 0), removing)?;
        Ok(())
    }
}
