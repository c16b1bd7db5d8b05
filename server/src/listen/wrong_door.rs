//! Plain HTTP at an address that speaks HTTPS: a short answer that says which address is meant,
//! instead of a broken handshake. Nothing of the request is acted on.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

/// The first byte of every TLS connection: a handshake record.
pub(super) const HANDSHAKE: u8 = 22;

/// The longest head that is looked at.
const HEAD_MAX: usize = 8 << 10;

/// What more the client sends is thrown away for so long, up to so much: whoever is cut off while
/// it sends does not read our answer.
const FAREWELL: Duration = Duration::from_secs(1);
const UNREAD_MAX: usize = 64 << 10;

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct Reached {
    /// What links begin with.
    pub url: Url,
    /// Whether the settings say so; otherwise the client's own word for this host is as good.
    pub is_set: bool,
}

/// Answers whoever spoke HTTP.
pub(super) async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reached: &Reached,
) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !is_whole(&head) && head.len() < HEAD_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let Some(answer) = told(&head, reached) else {
        anyhow::bail!("neither TLS nor HTTP");
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let rest = async {
        let mut unread = vec![0; 4 << 10];
        let mut left = UNREAD_MAX;
        while left > 0 {
            match stream.read(&mut unread).await {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
    Ok(())
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// The answer to a request in plain HTTP; none to what is no request.
fn told(head: &[u8], reached: &Reached) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !version.starts_with("HTTP/") {
        return None;
    }
    let host = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let is = name.eq_ignore_ascii_case("host") && !value.is_empty();
        (is && value.bytes().all(sound)).then_some(value)
    });
    let own = reached.url.origin().ascii_serialization();
    let base = match host.filter(|_| !reached.is_set) {
        Some(host) => format!("https://{host}"),
        None => own,
    };
    let plain = target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let path = if target.starts_with('/') && plain {
        target
    } else {
        "/"
    };
    let address = format!("{base}{path}");
    let body = format!("this address speaks https only: use {address}\n");
    Some(format!(
        "HTTP/1.1 308 Permanent Redirect\r\nLocation: {address}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{}",
        body.len(),
        if method == "HEAD" { "" } else { &body },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(head: &str, is_set: bool) -> String {
        let url = "https://upload.example/vault/".parse().unwrap();
        told(head.as_bytes(), &Reached { url, is_set }).unwrap_or_default()
    }

    #[test]
    fn who_speaks_http_is_told_the_address() {
        let head = "GET /u/abc?plain HTTP/1.1\r\nhost: studio:8443\r\n\r\n";
        let meant = said(head, false);
        assert!(meant.starts_with("HTTP/1.1 308 "), "{meant}");
        assert!(meant.contains("\r\nLocation: https://studio:8443/u/abc?plain\r\n"));
        assert!(meant.ends_with("use https://studio:8443/u/abc?plain\n"));
        assert!(said(head, true).contains("Location: https://upload.example/u/abc?plain\r\n"));
        let bare = said("HEAD / HTTP/1.0\r\n\r\n", false);
        assert!(
            bare.contains("Location: https://upload.example/\r\n") && bare.ends_with("\r\n\r\n")
        );
    }

    #[test]
    fn nothing_that_a_client_says_gets_into_a_header_of_its_own() {
        for odd in [
            "GET http://x/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\x7f HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: \r\n\r\n",
        ] {
            let meant = said(odd, false);
            let location = meant.lines().find(|line| line.starts_with("Location"));
            let location = location.unwrap();
            assert!(
                location.ends_with("a/") || location.ends_with("example/"),
                "{location}"
            );
        }
        for none in [
            "",
            "\r\n",
            "hello",
            "SSH-2.0-OpenSSH_9.6\r\n",
            "get / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(said(none, false), "", "{none:?}");
        }
    }
}
