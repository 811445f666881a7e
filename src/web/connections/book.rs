//! Which connections there are, and who has to leave for whom.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;

use crate::telemetry;

/// The connections of one server.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    name: &'static str,
    max: usize,
    per_address: usize,
    open: Mutex<HashMap<u64, Open>>,
}

struct Open {
    ip: IpAddr,
    state: Arc<State>,
}

struct State {
    /// Requests being served; one that serves is not asked to leave.
    serving: AtomicUsize,
    /// Of those, requests whose body has not come yet.
    awaiting: AtomicUsize,
    must_leave: AtomicBool,
    /// When it came, or when its last request was served.
    since: Mutex<Instant>,
    waker: Mutex<Option<Waker>>,
}

impl State {
    fn since(&self) -> Instant {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire) > self.awaiting.load(Ordering::Acquire)
    }

    fn leave(&self) {
        self.must_leave.store(true, Ordering::Release);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}

/// One connection's place among all; dropping it gives the place back.
pub struct Place {
    shared: Arc<Shared>,
    number: u64,
    connection: Connection,
}

/// A connection as the handlers of its requests see it.
#[derive(Clone)]
pub struct Connection {
    state: Arc<State>,
    /// The address of the peer; all of one IPv6 network count as one.
    pub network: IpAddr,
    pub peer: IpAddr,
}

/// While it lives, a request is being served: the connection keeps its place.
pub struct Serving(Arc<State>);

impl Drop for Serving {
    fn drop(&mut self) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.serving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// While it lives, the body of a request is waited for: it may never come, so the connection can lose its place.
pub struct Awaiting(Arc<State>);

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.0.awaiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connection {
    /// From now on a body is waited for.
    pub fn await_body(&self) -> Awaiting {
        *self.state.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.state.awaiting.fetch_add(1, Ordering::AcqRel);
        Awaiting(Arc::clone(&self.state))
    }

    /// From now on a request is being served.
    pub fn serve(&self) -> Serving {
        self.state.serving.fetch_add(1, Ordering::AcqRel);
        Serving(Arc::clone(&self.state))
    }

    /// Since when no request is being served; `None` while one is.
    pub(super) fn unserved_since(&self) -> Option<Instant> {
        (!self.state.is_serving()).then(|| self.state.since())
    }

    /// Whether the connection has to end for others; `context` is woken when it has to later.
    pub(super) fn must_leave(&self, context: &Context<'_>) -> bool {
        let mut waker = self.state.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *waker = Some(context.waker().clone());
        self.state.must_leave.load(Ordering::Acquire)
    }
}

impl Place {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
        self.shared.show(&open);
    }
}

impl Shared {
    fn show(&self, open: &HashMap<u64, Open>) {
        telemetry::CONNECTIONS.of(self.name).set(open.len() as f64);
    }
}

/// Whoever has one address of an IPv6 network has all of them.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Connections {
    /// For the server `name`, `max` connections in all and `per_address` of one address.
    pub fn new(name: &'static str, max: usize, per_address: usize) -> Self {
        let per_address = per_address.min(max.div_ceil(2));
        Self(Arc::new(Shared { name, max, per_address, open: Mutex::default() }))
    }

    /// Of the server.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Counts a connection with which TLS did not come about.
    pub fn count_handshake(&self) {
        telemetry::CONNECTIONS_REFUSED.of(self.0.name, "handshake").increment(1);
    }

    /// A place for a new connection. Where there is none left, one that has waited longest without a request leaves: of the same
    /// address when that has its share, else of the address that has most. `None` when nobody can leave.
    pub fn enter(&self, peer: IpAddr) -> Option<Place> {
        static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let network = network_of(peer);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for other in open.values() {
            *counts.entry(other.ip).or_default() += 1;
        }
        let own = counts.get(&network).copied().unwrap_or(0);
        let has_share = own >= self.0.per_address;
        if has_share || open.len() >= self.0.max {
            // Nobody leaves for one who has as many.
            let may_leave = |other: &Open| {
                let count = counts.get(&other.ip).copied().unwrap_or(0);
                let is_of_crowd = if has_share { other.ip == network } else { count > own };
                (is_of_crowd && !other.state.is_serving()).then_some(count)
            };
            let waiting = open
                .iter()
                .filter_map(|(number, other)| Some((number, may_leave(other)?, other.state.since())));
            let leaver =
                waiting.max_by_key(|(_, count, since)| (*count, Reverse(*since))).map(|(number, ..)| *number);
            let reason = if leaver.is_none() {
                "full"
            } else if has_share {
                "address"
            } else {
                "all"
            };
            telemetry::CONNECTIONS_REFUSED.of(self.0.name, reason).increment(1);
            // Its place is free at once, even though the task behind it takes a moment to end.
            let gone = open.remove(&leaver?)?;
            gone.state.leave();
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State {
            serving: AtomicUsize::new(0),
            awaiting: AtomicUsize::new(0),
            must_leave: AtomicBool::new(false),
            since: Mutex::new(Instant::now()),
            waker: Mutex::default(),
        });
        open.insert(number, Open { ip: network, state: Arc::clone(&state) });
        self.0.show(&open);
        let connection = Connection { state, network, peer: peer.to_canonical() };
        Some(Place { shared: Arc::clone(&self.0), number, connection })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_gone(place: &Place) -> bool {
        place.connection.state.must_leave.load(Ordering::Acquire)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_only_waits_leaves_for_others() {
        let connections = Connections::new("web", 6, 3);
        let stranger: Vec<_> = (0..3).map(|_| connections.enter(ip("10.0.0.1")).unwrap()).collect();
        let served = stranger[0].connection().serve();
        let fourth = connections.enter(ip("10.0.0.1")).unwrap();
        assert!(!is_gone(&stranger[0]) && is_gone(&stranger[1]), "the one that waits longest");
        let others: Vec<_> = (0..3).map(|n| connections.enter(ip(&format!("10.0.1.{n}"))).unwrap()).collect();
        let newcomer = connections.enter(ip("10.0.2.1")).unwrap();
        assert!(is_gone(&stranger[2]) && !is_gone(&fourth) && !others.iter().any(is_gone));
        drop((served, newcomer, others, fourth, stranger));
        assert!(connections.0.open.lock().unwrap().is_empty());
    }

    #[test]
    fn nobody_who_is_served_leaves_and_nobody_for_one_who_has_as_many() {
        let connections = Connections::new("web", 4, 2);
        let pair: Vec<_> = (0..2).map(|_| connections.enter(ip("10.0.0.1")).unwrap()).collect();
        let serving: Vec<_> = pair.iter().map(|place| place.connection().serve()).collect();
        assert!(connections.enter(ip("10.0.0.1")).is_none());
        let awaiting = pair[1].connection().await_body();
        let third = connections.enter(ip("10.0.0.1"));
        assert!(third.is_some() && is_gone(&pair[1]), "a body that may never come holds no place");
        drop((awaiting, third));
        let other: Vec<_> = (0..2).map(|_| connections.enter(ip("10.0.0.2")).unwrap()).collect();
        assert!(connections.enter(ip("10.0.0.3")).is_some(), "one of the idle pair leaves");
        drop((serving, other));
        let connections = Connections::new("web", 2, 2);
        let one = connections.enter(ip("10.0.0.1")).unwrap();
        let two = connections.enter(ip("10.0.0.2")).unwrap();
        assert!(connections.enter(ip("10.0.0.3")).is_some(), "who has none comes before who has one");
        drop((one, two));
    }

    #[test]
    fn a_network_counts_as_one_address() {
        let connections = Connections::new("web", 8, 2);
        let _one = connections.enter(ip("2001:db8::1")).unwrap();
        let two = connections.enter(ip("2001:db8::2")).unwrap();
        let _three = connections.enter(ip("2001:db8::ffff:3")).unwrap();
        assert_eq!(connections.0.open.lock().unwrap().len(), 2);
        assert_eq!(two.connection().network, ip("2001:db8::"));
        let mapped = connections.enter(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(mapped.connection().peer, ip("10.0.0.1"));
    }
}
