//! Proxies that let half of HTTP through, prefixes, bodies that are asked for only when they are
//! wanted, and the way down.

use std::time::Duration;

use axum::body::{Body, Bytes};
use stemvault_storage::audit::What;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::line::{Client, Http, Line, PATIENCE};
use crate::studio::{OCTETS, Studio, b3, noise, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";
#[tokio::test]
async fn a_location_is_relative_whatever_a_proxy_says() {
    let studio = Studio::new().await;
    let said: [&[&str]; 5] = [
        &["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http"],
        &["X-Forwarded-Proto: javascript"],
        &["X-Forwarded-Host: a, b", "X-Forwarded-Proto: https, http"],
        &["Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43;host=\"evil.example:80\""],
        &[
            "Host: evil.example",
            "X-Forwarded-Prefix: /evil",
            "X-Forwarded-Port: 81",
        ],
    ];
    for more in said {
        let created = studio
            .post("a.bin", 3, more, Body::empty())
            .await
            .expect(201);
        let expected = format!("/u/{}/", studio.link);
        let location = created.header("location");
        assert!(location.starts_with(&expected), "{more:?}: {location}");
        studio.head(location).await.expect(200);
    }
}

#[tokio::test]
async fn the_method_may_be_said_in_a_header() {
    let studio = Studio::new().await;
    let file = noise(1, 70_000);
    for (patch, head, delete) in [
        ("PATCH", "HEAD", "DELETE"),
        ("patch", "head", "delete"),
        ("Patch", "heaD", " Delete "),
    ] {
        let at = studio.create("a.bin", file.len() as u64).await;
        let meant = async |method: &str, more: &[&str], body: Body| {
            let over = format!("X-HTTP-Method-Override: {method}");
            let mut headers = vec![TUS, &over];
            headers.extend(more);
            studio.ask("POST", &format!("{at}/"), &headers, body).await
        };
        let more = [OCTETS, "Upload-Offset: 0"];
        meant(patch, &more, whole(&file[..40_000]))
            .await
            .expect(204);
        assert_eq!(
            meant(head, &[], Body::empty()).await.expect(200).offset(),
            40_000
        );
        let more = [OCTETS, "Upload-Offset: 40000"];
        let done = meant(patch, &more, whole(&file[40_000..]))
            .await
            .expect(204);
        assert_eq!(done.header("stemvault-hash"), b3(&file));
        // Only POST is one that a proxy would have let through.
        let over = "X-HTTP-Method-Override: DELETE";
        studio
            .ask("GET", &at, &[TUS, over], Body::empty())
            .await
            .expect(405);
        meant(delete, &[], Body::empty()).await.expect(204);
        meant(head, &[], Body::empty()).await.expect(404);
    }
}

#[tokio::test]
async fn with_and_without_the_prefix_everything_is_there() {
    let studio = Studio::with(|settings, _| {
        let url = "https://studio.example/tools/vault/".parse().unwrap();
        settings.server.public_url = Some(url);
    })
    .await;
    let file = noise(2, 100_000);
    let length = format!("Upload-Length: {}", file.len());
    let metadata = "Upload-Metadata: filename YS5iaW4=";
    for before in ["", "/tools/vault"] {
        for after in ["", "/"] {
            let at = format!("{before}/u/{}{after}", studio.link);
            let headers = [TUS, &length, metadata];
            let created = studio
                .ask("POST", &at, &headers, Body::empty())
                .await
                .expect(201);
            // A client sees the whole path, whoever takes the prefix off on the way.
            let location = created.header("location").to_owned();
            assert!(location.starts_with("/tools/vault/u/"), "{location}");
            let inner = location.strip_prefix("/tools/vault").unwrap();
            let at = format!("{before}{inner}");
            studio.patch(&at, 0, None, whole(&file)).await.expect(204);
            let there = studio.head(&format!("{at}{after}")).await.expect(200);
            assert_eq!(there.header("stemvault-hash"), b3(&file));
            studio
                .ask("DELETE", &at, &[TUS], Body::empty())
                .await
                .expect(204);
        }
        studio
            .get(&format!("{before}/healthz"), &[])
            .await
            .expect(200);
        let page = format!("{before}/u/{}", studio.link);
        let page = studio.get(&page, &["Accept: text/html"]).await.expect(200);
        let address = format!("https://studio.example/tools/vault/u/{}", studio.link);
        let shown = page.text().replace("<wbr>", "");
        assert!(shown.contains(&address), "{}", page.text());
    }
    studio.get("/tools/vaults/healthz", &[]).await.expect(404);
    studio
        .get("/tools/vault/tools/vault/healthz", &[])
        .await
        .expect(404);
    studio.get("/tools/vault", &[]).await.expect(404);
}

/// Sends a head and reads up to the end of the next one.
async fn said(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let read = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        seen.push(read.expect("an answer").unwrap());
    }
    String::from_utf8(seen)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_refused_body_is_never_asked_for() {
    let studio = Studio::with(|settings, limits| {
        settings.uploads.max_file = 1000;
        limits.max_file = 1000;
    })
    .await;
    let line = Line::open(&studio).await;
    let at = studio.create("a.bin", 10).await;
    let link = format!("/u/{}", studio.link);
    let gone = studio.create("b.bin", 10).await;
    studio
        .ask("DELETE", &gone, &[TUS], Body::empty())
        .await
        .expect(204);
    let metadata = "Upload-Metadata: filename YS5iaW4=";
    let long = "Upload-Length: 1001";
    let ten = "Upload-Length: 10";
    let path = "Upload-Metadata: filename Li4vYS5iaW4=";
    let over = "X-HTTP-Method-Override: PATCH";
    let (offset, wrong) = ("Upload-Offset: 0", "Upload-Offset: 5");
    let text = "Content-Type: text/plain";
    let refused: [(u16, &str, &str, &[&str]); 10] = [
        (401, "POST", "/files/", &[TUS, OCTETS, ten, metadata]),
        (404, "POST", "/u/nothing", &[TUS, OCTETS, ten, metadata]),
        (413, "POST", &link, &[TUS, OCTETS, long, metadata]),
        (400, "POST", &link, &[TUS, OCTETS, ten, path]),
        (412, "POST", &link, &[OCTETS, ten, metadata]),
        (409, "PATCH", &at, &[TUS, OCTETS, wrong]),
        (409, "POST", &at, &[TUS, OCTETS, wrong, over]),
        (404, "PATCH", &gone, &[TUS, OCTETS, offset]),
        (415, "PATCH", &at, &[TUS, text, offset]),
        (412, "PATCH", &at, &[OCTETS, offset]),
    ];
    for (status, method, path, headers) in refused {
        let head = |bytes: &str| {
            let headers = headers.join("\r\n");
            format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{bytes}\r\n{headers}\r\n\r\n"
            )
        };
        for bytes in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
            let mut stream = line.one().await;
            let told = said(&mut stream, &head(bytes)).await;
            assert!(
                told.starts_with(&format!("HTTP/1.1 {status}")),
                "{method} {path}: {told}"
            );
        }
    }
    // And one that is wanted is.
    let head = format!(
        "PATCH {at} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{TUS}\r\n{OCTETS}\r\n{offset}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut stream = line.one().await;
    assert_eq!(said(&mut stream, &head).await, "HTTP/1.1 100 Continue");
    let body = "4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n";
    assert_eq!(said(&mut stream, body).await, "HTTP/1.1 204 No Content");
    let there = studio.head(&at).await.expect(200);
    assert_eq!(there.header("stemvault-hash"), b3(b"abcdefghij"));
}

#[tokio::test]
async fn plain_http_is_spoken_where_it_was_asked_for() {
    let studio = Studio::new().await;
    let line = Line::open(&studio).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut plain = TcpStream::connect(line.plain).await.unwrap();
    assert_eq!(said(&mut plain, get).await, "HTTP/1.1 200 OK");
    // Where it was not, all that is said is which address was meant, and then no more.
    let mut refused = TcpStream::connect(line.address).await.unwrap();
    refused.write_all(get.as_bytes()).await.unwrap();
    let mut told = String::new();
    let read = tokio::time::timeout(PATIENCE, refused.read_to_string(&mut told)).await;
    read.unwrap().unwrap();
    let told: Vec<_> = told.lines().collect();
    assert_eq!(told[0], "HTTP/1.1 308 Permanent Redirect");
    assert!(told.contains(&"Location: https://x/healthz"), "{told:?}");
    let meant = "this address speaks https only: use https://x/healthz";
    assert_eq!(told.last(), Some(&meant));
}

/// While one answer is under way nobody else is left without a word.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_way_down_everybody_is_told() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_secs(3600);
    })
    .await;
    let line = Line::open(&studio).await;
    let file = noise(4, 3 << 20);
    let announced = format!("Content-Length: {}", file.len() + 1);
    let mut under_way = Vec::new();
    for http in [Http::One, Http::Two] {
        let at = studio
            .create(&format!("{http:?}.bin"), file.len() as u64 + 1)
            .await;
        let patch = [
            &format!("PATCH {at}"),
            TUS,
            OCTETS,
            "Upload-Offset: 0",
            &announced,
        ];
        under_way.push((at, Client::begin(&line, http, &patch, &file).await));
    }
    // A request that goes on: its head was taken, its body has not come.
    let mut slow = line.one().await;
    let submit = format!(
        "POST /u/{}/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        studio.link
    );
    assert_eq!(said(&mut slow, &submit).await, "HTTP/1.1 100 Continue");
    let (two, _driving) = line.two().await;

    studio.ending.send_replace(true);
    for (at, client) in under_way {
        let (sender, driving) = match &client {
            Client::Two { sender, .. } => (Some(sender.clone()), true),
            Client::One(_) => (None, false),
        };
        let told = tokio::time::timeout(PATIENCE, client.answer())
            .await
            .unwrap()
            .expect(503);
        assert_eq!(told.header("retry-after"), "1", "{at}");
        let kept = told.offset();
        let id = at.rsplit('/').next().unwrap().parse().unwrap();
        let upload = studio
            .app
            .vault
            .rows
            .upload(studio.order.id, id)
            .await
            .unwrap();
        assert_eq!(upload.offset, kept);
        assert_eq!(driving, sender.is_some());
    }
    // HTTP/2: no new request on this connection, and no error.
    let gone = tokio::time::timeout(PATIENCE, refused(two)).await.unwrap();
    assert!(
        gone.is_go_away() && gone.reason() == Some(h2::Reason::NO_ERROR),
        "{gone:?}"
    );
    // A new connection.
    let get = format!("GET /u/{} HTTP/1.1\r\nHost: x\r\n\r\n", studio.link);
    let told = said(&mut line.one().await, &get).await;
    assert_eq!(told, "HTTP/1.1 503 Service Unavailable");
    let alive = said(
        &mut line.one().await,
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .await;
    assert_eq!(alive, "HTTP/1.1 200 OK");
    // The one that was under way ends as it should, and then nobody listens any more.
    assert_eq!(said(&mut slow, "{}").await, "HTTP/1.1 400 Bad Request");
    drop(slow);
    let gone = async {
        while TcpStream::connect(line.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

/// Asks until a request is refused; why.
async fn refused(mut sender: h2::client::SendRequest<Bytes>) -> h2::Error {
    loop {
        sender = match sender.ready().await {
            Ok(sender) => sender,
            Err(error) => return error,
        };
        let get = axum::http::Request::get("https://localhost/healthz");
        match sender.send_request(get.body(()).unwrap(), true) {
            Ok((answer, _)) => match answer.await {
                Ok(answer) => assert_eq!(answer.status(), 200),
                Err(error) => return error,
            },
            Err(error) => return error,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_removals_at_once_are_each_done_and_logged() {
    let studio = Studio::new().await;
    let token = format!("Authorization: Bearer {}", studio.token);
    let mut files = Vec::new();
    for n in 0..100 {
        let link = studio
            .post(&format!("{n}.bin"), 1, &[OCTETS], whole(b"x"))
            .await;
        let at = link.expect(201).header("location").to_owned();
        files.push(format!("/files/{}", at.rsplit('/').next().unwrap()));
    }
    let headers = [TUS, token.as_str()];
    let removals = files
        .iter()
        .map(|at| studio.ask("DELETE", at, &headers, Body::empty()));
    for answer in futures::future::join_all(removals).await {
        answer.expect(204);
    }
    let logged = studio.app.vault.audit.log(studio.order.id).await.unwrap();
    let removed = logged
        .entries
        .iter()
        .filter(|(entry, _)| matches!(entry.what, What::UploadRemoved(_)));
    assert_eq!(removed.count(), 100);
}
