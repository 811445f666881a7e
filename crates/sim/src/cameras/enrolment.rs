//! People who are enrolled over the local API while cameras run: as many as the box takes, so that the two compete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::{Value, json};

use anyhow::{Context as _, Result};
use menshen_testbed::scrape;
use menshen_testbed::statistics::rounded;

use super::user::user;
use crate::load::photos;

/// Calls on their way at a time: the next one waits while one is worked on.
const AT_A_TIME: usize = 2;
/// People a call: more than the box has workers, so that photos always wait.
const PEOPLE_A_CALL: usize = 16;

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
    /// Enrols photos in turn, each time as another person.
    pub fn start(local_port: u16, people: &People, folder: &Path) -> Result<Self> {
        let wanted = photos::Wanted { photos: &people.photos, max: PHOTOS_MAX, enlarge: people.enlarge };
        let photos: Arc<[Vec<u8>]> = photos::prepare(&wanted, folder)?.into();
        let shared = Arc::<Shared>::default();
        let threads = (0..AT_A_TIME).map(|_| {
            let (photos, shared) = (Arc::clone(&photos), Arc::clone(&shared));
            std::thread::spawn(move || shared.enrol(local_port, &photos))
        });
        Ok(Self { threads: threads.collect(), shared, began: Instant::now() })
    }

    /// Ends it and returns what became of them.
    pub fn stop(self) -> Result<Value> {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().ok().context("a thread that enrols people panicked")?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let enrolled = self.shared.enrolled.load(Ordering::Acquire);
        Ok(json!({
            "enrolled": enrolled, "enrolment_refused": self.shared.refused.load(Ordering::Acquire),
            "enrolment_first_refusal": *self.shared.first_refusal.lock().unwrap_or_else(PoisonError::into_inner),
            "enrolled_per_s": rounded(enrolled as f64 / seconds, 3),
        }))
    }
}

impl Shared {
    fn enrol(&self, local_port: u16, photos: &[Vec<u8>]) {
        while !self.stop.load(Ordering::Acquire) {
            let first = self.next.fetch_add(PEOPLE_A_CALL, Ordering::AcqRel);
            let user = |number: usize| user(&format!("extra-{number}"), &photos[number % photos.len()]);
            let users: Vec<Value> = (first..first + PEOPLE_A_CALL).map(user).collect();
            let answer =
                scrape::post(local_port, "/SophonFogSys/api/users", &json!({ "user_info_list": users }));
            let answered: Value = serde_json::from_str(&answer).unwrap_or_default();
            let enrolled = answered["data"]["success_users"].as_array().map_or(0, Vec::len);
            self.enrolled.fetch_add(enrolled, Ordering::AcqRel);
            self.refused.fetch_add(PEOPLE_A_CALL - enrolled, Ordering::AcqRel);
            if enrolled < PEOPLE_A_CALL {
                let why = answered["data"]["failed_users"][0]["message"].as_str().unwrap_or(&answer);
                let mut first = self.first_refusal.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| why.to_owned());
            }
        }
    }
}
