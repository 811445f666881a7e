//! Who may come in, and how often: sessions, wrong passwords, uploads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use menshen_domain::limits;

/// Why a newcomer is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEntry {
    /// Too many wrong passwords.
    LockedOut,
    /// Too many sessions, and nobody who could leave.
    Full,
}

/// Counts what was not let in.
pub fn refused(reason: &'static str) {
    metrics::counter!("menshen_ftp_refused_total", "reason" => reason).increment(1);
}

#[derive(Default)]
struct Books {
    /// Open sessions an address.
    sessions: HashMap<IpAddr, usize>,
    /// Sessions that are not logged in, the oldest first, with the word to leave.
    strangers: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
    /// Wrong passwords an address, and when the last came.
    wrong: HashMap<IpAddr, (u32, Instant)>,
    /// Uploads a device may begin with now, and when that was reckoned.
    uploads: HashMap<String, (f64, Instant)>,
    /// Sessions of each device that are logged in, the oldest first, with the word to leave.
    accounts: HashMap<String, Vec<(u64, Arc<Notify>)>>,
    next_session: u64,
}

pub struct Guard {
    books: Arc<Mutex<Books>>,
    /// Uploads under way: each may hold a whole photo in memory.
    receiving: Arc<Semaphore>,
    uploads_per_minute: u32,
    sessions_max: usize,
}

impl Books {
    fn leave(&mut self, ip: IpAddr) {
        if let Some(open) = self.sessions.get_mut(&ip) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.sessions.remove(&ip);
            }
        }
    }

    /// The session that leaves for one of `ip`: the oldest that is not logged in, of the same address when that has its share,
    /// else of the address that has most and more than the newcomer's.
    fn leaver(&self, ip: IpAddr, has_share: bool) -> Option<u64> {
        let own = self.sessions.get(&ip).copied().unwrap_or(0);
        let count = |other: &IpAddr| self.sessions.get(other).copied().unwrap_or(0);
        let may_leave = |other: &IpAddr| if has_share { *other == ip } else { count(other) > own };
        let waiting = self.strangers.iter().filter(|(_, (other, _))| may_leave(other));
        waiting
            .max_by_key(|(number, (other, _))| (count(other), Reverse(**number)))
            .map(|(number, _)| *number)
    }
}

/// One session's place.
pub struct Place {
    books: Arc<Mutex<Books>>,
    ip: IpAddr,
    number: u64,
    leave: Arc<Notify>,
    /// It has logged in, and leaves for nobody.
    is_known: AtomicBool,
}

impl Place {
    /// From now on it is no stranger's.
    pub fn logged_in(&self) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was told to leave a moment ago leaves.
        if books.strangers.remove(&self.number).is_some() {
            self.is_known.store(true, Ordering::Relaxed);
        }
    }

    /// Ends when another session needs the place.
    pub async fn left(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if books.strangers.remove(&self.number).is_some() || self.is_known.load(Ordering::Relaxed) {
            books.leave(self.ip);
        }
        show(&books);
    }
}

/// A session's place among those of its account.
pub struct AccountPlace {
    books: Arc<Mutex<Books>>,
    device: String,
    session: u64,
    leave: Arc<Notify>,
}

impl AccountPlace {
    /// Ends when a newer session needs the place.
    pub async fn left(&self) {
        self.leave.notified().await;
    }
}

impl Drop for AccountPlace {
    fn drop(&mut self) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sessions) = books.accounts.get_mut(&self.device) {
            sessions.retain(|(session, _)| *session != self.session);
            if sessions.is_empty() {
                books.accounts.remove(&self.device);
            }
        }
    }
}

fn show(books: &Books) {
    let open: usize = books.sessions.values().sum();
    metrics::gauge!("menshen_ftp_sessions").set(open as f64);
}

const LOCKOUT: Duration = Duration::from_millis(limits::FTP_LOCKOUT_MS);

impl Guard {
    pub fn new(uploads_per_minute: u32, sessions_max: usize) -> Self {
        Self {
            books: Arc::default(),
            receiving: Arc::new(Semaphore::new(limits::FTP_UPLOADS_AT_ONCE)),
            uploads_per_minute,
            sessions_max,
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a newcomer in.
    ///
    /// # Errors
    /// When too many are in, or this address has tried too many passwords.
    pub fn enter(&self, ip: IpAddr) -> Result<Place, NoEntry> {
        let mut books = self.books();
        let now = Instant::now();
        books.wrong.retain(|_, (_, last)| now.duration_since(*last) < LOCKOUT);
        let is_locked = books.wrong.get(&ip).is_some_and(|(count, _)| *count >= limits::FTP_WRONG_LOGINS_MAX);
        let all: usize = books.sessions.values().sum();
        let own = books.sessions.get(&ip).copied().unwrap_or(0);
        if is_locked {
            return Err(NoEntry::LockedOut);
        }
        let has_share = own >= limits::FTP_SESSIONS_PER_ADDRESS;
        if has_share || all >= self.sessions_max {
            // Who only connects keeps nobody out.
            let leaver = books.leaver(ip, has_share).and_then(|leaver| books.strangers.remove(&leaver));
            let (gone, leave) = leaver.ok_or(NoEntry::Full)?;
            books.leave(gone);
            leave.notify_one();
            refused("strangers");
        }
        *books.sessions.entry(ip).or_default() += 1;
        books.next_session += 1;
        let (number, leave) = (books.next_session, Arc::new(Notify::new()));
        books.strangers.insert(number, (ip, Arc::clone(&leave)));
        show(&books);
        Ok(Place { books: Arc::clone(&self.books), ip, number, leave, is_known: AtomicBool::new(false) })
    }

    /// Counts a try as a wrong one until it is known to be right. `false`: there were too many, also of other sessions.
    pub fn may_try(&self, ip: IpAddr) -> bool {
        let mut books = self.books();
        let now = Instant::now();
        books.wrong.retain(|_, (_, last)| now.duration_since(*last) < LOCKOUT);
        if books.wrong.get(&ip).is_some_and(|(count, _)| *count >= limits::FTP_WRONG_LOGINS_MAX) {
            return false;
        }
        // Sessions are bounded, and so is what is remembered of addresses.
        if books.wrong.len() >= limits::FTP_ADDRESSES_REMEMBERED {
            books.wrong.clear();
        }
        let entry = books.wrong.entry(ip).or_insert((0, Instant::now()));
        *entry = (entry.0 + 1, now);
        true
    }

    /// A place among the sessions of an account. Beyond the limit the oldest one leaves: a camera that was switched off and
    /// on does not close its old ones.
    pub fn account_place(&self, device: &str) -> AccountPlace {
        let mut books = self.books();
        books.next_session += 1;
        let (session, leave) = (books.next_session, Arc::<Notify>::default());
        let sessions = books.accounts.entry(device.to_owned()).or_default();
        sessions.push((session, Arc::clone(&leave)));
        let beyond = sessions.len().saturating_sub(limits::FTP_SESSIONS_PER_ACCOUNT);
        for (_, oldest) in sessions.drain(..beyond) {
            oldest.notify_one();
        }
        drop(books);
        AccountPlace { books: Arc::clone(&self.books), device: device.to_owned(), session, leave }
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
        let guard = Guard::new(60, limits::FTP_SESSIONS_MAX);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut places: Vec<_> =
            (0..limits::FTP_SESSIONS_PER_ADDRESS).map(|_| guard.enter(one).unwrap()).collect();
        places.iter().for_each(Place::logged_in);
        assert_eq!(guard.enter(one).err(), Some(NoEntry::Full));
        assert!(guard.enter(other).is_ok());
        places.pop();
        assert!(guard.enter(one).is_ok(), "a session that ends makes room");
        // Sessions that are in already do not help a guesser.
        let tries = (0..100).filter(|_| guard.may_try(other)).count();
        assert_eq!(tries, limits::FTP_WRONG_LOGINS_MAX as usize);
        assert_eq!(guard.enter(other).err(), Some(NoEntry::LockedOut));
        assert!(guard.may_try(one));
        guard.right_login(other);
        assert!(guard.enter(other).is_ok());
    }

    #[tokio::test]
    async fn who_only_connects_keeps_nobody_out() {
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let guard = Guard::new(60, 30);
        let idle: Vec<_> = (0..limits::FTP_SESSIONS_PER_ADDRESS).map(|_| guard.enter(one).unwrap()).collect();
        idle[0].logged_in();
        let newcomer = guard.enter(one).unwrap();
        idle[1].left().await;
        // It has left already: that it says so later counts no second time.
        idle[1].logged_in();
        let more: Vec<_> = (0..10).map(|_| guard.enter(other).unwrap()).collect();
        assert_eq!(guard.books().sessions.values().sum::<usize>(), 30);
        idle[2].left().await;
        drop((idle, newcomer, more));
        assert!(guard.books().sessions.is_empty() && guard.books().strangers.is_empty());
    }

    #[tokio::test]
    async fn an_account_has_so_many_sessions_and_the_oldest_leaves() {
        let guard = Guard::new(60, limits::FTP_SESSIONS_MAX);
        let mut places: Vec<_> =
            (0..limits::FTP_SESSIONS_PER_ACCOUNT).map(|_| guard.account_place("a")).collect();
        let other = guard.account_place("b");
        let newest = guard.account_place("a");
        places[0].left().await;
        let soon = |place: &AccountPlace| {
            let leave = Arc::clone(&place.leave);
            async move { tokio::time::timeout(Duration::from_millis(20), leave.notified()).await.is_ok() }
        };
        assert!(!soon(&places[1]).await && !soon(&other).await && !soon(&newest).await);
        places.truncate(2);
        let another = guard.account_place("a");
        assert!(!soon(&another).await && !soon(&places[1]).await, "those that ended made room");
    }

    #[test]
    fn uploads_have_an_allowance() {
        let guard = Guard::new(3, limits::FTP_SESSIONS_MAX);
        let taken = (0..10).filter(|_| guard.may_upload("a")).count();
        assert_eq!(taken, 3);
        assert!(guard.may_upload("b"), "each device has its own");
        let places: Vec<_> = std::iter::from_fn(|| guard.receive()).collect();
        assert_eq!(places.len(), limits::FTP_UPLOADS_AT_ONCE);
    }
}
