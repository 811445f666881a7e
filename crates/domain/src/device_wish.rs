//! Devices as the published local API and the platform's commands speak of them: by a `device_id` and a `device_key`.
//!
//! The key is the address of a device that sends photos, or the URL of a stream. A [`DeviceWish`] says which keys of a
//! `[[devices]]` block follow from it, and of which device.

use serde_json::{Map, Value};

use super::address::Address;
use super::device::{DeviceConfig, DeviceKind};
use super::relay::net_relay::NetRelay;
use super::secrets::mask_url;
use super::tuning::{DeviceChange, DeviceTable};

/// Where a device's pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It sends photos (`photo`).
    Photo,
    /// It has a stream (`rtsp`).
    Stream,
}

impl Source {
    /// That of a device there is.
    pub fn of(device: &DeviceConfig) -> Self {
        if device.is_push() { Self::Photo } else { Self::Stream }
    }
}

/// Whether a device may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is added; one that is there is changed.
    Add,
    /// It must be there.
    Update,
}

/// What is wanted of a device's network relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelayWish {
    /// It stays as it is.
    #[default]
    Leave,
    /// The device has none from now on.
    Remove,
    /// The device has this one.
    Set(NetRelay),
}

/// What is said of one device. What is `None` was not said.
#[derive(Clone, Default, PartialEq)]
pub struct DeviceWish {
    /// Unique among the devices.
    pub device_id: Option<String>,
    /// To show.
    pub name: Option<String>,
    /// Faces are searched among people of these groups: ids, or names as long as nobody has looked them up.
    pub permission_groups: Option<Vec<String>>,
    /// Faces are searched among people of this registry group: an id or a name, likewise.
    pub registry_group: Option<String>,
    /// Address of a device that sends photos, or URL of a stream.
    pub key: Option<String>,
    /// Where the pictures come from.
    pub source: Option<Source>,
    /// Our own: which kind of device that sends photos.
    pub kind: Option<DeviceKind>,
    /// `device_attr`, without its nulls.
    pub device_attr: Option<Map<String, Value>>,
    /// Whether people are searched for at all (`do_match`).
    pub enabled: Option<bool>,
    /// Whether age and gender are estimated (`do_attribute`).
    pub attributes: Option<bool>,
    /// Its network relay.
    pub net_relay: RelayWish,
    /// Kept, and shown again.
    pub rtmp_address: Option<String>,
    /// Fields that were not said, and that must be of a new device.
    pub missing_if_new: Vec<&'static str>,
}

/// Never shows a password.
impl std::fmt::Debug for DeviceWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceWish")
            .field("device_id", &self.device_id)
            .field("key", &self.key.as_deref().map(mask_url))
            .finish_non_exhaustive()
    }
}

/// Why a wish cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishFault {
    /// A key that a new device, or a change, cannot do without.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// There is no device of that id.
    #[error("no device has the device_id `{0}`")]
    UnknownDevice(String),
    /// The key belongs to a device of another id.
    #[error("`device_key`: device `{0}` has it; change that one, or remove it first")]
    KeyTaken(String),
    /// A password that was masked cannot be put into another address.
    #[error("`device_key` holds a masked password; send the whole address, or leave device_key out")]
    Masked,
    /// A stream without a host.
    #[error("`device_key` must be the URL of the stream, as in rtsp://192.168.1.25/ch1")]
    NoUrl,
}

/// The device of that id.
pub fn find_by_id<'a>(present: &'a [DeviceConfig], device_id: &str) -> Option<&'a DeviceConfig> {
    present.iter().find(|device| device.device_id == device_id)
}

fn has_key(device: &DeviceConfig, source: Source, key: &str) -> bool {
    match (Source::of(device), source) {
        (Source::Photo, Source::Photo) => device.ip == key,
        (Source::Stream, Source::Stream) => is_url_of(device, key),
        _ => false,
    }
}

/// Whether a key is the device's URL, as it is or as it is shown.
fn is_url_of(device: &DeviceConfig, key: &str) -> bool {
    let Some(url) = device.parameters.get("url") else { return false };
    *url == canonical(key) || device.masked_url() == key.trim()
}

fn canonical(url: &str) -> String {
    Address::read(url).map_or_else(|| url.trim().to_owned(), |address| address.canonical())
}

/// A URL whose login was masked by the box that showed it.
fn is_masked(url: &str) -> bool {
    Address::read(url).is_some_and(|address| address.login.user == "***" || address.login.password == "***")
}

/// The host of a stream's URL, without brackets.
fn host_of(url: &str) -> Option<String> {
    let rest = Address::read(url)?.rest;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    Some(host.to_owned()).filter(|host| !host.is_empty())
}

/// A name for a stream at `host` that no other device has: the host, or `host#2`, `host#3` …
fn free_ip(present: &[DeviceConfig], host: &str) -> String {
    let is_free = |ip: &str| present.iter().all(|device| device.ip != ip);
    let numbered = (2..=present.len() + 2).map(|number| format!("{host}#{number}"));
    let mut names = std::iter::once(host.to_owned()).chain(numbered);
    names.find(|ip| is_free(ip)).unwrap_or_else(|| host.to_owned())
}

/// Whether an `ip` was made of a host, as [`free_ip`] does.
fn is_made_of(ip: &str, host: &str) -> bool {
    ip.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

impl DeviceWish {
    /// The device that is meant, among those there are.
    fn meant<'a>(
        &self,
        verb: Verb,
        present: &'a [DeviceConfig],
    ) -> Result<Option<&'a DeviceConfig>, WishFault> {
        let by_id = self.device_id.as_deref().and_then(|id| find_by_id(present, id));
        if verb == Verb::Update {
            let id = self.device_id.clone().ok_or(WishFault::Missing("device_id"))?;
            return by_id.map(Some).ok_or(WishFault::UnknownDevice(id));
        }
        let source = self.source.or(by_id.map(Source::of));
        let by_key = source
            .zip(self.key.as_deref())
            .and_then(|(source, key)| present.iter().find(|device| has_key(device, source, key)));
        match (by_id, by_key) {
            (Some(known), Some(other)) if known.device_id != other.device_id => {
                Err(WishFault::KeyTaken(other.device_id.clone()))
            }
            (None, Some(other)) if self.device_id.is_some() => {
                Err(WishFault::KeyTaken(other.device_id.clone()))
            }
            (by_id, by_key) => Ok(by_id.or(by_key)),
        }
    }

    /// The `ip` of the device that is meant, and the change of its block.
    ///
    /// # Errors
    ///
    /// Names what is missing, unknown or taken.
    pub fn change(&self, verb: Verb, present: &[DeviceConfig]) -> Result<(String, DeviceChange), WishFault> {
        match self.meant(verb, present)? {
            Some(known) => Ok((known.ip.clone(), DeviceChange::Set(self.keys_for(known, present)?))),
            None => self.new_device(present),
        }
    }

    fn new_device(&self, present: &[DeviceConfig]) -> Result<(String, DeviceChange), WishFault> {
        let source = self.source.ok_or(WishFault::Missing("device_type"))?;
        let key = self.key.as_deref().ok_or(WishFault::Missing("device_key"))?;
        if let Some(missing) = self.missing_if_new.first() {
            return Err(WishFault::Missing(missing));
        }
        let mut table = self.plain_keys();
        self.put_source(&mut table, source);
        let ip = match source {
            Source::Photo => key.trim().to_owned(),
            Source::Stream => {
                if is_masked(key) {
                    return Err(WishFault::Masked);
                }
                table.insert("url".to_owned(), key.into());
                free_ip(present, &host_of(key).ok_or(WishFault::NoUrl)?)
            }
        };
        Ok((ip, DeviceChange::Add(table)))
    }

    /// The keys that change of a device there is.
    fn keys_for(&self, known: &DeviceConfig, present: &[DeviceConfig]) -> Result<DeviceTable, WishFault> {
        let mut table = self.plain_keys();
        let was = Source::of(known);
        let source = self.source.unwrap_or(was);
        if source == was {
            // A device of another pipeline of this kind keeps it.
            if let Some(kind) = self.kind {
                table.insert("type".to_owned(), kind_word(kind));
            }
        } else {
            self.put_source(&mut table, source);
        }
        let key = match (&self.key, source == was) {
            (Some(key), _) => key.trim(),
            (None, true) => return Ok(table),
            (None, false) => return Err(WishFault::Missing("device_key")),
        };
        match source {
            Source::Photo => {
                if key != known.ip {
                    table.insert("ip".to_owned(), key.into());
                }
                if source != was {
                    table.extend(["url", "user", "password", "parameters"].map(nothing));
                }
            }
            Source::Stream if source == was && is_url_of(known, key) => {}
            Source::Stream => {
                if is_masked(key) {
                    return Err(WishFault::Masked);
                }
                let host = host_of(key).ok_or(WishFault::NoUrl)?;
                let old_host = known.parameters.get("url").and_then(|url| host_of(url));
                if old_host.is_some_and(|old| old != host && is_made_of(&known.ip, &old)) {
                    table.insert("ip".to_owned(), free_ip(present, &host).into());
                }
                // The address says who logs in, and with what.
                table.extend(["user", "password"].map(nothing));
                table.insert("url".to_owned(), key.into());
            }
        }
        Ok(table)
    }

    fn put_source(&self, table: &mut DeviceTable, source: Source) {
        let (pipeline, kind) = match source {
            Source::Photo => ("post", self.kind.unwrap_or(DeviceKind::Turnstile)),
            Source::Stream => ("rtsp", DeviceKind::NetworkCamera),
        };
        table.insert("pipeline".to_owned(), pipeline.into());
        table.insert("type".to_owned(), kind_word(kind));
    }

    /// The keys that mean the same whatever the device is.
    fn plain_keys(&self) -> DeviceTable {
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let net_relay = match &self.net_relay {
            RelayWish::Leave => None,
            RelayWish::Remove => Some(Value::Null),
            RelayWish::Set(relay) => Some(serde_json::to_value(relay).unwrap_or_default()),
        };
        let said = [
            ("device_id", text(&self.device_id)),
            ("name", text(&self.name)),
            ("permission_groups", self.permission_groups.clone().map(Value::from)),
            ("registry_group", text(&self.registry_group)),
            ("enabled", self.enabled.map(Value::from)),
            ("attributes", self.attributes.map(Value::from)),
            ("device_attr", self.device_attr.clone().map(Value::from)),
            ("net_relay", net_relay),
            ("rtmp_address", text(&self.rtmp_address)),
        ];
        said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

fn nothing(key: &str) -> (String, Value) {
    (key.to_owned(), Value::Null)
}

fn kind_word(kind: DeviceKind) -> Value {
    serde_json::to_value(kind).unwrap_or_default()
}

#[cfg(test)]
#[path = "device_wish_tests.rs"]
mod tests;
