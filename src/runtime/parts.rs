//! The supervised parts of the app: each actor with what it works with.

use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio_rustls::TlsAcceptor;

use super::app::App;
use super::doors::doors;
use super::frame_router::FrameRouter;
use super::ftp::start_ftp;
use super::problems::Problems;
use super::supervise::{ActorPart, Part};
use crate::actors::devices::DevicesActor;
use crate::actors::devices::actor::DevicesDeps;
use crate::actors::devices::push::PushOpener;
use crate::actors::face_engine::FaceEngineActor;
use crate::actors::face_engine::report::PassageReport;
use crate::actors::face_engine::workers::WorkerDeps;
use crate::actors::identify::Identifier;
use crate::actors::mq_link::MqLinkActor;
use crate::actors::mq_link::actor::{LinkObserver, LinkUpdate};
use crate::actors::mq_link::deps::LinkDeps;
use crate::actors::passages::PassageForwarder;
use crate::actors::registry::{RegistryActor, RegistryDeps};
use crate::actors::reporter::{Delivery, ReporterActor, ReporterConfig, ReporterDeps, Storage};
use crate::adapters::amqp::AmqpConnector;
use crate::adapters::camera::GstOpener;
use crate::adapters::ftp::FtpServer;
use crate::adapters::picture_download::HttpPictures;
use crate::adapters::relay::Relays;
use crate::adapters::tokens::{CommandLineToken, TokenBook};
use crate::adapters::vault::Vault;
use crate::ports::camera::{OpenError, StreamOpener as _};
use crate::web::local::LocalDeps;
use crate::web::local::access::{Access, Allowed};
use menshen_domain::link::LinkState;
use menshen_protocol::reply::ReplyHead;

/// A configured device names a pipeline that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("device `{ip}`: {reason}")]
struct UnusablePipeline {
    ip: String,
    reason: OpenError,
}

/// What the face engine reports cannot be passed on.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the passage thread: {0}")]
pub struct PassagesError(std::io::Error);

impl App {
    /// Keeps and reports events.
    pub fn reporter_part(&self) -> Box<dyn Part> {
        let settings = &self.settings;
        let deps = ReporterDeps {
            storage: Storage {
                events: self.stores.events.clone(),
                outbox: self.stores.events.clone(),
                pictures: Arc::clone(&self.stores.pictures),
                keys: Arc::<Vault>::clone(&self.stores.keys),
                waiting: Arc::default(),
                erased: self.erased.clone(),
                status: Arc::clone(&self.health.storage),
            },
            delivery: Delivery {
                platform: Arc::clone(&self.platform.api),
                sessions: self.platform.sessions.clone(),
                probe: Arc::clone(&self.platform.probe),
                receivers: self.health.receivers.clone(),
            },
            tuning: self.tuner.shared(),
            live: self.live.clone(),
            clock: Arc::clone(&self.clock),
            clock_status: Arc::clone(&self.health.clock),
            config: Arc::new(ReporterConfig {
                dev_sno: settings.dev_sno.clone(),
                keep_max: settings.events.keep_max,
                keep_bytes: settings.events.keep_bytes,
                keep_days: settings.events.keep_days,
                has_platform: settings.platform.is_some(),
                web_port: settings.web_listen.port(),
            }),
        };
        let devices = self.devices.status.clone();
        Box::new(ActorPart::new("reporter", self.handles.reporter.clone(), move || {
            Ok(ReporterActor::new(deps.clone(), devices.clone()))
        }))
    }

    /// Starts the thread that brings what the face engine reports to the reporter.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start_passages(&self) -> Result<PassageForwarder, PassagesError> {
        let (reporter, registry) = (self.handles.reporter.clone(), self.handles.registry.clone());
        PassageForwarder::start(reporter, registry).map_err(PassagesError)
    }

    /// Analyses frames and photos; `passages` takes what it reports.
    pub fn engine_part(&self, passages: Sender<PassageReport>) -> Box<dyn Part> {
        let recognition = &self.recognition;
        let deps = WorkerDeps {
            recogniser: recognition.recogniser.clone(),
            loader: Arc::clone(&recognition.loader),
            intake: Arc::clone(&recognition.intake),
            photos: Arc::clone(&recognition.photos),
            clock: Arc::clone(&self.clock),
            workers: self.settings.recognition.workers,
            on_face: doors(&self.devices.all, &self.handles, self.tuner.shared(), Arc::clone(&self.clock)),
        };
        Box::new(ActorPart::new("face-engine", self.handles.engine.clone(), move || {
            Ok(FaceEngineActor::start_workers(deps.clone(), passages.clone())?)
        }))
    }

    /// Keeps people and permission groups.
    pub fn registry_part(&self) -> Box<dyn Part> {
        let recognition = &self.settings.recognition;
        let deps = RegistryDeps {
            store: Arc::clone(&self.stores.registry),
            pictures: Arc::clone(&self.stores.pictures),
            keys: Arc::<Vault>::clone(&self.stores.keys),
            recogniser: self.recognition.recogniser.clone(),
            tuning: self.tuner.shared(),
            swap: self.recognition.swap_deps(&self.settings, &self.health.models, &self.tuner),
            platform: Arc::clone(&self.platform.api),
            engine: self.handles.engine.clone(),
            clock: Arc::clone(&self.clock),
            sessions: self.platform.sessions.clone(),
            custom_level: recognition.custom_level.clone(),
            strangers_max: recognition.strangers_max,
            committing: Arc::default(),
        };
        Box::new(ActorPart::new("registry", self.handles.registry.clone(), move || {
            Ok(RegistryActor::new(deps.clone()))
        }))
    }

    /// Takes the platform's commands; `None` in standalone mode.
    pub fn link_part(&self) -> Option<Box<dyn Part>> {
        let platform = self.settings.platform.as_ref()?;
        let deps = LinkDeps {
            platform: Arc::clone(&self.platform.api),
            sessions: self.platform.sessions.clone(),
            dead_letters: Arc::clone(&self.stores.dead_letters),
            eraser: self.eraser(),
            audit: Arc::clone(&self.audit),
            clock: Arc::clone(&self.clock),
            registry: self.handles.registry.clone(),
            reporter: self.handles.reporter.clone(),
            engine: self.handles.engine.clone(),
            devices: self.handles.devices.clone(),
            device_list: self.devices.all.clone(),
            manages_devices: platform.manages_devices,
            tuner: self.tuner.clone(),
            custom_level: self.settings.recognition.custom_level.clone(),
            head: ReplyHead { dev_sno: self.settings.dev_sno.clone(), language: self.settings.language },
        };
        self.health.set_link(LinkState::Stopped);
        let health = Arc::clone(&self.health);
        let status: LinkObserver = Arc::new(move |update| match update {
            LinkUpdate::State(state) => health.set_link(state),
            LinkUpdate::Blocked(reason) => health.set_link_blocked(reason),
            LinkUpdate::Refused(refusal) => health.set_login_refused(refusal),
        });
        let broker = Arc::new(AmqpConnector::new(platform.ca_file.clone(), self.settings.require_tls));
        Some(Box::new(ActorPart::new("mq-link", self.handles.link.clone(), move || {
            Ok(MqLinkActor::new(deps.clone(), broker.clone(), status.clone()))
        })))
    }

    /// Opens the devices' streams. Reads the pipelines.
    ///
    /// # Errors
    /// What is wrong with pipelines, and devices that name one that is not there.
    pub fn devices_part(&self) -> Result<Box<dyn Part>, Problems> {
        let opener = GstOpener::new(&self.settings.pipelines_dir).map_err(Problems::from_iter)?;
        let unusable: Problems = self
            .settings
            .devices
            .iter()
            .filter_map(|device| {
                let reason = opener.traits(&device.pipeline).err()?;
                Some(UnusablePipeline { ip: device.ip.clone(), reason })
            })
            .collect();
        unusable.or_ok(())?;
        let photos = Arc::clone(&self.recognition.photos);
        let opener = PushOpener { inner: Arc::new(opener), photos: Arc::clone(&photos) };
        let health = Arc::clone(&self.health);
        let deps = DevicesDeps {
            opener: Arc::new(opener),
            relay: Arc::new(Relays::new().map_err(Problems::one)?),
            routing: Arc::new(FrameRouter { frames: Arc::clone(&self.recognition.intake), photos }),
            clock: Arc::clone(&self.clock),
            reporter: self.handles.reporter.clone(),
            observer: Arc::new(move |list| health.set_devices(list)),
            config_store: Arc::clone(&self.devices.configs),
            tuner: self.tuner.clone(),
            device_list: self.devices.all.clone(),
        };
        Ok(Box::new(ActorPart::new("devices", self.handles.devices.clone(), move || {
            Ok(DevicesActor::new(deps.clone()))
        })))
    }

    /// What the handlers of the local API work with.
    pub fn local_api(&self) -> Arc<LocalDeps> {
        let settings = &self.settings;
        let (wall, monotonic) = (Arc::clone(&self.clock), Arc::clone(&self.clock));
        let deps = LocalDeps {
            registry: self.handles.registry.clone(),
            eraser: self.eraser(),
            reporter: self.handles.reporter.clone(),
            devices: self.handles.devices.clone(),
            live: self.live.clone(),
            health: Arc::clone(&self.health),
            identifier: Identifier {
                engine: self.handles.engine.clone(),
                recogniser: self.recognition.recogniser.clone(),
                tuning: self.tuner.shared(),
                level: settings.recognition.live_level.clone(),
                clock: Arc::clone(&self.clock),
                clock_status: Arc::clone(&self.health.clock),
                utc_offset_min: settings.recognition.utc_offset_min,
            },
            pictures_by_url: Arc::new(HttpPictures { require_tls: settings.require_tls }),
            custom_level: settings.recognition.custom_level.clone(),
            photos: Arc::clone(&self.recognition.photos),
            tuner: self.tuner.clone(),
            models: Arc::clone(&self.health.models),
            clock_status: Arc::clone(&self.health.clock),
            session: self.platform.sessions.shared(),
            restart: Arc::clone(&self.restart),
            device_list: self.devices.all.clone(),
            language: settings.language,
            dev_sno: settings.dev_sno.clone(),
            login_url: settings.platform.as_ref().map(|platform| platform.login_url.clone()),
            shows_photos: settings.local_api.photos,
            require_tls: settings.require_tls,
            access: self.access(),
            audit: Arc::clone(&self.audit),
            wall_ms: Arc::new(move || wall.wall_ms()),
            monotonic_ms: Arc::new(move || monotonic.monotonic_ms()),
        };
        Arc::new(deps)
    }

    /// Who is let in. Without a token of its own the command line uses those of everybody else.
    fn access(&self) -> Access {
        let (settings, folder) = (&self.settings, &self.settings.data_dir);
        let own = CommandLineToken::new(folder).renew();
        let own = own.inspect_err(|error| tracing::warn!(%error, "the command line has no token of its own"));
        let tokens = Arc::new(TokenBook::new(folder));
        Access::new(&settings.local_api.token, own.ok().as_deref(), tokens).allowing(Allowed {
            networks: settings.local_api.allow.clone(),
            names: settings.local_api.names.clone(),
        })
    }

    /// The FTP server, running; `None` when it is off.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn ftp_server(
        &self,
        sessions_max: usize,
        tls: Option<TlsAcceptor>,
    ) -> Result<Option<FtpServer>, Problems> {
        let health = Arc::clone(&self.health);
        let status = Arc::new(move |state| health.set_ftp(state));
        start_ftp(&self.settings.ftp, (sessions_max, tls), &self.recognition.photos, status)
            .map_err(Problems::one)
    }
}
