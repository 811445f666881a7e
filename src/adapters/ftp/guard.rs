//! Who may come in, and how often: sessions, wrong passwords, uploads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use menshen_domain::limits;

/// Counts what was not let in.
pub fn refused(reason: &'static str) {
    metrics::counter!("menshen_ftp_refused_total", "reason" => reason).increment(1);
}

#[derive(Default)]
struct Books {
    /// Open sessions an address.
    sessions: HashMap<IpAddr, usize>,
    /// Wrong passwords an address, and when the last came.
    wrong: HashMap<IpAddr, (u32, Instant)>,
    /// Uploads a device may begin with now, and when that was reckoned.
    uploads: HashMap<String, (f64, Instant)>,
}

pub struct Guard {
    books: Arc<Mutex<Books>>,
    /// Uploads under way: each may hold a whole photo in memory.
    receiving: Arc<Semaphore>,
    uploads_per_minute: u32,
}

/// One session's place.
pub struct Place {
    books: Arc<Mutex<Books>>,
    ip: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = books.sessions.get_mut(&self.ip) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                books.sessions.remove(&self.ip);
            }
        }
        show(&books);
    }
}

fn show(books: &Books) {
    let open: usize = books.sessions.values().sum();
    metrics::gauge!("menshen_ftp_sessions").set(open as f64);
}

const LOCKOUT: Duration = Duration::from_millis(limits::FTP_LOCKOUT_MS);

impl Guard {
    pub fn new(uploads_per_minute: u32) -> Self {
        Self {
            books: Arc::default(),
            receiving: Arc::new(Semaphore::new(limits::FTP_UPLOADS_AT_ONCE)),
            uploads_per_minute,
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: too many are in, or this address has tried too many passwords.
    pub fn enter(&self, ip: IpAddr) -> Option<Place> {
        let mut books = self.books();
        let now = Instant::now();
        books.wrong.retain(|_, (_, last)| now.duration_since(*last) < LOCKOUT);
        let is_locked = books.wrong.get(&ip).is_some_and(|(count, _)| *count >= limits::FTP_WRONG_LOGINS_MAX);
        let all: usize = books.sessions.values().sum();
        let own = books.sessions.get(&ip).copied().unwrap_or(0);
        if is_locked || all >= limits::FTP_SESSIONS_MAX || own >= limits::FTP_SESSIONS_PER_ADDRESS {
            return None;
        }
        *books.sessions.entry(ip).or_default() += 1;
        show(&books);
        Some(Place { books: Arc::clone(&self.books), ip })
    }

    pub fn wrong_login(&self, ip: IpAddr) {
        let mut books = self.books();
        // Sessions are bounded, and so is what is remembered of addresses.
        if books.wrong.len() >= limits::FTP_ADDRESSES_REMEMBERED {
            books.wrong.clear();
        }
        let entry = books.wrong.entry(ip).or_insert((0, Instant::now()));
        *entry = (entry.0 + 1, Instant::now());
    }

    pub fn right_login(&self, ip: IpAddr) {
        self.books().wrong.remove(&ip);
    }

    /// Takes one upload of a device's allowance, which fills up evenly over the minute.
    pub fn may_upload(&self, device: &str) -> bool {
        let full = f64::from(self.uploads_per_minute);
        let now = Instant::now();
        let mut books = self.books();
        let (left, since) = books.uploads.entry(device.to_owned()).or_insert((full, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * full / 60.0).min(full);
        *since = now;
        let may = *left >= 1.0;
        if may {
            *left -= 1.0;
        }
        may
    }

    /// A place to receive in; `None` when all are taken.
    pub fn receive(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.receiving).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_sessions_and_wrong_passwords() {
        let guard = Guard::new(60);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut places: Vec<_> =
            (0..limits::FTP_SESSIONS_PER_ADDRESS).map(|_| guard.enter(one).unwrap()).collect();
        assert!(guard.enter(one).is_none() && guard.enter(other).is_some());
        places.pop();
        assert!(guard.enter(one).is_some(), "a session that ends makes room");
        for _ in 0..limits::FTP_WRONG_LOGINS_MAX {
            guard.wrong_login(other);
        }
        assert!(guard.enter(other).is_none());
        guard.right_login(other);
        assert!(guard.enter(other).is_some());
    }

    #[test]
    fn uploads_have_an_allowance() {
        let guard = Guard::new(3);
        let taken = (0..10).filter(|_| guard.may_upload("a")).count();
        assert_eq!(taken, 3);
        assert!(guard.may_upload("b"), "each device has its own");
        let places: Vec<_> = std::iter::from_fn(|| guard.receive()).collect();
        assert_eq!(places.len(), limits::FTP_UPLOADS_AT_ONCE);
    }
}
