//! The box's own state, for health checks. Written by the parts, read by the web side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::actors::tuning::SharedTuning;
use crate::status::clock::ClockStatus;
use crate::status::models::ModelStatus;
use crate::status::receivers::ReceiversStatus;
use crate::status::storage::StorageStatus;
use menshen_domain::device::DeviceStatus;
use menshen_domain::history::ReceiverStatus;
use menshen_domain::link::LinkState;
use menshen_domain::login_refusal::LoginRefusal;
use menshen_domain::models::ModelFacts;
use menshen_domain::photo_rules::PassMode;
use menshen_domain::storage::StorageFacts;
use menshen_domain::stream::StreamState;

pub struct Health {
    started: Instant,
    /// Written by the reporter.
    pub receivers: ReceiversStatus,
    /// Written by the stores themselves.
    pub storage: Arc<StorageStatus>,
    /// Written by the runtime, which watches the clock.
    pub clock: Arc<ClockStatus>,
    /// Written at start and by a swap.
    pub models: Arc<ModelStatus>,
    tuning: OnceLock<SharedTuning>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    /// `None` in standalone mode.
    link: Option<LinkState>,
    /// Why the broker takes no replies for now.
    link_blocked: Option<String>,
    /// Why the platform refuses the login.
    login_refused: Option<LoginRefusal>,
    devices: Vec<DeviceStatus>,
    /// Part → running.
    parts: BTreeMap<&'static str, bool>,
    draining: bool,
    local_api: String,
    stream: String,
    ftp: String,
}

#[derive(Serialize)]
pub struct HealthReport {
    pub ready: bool,
    /// Why it is not ready, one entry a reason.
    pub reasons: Vec<String>,
    pub version: &'static str,
    pub uptime_s: u64,
    /// Link to the platform; `standalone` without one. Not being up does not make the box unready: it
    /// recognises and keeps events without it.
    pub link: &'static str,
    /// Why the broker takes no replies for now: it is short of memory or disk. They wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_blocked: Option<String>,
    /// Why the platform refuses the login, where it says so, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_refused: Option<String>,
    pub parts: BTreeMap<&'static str, bool>,
    pub storage: StorageHealth,
    pub clock: ClockHealth,
    /// The embedder in use, and the progress of a swap to another.
    pub models: ModelFacts,
    pub devices: Vec<DeviceHealth>,
    pub history: Vec<ReceiverStatus>,
    /// Who may pass at the whole box, where it is not as usual: `allpass` or `allforbidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_mode: Option<&'static str>,
    /// Where the local API listens, or why not; empty when it is off.
    pub local_api: String,
    /// The same of the live stream.
    pub stream: String,
    /// The same of the FTP server.
    pub ftp: String,
}

/// Trouble with storing does not make the box unready: it still recognises, and reports in real time.
#[derive(Serialize)]
pub struct StorageHealth {
    pub ok: bool,
    #[serde(flatten)]
    pub facts: StorageFacts,
}

/// A wrong clock does not make the box unready: whoever has no end of validity is recognised.
#[derive(Serialize)]
pub struct ClockHealth {
    pub ok: bool,
    /// What is wrong and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

#[derive(Serialize)]
pub struct DeviceHealth {
    /// Its `ep_id` would show the licence code, which is a login.
    pub ip: String,
    pub name: String,
    pub online: bool,
    pub state: String,
    pub since_ms: u64,
    pub last_frame_ms: u64,
    pub reconnects: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            receivers: ReceiversStatus::default(),
            storage: Arc::default(),
            clock: Arc::new(ClockStatus::of_build()),
            models: Arc::default(),
            tuning: OnceLock::new(),
            facts: Mutex::default(),
        }
    }
}

impl Health {
    fn with<T>(&self, work: impl FnOnce(&mut Facts) -> T) -> T {
        work(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the values that change in the field are read; the first one counts.
    pub fn set_tuning(&self, tuning: SharedTuning) {
        let _ = self.tuning.set(tuning);
    }

    fn pass_mode(&self) -> Option<&'static str> {
        let mode = self.tuning.get()?.load().pass_mode;
        (mode != PassMode::Normal).then(|| mode.wire())
    }

    pub fn set_link(&self, state: LinkState) {
        metrics::gauge!("menshen_link_up").set(f64::from(u8::from(state == LinkState::Up)));
        self.with(|facts| facts.link = Some(state));
    }

    pub fn set_link_blocked(&self, reason: Option<&str>) {
        metrics::gauge!("menshen_link_blocked").set(f64::from(u8::from(reason.is_some())));
        self.with(|facts| facts.link_blocked = reason.map(str::to_owned));
    }

    pub fn set_login_refused(&self, refusal: Option<LoginRefusal>) {
        self.with(|facts| facts.login_refused = refusal);
    }

    /// Why the platform refuses the login.
    pub fn login_refused(&self) -> Option<LoginRefusal> {
        self.with(|facts| facts.login_refused)
    }

    pub fn set_devices(&self, devices: &[DeviceStatus]) {
        self.with(|facts| facts.devices = devices.to_vec());
    }

    pub fn set_part(&self, name: &'static str, running: bool) {
        self.with(|facts| {
            facts.parts.insert(name, running);
        });
    }

    pub fn set_local_api(&self, state: String) {
        self.with(|facts| facts.local_api = state);
    }

    pub fn set_stream(&self, state: String) {
        self.with(|facts| facts.stream = state);
    }

    pub fn set_ftp(&self, state: String) {
        self.with(|facts| facts.ftp = state);
    }

    pub fn set_draining(&self) {
        self.with(|facts| facts.draining = true);
    }

    pub fn report(&self) -> HealthReport {
        let storage = self.storage.facts();
        let clock = self.clock.fault();
        self.with(|facts| {
            let mut reasons: Vec<String> = facts
                .parts
                .iter()
                .filter(|(_, running)| !**running)
                .map(|(name, _)| format!("{name} is not running"))
                .collect();
            if facts.parts.is_empty() {
                reasons.push("starting".to_owned());
            }
            if facts.draining {
                reasons.push("shutting down".to_owned());
            }
            HealthReport {
                ready: reasons.is_empty(),
                reasons,
                version: env!("CARGO_PKG_VERSION"),
                uptime_s: self.started.elapsed().as_secs(),
                link: facts.link.map_or("standalone", LinkState::name),
                link_blocked: facts.link_blocked.clone(),
                login_refused: facts.login_refused.map(|refusal| refusal.text().to_string()),
                parts: facts.parts.clone(),
                storage: StorageHealth { ok: storage.is_ok(), facts: storage },
                clock: ClockHealth { ok: clock.is_none(), fault: clock.map(|fault| fault.to_string()) },
                models: self.models.facts(),
                devices: facts.devices.iter().map(device_health).collect(),
                history: self.receivers.list(),
                pass_mode: self.pass_mode(),
                local_api: facts.local_api.clone(),
                stream: facts.stream.clone(),
                ftp: facts.ftp.clone(),
            }
        })
    }
}

fn device_health(device: &DeviceStatus) -> DeviceHealth {
    let state = match &device.state {
        StreamState::Opening => "opening".to_owned(),
        StreamState::Online => "online".to_owned(),
        StreamState::AwaitingKeyFrame => "waiting for a key frame".to_owned(),
        StreamState::Offline(fault) => format!("offline: {fault}"),
        StreamState::Finished => "finished".to_owned(),
        StreamState::Stopped => "stopped".to_owned(),
    };
    DeviceHealth {
        ip: device.config.ip.clone(),
        name: device.config.name.clone(),
        online: device.state.is_online(),
        state,
        since_ms: device.since_ms,
        last_frame_ms: device.last_frame_ms,
        reconnects: device.reconnects,
    }
}
