//! Bodies of the local API (protocol section 9). Where the protocol names no fields, they are those of section 3.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient;
use menshen_domain::limits;
use menshen_domain::person::{PermissionGroup, Person, RegisterType};
use menshen_domain::relay::{ActionMode, DEFAULT_SECONDS, DoorCommand};

/// One entry of `EventAction`'s `action`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireAction {
    /// The device's address.
    #[serde(deserialize_with = "lenient::text")]
    pub action_ip: String,
    /// Free for the caller; an HTTP relay may take it as `{action_port}`.
    #[serde(default, deserialize_with = "lenient::integer_opt")]
    pub action_port: Option<i64>,
    /// `opendoor`, `closedoor` or `alarm`.
    #[serde(deserialize_with = "lenient::text")]
    pub action_mode: String,
    /// Seconds.
    #[serde(default, deserialize_with = "lenient::integer_opt")]
    pub action_duration: Option<i64>,
    /// 0: all.
    #[serde(default, deserialize_with = "lenient::integer_opt")]
    pub logic_port: Option<i64>,
    /// The caller's own id: a command that comes again under it is not carried out again.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub id: Option<String>,
}

/// Why an action is no command for a door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Another word.
    #[error("action_mode must be opendoor, closedoor or alarm")]
    Mode,
    /// Empty, or longer than [`limits::DOOR_ID_BYTES_MAX`].
    #[error("id must be 1 to {} bytes", limits::DOOR_ID_BYTES_MAX)]
    Id,
    /// A number out of its range.
    #[error("{field} must be {min} to {max}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// The least it may be.
        min: u32,
        /// The most it may be.
        max: u32,
    },
}

impl WireAction {
    /// The command it means; `seconds_max` bounds the duration.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong.
    pub fn command(&self, seconds_max: u32) -> Result<DoorCommand, ActionError> {
        let mode = ActionMode::from_wire(self.action_mode.trim()).ok_or(ActionError::Mode)?;
        let within = |field: &'static str, value: Option<i64>, default: u32, min: u32, max: u32| {
            let value = value.unwrap_or(i64::from(default));
            u32::try_from(value).ok().filter(|value| (min..=max).contains(value)).ok_or(ActionError::Range {
                field,
                min,
                max,
            })
        };
        if self.id.as_ref().is_some_and(|id| id.is_empty() || id.len() > limits::DOOR_ID_BYTES_MAX) {
            return Err(ActionError::Id);
        }
        Ok(DoorCommand {
            mode,
            seconds: within("action_duration", self.action_duration, DEFAULT_SECONDS, 1, seconds_max)?,
            logic_port: within("logic_port", self.logic_port, 0, 0, 65_535)?,
            action_port: within("action_port", self.action_port, 0, 0, 65_535)?,
        })
    }
}

/// Keys of a device that are switches, and others that say nothing when they are empty; a list may be meant to be empty.
const DEVICE_SWITCHES: [&str; 3] = ["enabled", "liveness", "attributes"];
const DEVICE_LISTS: [&str; 2] = ["regions", "permission_groups"];
const DEVICE_OTHERS: [&str; 4] = ["face_min_px", "parameters", "registry_group", "type"];

/// A device's keys as clients write them: switches as 0 or `"true"`, group ids as numbers, and what was left empty. A
/// null stays: it takes a key away.
pub fn device_keys(mut keys: Map<String, Value>) -> Map<String, Value> {
    keys.retain(|key, value| {
        let key = key.as_str();
        let is_text = value.is_string() && DEVICE_LISTS.contains(&key);
        let says_nothing = is_text || DEVICE_SWITCHES.contains(&key) || DEVICE_OTHERS.contains(&key);
        value.is_null() || !(says_nothing && lenient::is_absent(value))
    });
    for (key, value) in &mut keys {
        if let Some(on) = lenient::switch_of(value).filter(|_| DEVICE_SWITCHES.contains(&key.as_str())) {
            *value = Value::Bool(on);
        }
        let number = value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
        if let Some(number) = number.filter(|_| key == "face_min_px") {
            *value = Value::from(number);
        }
        if key == "permission_groups"
            && value.is_array()
            && let Ok(ids) = lenient::texts(value.clone())
        {
            *value = Value::from(ids);
        }
    }
    keys
}

/// A person as `GET users` shows them: the fields of `add_users_plus`, without the photo.
pub fn user_of(person: &Person) -> Value {
    serde_json::json!({
        "identity_id": person.id,
        "register_type": match person.register_type {
            RegisterType::Regular => 1,
            RegisterType::Stranger => 2,
        },
        "info": info_of(person),
        "created_at": person.created_at_ms,
        "updated_at": person.updated_at_ms,
    })
}

/// `info` as it came, with what this box made of it.
pub fn info_of(person: &Person) -> Value {
    let mut info = person.info.clone();
    info.insert("name".to_owned(), Value::from(person.name.clone()));
    info.insert("type".to_owned(), Value::from(person.kind.number()));
    info.insert("permission_ids".to_owned(), Value::from(person.permission_ids.clone()));
    Value::Object(info)
}

/// A permission group as `GET permissions` shows it: the fields of `sync_permissions`.
pub fn permission_of(group: &PermissionGroup) -> Value {
    serde_json::json!({ "id": group.id, "info": { "name": group.name, "description": group.description } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_liberally_and_checked() {
        let read = |text: &str| -> Result<DoorCommand, String> {
            let action: WireAction = serde_json::from_str(text).map_err(|error| error.to_string())?;
            action.command(3600).map_err(|error| error.to_string())
        };
        let command = read(r#"{"action_ip":"1","action_mode":"opendoor"}"#).unwrap();
        assert_eq!((command.seconds, command.logic_port), (5, 0));
        let command = read(
            r#"{"action_ip":"1","action_port":"80","action_mode":"alarm","action_duration":"9","logic_port":2}"#,
        );
        assert_eq!(
            command.unwrap(),
            DoorCommand { mode: ActionMode::Alarm, seconds: 9, logic_port: 2, action_port: 80 }
        );
        for (text, expected) in [
            (r#"{"action_mode":"opendoor"}"#, "action_ip"),
            (r#"{"action_ip":"1","action_mode":"explode"}"#, "action_mode"),
            (r#"{"action_ip":"1","action_mode":"alarm","action_duration":0}"#, "action_duration"),
            (r#"{"action_ip":"1","action_mode":"alarm","logic_port":-1}"#, "logic_port"),
            (r#"{"action_ip":"1","action_mode":"alarm","id":""}"#, "id"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        for nothing in ["[]", "\"\"", "null"] {
            let text = format!(
                r#"{{"action_ip":"1","action_mode":"alarm","action_duration":{nothing},"logic_port":{nothing},"action_port":{nothing}}}"#
            );
            let command = read(&text).unwrap();
            assert_eq!((command.seconds, command.logic_port, command.action_port), (5, 0, 0), "{text}");
        }
    }

    #[test]
    fn a_devices_keys_are_read_liberally() {
        let Value::Object(keys) = serde_json::json!({
            "name": "", "enabled": "0", "liveness": 1, "attributes": "", "face_min_px": "24", "regions": [],
            "permission_groups": [1, "a", ""], "parameters": [], "registry_group": "", "type": "", "memo": null,
        }) else {
            panic!("an object")
        };
        let expected = serde_json::json!({
            "name": "", "enabled": false, "liveness": true, "face_min_px": 24.0, "regions": [],
            "permission_groups": ["1", "a"], "memo": null,
        });
        assert_eq!(Value::Object(device_keys(keys)), expected);
        let keys = [("regions".to_owned(), Value::from("")), ("permission_groups".to_owned(), Value::Null)];
        let read = device_keys(keys.into_iter().collect());
        assert_eq!(Value::Object(read), serde_json::json!({ "permission_groups": null }));
    }
}
