//! How much work a link, and an address, may ask for: every request costs something, and whoever
//! asks for more than one machine should do for one client is slowed down, then told to wait.
//!
//! The most of a request is paid before it runs; what it took beyond that (a long answer, blocks
//! that were read for a few bytes) is paid afterwards and makes the next ones wait. What each may
//! spend is far above what people, browsers and `push` ask for. Dear requests of one link also
//! have turns, which they keep until their answer has left. The machine itself is not counted, nor
//! is a link that opens nothing: guesses are counted elsewhere ([`tries`]). Only
//! this process knows of it: it paces, and decides nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use stemvault_storage::refusal::RefusalKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{App, SharedApp};
use crate::error::Failure;
use crate::keeping::keeping;
use crate::pages::{failed, only_accept};
use crate::tries::{self, Wrong, household};
use crate::upload;

/// What a link may spend in a second, and at once: an upload of small files costs 1 for each.
const OF_LINK: Means = Means {
    a_second: 2_000,
    at_once: 20_000,
};

/// The same of an address, behind which there may be a whole studio.
const OF_ADDRESS: Means = Means {
    a_second: 8_000,
    at_once: 80_000,
};

/// So many bytes of an answer that was put together for it cost 1 ...
const ANSWER: u64 = 2 << 10;

/// ... and so many that were read and not asked for.
const UNASKED: u64 = 64 << 10;

/// Who waits no longer than this is not refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whatever something cost, nobody waits longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Dear requests of one link at once, how long the next one waits for its turn, and when to ask
/// again if none of them has ended.
const TURNS: usize = 4;
const TURN_PATIENCE: Duration = Duration::from_secs(10);
const TURN_AGAIN: Duration = Duration::from_secs(2);

/// Rows of small files of one link at once: their bytes are in memory until they are written.
const ROWS: usize = 16;

/// An answer of so many bytes keeps no turn.
const SMALL: u64 = 64 << 10;

/// Accounts that are kept apart; those that come last share one.
const ACCOUNTS_MAX: usize = 16_384;

/// What a request cost beside the 1 that each does; in the extensions of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost(pub(crate) u64);

impl Cost {
    /// Of so many bytes that were read and not asked for.
    pub(crate) fn of_unasked(bytes: u64) -> Self {
        Self(bytes / UNASKED)
    }
}

/// What somebody may spend.
#[derive(Clone, Copy, Debug)]
struct Means {
    a_second: u64,
    at_once: u64,
}

impl Means {
    fn lasts(self, cost: u64) -> Duration {
        Duration::from_micros(cost.saturating_mul(1_000_000) / self.a_second)
    }
}

/// For each of many: when all that was spent is earned again.
#[derive(Debug)]
struct Accounts<K> {
    means: Means,
    even_at: HashMap<K, Duration>,
    /// Of those for whom there is no room.
    rest: Duration,
    swept: Duration,
}

impl<K: Eq + Hash> Accounts<K> {
    fn new(means: Means) -> Self {
        Self {
            means,
            even_at: HashMap::new(),
            rest: Duration::ZERO,
            swept: Duration::ZERO,
        }
    }

    /// How long somebody who is known has to wait before the next request; one that need not wait
    /// long is paid for.
    fn ask(&mut self, key: &K, now: Duration) -> Result<Duration, Duration> {
        let Some(even_at) = self.even_at.get_mut(key) else {
            return Ok(Duration::ZERO);
        };
        let ahead = even_at.saturating_sub(now);
        let wait = ahead.saturating_sub(self.means.lasts(self.means.at_once));
        if wait > PATIENCE {
            return Err(wait);
        }
        *even_at = now + ahead + self.means.lasts(1);
        Ok(wait)
    }

    /// Takes what a request cost; from now on somebody is known.
    fn pay(&mut self, key: K, cost: u64, now: Duration) {
        if self.even_at.len() >= ACCOUNTS_MAX && now.saturating_sub(self.swept) >= PATIENCE {
            self.swept = now;
            self.even_at.retain(|_, even_at| *even_at > now);
        }
        let means = self.means;
        let full = self.even_at.len() >= ACCOUNTS_MAX;
        let even_at = if full && !self.even_at.contains_key(&key) {
            &mut self.rest
        } else {
            self.even_at.entry(key).or_insert(now)
        };
        let most = now + means.lasts(means.at_once) + LONGEST;
        *even_at = ((*even_at).max(now) + means.lasts(cost)).min(most);
    }
}

/// What everybody has spent, and who has a turn.
#[derive(Debug)]
pub struct Spending {
    links: Mutex<Accounts<u64>>,
    addresses: Mutex<Accounts<IpAddr>>,
    turns: Mutex<HashMap<(u64, usize), Weak<Semaphore>>>,
    /// Links are secrets: they are known by a number that means nothing elsewhere.
    numbers: RandomState,
}

impl Default for Spending {
    fn default() -> Self {
        Self {
            links: Mutex::new(Accounts::new(OF_LINK)),
            addresses: Mutex::new(Accounts::new(OF_ADDRESS)),
            turns: Mutex::default(),
            numbers: RandomState::new(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spending {
    fn ask(&self, by: By, now: Duration) -> Result<Duration, (Duration, &'static str)> {
        let link = by.link.map(|link| locked(&self.links).ask(&link, now));
        let of_link = link.transpose().map_err(|wait| (wait, "this link"))?;
        let address = by
            .address
            .map(|from| locked(&self.addresses).ask(&from, now));
        let of_address = address.transpose().map_err(|wait| (wait, "your address"))?;
        Ok(of_link.max(of_address).unwrap_or_default())
    }

    fn pay(&self, by: By, cost: u64, now: Duration) {
        if let Some(link) = by.link {
            locked(&self.links).pay(link, cost, now);
        }
        if let Some(address) = by.address {
            locked(&self.addresses).pay(address, cost, now);
        }
    }

    /// One of so many turns that a link has for requests of a kind.
    async fn turn(&self, link: u64, most: usize) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut of = locked(&self.turns);
            let known = of.get(&(link, most)).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                of.retain(|_, turns| turns.strong_count() > 0);
                let turns = Arc::new(Semaphore::new(most));
                of.insert((link, most), Arc::downgrade(&turns));
                turns
            })
        };
        let turn = tokio::time::timeout(TURN_PATIENCE, turns.acquire_owned()).await;
        turn.ok()?.ok()
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct By {
    link: Option<u64>,
    /// Not of the machine itself, nor of a proxy on it that does not say for whom it speaks.
    address: Option<IpAddr>,
}

/// Slows down whoever asks for too much, and refuses whoever does not slow down.
pub async fn layer(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let spending = &app.spending;
    let path = request.uri().path();
    let address = tries::client(&app, request.extensions(), request.headers());
    let by = By {
        link: link(path).map(|link| spending.numbers.hash_one(link)),
        address: address.filter(|from| !from.is_loopback()).map(household),
    };
    match spending.ask(by, app.clock.monotonic()) {
        Ok(wait) if wait.is_zero() => {}
        Ok(wait) => tokio::time::sleep(wait).await,
        Err((wait, whose)) => {
            let seconds = wait.as_secs() + 1;
            let message = format!(
                "more was asked for by {whose} than the studio's server does for one at a time: nothing is lost, go on in {seconds} s"
            );
            return refused(&app, ("pace", OF_LINK.a_second), message, wait, request);
        }
    }
    let mut turn = None;
    if let (Some(link), Some(most)) = (by.link, turns(request.method(), path)) {
        turn = spending.turn(link, most).await;
        if turn.is_none() {
            let message = format!(
                "{most} requests of this kind run by this link already: wait until one of them is answered, then ask again"
            );
            return refused(&app, ("turns", most as u64), message, TURN_AGAIN, request);
        }
    }
    let answer = next.run(request).await;
    let opens = answer.extensions().get::<Wrong>().is_none();
    let by = By {
        link: by.link.filter(|_| opens),
        ..by
    };
    spending.pay(by, cost(&answer), app.clock.monotonic());
    let length = answer.body().size_hint().exact();
    match turn.filter(|_| length.is_some_and(|length| length > SMALL)) {
        Some(turn) => keeping(answer, turn),
        None => answer,
    }
}

fn refused(
    app: &App,
    (limit, value): (&'static str, u64),
    message: String,
    retry: Duration,
    request: Request,
) -> Response {
    let failure = Failure::refused(RefusalKind::TooMany { retry }, message).at_limit(limit, value);
    let answer = match *request.method() {
        Method::GET => {
            let accept = only_accept(request.headers());
            failed(failure, &accept, app.prefix())
        }
        _ => failure.as_text().into_response(),
    };
    upload::unread(answer, request)
}

/// What an answer cost beside the 1 that it was asked for.
fn cost(answer: &Response) -> u64 {
    if let Some(Cost(cost)) = answer.extensions().get() {
        return *cost;
    }
    // Of HEAD as well: what it says how long it would be was put together.
    let length = answer.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.or(answer.body().size_hint().exact());
    length.unwrap_or(0) / ANSWER
}

/// The link in a path.
fn link(path: &str) -> Option<&str> {
    let rest = path
        .strip_prefix("/u/")
        .or_else(|| path.strip_prefix("/d/"))?;
    rest.split('/').next().filter(|link| !link.is_empty())
}

/// How many requests of this kind a link has at once, where there is such a limit: those for which all
/// of an order, or of a session, is looked at, and those that are held in memory.
fn turns(method: &Method, path: &str) -> Option<usize> {
    let mut segments = path.trim_matches('/').split('/').skip(2);
    let uploads = path.starts_with("/u/");
    match segments.next() {
        None => {
            let looks = matches!(*method, Method::GET | Method::HEAD);
            (looks && link(path).is_some()).then_some(TURNS)
        }
        Some("uploads" | "state" | "preflight" | "form" | "checked" | "submit" | "receipts") => {
            uploads.then_some(TURNS)
        }
        Some("files") => uploads.then_some(ROWS),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    #[test]
    fn small_files_by_the_thousand_never_wait_and_dear_answers_do() {
        let mut accounts = Accounts::new(OF_LINK);
        accounts.pay("push", 0, START);
        for file in 0..20_000 {
            let now = START + Duration::from_micros(1_000_000 / 700 * file);
            assert_eq!(accounts.ask(&"push", now), Ok(Duration::ZERO), "{file}");
        }
        accounts.pay("state", 0, START);
        let mut answered = 0;
        for at in 0..8_000 {
            let now = START + Duration::from_millis(at);
            if accounts.ask(&"state", now).is_ok() {
                accounts.pay("state", 400, now);
                answered += 1;
            }
        }
        assert!((50..150).contains(&answered), "{answered}");
        // Whatever it cost, it is forgotten soon.
        accounts.pay("state", u64::MAX, START);
        let wait = accounts.ask(&"state", START).unwrap_err();
        assert!(wait <= LONGEST);
        assert_eq!(accounts.ask(&"state", START + LONGEST), Ok(Duration::ZERO));
        // And concerns nobody else.
        assert_eq!(accounts.ask(&"other", START), Ok(Duration::ZERO));
    }

    #[test]
    fn any_number_of_strangers_takes_no_more_than_the_table() {
        let mut accounts = Accounts::new(OF_ADDRESS);
        for key in 0..3 * ACCOUNTS_MAX {
            accounts.pay(key, 10, START);
        }
        assert_eq!(accounts.even_at.len(), ACCOUNTS_MAX);
        accounts.pay(usize::MAX, 10, START + LONGEST);
        assert_eq!(accounts.even_at.len(), 1);
    }

    #[test]
    fn links_and_dear_requests_are_known_by_their_path() {
        assert_eq!(link("/u/abc"), Some("abc"));
        assert_eq!(link("/d/abc/a/b.wav"), Some("abc"));
        for none in ["/u/", "/files/abc", "/", "/api/v1/u/x"] {
            assert_eq!(link(none), None, "{none}");
        }
        let is = |method: Method, path| turns(&method, path) == Some(TURNS);
        assert!(is(Method::HEAD, "/u/abc/state") && is(Method::GET, "/u/abc/"));
        assert!(is(Method::POST, "/u/abc/submit") && is(Method::GET, "/d/abc"));
        assert!(!is(Method::POST, "/u/abc") && !is(Method::PATCH, "/u/abc/0123"));
        assert!(!is(Method::GET, "/d/abc/state") && !is(Method::GET, "/files/state"));
        assert_eq!(turns(&Method::POST, "/u/abc/files"), Some(ROWS));
    }
}
