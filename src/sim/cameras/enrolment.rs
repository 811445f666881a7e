//! People who are enrolled over the local API while cameras run: as many as the box takes, so that the two compete.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::{Value, json};

use crate::sim::{scrape, storm};

/// Photos on their way at a time: more than the box has workers, so that one always waits.
const AT_A_TIME: usize = 6;

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
}

impl Enrolment {
    /// Enrols the portraits of a folder in turn, each time as somebody else.
    pub fn start(local_port: u16, folder: &Path) -> Result<Self, String> {
        let photos: Arc<[PathBuf]> = storm::photos::portraits(folder)?.into();
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
            "enrolled_per_s": super::rounded(enrolled as f64 / seconds),
        }))
    }
}

impl Shared {
    fn enrol(&self, local_port: u16, photos: &[PathBuf]) {
        while !self.stop.load(Ordering::Acquire) {
            let number = self.next.fetch_add(1, Ordering::AcqRel);
            let answer = fs::read(&photos[number % photos.len()]).map(|photo| {
                scrape::post(
                    local_port,
                    "/SophonFogSys/api/users",
                    &super::user(&format!("extra-{number}"), &photo),
                )
            });
            let count = match answer {
                Ok(answer) if answer.contains("\"data\"") => &self.enrolled,
                _ => &self.refused,
            };
            count.fetch_add(1, Ordering::AcqRel);
        }
    }
}
