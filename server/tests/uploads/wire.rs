//! What only a real connection shows: when a body is asked for, that a refusal can be read while a
//! body is on its way, and that a connection that is cut keeps its bytes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::studio::{Studio, noise};

async fn served(studio: &Studio) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = studio.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn patch(at: &str, offset: u64, length: usize, more: &str) -> String {
    format!(
        "PATCH {at} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

/// Reads until the end of the headers.
async fn status(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(seen)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_asked_for_only_when_it_is_wanted() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 4).await;
    let address = served(&studio).await;
    let expect = "Expect: 100-continue\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(patch(&at, 2, 2, expect).as_bytes())
        .await
        .unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 409 Conflict");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(patch(&at, 0, 4, expect).as_bytes())
        .await
        .unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 100 Continue");
    stream.write_all(b"abcd").await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 204 No Content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_although_the_body_is_on_its_way() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 64 << 20).await;
    let address = served(&studio).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let head = patch(&at, 1, 64 << 20, "");
    let sent = tokio::spawn(async move {
        // Writes on until the server has had enough, as simple clients do.
        let mut result = writing.write_all(head.as_bytes()).await;
        let piece = noise(30, 1 << 20);
        for _ in 0..64 {
            if result.is_ok() {
                result = writing.write_all(&piece).await;
            }
        }
        result
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("go on from there") {
        let read = reading.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert!(
        answer.contains("upload-offset: 0") && answer.contains("connection: close"),
        "{answer}"
    );
    // It does not have to take it all.
    assert!(sent.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_keeps_its_bytes() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 9 << 20).await;
    let address = served(&studio).await;
    let bytes = noise(31, (5 << 20) + 3);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(patch(&at, 0, 9 << 20, "").as_bytes())
        .await
        .unwrap();
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    // Nobody waits for the answer, and nobody asks: what came is written down all the same.
    let id = at.rsplit('/').next().unwrap().parse().unwrap();
    let kept = async {
        let vault = &studio.app.vault;
        while vault.rows.upload(studio.order.id, id).await.unwrap().offset < bytes.len() as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), kept)
        .await
        .unwrap();
    assert_eq!(studio.head(&at).await.offset(), bytes.len() as u64);
}
