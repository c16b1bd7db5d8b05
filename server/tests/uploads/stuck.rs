//! Who takes nothing of what was asked for, or takes places and asks nothing, keeps nobody out.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::line::{Http, Line, PATIENCE};
use crate::studio::Studio;

/// The answer to a GET, of which only the head can come.
async fn begun(sender: &mut SendRequest<Bytes>) -> RecvStream {
    let request = Request::get("https://localhost/healthz").body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    let answer = answer.expect("a head").unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_taken_is_given_up_and_its_connection_is_not() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_secs(1);
    })
    .await;
    let line = Line::open(&studio).await;
    let (mut sender, driving) = line.deaf().await;
    let mut body = begun(&mut sender).await;
    let given_up = tokio::time::timeout(PATIENCE, body.data()).await;
    let given_up = given_up.expect("a deadline").unwrap().unwrap_err();
    assert_eq!(given_up.reason(), Some(Reason::CANCEL), "{given_up}");
    drop(begun(&mut sender).await);
    assert!(!driving.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_every_place_gives_way_to_who_comes() {
    let studio = Studio::with(|settings, _| settings.server.max_connections = 4).await;
    let line = Line::open(&studio).await;
    let mut held = Vec::new();
    // The machine itself has places of its own: these are taken as well.
    for _ in 0..4 + 32 {
        let (mut sender, driving) = line.deaf().await;
        let body = begun(&mut sender).await;
        held.push((sender, driving, body));
    }
    studio.hands.advance(Duration::from_secs(6));
    for _ in 0..3 {
        let alive = line.ask(Http::One, &["GET /healthz"], b"").await;
        assert_eq!(alive.status, StatusCode::OK);
    }
    let cut = held.iter().filter(|(_, driving, _)| driving.is_finished());
    assert!(cut.count() < held.len() / 2, "one place is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_where_https_is_spoken_is_told_the_address() {
    let studio = Studio::new().await;
    let line = Line::open(&studio).await;
    let said = async |asked: &str| {
        let mut stream = TcpStream::connect(line.address).await.unwrap();
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut said = String::new();
        let read = stream.read_to_string(&mut said);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        said
    };
    let port = line.address.port();
    let answer = said(&format!("GET /u/x HTTP/1.1\r\nHost: studio:{port}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(
        answer.contains(&format!("Location: https://studio:{port}/u/x\r\n"))
            && answer.ends_with(&format!("use https://studio:{port}/u/x\n")),
        "{answer}"
    );
    assert_eq!(said("hello, who is there?\r\n\r\n").await, "");
}
