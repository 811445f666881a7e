//! Real-time pushes grow old: the reporter alone, on a real store, with a clock the test moves.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::Actor as _;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use menshen::actors::erased_people::ErasedPeople;
use menshen::actors::live_stream::LiveStream;
use menshen::actors::reporter::message::{PassageStage, RecordPassage};
use menshen::actors::reporter::{Delivery, ReporterActor, ReporterConfig, ReporterDeps, Storage};
use menshen::actors::session::SessionKeeper;
use menshen::actors::tuning::SharedTuning;
use menshen::adapters::pictures::PictureFiles;
use menshen::adapters::space::DiskSpace;
use menshen::adapters::store::RedbEventStore;
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::ports::clock::Clock;
use menshen::ports::platform::{PlatformApi, PlatformError, PostBody, PostPurpose};
use menshen::ports::store::EventStore as _;
use menshen::ports::system::{SystemFacts, SystemProbe};
use menshen_domain::erasure::ErasedPerson;
use menshen_domain::event::EventIdentity;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_domain::photo_rules::PassMode;
use menshen_domain::score::ScoreRange;
use menshen_domain::tuning::{GateMode, Tuning};
use menshen_protocol::login::Session;
use serde_json::Value;
use url::Url;

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn wall_ms(&self) -> u64 {
        self.monotonic_ms()
    }
    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Notes what is posted, and fails while it is told to.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Value>>,
    failure: Mutex<Option<PlatformError>>,
}

impl PlatformApi for Ear {
    fn log_in(&self) -> BoxFuture<'_, Result<Session, PlatformError>> {
        std::future::pending().boxed()
    }
    fn user_details<'a>(
        &'a self,
        _: &'a Session,
        _: &'a Url,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Value>, PlatformError>> {
        std::future::pending().boxed()
    }
    fn post<'a>(
        &'a self,
        _: Option<&'a Session>,
        _: &'a Url,
        body: PostBody,
        purpose: PostPurpose,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        assert_eq!(purpose, PostPurpose::RealTime);
        self.heard.lock().unwrap().push(serde_json::from_slice(&body.bytes).unwrap());
        let failure = self.failure.lock().unwrap().clone();
        async { failure.map_or(Ok(()), Err) }.boxed()
    }
    fn photo<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<Bytes, PlatformError>> {
        std::future::pending().boxed()
    }
}

struct Blind;

impl SystemProbe for Blind {
    fn look(&self) -> SystemFacts {
        SystemFacts::default()
    }
}

fn passage(id: &str, decided_ms: u64) -> RecordPassage {
    let mut event = crate::backlog::event(id);
    event.identity = Some(EventIdentity {
        id: "1001".to_owned(),
        name: "x".to_owned(),
        kind: PersonKind::Employee,
        registry_photo: None,
    });
    RecordPassage { event, pictures: Vec::new(), stage: PassageStage::Open, decided_ms }
}

/// A reporter with one event server, its store in `folder`.
fn deps(folder: &Path, clock: &Arc<Hand>, ear: &Arc<Ear>) -> (ReporterDeps, Arc<RedbEventStore>) {
    let places = KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places).unwrap());
    let space = DiskSpace::new(folder, 0, Arc::default());
    let (store, _) = RedbEventStore::open(folder, Arc::clone(&vault), space.clone()).unwrap();
    let store = Arc::new(store);
    let tuning = Tuning {
        threshold: 82.0,
        range: ScoreRange::default(),
        enrol_strangers: false,
        realtime_urls: vec![Url::parse("http://127.0.0.1:9/events").unwrap()],
        history_urls: Vec::new(),
        monitor_urls: Vec::new(),
        gate_mode: GateMode::OpenDoor,
        pass_mode: PassMode::Normal,
        history_face_info: None,
        reports: menshen_domain::report_options::ReportOptions::default(),
    };
    let deps = ReporterDeps {
        storage: Storage {
            events: store.clone(),
            outbox: store.clone(),
            pictures: Arc::new(PictureFiles::open(folder, Arc::clone(&vault), space).unwrap()),
            keys: vault.clone(),
            waiting: Arc::default(),
            erased: ErasedPeople::default(),
            status: Arc::default(),
        },
        clock_status: Arc::default(),
        delivery: Delivery {
            platform: ear.clone(),
            sessions: SessionKeeper::new("D".to_owned()),
            probe: Arc::new(Blind),
            receivers: menshen::status::receivers::ReceiversStatus::default(),
        },
        clock: clock.clone(),
        tuning: SharedTuning::new(tuning),
        live: LiveStream::new(ErasedPeople::default()),
        config: Arc::new(ReporterConfig {
            dev_sno: "D".to_owned(),
            keep_max: 100,
            keep_bytes: u64::MAX,
            keep_days: None,
            has_platform: false,
            web_port: 0,
        }),
    };
    (deps, store)
}

impl Ear {
    fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// Waits for more than `before` pushes, and a little for what follows from the last one.
    async fn hears_more_than(&self, before: usize) -> bool {
        for _ in 0..400 {
            if self.count() > before {
                tokio::time::sleep(Duration::from_millis(100)).await;
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

#[test]
fn what_waited_too_long_is_history_and_never_news() {
    let folder = tempfile::TempDir::new().unwrap();
    let (clock, ear) = (Arc::new(Hand::default()), Arc::new(Ear::default()));
    let (parts, store) = deps(folder.path(), &clock, &ear);
    actix::System::new().block_on(async {
        let reporter = ReporterActor::new(parts, tokio::sync::watch::channel(Vec::new()).0).start();
        clock.0.store(100_000, Ordering::SeqCst);
        let oldest_ms = 100_000 - limits::REALTIME_TTL_MS;
        reporter.send(passage("stale", oldest_ms - 1)).await.unwrap().unwrap();
        reporter.send(passage("fresh", oldest_ms)).await.unwrap().unwrap();
        ear.hears_more_than(0).await
    });
    let pushed = ear.heard.lock().unwrap().clone();
    let ids: Vec<_> = pushed.iter().map(|body| body["ext_data"]["event_id"].clone()).collect();
    assert_eq!(ids, ["fresh"]);
    assert_eq!(store.open_events().unwrap().len(), 2, "both are kept");
}

#[test]
fn what_is_erased_on_its_way_is_neither_pushed_nor_kept() {
    let folder = tempfile::TempDir::new().unwrap();
    let (clock, ear) = (Arc::new(Hand::default()), Arc::new(Ear::default()));
    let (parts, store) = deps(folder.path(), &clock, &ear);
    let erased = parts.storage.erased.clone();
    actix::System::new().block_on(async {
        let reporter = ReporterActor::new(parts, tokio::sync::watch::channel(Vec::new()).0).start();
        clock.0.store(100_000, Ordering::SeqCst);
        let (old, mut new) = (passage("old", 100_000), passage("new", 100_000));
        let id = old.event.identity.as_ref().unwrap().id.clone();
        let person = ErasedPerson { id, ..ErasedPerson::default() };
        erased.add("job", &[person], old.event.in_timestamp_ms, 100_000);
        // Enrolled again: a passage from after the erasure.
        new.event.in_timestamp_ms += 1;
        reporter.send(old).await.unwrap().unwrap();
        reporter.send(new).await.unwrap().unwrap();
        assert!(ear.hears_more_than(0).await);
    });
    let pushed = ear.heard.lock().unwrap().clone();
    let ids: Vec<_> = pushed.iter().map(|body| body["ext_data"]["event_id"].clone()).collect();
    assert_eq!(ids, ["new"]);
    let kept: Vec<_> = store.open_events().unwrap().into_iter().map(|event| event.event_id).collect();
    assert_eq!(kept, ["new"]);
}

/// As history does: a receiver in trouble is asked ever more rarely, whatever the trouble is, and at once after it.
#[test]
fn an_event_server_in_trouble_is_asked_ever_more_rarely() {
    let host = || "h".to_owned();
    let redirect = PlatformError::Redirect {
        host: host(),
        status: 307,
        to: "http://elsewhere/".to_owned(),
        advice: String::new(),
        leads_to_login: false,
    };
    let status = |status| PlatformError::Status { host: host(), status, code: None, detail: String::new() };
    let down = PlatformError::Unreachable { host: host(), reason: "refused".to_owned() };
    let troubles = [redirect, status(503), status(404), PlatformError::Page { host: host() }, down];
    for (number, trouble) in troubles.into_iter().enumerate() {
        let folder = tempfile::TempDir::new().unwrap();
        let (clock, ear) = (Arc::new(Hand::default()), Arc::new(Ear::default()));
        let (parts, _) = deps(folder.path(), &clock, &ear);
        actix::System::new().block_on(async {
            let reporter = ReporterActor::new(parts, tokio::sync::watch::channel(Vec::new()).0).start();
            *ear.failure.lock().unwrap() = Some(trouble.clone());
            // A match a second for a minute.
            for second in 0..60u64 {
                let now_ms = 100_000 + second * 1_000;
                clock.0.store(now_ms, Ordering::SeqCst);
                reporter.send(passage(&format!("{number}-{second}"), now_ms)).await.unwrap().unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            let tried = ear.count();
            assert!((4..=20).contains(&tried), "{trouble}: {tried} pushes of 60 were tried");
            *ear.failure.lock().unwrap() = None;
            clock.0.store(200_000, Ordering::SeqCst);
            for id in ["after-1", "after-2", "after-3"] {
                let before = ear.count();
                reporter.send(passage(id, 200_000)).await.unwrap().unwrap();
                assert!(ear.hears_more_than(before).await, "{trouble}: {id} was not pushed");
            }
        });
    }
}
