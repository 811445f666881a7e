//! Commands of the platform (protocol section 3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device::DeviceCommand;
use super::refused::RefusedCommand;
use super::{json, lenient};
use menshen_domain::quality::LevelName;
use menshen_domain::status::{ProtocolError, StatusCode};

/// A command with what its reply needs.
#[derive(Clone)]
pub struct Envelope {
    /// As written; also for methods this box does not know.
    pub method: String,
    /// Comes back in the reply exactly as it is.
    pub message_id: Option<Value>,
    /// Addresses that belong to the command.
    pub extend_params: ExtendParams,
    /// The command, or why it is none.
    pub command: Result<Command, ProtocolError>,
}

/// `extend_params`: addresses that belong to a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendParams {
    /// Where details of `userid_list` are fetched from.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub path: Option<String>,
    /// Where the reply goes when there is no `uploadQueue`.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub notify_path: Option<String>,
    /// People come with features of the platform's model.
    #[serde(default, deserialize_with = "lenient::switch_or_off")]
    pub import_mode: bool,
}

/// What the platform wants done.
#[derive(Clone)]
pub enum Command {
    /// Ids only; details come from `extend_params.path`.
    AddUsersById {
        /// In order, each once.
        ids: Vec<String>,
        /// Where the details are fetched from.
        path: String,
        /// By features of the platform's model.
        import_mode: bool,
    },
    /// Details in the message; raw, so that each user fails alone.
    AddUsers {
        /// One object a person, not yet read.
        users: Vec<Value>,
        /// By features of the platform's model, all of them.
        import_mode: bool,
    },
    /// Remove people.
    DeleteUsers {
        /// In order, each once.
        ids: Vec<String>,
        /// With all that is kept of them (`erase`, our own).
        erase: bool,
    },
    /// Replace the permission groups.
    SyncPermissions {
        /// The groups as they are from now on.
        groups: Vec<WirePermission>,
    },
    /// Remove data.
    WipeData {
        /// What is removed.
        options: WipeOptions,
    },
    /// `picture` is base64.
    Fiqa {
        /// Base64, with or without a `data:` prefix.
        picture: String,
        /// The level its faces must pass.
        level: LevelName,
    },
    /// Devices added, changed or removed.
    Devices(DeviceCommand),
    /// Known, and refused.
    Refused(RefusedCommand),
    /// Raw, so that each field succeeds or fails alone.
    ControlConfig {
        /// By name, not yet read.
        fields: Map<String, Value>,
    },
}

/// One entry of `permissions_info_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePermission {
    /// Unique.
    #[serde(deserialize_with = "lenient::text")]
    pub id: String,
    /// Its texts.
    #[serde(default, deserialize_with = "lenient::object_or_default")]
    pub info: WirePermissionInfo,
}

/// Texts of a permission group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePermissionInfo {
    /// The name to show.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub description: String,
}

/// `wipe_options`: what is removed. What is absent, empty or off in any spelling stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeOptions {
    /// All people.
    #[serde(default, deserialize_with = "lenient::switch_or_off")]
    pub users: bool,
    /// All events.
    #[serde(default, deserialize_with = "lenient::switch_or_off")]
    pub events: bool,
}

/// What is known of a message that is not even an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Why, with a code for the reply.
    pub refusal: ProtocolError,
}

fn wrong(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(StatusCode::ParamError, detail)
}

impl Envelope {
    /// Reads a message. `Err` when nothing can be answered by name; otherwise `command` says whether the
    /// body was right.
    ///
    /// # Errors
    ///
    /// When the message is no JSON object: there is no method a reply could name.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |detail: String| Unreadable { refusal: wrong(detail) };
        let value = json::parse(body).map_err(|error| unreadable(format!("not JSON: {error}")))?;
        let Value::Object(mut fields) = value else {
            return Err(unreadable(format!("expected an object, got {}", lenient::kind_of(&value))));
        };
        let message_id = fields.remove("messageId").filter(|id| !id.is_null());
        let method = match fields.remove("method") {
            Some(Value::String(method)) if !method.is_empty() => method,
            Some(other) => {
                return Ok(Self::broken(
                    message_id,
                    format!("`method` must be a string, got {}", lenient::kind_of(&other)),
                ));
            }
            None => return Ok(Self::broken(message_id, "`method` is missing".to_owned())),
        };
        let (extend_params, extend_error) = match fields.remove("extend_params") {
            None => (ExtendParams::default(), None),
            Some(value) => match lenient::object(value) {
                Ok(params) => (params, None),
                Err(error) => (ExtendParams::default(), Some(wrong(format!("extend_params: {error}")))),
            },
        };
        let command = match extend_error {
            Some(refusal) => Err(refusal),
            None => Command::parse(&method, &mut fields, &extend_params),
        };
        Ok(Self { method, message_id, extend_params, command })
    }

    fn broken(message_id: Option<Value>, detail: String) -> Self {
        Self {
            method: String::new(),
            message_id,
            extend_params: ExtendParams::default(),
            command: Err(wrong(detail)),
        }
    }
}

impl Command {
    fn parse(
        method: &str,
        fields: &mut Map<String, Value>,
        extend: &ExtendParams,
    ) -> Result<Self, ProtocolError> {
        match method {
            "add_users_plus" => Self::parse_add(fields, extend),
            "delete_users" => Ok(Self::DeleteUsers { ids: id_list(fields)?, erase: erase_of(fields)? }),
            "sync_permissions" => {
                let raw = required(fields, "permissions_info_list")?;
                let Value::Array(entries) = raw else {
                    let kind = lenient::kind_of(&raw);
                    return Err(wrong(format!("permissions_info_list must be a list, got {kind}")));
                };
                let groups = entries
                    .into_iter()
                    .map(lenient::object)
                    .collect::<Result<Vec<WirePermission>, _>>()
                    .map_err(|error| wrong(format!("permissions_info_list: {error}")))?;
                Ok(Self::SyncPermissions { groups })
            }
            "wipe_data" => {
                let raw = required_object(fields, "wipe_options")?;
                let options =
                    lenient::object(raw).map_err(|error| wrong(format!("wipe_options: {error}")))?;
                Ok(Self::WipeData { options })
            }
            "fiqa" => Self::parse_fiqa(fields),
            "control_config" => match required_object(fields, "config_field")? {
                Value::Object(fields) => Ok(Self::ControlConfig { fields }),
                other => {
                    Err(wrong(format!("config_field must be an object, got {}", lenient::kind_of(&other))))
                }
            },
            "add_device" | "update_device" | "delete_device" => {
                DeviceCommand::parse(method, fields).map(Self::Devices)
            }
            other => RefusedCommand::read(other, fields)
                .map(Self::Refused)
                .ok_or_else(|| ProtocolError::new(StatusCode::NotImplemented, shortened(other))),
        }
    }

    fn parse_fiqa(fields: &mut Map<String, Value>) -> Result<Self, ProtocolError> {
        let Value::Object(mut info) = required_object(fields, "info")? else {
            return Err(wrong("info must be an object"));
        };
        let picture = match required(&mut info, "image_base64_str")? {
            Value::String(picture) => picture,
            other => {
                return Err(wrong(format!(
                    "info.image_base64_str must be a string, got {}",
                    lenient::kind_of(&other)
                )));
            }
        };
        let level = match info.remove("fiqa_level") {
            None => LevelName::default(),
            Some(absent) if lenient::is_absent(&absent) => LevelName::default(),
            Some(Value::String(name)) => LevelName::parse(&name).ok_or_else(|| {
                let name = shortened(&name);
                wrong(format!("info.fiqa_level `{name}` is none of high, middle, low, custom, no"))
            })?,
            Some(other) => {
                return Err(wrong(format!(
                    "info.fiqa_level must be a string, got {}",
                    lenient::kind_of(&other)
                )));
            }
        };
        Ok(Self::Fiqa { picture, level })
    }

    fn parse_add(fields: &mut Map<String, Value>, extend: &ExtendParams) -> Result<Self, ProtocolError> {
        let import_mode = match fields.get("import_mode") {
            Some(value) if !lenient::is_absent(value) => {
                lenient::switch_of(value).ok_or_else(|| wrong("`import_mode` must be true or false"))?
            }
            _ => false,
        } || extend.import_mode;
        let has_ids = fields.get("userid_list").is_some_and(|ids| !lenient::is_absent(ids));
        match fields.remove("user_info_list") {
            // Typed platforms write both lists, one of them empty.
            Some(Value::Array(users)) if !(users.is_empty() && has_ids) => {
                return Ok(Self::AddUsers { users, import_mode });
            }
            None => {}
            Some(absent) if lenient::is_absent(&absent) => {}
            Some(other) => {
                return Err(wrong(format!(
                    "user_info_list must be a list, got {}",
                    lenient::kind_of(&other)
                )));
            }
        }
        if !fields.contains_key("userid_list") {
            return Err(wrong("`userid_list` or `user_info_list` must be there"));
        }
        let ids = id_list(fields)?;
        let path = extend.path.clone().filter(|path| !path.trim().is_empty());
        let path =
            path.ok_or_else(|| wrong("`userid_list` needs `extend_params.path` to fetch details from"))?;
        Ok(Self::AddUsersById { ids, path, import_mode })
    }
}

fn required(fields: &mut Map<String, Value>, key: &str) -> Result<Value, ProtocolError> {
    fields.remove(key).filter(|value| !value.is_null()).ok_or_else(|| wrong(format!("`{key}` is missing")))
}

/// An object that must be there: what PHP writes for one that is not is not there.
fn required_object(fields: &mut Map<String, Value>, key: &str) -> Result<Value, ProtocolError> {
    fields
        .remove(key)
        .filter(|value| !lenient::is_absent(value))
        .ok_or_else(|| wrong(format!("`{key}` is missing")))
}

/// Whether everything of the people is to be erased. What is unclear is neither carried out nor left away in silence.
///
/// # Errors
///
/// When `erase` is there and is no switch.
pub fn erase_of(fields: &Map<String, Value>) -> Result<bool, ProtocolError> {
    match fields.get("erase") {
        Some(value) if !lenient::is_absent(value) => {
            lenient::switch_of(value).ok_or_else(|| wrong("`erase` must be true or false"))
        }
        _ => Ok(false),
    }
}

/// `userid_list`, in order, without repeats.
fn id_list(fields: &mut Map<String, Value>) -> Result<Vec<String>, ProtocolError> {
    let raw = required(fields, "userid_list")?;
    if !raw.is_array() {
        return Err(wrong(format!("userid_list must be a list, got {}", lenient::kind_of(&raw))));
    }
    let mut seen = std::collections::HashSet::new();
    let ids = lenient::texts(raw).map_err(|error| wrong(format!("userid_list: {error}")))?;
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}

/// A foreign name, short enough for a reply and a log line.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
