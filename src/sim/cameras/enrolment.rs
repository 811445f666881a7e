//! People who are enrolled over the local API while cameras run: as many as the box takes, so that the two compete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::{Value, json};

use crate::sim::{scrape, storm::photos};

/// Photos on their way at a time: more than the box has workers, so that one always waits.
const AT_A_TIME: usize = 6;

/// So many different photos.
const PHOTOS_MAX: usize = 1000;

/// Who is enrolled.
#[derive(Debug, Clone)]
pub struct People {
    /// Portraits, with folders inside.
    pub photos: PathBuf,
    /// Photos are enlarged by this, so that small portraits are good enough.
    pub enlarge: u32,
}

/// Runs until [`stop`](Self::stop).
pub struct Enrolment {
    shared: Arc<Shared>,
    began: Instant,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    next: AtomicUsize,
    enrolled: AtomicUsize,
    refused: AtomicUsize,
    first_refusal: Mutex<Option<String>>,
}

impl Enrolment {
    /// Enrols photos in turn, each time as somebody else.
    pub fn start(local_port: u16, people: &People, folder: &Path) -> Result<Self, String> {
        let wanted = photos::Wanted { photos: &people.photos, max: PHOTOS_MAX, enlarge: people.enlarge };
        let photos: Arc<[Vec<u8>]> = photos::prepare(&wanted, folder)?.into();
        let shared = Arc::<Shared>::default();
        let threads = (0..AT_A_TIME).map(|_| {
            let (photos, shared) = (Arc::clone(&photos), Arc::clone(&shared));
            std::thread::spawn(move || shared.enrol(local_port, &photos))
        });
        Ok(Self { threads: threads.collect(), shared, began: Instant::now() })
    }

    /// Ends it and tells what became of them.
    pub fn stop(self) -> Result<Value, String> {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().map_err(|_| "a thread that enrols people panicked".to_owned())?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let enrolled = self.shared.enrolled.load(Ordering::Acquire);
        Ok(json!({
            "enrolled": enrolled, "enrolment_refused": self.shared.refused.load(Ordering::Acquire),
            "enrolment_first_refusal": *self.shared.first_refusal.lock().unwrap_or_else(PoisonError::into_inner),
            "enrolled_per_s": super::rounded(enrolled as f64 / seconds),
        }))
    }
}

impl Shared {
    fn enrol(&self, local_port: u16, photos: &[Vec<u8>]) {
        while !self.stop.load(Ordering::Acquire) {
            let number = self.next.fetch_add(1, Ordering::AcqRel);
            let user = super::user(&format!("extra-{number}"), &photos[number % photos.len()]);
            let answer = scrape::post(local_port, "/SophonFogSys/api/users", &user);
            if answer.contains("\"data\"") {
                self.enrolled.fetch_add(1, Ordering::AcqRel);
            } else {
                self.refused.fetch_add(1, Ordering::AcqRel);
                self.first_refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(answer);
            }
        }
    }
}
