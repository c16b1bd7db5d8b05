//! Who may be connected: so many in all, no more than a share of them from one address, and the
//! machine itself always.
//!
//! Nobody takes all places for good: where there is none left, the connection on which nothing has
//! moved for longest gives way to whoever comes. Only this process knows of them: it bounds what
//! one machine holds, and decides nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use stemvault_storage::clock::SharedClock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::line::Line;
use crate::tries::household;

/// One address has no more than this share of all places: room for an office behind one router,
/// and for three others like it.
const SHARE: usize = 4;

/// Places beside those of everybody, for the machine itself.
const OWN: usize = 32;

/// A connection on which nothing has moved for so long gives way.
const GIVES_WAY: Duration = Duration::from_secs(5);

/// How long somebody waits for a place ...
const PATIENCE: Duration = Duration::from_secs(15);

/// ... how many do so at once ...
const WAITING: usize = 256;

/// ... and how often they look.
const LOOK: Duration = Duration::from_millis(250);

/// All places, and who has them.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    trusted: Vec<IpNet>,
    clock: SharedClock,
    taken: Mutex<Taken>,
    freed: Notify,
    waiting: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    places: HashMap<u64, (Option<IpAddr>, Arc<Line>)>,
    /// How many an address has; of those that are counted.
    of: HashMap<IpAddr, usize>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    pub(super) line: Arc<Line>,
}

/// Why there is no place at this moment.
enum No {
    /// It may be different in a moment.
    Yet,
    /// One address has its share, and needs all of it.
    Share,
}

impl Places {
    /// So many places. Connections from `trusted`, which are proxies, are those of many.
    pub(super) fn new(most: usize, trusted: Vec<IpNet>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            most,
            trusted,
            clock,
            taken: Mutex::default(),
            freed: Notify::new(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// A place at once, if there is one.
    pub(super) fn now(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        self.take(peer.to_canonical()).ok()
    }

    /// The right to wait for a place, if not too many do. The machine itself has it always.
    pub(super) fn queue(&self, peer: IpAddr) -> Option<Option<OwnedSemaphorePermit>> {
        match Arc::clone(&self.waiting).try_acquire_owned() {
            Ok(turn) => Some(Some(turn)),
            Err(_) => peer.to_canonical().is_loopback().then_some(None),
        }
    }

    /// A place, after a while if need be.
    pub(super) async fn wait(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let place = async {
            loop {
                let freed = self.freed.notified();
                match self.take(peer) {
                    Ok(place) => return Some(place),
                    Err(No::Share) => return None,
                    Err(No::Yet) => {}
                }
                // What gives way is told to by who looks.
                let _ = tokio::time::timeout(LOOK, freed).await;
            }
        };
        let place = tokio::time::timeout(PATIENCE, place).await;
        place.ok().flatten()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, No> {
        let own = peer.is_loopback();
        let counted = !own && !self.trusted.iter().any(|proxy| proxy.contains(&peer));
        let house = counted.then(|| household(peer));
        let mut taken = self.taken();
        if let Some(house) = house
            && taken.of.get(&house).copied().unwrap_or(0) >= (self.most / SHARE).max(1)
        {
            let own = |of: &Option<IpAddr>| *of == Some(house);
            return Err(if taken.make_room(own) {
                No::Yet
            } else {
                No::Share
            });
        }
        let most = self.most + if own { OWN } else { 0 };
        if taken.places.len() >= most {
            taken.make_room(|_| true);
            return Err(No::Yet);
        }
        let (id, line) = (taken.next, Line::new(&self.clock));
        taken.next += 1;
        taken.places.insert(id, (house, Arc::clone(&line)));
        if let Some(house) = house {
            *taken.of.entry(house).or_default() += 1;
        }
        Ok(Place {
            places: Arc::clone(self),
            id,
            line,
        })
    }
}

impl Taken {
    /// Asks the connection on which nothing has moved for longest to go, of those that `which` says,
    /// unless one is going. Whether one goes.
    fn make_room(&self, which: impl Fn(&Option<IpAddr>) -> bool) -> bool {
        let lines = self.places.values().filter(|(of, _)| which(of));
        let mut stillest: Option<(Duration, &Line)> = None;
        for (_, line) in lines {
            if line.is_going() {
                return true;
            }
            let still = line.still();
            if still >= GIVES_WAY && stillest.is_none_or(|(most, _)| still > most) {
                stillest = Some((still, line));
            }
        }
        let Some((_, line)) = stillest else {
            return false;
        };
        line.give_way();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        let house = taken.places.remove(&self.id).and_then(|(house, _)| house);
        if let Some(house) = house
            && let Some(count) = taken.of.get_mut(&house)
        {
            *count -= 1;
            if *count == 0 {
                taken.of.remove(&house);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use stemvault_storage::clock::{MovableClock, SystemClock};

    use super::*;

    fn movable() -> Arc<MovableClock> {
        Arc::new(MovableClock::new(Arc::new(SystemClock)))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const HERE: &str = "127.0.0.1";

    #[tokio::test]
    async fn one_address_has_its_share_and_the_machine_itself_always_gets_in() {
        let proxy = vec!["198.51.100.0/24".parse().unwrap()];
        let places = Places::new(8, proxy, movable());
        let mut held: Vec<_> = (0..2)
            .map(|_| places.now(ip("192.0.2.1")).unwrap())
            .collect();
        assert!(places.now(ip("192.0.2.1")).is_none());
        // Of IPv6 an address is a network.
        held.extend(places.now(ip("2001:db8::1")));
        held.extend(places.now(ip("2001:db8::2")));
        assert!(places.now(ip("2001:db8::3")).is_none());
        held.extend(places.now(ip("2001:db8:0:1::3")));
        // A proxy speaks for many.
        held.extend((0..3).filter_map(|_| places.now(ip("198.51.100.1"))));
        assert_eq!(held.len(), 8);
        assert!(places.now(ip("203.0.113.1")).is_none());
        let own: Vec<_> = (0..=OWN).filter_map(|_| places.now(ip(HERE))).collect();
        assert_eq!(own.len(), OWN);
        drop(own);
        held.pop();
        assert!(places.now(ip("203.0.113.1")).is_some());
    }

    #[tokio::test]
    async fn what_stands_still_longest_gives_way_and_what_moves_does_not() {
        let hands = movable();
        let places = Places::new(8, Vec::new(), Arc::clone(&hands) as SharedClock);
        let held: Vec<_> = (0..8)
            .map(|at| places.now(ip(&format!("192.0.2.{at}"))).unwrap())
            .collect();
        hands.advance(Duration::from_secs(1));
        assert!(places.now(ip("203.0.113.1")).is_none());
        assert!(held.iter().all(|place| !place.line.is_going()));
        hands.advance(GIVES_WAY);
        for place in held.iter().filter(|place| place.id != 3) {
            place.line.moves();
        }
        assert!(places.now(ip("203.0.113.1")).is_none());
        let going = |place: &&Place| place.line.is_going();
        let gone: Vec<_> = held.iter().filter(going).map(|place| place.id).collect();
        assert_eq!(gone, [3]);
        // One at a time, and whoever waits gets the place.
        assert!(places.now(ip("203.0.113.1")).is_none());
        assert_eq!(held.iter().filter(going).count(), 1);
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.wait(ip("203.0.113.1")).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn no_more_wait_than_may_and_who_cannot_get_in_does_not() {
        let places = Places::new(4, Vec::new(), movable());
        let _held = places.now(ip("192.0.2.1")).unwrap();
        assert!(places.wait(ip("192.0.2.1")).await.is_none());
        let turns: Vec<_> = (0..WAITING)
            .map(|_| places.queue(ip("192.0.2.9")))
            .collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(places.queue(ip("192.0.2.9")).is_none());
        assert!(places.queue(ip(HERE)).is_some());
    }
}
