//! `bare CERT KEY FOLDER [--no-sync]`: what hyper and rustls can do when nothing is asked of them.
//!
//! The floor that `tests/bench` measures uploads against. The body of `PUT /name` goes to
//! `FOLDER/name` as it is: no hash, no cipher but TLS, no record, no resume. It is answered when
//! the file and its folder are synced, or, with `--no-sync`, when it is written. HTTP settings are
//! those of the server under test. Prints the address that it listens on.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Gathered before it is written: a write for every frame would measure system calls.
const PIECE: usize = 1 << 20;

/// Pieces of one file that may wait for the disk.
const WAITING: usize = 4;

struct Place {
    folder: PathBuf,
    sync: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (chain, key, folder, sync) = match words.as_slice() {
        [chain, key, folder] => (chain, key, folder, true),
        [chain, key, folder, flag] if flag == "--no-sync" => (chain, key, folder, false),
        _ => bail!("bare CERT KEY FOLDER [--no-sync]"),
    };
    let tls = TlsAcceptor::from(tls(chain.as_ref(), key.as_ref())?);
    let place = Arc::new(Place {
        folder: folder.into(),
        sync,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("https://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let (tls, place) = (tls.clone(), Arc::clone(&place));
        tokio::spawn(async move {
            if let Err(error) = connection(stream, tls, place).await {
                eprintln!("connection: {error:#}");
            }
        });
    }
}

fn tls(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(chain)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, place: Arc<Place>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .max_concurrent_streams(128);
    builder = if two {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    let service = service_fn(|request| {
        let place = Arc::clone(&place);
        async move { Ok::<_, Infallible>(answer(request, place).await) }
    });
    let served = builder.serve_connection(TokioIo::new(stream), service);
    served.await.map_err(|error| anyhow::anyhow!(error))
}

async fn answer(request: Request<Incoming>, place: Arc<Place>) -> Response<Empty<Bytes>> {
    let status = match put(request, place).await {
        Ok(()) => StatusCode::CREATED,
        Err(error) => {
            eprintln!("put: {error:#}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    answer
}

async fn put(request: Request<Incoming>, place: Arc<Place>) -> Result<()> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let good = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !good || *request.method() != Method::PUT {
        bail!("PUT /name, not {} {}", request.method(), request.uri());
    }
    let (pieces, waiting) = mpsc::channel(WAITING);
    let written = tokio::task::spawn_blocking(move || write(&place, &name, waiting));
    let mut body = request.into_body();
    let mut piece = BytesMut::with_capacity(PIECE);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        piece.extend_from_slice(&data);
        if piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE));
            pieces.send(full).await.context("the writer ended")?;
        }
    }
    pieces.send(piece).await.context("the writer ended")?;
    drop(pieces);
    written.await?.context("writing")
}

fn write(place: &Place, name: &str, mut pieces: mpsc::Receiver<BytesMut>) -> io::Result<()> {
    let mut file = File::create(place.folder.join(name))?;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
    }
    if place.sync {
        file.sync_all()?;
        File::open(&place.folder)?.sync_all()?;
    }
    Ok(())
}
