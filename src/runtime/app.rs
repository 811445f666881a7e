//! The whole box, built from the settings and not running yet.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::devices::{Reread, SettingsConfigStore};
use super::handles::Handles;
use super::overridden::overridden;
use super::platform::Platform;
use super::problems::Problems;
use super::recognition::{Models, Recognition};
use super::storage::{Stores, create_data_dir, key_places};
use super::tuning::base_tuning;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::erased_people::ErasedPeople;
use crate::actors::erasure::Eraser;
use crate::actors::live_stream::LiveStream;
use crate::actors::tuning::Tuner;
use crate::adapters::audit::AuditWriter;
use crate::adapters::changes_file::ChangesFile;
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::ports::audit::AuditLog;
use crate::ports::clock::Clock;
use crate::ports::device_config_store::DeviceConfigStore;
use crate::ports::store::EventStore as _;
use crate::telemetry::log_line::hide_licence_code;
use crate::web::health::Health;
use menshen_domain::device::DeviceStatus;
use menshen_domain::status::Language;

/// Everything built, nothing running. `runtime::parts` makes the actors from it.
pub struct App {
    pub handles: Handles,
    pub health: Arc<Health>,
    pub clock: Arc<dyn Clock>,
    /// Asks the runtime to drain everything and start again as a new process.
    pub restart: Arc<Notify>,
    /// Changes what can be changed while the box runs.
    pub tuner: Tuner,
    /// Whom this run has erased.
    pub(super) erased: ErasedPeople,
    /// The clients of the live stream.
    pub(super) live: LiveStream,
    erasing: Arc<tokio::sync::Mutex<()>>,
    /// Where changes are written down.
    pub audit: Arc<dyn AuditLog>,
    pub(super) settings: Arc<Settings>,
    pub(super) stores: Stores,
    pub(super) platform: Platform,
    pub(super) recognition: Recognition,
    pub(super) devices: DeviceLists,
}

/// The devices: where they are configured, which there are, and how each one is.
pub(super) struct DeviceLists {
    pub configs: Arc<dyn DeviceConfigStore>,
    pub all: DeviceList,
    pub status: watch::Sender<Vec<DeviceStatus>>,
}

impl DeviceLists {
    fn build(settings: &Settings, reread: Reread, tuner: &Tuner) -> Self {
        let configs: Arc<dyn DeviceConfigStore> = Arc::new(SettingsConfigStore::new(settings, reread));
        // The device manager logs what is wrong with any.
        let all = DeviceList::new(configs.list(&tuner.changes()).0);
        // Full from the first moment: a login may be quicker than the device manager.
        let status = watch::channel(all.all().iter().map(DeviceStatus::unopened).collect()).0;
        Self { configs, all, status }
    }
}

impl App {
    /// Opens stores, loads what is on disk, checks models. `reread` reads the configuration file once more.
    ///
    /// # Errors
    /// Everything that was found wrong.
    pub fn build(mut settings: Settings, reread: Reread) -> Result<Self, Problems> {
        create_data_dir(&settings.data_dir).map_err(Problems::one)?;
        let changes = ChangesFile::new(key_places(&settings));
        if changes.seal_clear().map_err(Problems::one)? {
            tracing::info!("passwords and addresses in changes.json were sealed");
        }
        let tuner = Tuner::new(Arc::new(changes), base_tuning(&settings)).map_err(Problems::one)?;
        for value in overridden(&settings, &tuner.changes()) {
            let back = value.way_back();
            tracing::warn!(back, "configuration is overridden: {}", value.text().of(Language::En));
        }
        if let Some(warning) = settings.local_api.allow_warning() {
            tracing::warn!("{}", warning.of(Language::En));
        }
        settings.change_identity(&tuner.changes());
        hide_licence_code(&settings.dev_sno);
        let devices = DeviceLists::build(&settings, reread, &tuner);
        let health = Arc::new(Health::default());
        health.set_tuning(tuner.shared());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let models = Models::load(&settings, &tuner.changes(), &health.models)?;
        let gallery = models.gallery(settings.recognition.gallery_capacity);
        let (stores, filled) = Stores::open(&settings, &health.storage, gallery).map_err(Problems::one)?;
        let platform = Platform::build(&settings).map_err(Problems::one)?;
        health.clock.event_at(stores.events.newest_event_ms().map_err(Problems::one)?);
        health.clock.watch(clock.wall_ms());
        let clocks = (Arc::clone(&clock), Arc::clone(&health.clock));
        let recognition = Recognition::build(&settings, models, filled, clocks, tuner.shared());
        let audit = AuditWriter::start(&settings.data_dir).map_err(Problems::one)?;
        let erased = ErasedPeople::default();
        Ok(Self {
            audit: Arc::new(audit),
            handles: Handles::default(),
            health,
            clock,
            restart: Arc::default(),
            tuner,
            live: LiveStream::new(erased.clone()),
            erased,
            erasing: Arc::default(),
            settings: Arc::new(settings),
            stores,
            platform,
            recognition,
            devices,
        })
    }

    /// Erases people. Needs the registry's part running.
    pub fn eraser(&self) -> Eraser {
        Eraser {
            parts: self.stores.erasure_parts(),
            registry: self.handles.registry.clone(),
            erased: self.erased.clone(),
            clock: Arc::clone(&self.clock),
            turn: Arc::clone(&self.erasing),
        }
    }

    pub fn device_count(&self) -> usize {
        self.devices.all.all().len()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
