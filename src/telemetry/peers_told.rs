//! Addresses that do something wrong over and over: the log hears of each once in a while, with their number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use menshen_domain::limits;

const QUIET: Duration = Duration::from_millis(limits::PEER_LOG_MS);

/// When an address was last told of, and how often it has done it since.
#[derive(Default)]
pub struct PeersTold(Mutex<HashMap<IpAddr, (Instant, u64)>>);

impl PeersTold {
    /// Counts once more. How often it was since the last line, where a line is due.
    pub fn count(&self, peer: IpAddr) -> Option<u64> {
        self.count_at(peer, Instant::now())
    }

    fn count_at(&self, peer: IpAddr, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |last: Instant| now.duration_since(last) >= QUIET;
        if let Some((last, count)) = told.get_mut(&peer) {
            *count += 1;
            return is_over(*last).then(|| {
                *last = now;
                std::mem::take(count)
            });
        }
        if told.len() >= limits::PEERS_TOLD_MAX {
            told.retain(|_, (last, _)| !is_over(*last));
            if told.len() >= limits::PEERS_TOLD_MAX {
                return None;
            }
        }
        told.insert(peer, (now, 0));
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_of_once_in_a_while_with_its_number() {
        let (told, began) = (PeersTold::default(), Instant::now());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert_eq!(told.count_at(one, began), Some(1), "the first at once");
        for _ in 0..500 {
            assert_eq!(told.count_at(one, began + QUIET / 2), None);
        }
        assert_eq!(told.count_at(other, began + QUIET / 2), Some(1));
        assert_eq!(told.count_at(one, began + QUIET), Some(501));
        assert_eq!(told.count_at(one, began + QUIET), None);
    }

    #[test]
    fn addresses_are_bounded() {
        let (told, began) = (PeersTold::default(), Instant::now());
        let address = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        let lines = (0..limits::PEERS_TOLD_MAX * 4).filter(|n| told.count_at(address(*n), began).is_some());
        assert_eq!(lines.count(), limits::PEERS_TOLD_MAX);
        assert_eq!(told.count_at(address(9_999), began + QUIET), Some(1), "the old ones are forgotten");
    }
}
