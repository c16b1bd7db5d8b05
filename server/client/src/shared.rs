//! Connections that many small requests share. HTTP/2 lets a hundred or so share one; a long line needs
//! more of them, also because the system's buffers hold only so much of one connection.
//!
//! One is opened at a time for each client in here, before anything is sent on it: who asks a pool for
//! many connections at once, before it knows that one would do, gets many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use reqwest::{Client, Method};
use url::Url;

/// So many requests on one connection.
const EACH: usize = 64;

/// How long opening one may take.
const OPENING: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    clients: Vec<Client>,
    open: AtomicUsize,
    opening: AtomicBool,
    next: AtomicUsize,
}

impl Shared {
    /// One connection for each client.
    pub(super) fn new(clients: Vec<Client>) -> Self {
        Self {
            clients,
            open: AtomicUsize::new(1),
            opening: AtomicBool::new(false),
            next: AtomicUsize::new(0),
        }
    }

    /// As many clients as can be of use for so many requests.
    pub(super) fn clients(requests: usize) -> usize {
        requests.div_ceil(EACH)
    }

    /// The client for the next request.
    pub(super) fn next(&self) -> &Client {
        let open = self.open.load(Ordering::Relaxed);
        &self.clients[self.next.fetch_add(1, Ordering::Relaxed) % open]
    }

    /// Opens as many connections to `at` as so many requests need; requests go over those that are there
    /// meanwhile.
    pub(super) fn widen(self: &Arc<Self>, requests: usize, at: &Url) {
        let wanted = Self::clients(requests).clamp(1, self.clients.len());
        if self.open.load(Ordering::Relaxed) >= wanted || self.opening.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (shared, at) = (Arc::clone(self), at.clone());
        tokio::spawn(async move {
            let open = shared.open.load(Ordering::Relaxed);
            let asked = shared.clients[open..wanted].iter().map(|client| {
                let asked = client.request(Method::OPTIONS, at.clone());
                asked.timeout(OPENING).send()
            });
            let answered = join_all(asked).await;
            // Whatever it was, an answer came over a connection that is kept.
            let more = answered.iter().take_while(|answer| answer.is_ok()).count();
            shared.open.store(open + more, Ordering::Relaxed);
            // Where that fails, fewer have to do.
            shared.opening.store(more == 0, Ordering::Relaxed);
        });
    }

    /// Opens the first one, so that it is there when it is needed.
    pub(super) async fn open(&self, at: &Url) {
        let asked = self.clients[0].request(Method::OPTIONS, at.clone());
        // If it fails the first request says why.
        drop(asked.timeout(OPENING).send().await);
    }
}
