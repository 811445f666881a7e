//! Real-time pushes grow old: the reporter alone, on a real store, with a clock the test moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::Actor as _;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use menshen::actors::reporter::message::{PassageStage, RecordPassage};
use menshen::actors::reporter::{Delivery, ReporterActor, ReporterConfig, ReporterDeps, Storage};
use menshen::actors::session::SessionKeeper;
use menshen::actors::tuning::SharedTuning;
use menshen::adapters::pictures::PictureFiles;
use menshen::adapters::space::DiskSpace;
use menshen::adapters::store::RedbEventStore;
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::ports::clock::Clock;
use menshen::ports::platform::{PlatformApi, PlatformError, PostPurpose};
use menshen::ports::store::EventStore as _;
use menshen::ports::system::{SystemFacts, SystemProbe};
use menshen_domain::event::EventIdentity;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
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

/// Notes what is posted.
#[derive(Default)]
struct Ear(Mutex<Vec<Value>>);

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
        body: Vec<u8>,
        purpose: PostPurpose,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        assert_eq!(purpose, PostPurpose::RealTime);
        self.0.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        async { Ok(()) }.boxed()
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

#[test]
fn what_waited_too_long_is_history_and_never_news() {
    let folder = tempfile::TempDir::new().unwrap();
    let places = KeyPlaces { data_dir: folder.path().to_path_buf(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places).unwrap());
    let space = DiskSpace::new(folder.path(), 0, Arc::default());
    let (store, _) = RedbEventStore::open(folder.path(), Arc::clone(&vault), space.clone()).unwrap();
    let store = Arc::new(store);
    let (clock, ear) = (Arc::new(Hand::default()), Arc::new(Ear::default()));
    let tuning = Tuning {
        threshold: 82.0,
        range: ScoreRange::default(),
        enrol_strangers: false,
        realtime_urls: vec![Url::parse("http://127.0.0.1:9/events").unwrap()],
        history_urls: Vec::new(),
        monitor_urls: Vec::new(),
        gate_mode: GateMode::OpenDoor,
    };
    let parts = ReporterDeps {
        storage: Storage {
            events: store.clone(),
            outbox: store.clone(),
            pictures: Arc::new(PictureFiles::open(folder.path(), Arc::clone(&vault), space).unwrap()),
            keys: vault.clone(),
            waiting: Arc::default(),
            status: Arc::default(),
        },
        delivery: Delivery {
            platform: ear.clone(),
            sessions: SessionKeeper::new("D".to_owned()),
            probe: Arc::new(Blind),
            receivers: menshen::status::receivers::ReceiversStatus::default(),
        },
        clock: clock.clone(),
        tuning: SharedTuning::new(tuning),
        config: Arc::new(ReporterConfig {
            dev_sno: "D".to_owned(),
            keep_max: 100,
            keep_bytes: u64::MAX,
            has_platform: false,
        }),
    };
    let pushed = actix::System::new().block_on(async {
        let reporter = ReporterActor::new(parts, tokio::sync::watch::channel(Vec::new()).0).start();
        clock.0.store(100_000, Ordering::SeqCst);
        let oldest_ms = 100_000 - limits::REALTIME_TTL_MS;
        reporter.send(passage("stale", oldest_ms - 1)).await.unwrap().unwrap();
        reporter.send(passage("fresh", oldest_ms)).await.unwrap().unwrap();
        for _ in 0..400 {
            if !ear.0.lock().unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ear.0.lock().unwrap().clone()
    });
    let ids: Vec<_> = pushed.iter().map(|body| body["ext_data"]["event_id"].clone()).collect();
    assert_eq!(ids, ["fresh"]);
    assert_eq!(store.open_events().unwrap().len(), 2, "both are kept");
}
