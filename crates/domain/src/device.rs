//! Capture devices: what is configured, and the state of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::candidate::Scope;
pub use super::device_kind::{DeviceKind, Direction};
use super::person::DEFAULT_PERMISSION_GROUP;
use super::photo_rules::PhotoRules;
use super::registry_groups::DEFAULT_REGISTRY_GROUP;
use super::relay::action_url::ActionUrl;
use super::relay::net_relay::NetRelay;
use super::secrets::mask_url;
use super::stream::StreamState;
use super::view::View;

/// Pipeline names of devices that send photos themselves.
pub const PUSH_PIPELINES: [&str; 2] = ["ftp", "post"];

/// In place of the licence code of a box that was issued none.
pub const NO_LICENCE_CODE: &str = "STANDALONE";

/// What tools of the published local API say of a device beside what the box goes by: kept, and shown again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishedKeys {
    /// `device_attr`.
    pub device_attr: Map<String, Value>,
    /// `netRelay`. The door's `action_url` is made of it where the device has none of its own.
    pub net_relay: Option<NetRelay>,
    /// `rtmp_address`; nothing is sent there.
    pub rtmp_address: String,
}

/// One capture device as configured.
#[derive(Clone, PartialEq)]
pub struct DeviceConfig {
    /// `{dev_sno}__{ip}`.
    pub ep_id: String,
    /// Its address, or the name of its stream; unique among the devices.
    pub ip: String,
    /// Unique among the devices; stays when the address changes. UUID v5 of the address unless configured.
    pub device_id: String,
    /// The name to show; the address unless configured.
    pub name: String,
    /// The protocol's device type.
    pub kind: DeviceKind,
    /// Name of a file in `pipelines/` without `.toml`.
    pub pipeline: String,
    /// Values for the pipeline's parameters, `url` among them. May hold a password.
    pub parameters: BTreeMap<String, String>,
    /// Whether people pass it on their way in or out.
    pub direction: Direction,
    /// Faces at this device are searched among people of these groups.
    pub permission_groups: Vec<String>,
    /// And of this registry group, by its name.
    pub registry_group: String,
    /// Free text of the configuration, reported as it is.
    pub memo: String,
    /// Where it is, in words.
    pub location: String,
    /// Name of the platform's group of devices.
    pub group_name: String,
    /// How its door is opened, where it has one.
    pub action_url: Option<ActionUrl>,
    /// Whether its stream is opened at all.
    pub enabled: bool,
    /// Only living faces are recognised here.
    pub liveness: bool,
    /// Age and gender are estimated of the people seen here.
    pub attributes: bool,
    /// Which part of its picture is processed.
    pub view: View,
    /// For devices that send photos.
    pub photos: PhotoRules,
    /// Of the published local API.
    pub published: PublishedKeys,
}

impl DeviceConfig {
    /// A network camera with the defaults for everything but its address and its pipeline.
    pub fn plain(ep_id: &str, ip: &str, pipeline: &str) -> Self {
        Self {
            ep_id: ep_id.to_owned(),
            ip: ip.to_owned(),
            device_id: ip.to_owned(),
            name: ip.to_owned(),
            kind: DeviceKind::NetworkCamera,
            pipeline: pipeline.to_owned(),
            parameters: BTreeMap::new(),
            direction: Direction::In,
            permission_groups: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
            registry_group: DEFAULT_REGISTRY_GROUP.to_owned(),
            memo: String::new(),
            location: String::new(),
            group_name: String::new(),
            action_url: None,
            enabled: true,
            liveness: false,
            attributes: false,
            view: View::default(),
            photos: PhotoRules::default(),
            published: PublishedKeys::default(),
        }
    }

    /// `{dev_sno}__{device ip or stream}` (protocol section 1).
    pub fn ep_id(dev_sno: &str, ip: &str) -> String {
        format!("{dev_sno}__{ip}")
    }

    /// Among whom faces are searched here.
    pub fn scope(&self) -> Scope<'_> {
        Scope::Groups { registry: &self.registry_group, permissions: &self.permission_groups }
    }

    /// Whether the stream can stay open when `self` is replaced by `other`.
    pub fn streams_alike(&self, other: &Self) -> bool {
        self.enabled == other.enabled
            && self.pipeline == other.pipeline
            && self.parameters == other.parameters
    }

    /// Whether it sends photos by itself, instead of being asked for a stream.
    pub fn is_push(&self) -> bool {
        PUSH_PIPELINES.contains(&self.pipeline.as_str())
    }

    /// Whether a person waits in front of it to pass: one person a photo.
    pub fn is_gate(&self) -> bool {
        matches!(self.kind, DeviceKind::Turnstile | DeviceKind::DoorTerminal)
    }

    /// Whether it names a network relay that opens nothing, since no template makes an address of it.
    pub fn has_idle_relay(&self) -> bool {
        self.published.net_relay.is_some() && self.action_url.is_none()
    }

    /// Seconds its door stays open after a match, where they were said.
    pub fn door_seconds(&self) -> Option<u32> {
        self.published.net_relay.as_ref().and_then(|relay| relay.delay_time)
    }

    /// The stream's address with user and password masked.
    pub fn masked_url(&self) -> String {
        self.parameters.get("url").map(|url| mask_url(url)).unwrap_or_default()
    }
}

/// Never shows a password.
impl std::fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("ep_id", &self.ep_id)
            .field("kind", &self.kind)
            .field("pipeline", &self.pipeline)
            .field("url", &self.masked_url())
            .finish_non_exhaustive()
    }
}

/// A device with its present state.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceStatus {
    /// As configured.
    pub config: DeviceConfig,
    /// How its stream is doing.
    pub state: StreamState,
    /// Wall clock of the last change of `state`, ms.
    pub since_ms: u64,
    /// Wall clock of the newest frame, ms; 0 before the first.
    pub last_frame_ms: u64,
    /// Times the stream was opened again.
    pub reconnects: u64,
    /// What it sends, once it is known: `h264`, `h265`, `jpeg`.
    pub codec: Option<String>,
}

impl DeviceStatus {
    /// A device that was not opened yet.
    pub fn unopened(config: &DeviceConfig) -> Self {
        Self {
            config: config.clone(),
            state: StreamState::Opening,
            since_ms: 0,
            last_frame_ms: 0,
            reconnects: 0,
            codec: None,
        }
    }
}
