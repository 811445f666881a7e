//! Devices in the words of the published local API (`devices_list`) and of the platform's commands (`device_info`).

use serde_json::{Map, Value, json};

use super::lenient;
use menshen_domain::device::{DeviceKind, DeviceStatus};
use menshen_domain::device_wish::{DeviceWish, RelayWish, Source, Verb};
use menshen_domain::limits;
use menshen_domain::relay::net_relay::NetRelay;
use menshen_domain::secrets::mask_url;
use menshen_domain::status::{ProtocolError, StatusCode};

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `devices_list` of the local API: the registry group as `group_id`.
    Api,
    /// `device_info` of a command: the group as `group_name`; every device has its id.
    Command,
}

/// Why an entry says nothing this box could do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// Another JSON type.
    #[error("an entry must be an object, got {0}")]
    NotObject(&'static str),
    /// A field that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field with something else in it.
    #[error("`{field}` must be {expected}")]
    Wrong {
        /// Its name.
        field: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// Published, and not done here.
    #[error("{0}")]
    NotServed(&'static str),
}

impl From<DeviceFault> for ProtocolError {
    fn from(fault: DeviceFault) -> Self {
        let code = match fault {
            DeviceFault::NotServed(_) => StatusCode::NotImplemented,
            _ => StatusCode::ParamError,
        };
        Self::new(code, fault.to_string())
    }
}

/// Reads one entry. What is absent was not said.
///
/// # Errors
///
/// Names the field that is missing, wrong or not served.
pub fn read_wish(entry: Value, form: Form) -> Result<DeviceWish, DeviceFault> {
    let fields = match entry {
        Value::Object(fields) => fields,
        other => return Err(DeviceFault::NotObject(lenient::kind_of(&other))),
    };
    if switch(&fields, "is_start_rtmp")?.unwrap_or(false) {
        return Err(DeviceFault::NotServed("is_start_rtmp: this box sends no video streams"));
    }
    let device_id = text(&fields, "device_id")?;
    if form == Form::Command && device_id.is_none() {
        return Err(DeviceFault::Missing("device_id"));
    }
    let source = source_of(&fields)?;
    let kind = kind_of(&fields)?;
    if kind.is_some() && source == Some(Source::Stream) {
        let expected = "left out for a stream";
        return Err(DeviceFault::Wrong { field: "menshen_type", expected });
    }
    let device_attr = attributes_of(&fields)?;
    let action = |name: &'static str| match device_attr.as_ref().and_then(|attr| attr.get("actions")) {
        Some(Value::Object(actions)) => switch(actions, name),
        _ => Ok(None),
    };
    let group = if form == Form::Api { "group_id" } else { "group_name" };
    let mut wish = DeviceWish {
        device_id,
        name: text(&fields, "device_name")?,
        permission_groups: groups_of(&fields)?,
        registry_group: text(&fields, group)?,
        key: text(&fields, "device_key")?,
        source,
        kind,
        enabled: action("do_match")?,
        attributes: action("do_attribute")?,
        net_relay: net_relay_of(&fields)?,
        rtmp_address: text(&fields, "rtmp_address")?,
        missing_if_new: Vec::new(),
        device_attr,
    };
    if form == Form::Api {
        let musts = [
            ("device_name", wish.name.is_none()),
            ("group_id", wish.registry_group.is_none()),
            ("permission_id", wish.permission_groups.is_none()),
        ];
        wish.missing_if_new = musts.iter().filter(|(_, missing)| *missing).map(|(name, _)| *name).collect();
    }
    Ok(wish)
}

fn said<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    fields.get(key).filter(|value| !lenient::is_absent(value))
}

fn text(fields: &Map<String, Value>, field: &'static str) -> Result<Option<String>, DeviceFault> {
    let Some(value) = said(fields, field) else { return Ok(None) };
    match lenient::id_of(value) {
        Some(text) if text.len() <= limits::DEVICE_TEXT_BYTES_MAX => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(DeviceFault::Wrong { field, expected: "shorter" }),
        None => Err(DeviceFault::Wrong { field, expected: "a string" }),
    }
}

fn switch(fields: &Map<String, Value>, field: &'static str) -> Result<Option<bool>, DeviceFault> {
    let Some(value) = said(fields, field) else { return Ok(None) };
    lenient::switch_of(value).map(Some).ok_or(DeviceFault::Wrong { field, expected: "true or false" })
}

fn source_of(fields: &Map<String, Value>) -> Result<Option<Source>, DeviceFault> {
    let Some(word) = text(fields, "device_type")? else { return Ok(None) };
    match word.to_ascii_lowercase().as_str() {
        "photo" | "0" => Ok(Some(Source::Photo)),
        "rtsp" | "3" => Ok(Some(Source::Stream)),
        "file" => {
            Err(DeviceFault::NotServed("device_type file: files are played from the configuration only"))
        }
        "gb28181" => Err(DeviceFault::NotServed("device_type gb28181: this box does not speak GB28181")),
        _ => Err(DeviceFault::Wrong { field: "device_type", expected: "photo or rtsp" }),
    }
}

fn kind_of(fields: &Map<String, Value>) -> Result<Option<DeviceKind>, DeviceFault> {
    let Some(word) = text(fields, "menshen_type")? else { return Ok(None) };
    match word.as_str() {
        "turnstile" => Ok(Some(DeviceKind::Turnstile)),
        "snapshot-camera" => Ok(Some(DeviceKind::SnapshotCamera)),
        "door-terminal" => Ok(Some(DeviceKind::DoorTerminal)),
        // As a stream is shown; of a stream it says nothing new.
        "network-camera" => Ok(None),
        _ => Err(DeviceFault::Wrong {
            field: "menshen_type",
            expected: "turnstile, snapshot-camera or door-terminal",
        }),
    }
}

/// `permission_id`: one, or our own list of several.
fn groups_of(fields: &Map<String, Value>) -> Result<Option<Vec<String>>, DeviceFault> {
    let Some(value) = said(fields, "permission_id") else { return Ok(None) };
    let groups = lenient::texts(value.clone()).map_err(|_| DeviceFault::Wrong {
        field: "permission_id",
        expected: "a group, or a list of groups",
    })?;
    if groups.len() > limits::DEVICE_GROUPS_MAX {
        return Err(DeviceFault::Wrong { field: "permission_id", expected: "a shorter list" });
    }
    Ok(Some(groups).filter(|groups| !groups.is_empty()))
}

/// `device_attr` without its nulls, which a configuration cannot hold.
fn attributes_of(fields: &Map<String, Value>) -> Result<Option<Map<String, Value>>, DeviceFault> {
    let Some(value) = said(fields, "device_attr") else { return Ok(None) };
    let Value::Object(mut attr) = value.clone() else {
        return Err(DeviceFault::Wrong { field: "device_attr", expected: "an object" });
    };
    if value.to_string().len() > limits::DEVICE_ATTR_BYTES_MAX {
        return Err(DeviceFault::Wrong { field: "device_attr", expected: "shorter" });
    }
    without_nulls(&mut attr);
    Ok(Some(attr))
}

fn without_nulls(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for value in map.values_mut() {
        clean(value);
    }
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => without_nulls(map),
        Value::Array(list) => {
            list.retain(|value| !value.is_null());
            list.iter_mut().for_each(clean);
        }
        _ => {}
    }
}

/// `netRelay`: an empty one takes the relay away, and what PHP writes for an empty object does too.
fn net_relay_of(fields: &Map<String, Value>) -> Result<RelayWish, DeviceFault> {
    let relay = match fields.get("netRelay") {
        None | Some(Value::Null) => return Ok(RelayWish::Leave),
        Some(Value::Object(relay)) => relay,
        Some(absent) if lenient::is_absent(absent) => return Ok(RelayWish::Remove),
        Some(_) => return Err(DeviceFault::Wrong { field: "netRelay", expected: "an object" }),
    };
    let number = |key: &str, field: &'static str, max: u32| match relay.get(key) {
        None => Ok(None),
        Some(absent) if lenient::is_absent(absent) => Ok(None),
        Some(value) => lenient::integer_of(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= max)
            // A form writes 0 for what was not filled in.
            .map(|number| Some(number).filter(|number| *number > 0))
            .ok_or(DeviceFault::Wrong { field, expected: "a number in its range" }),
    };
    let port = u32::from(u16::MAX);
    let narrow = |number: Option<u32>| number.and_then(|number| u16::try_from(number).ok());
    let net_port = narrow(number("net_port", "netRelay.net_port", port)?);
    let door_port = narrow(number("door_port", "netRelay.door_port", port)?);
    let delay_time = number("delay_time", "netRelay.delay_time", limits::DOOR_SECONDS_MAX)?;
    match text(relay, "ip")? {
        Some(ip) => Ok(RelayWish::Set(NetRelay { ip, net_port, door_port, delay_time })),
        None if net_port.or(door_port).is_none() => Ok(RelayWish::Remove),
        None => Err(DeviceFault::Missing("netRelay.ip")),
    }
}

/// A device as the published local API shows it, with the box's own keys beside the published ones. `group_id` is the id of
/// its registry group.
pub fn device_of(device: &DeviceStatus, group_id: &str) -> Value {
    let config = &device.config;
    let url = config.masked_url();
    let is_photo = Source::of(config) == Source::Photo;
    let mut attr = config.published.device_attr.clone();
    let mut actions = match attr.get("actions") {
        Some(Value::Object(actions)) => actions.clone(),
        _ => Map::new(),
    };
    actions.insert("do_match".to_owned(), config.enabled.into());
    actions.insert("do_attribute".to_owned(), config.attributes.into());
    attr.insert("actions".to_owned(), Value::Object(actions));
    let permission_id = match config.permission_groups.as_slice() {
        [one] => Value::from(one.clone()),
        several => Value::from(several.to_vec()),
    };
    json!({
        "device_id": config.device_id,
        "device_name": config.name,
        "group_id": group_id,
        "permission_id": permission_id,
        "device_key": if is_photo || url.is_empty() { config.ip.clone() } else { url },
        "device_type": match config.pipeline.as_str() {
            "file" | "file-fast" => "file",
            _ if is_photo => "photo",
            _ => "rtsp",
        },
        "device_attr": attr,
        "netRelay": config.published.net_relay.as_ref().map_or_else(|| json!({}), |relay| json!(relay)),
        "is_start_rtmp": false,
        "rtmp_address": mask_url(&config.published.rtmp_address),
        "device_ip": config.ip,
        "group_name": config.registry_group,
        "menshen_type": config.kind,
        "pipeline": config.pipeline,
        "ep_id": config.ep_id,
        "online": device.state.is_online(),
    })
}

/// `add_device`, `update_device` and `delete_device`.
#[derive(Clone)]
pub enum DeviceCommand {
    /// Adds or changes.
    Put {
        /// Whether they may be new.
        verb: Verb,
        /// What is said of each.
        wishes: Vec<DeviceWish>,
        /// `device_info` as it came, without passwords.
        echo: Value,
    },
    /// Removes.
    Delete {
        /// Their ids.
        ids: Vec<String>,
        /// `device_id` as it came, or a list.
        echo: Value,
    },
}

impl DeviceCommand {
    /// Reads a command's fields. The published page calls the list by two names, and gives one object in its examples.
    ///
    /// # Errors
    ///
    /// When a device is none, or asks for what this box does not do.
    pub fn parse(method: &str, fields: &mut Map<String, Value>) -> Result<Self, ProtocolError> {
        let info = ["device_info", "devices_list"]
            .iter()
            .find_map(|key| fields.remove(*key).filter(|info| !lenient::is_absent(info)));
        if method == "delete_device" {
            return Self::parse_delete(info.or_else(|| fields.remove("device_id")));
        }
        let info = info.ok_or(DeviceFault::Missing("device_info"))?;
        let verb = if method == "add_device" { Verb::Add } else { Verb::Update };
        let entries = match &info {
            Value::Array(entries) => entries.clone(),
            one => vec![one.clone()],
        };
        check_count(entries.len())?;
        let wishes: Result<_, _> = entries.into_iter().map(|entry| read_wish(entry, Form::Command)).collect();
        let mut echo = info;
        mask(&mut echo);
        Ok(Self::Put { verb, wishes: wishes?, echo })
    }

    fn parse_delete(named: Option<Value>) -> Result<Self, ProtocolError> {
        let id = |entry: &Value| {
            let id = match entry {
                Value::Object(fields) => fields.get("device_id").and_then(lenient::id_of),
                other => lenient::id_of(other),
            };
            id.filter(|id| !id.trim().is_empty()).ok_or(DeviceFault::Missing("device_id"))
        };
        match named {
            Some(Value::Array(entries)) if !entries.is_empty() => {
                check_count(entries.len())?;
                let ids = entries.iter().map(id).collect::<Result<Vec<_>, _>>()?;
                Ok(Self::Delete { echo: Value::from(ids.clone()), ids })
            }
            Some(one) if !lenient::is_absent(&one) => {
                let id = id(&one)?;
                Ok(Self::Delete { echo: id.clone().into(), ids: vec![id] })
            }
            _ => Err(DeviceFault::Missing("device_id").into()),
        }
    }
}

fn check_count(count: usize) -> Result<(), ProtocolError> {
    if count <= limits::DEVICES_MAX {
        return Ok(());
    }
    let detail = format!("device_info holds {count} devices, at most {} fit one box", limits::DEVICES_MAX);
    Err(ProtocolError::new(StatusCode::ParamError, detail))
}

/// Takes passwords out of addresses, wherever they stand.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = mask_url(text),
        Value::Array(list) => list.iter_mut().for_each(mask),
        Value::Object(map) => map.values_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
