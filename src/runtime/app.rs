//! Building everything, unspawned, from the settings.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::{Notify, watch};

use super::attributes::attribute_estimator;
use super::devices::{Reread, SettingsConfigStore};
use super::frame_router::{FrameRouter, doors, intakes, start_ftp};
use super::models::{load_fastest, read_selection, start_models};
use super::open::key_places;
use super::recover::{Filled, fill_gallery, finish_wipes, recover_events};
use super::supervise::{ActorPart, Part};
use crate::actors::devices::DevicesActor;
use crate::actors::devices::actor::DevicesDeps;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::devices::push::PushOpener;
use crate::actors::face_engine::FaceEngineActor;
use crate::actors::face_engine::attributes::AttributeEstimator;
use crate::actors::face_engine::report::PassageReport;
use crate::actors::face_engine::rules::CameraRules;
use crate::actors::face_engine::workers::WorkerDeps;
use crate::actors::handle::Handle;
use crate::actors::identify::Identifier;
use crate::actors::mq_link::MqLinkActor;
use crate::actors::mq_link::actor::{LinkObserver, LinkUpdate};
use crate::actors::mq_link::deps::LinkDeps;
use crate::actors::passages::PassageForwarder;
use crate::actors::recogniser::{ActiveRecogniser, Recogniser};
use crate::actors::registry::{RegistryActor, RegistryDeps, SwapDeps};
use crate::actors::reporter::{Delivery, ReporterActor, ReporterConfig, ReporterDeps, Storage};
use crate::actors::session::SessionKeeper;
use crate::actors::tuning::{SharedTuning, Tuner};
use crate::adapters::amqp::AmqpConnector;
use crate::adapters::camera::GstOpener;
use crate::adapters::changes_file::ChangesFile;
use crate::adapters::clock::SystemClock;
use crate::adapters::dead_letters::DeadLetterFile;
use crate::adapters::ftp::FtpServer;
use crate::adapters::onnx::OrtLoader;
use crate::adapters::pictures::PictureFiles;
use crate::adapters::platform_http::{self, PlatformHttp, PlatformParameters};
use crate::adapters::relay::Relays;
use crate::adapters::space::DiskSpace;
use crate::adapters::store::{RedbEventStore, RedbRegistryStore};
use crate::adapters::system::MachineProbe;
use crate::adapters::vault::Vault;
use crate::config::Settings;
use crate::config::settings::LoginMethod;
use crate::ports::camera::StreamOpener as _;
use crate::ports::clock::Clock;
use crate::ports::device_config_store::DeviceConfigStore;
use crate::ports::platform::PlatformApi;
use crate::ports::store::{PictureStore, RegistryStore, StoreError};
use crate::ports::system::SystemProbe;
use crate::status::storage::StorageStatus;
use crate::web::health::Health;
use crate::web::local::LocalDeps;
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::frame_gate::FrameGateRules;
use menshen_domain::link::LinkState;
use menshen_domain::passage::PassageRules;
use menshen_domain::quality::QualityLevel;
use menshen_domain::tuning::Tuning;
use menshen_gallery::Gallery;
use menshen_models::{ModelSet, Selection};
use menshen_protocol::reply::ReplyHead;
use menshen_vision::inference::InferenceLoader;

/// Addresses of the five.
#[derive(Clone, Default)]
pub struct Handles {
    pub link: Handle<MqLinkActor>,
    pub registry: Handle<RegistryActor>,
    pub engine: Handle<FaceEngineActor>,
    pub devices: Handle<DevicesActor>,
    pub reporter: Handle<ReporterActor>,
}

/// Everything built, nothing running.
pub struct App {
    pub handles: Handles,
    pub health: Arc<Health>,
    pub clock: Arc<dyn Clock>,
    /// Asks the runtime to drain everything and start afresh.
    pub restart: Arc<Notify>,
    settings: Settings,
    registry_parts: RegistryDeps,
    worker_parts: WorkerDeps,
    reporter_parts: ReporterDeps,
    vault: Arc<Vault>,
    device_list: watch::Sender<Vec<DeviceStatus>>,
    book: Arc<dyn DeviceConfigStore>,
    roster: DeviceList,
    /// Changes what can be retuned while the box runs.
    pub tuner: Tuner,
}

impl App {
    /// Opens stores, loads what is on disk, checks models. Says everything it found wrong. `reread` reads the configuration
    /// file once more.
    pub fn build(mut settings: Settings, reread: Reread) -> Result<Self, Vec<String>> {
        let one = |error: &dyn std::fmt::Display| vec![error.to_string()];
        create_data_dir(&settings.data_dir)?;
        let tuner = Tuner::new(Arc::new(ChangesFile::new(&settings.data_dir)), base_tuning(&settings))
            .map_err(|error| one(&error))?;
        settings.change_identity(&tuner.changes());
        let book: Arc<dyn DeviceConfigStore> = Arc::new(SettingsConfigStore::new(&settings, reread));
        // The device manager tells what is wrong with any.
        let roster = DeviceList::new(book.list(&tuner.changes()).0);
        let vault = Arc::new(Vault::open(key_places(&settings)).map_err(|error| one(&error))?);
        let health = Arc::new(Health::default());
        let loader: Arc<dyn InferenceLoader> =
            Arc::new(OrtLoader::new(&settings.onnxruntime, &settings.provider).map_err(|error| one(&error))?);
        let selection = read_selection(&settings).map_err(|error| one(&error))?;
        let attributes = attribute_estimator(&selection, &settings, &loader).map_err(|error| one(&error))?;
        let started = start_models(&selection, &settings, &tuner.changes(), &*loader, &health.models);
        let (models, spare) = started.map_err(|error| error.problems())?;
        let Stores { registry, events, pictures, filled } =
            open_stores(&settings, &vault, &health.storage, &models).map_err(|error| one(&error))?;
        let in_force = ActiveRecogniser::new(Recogniser::new(models, filled.gallery, spare));

        let handles = Handles::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (probe, platform) = outside(&settings).map_err(|error| one(&error))?;
        let sessions = SessionKeeper::new(settings.dev_sno.clone());
        let rules = camera_rules(&settings, in_force.clone(), Arc::clone(&clock), tuner.shared());
        let (intake, photos) = intakes(CameraRules { attributes, ..rules });
        Ok(Self {
            registry_parts: RegistryDeps {
                store: registry,
                pictures: Arc::clone(&pictures),
                keys: Arc::<Vault>::clone(&vault),
                recogniser: in_force.clone(),
                tuning: tuner.shared(),
                swap: swap_parts(&settings, selection, &health, &loader, &tuner, filled.other_model > 0),
                platform: Arc::clone(&platform),
                engine: handles.engine.clone(),
                clock: Arc::clone(&clock),
                sessions: sessions.clone(),
                stranger_level: QualityLevel::Custom(settings.recognition.custom_level.clone()),
                strangers_max: settings.recognition.strangers_max,
                committing: Arc::default(),
            },
            worker_parts: WorkerDeps {
                recogniser: in_force,
                loader,
                intake,
                photos,
                clock: Arc::clone(&clock),
                workers: settings.recognition.workers,
                on_face: doors(&roster, &handles, tuner.shared(), Arc::clone(&clock)),
            },
            reporter_parts: ReporterDeps {
                storage: Storage {
                    events: events.clone(),
                    outbox: events,
                    pictures,
                    keys: Arc::<Vault>::clone(&vault),
                    waiting: Arc::default(),
                    status: Arc::clone(&health.storage),
                },
                delivery: Delivery { platform, sessions, probe, receivers: health.receivers.clone() },
                tuning: tuner.shared(),
                clock: Arc::clone(&clock),
                config: Arc::new(ReporterConfig {
                    dev_sno: settings.dev_sno.clone(),
                    keep_max: settings.events.keep_max,
                    keep_bytes: settings.events.keep_bytes,
                    has_platform: settings.platform.is_some(),
                }),
            },
            vault,
            health,
            restart: Arc::default(),
            // Full from the first moment: a login may be quicker than the device manager.
            device_list: watch::channel(roster.all().iter().map(DeviceStatus::unopened).collect()).0,
            book,
            roster,
            clock,
            tuner,
            handles,
            settings,
        })
    }

    pub fn reporter_part(&self) -> Box<dyn Part> {
        let (parts, list) = (self.reporter_parts.clone(), self.device_list.clone());
        Box::new(ActorPart::new("reporter", self.handles.reporter.clone(), move || {
            Ok(ReporterActor::new(parts.clone(), list.clone()))
        }))
    }

    /// Starts the thread that brings what the engine reports to the reporter.
    pub fn start_passages(&self) -> Result<PassageForwarder, Vec<String>> {
        let (reporter, registry) = (self.handles.reporter.clone(), self.handles.registry.clone());
        PassageForwarder::start(reporter, registry)
            .map_err(|error| vec![format!("cannot start the passage thread: {error}")])
    }

    /// `passages` takes what the engine reports.
    pub fn engine_part(&self, passages: Sender<PassageReport>) -> Box<dyn Part> {
        let parts = self.worker_parts.clone();
        Box::new(ActorPart::new("face-engine", self.handles.engine.clone(), move || {
            FaceEngineActor::start_workers(parts.clone(), passages.clone()).map_err(|error| error.to_string())
        }))
    }

    pub fn registry_part(&self) -> Box<dyn Part> {
        let parts = self.registry_parts.clone();
        Box::new(ActorPart::new("registry", self.handles.registry.clone(), move || {
            Ok(RegistryActor::new(parts.clone()))
        }))
    }

    /// `None` in standalone mode.
    pub fn link_part(&self) -> Option<Box<dyn Part>> {
        let platform = self.settings.platform.as_ref()?;
        let parts = LinkDeps {
            platform: Arc::clone(&self.registry_parts.platform),
            sessions: self.registry_parts.sessions.clone(),
            dead_letters: Arc::new(DeadLetterFile::new(&self.settings.data_dir, Arc::clone(&self.vault))),
            clock: Arc::clone(&self.clock),
            registry: self.handles.registry.clone(),
            reporter: self.handles.reporter.clone(),
            engine: self.handles.engine.clone(),
            tuner: self.tuner.clone(),
            custom_level: self.settings.recognition.custom_level.clone(),
            head: ReplyHead { dev_sno: self.settings.dev_sno.clone(), language: self.settings.language },
        };
        self.health.set_link(LinkState::Stopped);
        let health = Arc::clone(&self.health);
        let board: LinkObserver = Arc::new(move |news| match news {
            LinkUpdate::State(state) => health.set_link(state),
            LinkUpdate::Blocked(reason) => health.set_link_blocked(reason),
        });
        let broker = Arc::new(AmqpConnector::new(platform.ca_file.clone()));
        Some(Box::new(ActorPart::new("mq-link", self.handles.link.clone(), move || {
            Ok(MqLinkActor::new(parts.clone(), broker.clone(), board.clone()))
        })))
    }

    pub fn devices_part(&self) -> Result<Box<dyn Part>, Vec<String>> {
        let opener = GstOpener::new(&self.settings.pipelines_dir)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let health = Arc::clone(&self.health);
        let usable = |device: &DeviceConfig| {
            let error = opener.traits(&device.pipeline).err()?;
            Some(format!("device `{}`: {error}", device.ip))
        };
        let unusable: Vec<String> = self.settings.devices.iter().filter_map(usable).collect();
        if !unusable.is_empty() {
            return Err(unusable);
        }
        let photos = Arc::clone(&self.worker_parts.photos);
        let opener = PushOpener { inner: Arc::new(opener), photos: Arc::clone(&photos) };
        let parts = DevicesDeps {
            opener: Arc::new(opener),
            relay: Arc::new(Relays::new().map_err(|error| vec![error])?),
            routing: Arc::new(FrameRouter { frames: Arc::clone(&self.worker_parts.intake), photos }),
            clock: Arc::clone(&self.clock),
            reporter: self.handles.reporter.clone(),
            observer: Arc::new(move |list| health.set_devices(list)),
            config_store: Arc::clone(&self.book),
            tuner: self.tuner.clone(),
            device_list: self.roster.clone(),
        };
        Ok(Box::new(ActorPart::new("devices", self.handles.devices.clone(), move || {
            Ok(DevicesActor::new(parts.clone()))
        })))
    }

    /// The local API's address and what it works with; `None` when it is off.
    pub fn local_api(&self) -> Option<(SocketAddr, Arc<LocalDeps>)> {
        let listen = self.settings.local_api.listen?;
        let clock = Arc::clone(&self.clock);
        let wall = Arc::clone(&self.clock);
        let parts = LocalDeps {
            registry: self.handles.registry.clone(),
            reporter: self.handles.reporter.clone(),
            devices: self.handles.devices.clone(),
            identifier: Identifier {
                engine: self.handles.engine.clone(),
                recogniser: self.registry_parts.recogniser.clone(),
                tuning: self.tuner.shared(),
                level: self.settings.recognition.live_level.clone(),
                clock: Arc::clone(&self.clock),
                utc_offset_min: self.settings.recognition.utc_offset_min,
            },
            photos: Arc::clone(&self.worker_parts.photos),
            tuner: self.tuner.clone(),
            models: Arc::clone(&self.health.models),
            session: self.registry_parts.sessions.shared(),
            restart: Arc::clone(&self.restart),
            roster: self.roster.clone(),
            language: self.settings.language,
            dev_sno: self.settings.dev_sno.clone(),
            login_url: self.settings.platform.as_ref().map(|platform| platform.login_url.clone()),
            token: self.settings.local_api.token.clone(),
            wall_ms: Arc::new(move || wall.wall_ms()),
            monotonic_ms: Arc::new(move || clock.monotonic_ms()),
        };
        Some((listen, Arc::new(parts)))
    }

    pub fn device_count(&self) -> usize {
        self.roster.all().len()
    }

    /// The FTP server, running; `None` when it is off.
    pub fn ftp_server(&self) -> Result<Option<FtpServer>, Vec<String>> {
        let health = Arc::clone(&self.health);
        let board = Arc::new(move |state| health.set_ftp(state));
        start_ftp(&self.settings.ftp, &self.worker_parts.photos, board)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What is on disk, opened and put in order.
struct Stores {
    registry: Arc<dyn RegistryStore>,
    events: Arc<RedbEventStore>,
    pictures: Arc<dyn PictureStore>,
    filled: Filled,
}

/// What a swap of the embedder works with; `missing`: somebody has no feature of the one in force.
fn swap_parts(
    settings: &Settings,
    selection: Selection,
    health: &Health,
    loader: &Arc<dyn InferenceLoader>,
    tuner: &Tuner,
    missing: bool,
) -> SwapDeps {
    let (own, with) = (settings.clone(), Arc::clone(loader));
    SwapDeps {
        status: Arc::clone(&health.models),
        loader: Arc::clone(loader),
        pick: Arc::new(move |name| Ok(load_fastest(&selection.reread()?, &own, name, &*with)?)),
        tuner: tuner.clone(),
        threads: settings.recognition.workers,
        missing: Arc::new(missing.into()),
        stop: Arc::default(),
    }
}

fn open_stores(
    settings: &Settings,
    vault: &Arc<Vault>,
    board: &Arc<StorageStatus>,
    models: &ModelSet,
) -> Result<Stores, StoreError> {
    let dimension = models.embedder_spec().dimension;
    let empty = Gallery::new(models.embedder_id(), dimension, settings.recognition.gallery_capacity);
    let folder = &settings.data_dir;
    let space = DiskSpace::new(folder, settings.storage.keep_free_bytes, Arc::clone(board));
    let (registry, registry_found) = RedbRegistryStore::open(folder, Arc::clone(vault), space.clone())?;
    let (events, events_found) = RedbEventStore::open(folder, Arc::clone(vault), space.clone())?;
    let pictures = PictureFiles::open(folder, Arc::clone(vault), space)?;
    finish_wipes(vault.as_ref(), &registry, &events, &pictures)?;
    recover_events(&events, &pictures, &events_found, board)?;
    let filled = fill_gallery(&registry, &pictures, &registry_found, board, empty)?;
    Ok(Stores {
        registry: Arc::new(registry),
        events: Arc::new(events),
        pictures: Arc::new(pictures),
        filled,
    })
}

/// The machine as it is seen, and the platform's client.
type Outside = (Arc<dyn SystemProbe>, Arc<dyn PlatformApi>);

fn outside(settings: &Settings) -> Result<Outside, String> {
    let probe = MachineProbe::new(settings.data_dir.clone(), platform_address(settings))?;
    let platform = platform_client(settings, &probe)?;
    Ok((Arc::new(probe), Arc::new(platform)))
}

pub fn create_data_dir(path: &Path) -> Result<(), Vec<String>> {
    std::fs::create_dir_all(path).map_err(|error| {
        vec![format!("cannot create data_dir {}: {error}; choose another with data_dir", path.display())]
    })
}

pub fn camera_rules(
    settings: &Settings,
    in_force: ActiveRecogniser,
    clock: Arc<dyn Clock>,
    tuning: SharedTuning,
) -> CameraRules {
    let (recognition, passages) = (&settings.recognition, &settings.passages);
    let match_threshold = in_force.get().scale().similarity_threshold;
    CameraRules {
        recogniser: in_force,
        clock,
        utc_offset_min: recognition.utc_offset_min,
        passages: PassageRules {
            gap_ms: passages.gap_ms,
            max_ms: passages.max_ms,
            stranger_hits_min: passages.stranger_hits_min,
            // Retuned before every frame.
            match_threshold,
            high_confidence_margin: passages.high_confidence_margin,
            top2_margin_min: recognition.top2_margin_min,
            embed_interval_ms: passages.embed_interval_ms,
            better_shot_ratio: passages.better_shot_ratio,
            // The detector's own, told with every frame.
            high_score_min: 0.0,
            // For those devices that ask for it.
            liveness_min: Some(recognition.liveness_min),
        },
        frame_gate: FrameGateRules { idle_look_ms: recognition.idle_look_ms, ..FrameGateRules::default() },
        live_level: recognition.live_level.clone(),
        face_min_px: recognition.face_min_px,
        report_strangers: passages.strangers,
        stranger_level: QualityLevel::Custom(recognition.custom_level.clone()),
        tuning,
        // Of the whole box; a camera by itself guesses nothing.
        attributes: AttributeEstimator::default(),
    }
}

/// What the configuration file says of the values that can be retuned.
pub fn base_tuning(settings: &Settings) -> Tuning {
    Tuning {
        threshold: settings.recognition.threshold,
        range: settings.recognition.score_range,
        enrol_strangers: settings.recognition.enrol_strangers,
        realtime_urls: settings.events.realtime_urls.clone(),
        history_urls: settings.events.history_urls.clone(),
        monitor_urls: settings.monitor_urls.clone(),
        gate_mode: settings.gate_mode,
    }
}

fn platform_client(settings: &Settings, probe: &dyn SystemProbe) -> Result<PlatformHttp, String> {
    let platform = settings.platform.as_ref();
    let ca_pem = platform
        .and_then(|platform| platform.ca_file.as_ref())
        .map(|path| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display())))
        .transpose()?;
    PlatformHttp::new(PlatformParameters {
        login_url: platform.map(|platform| platform.login_url.clone()),
        login_method: match platform.map_or(LoginMethod::Get, |platform| platform.login_method) {
            LoginMethod::Get => platform_http::LoginMethod::Get,
            LoginMethod::Post => platform_http::LoginMethod::Post,
        },
        dev_sno: settings.dev_sno.clone(),
        hex_mac: probe.look().hex_mac,
        ca_pem,
        realtime_timeout: std::time::Duration::from_millis(settings.events.realtime_timeout_ms),
    })
}

/// To find the network interface that leads to the platform.
fn platform_address(settings: &Settings) -> Option<std::net::SocketAddr> {
    let url = &settings.platform.as_ref()?.login_url;
    url.socket_addrs(|| None).ok()?.into_iter().next()
}
