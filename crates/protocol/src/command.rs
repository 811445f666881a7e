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
mod tests {
    use super::*;

    fn check(body: &str, expect_code: Option<StatusCode>, expect_text: &str) {
        match Envelope::parse(body.as_bytes()) {
            Err(unreadable) => {
                assert_eq!(Some(unreadable.refusal.code), expect_code, "{body}");
                assert!(unreadable.refusal.detail.contains(expect_text), "{body}: {}", unreadable.refusal);
            }
            Ok(envelope) => match (envelope.command, expect_code) {
                (Ok(_), None) => {}
                (Err(refusal), Some(code)) => {
                    assert_eq!(refusal.code, code, "{body}");
                    assert!(refusal.detail.contains(expect_text), "{body}: {refusal}");
                }
                (command, expect) => panic!("{body}: {:?}, expected {expect:?}", command.map(|_| ())),
            },
        }
    }

    #[test]
    fn bad_commands_get_their_code_and_a_reason() {
        use StatusCode::{NotImplemented, ParamError};
        check("{", Some(ParamError), "not JSON");
        check("[]", Some(ParamError), "a list");
        check("{}", Some(ParamError), "`method` is missing");
        check(r#"{"method":5}"#, Some(ParamError), "a number");
        check(r#"{"method":"fly"}"#, Some(NotImplemented), "fly");
        check(r#"{"method":"delete_users"}"#, Some(ParamError), "userid_list");
        check(r#"{"method":"delete_users","userid_list":"a"}"#, Some(ParamError), "must be a list");
        check(r#"{"method":"delete_users","userid_list":[{}]}"#, Some(ParamError), "an object");
        check(r#"{"method":"delete_users","userid_list":["1"],"erase":"all"}"#, Some(ParamError), "`erase`");
        check(r#"{"method":"delete_users","userid_list":["1"],"erase":{}}"#, Some(ParamError), "`erase`");
        check(r#"{"method":"add_users_plus"}"#, Some(ParamError), "user_info_list");
        check(r#"{"method":"add_users_plus","userid_list":["1"]}"#, Some(ParamError), "extend_params.path");
        check(
            r#"{"method":"add_users_plus","extend_params":5,"user_info_list":[]}"#,
            Some(ParamError),
            "extend_params",
        );
        check(r#"{"method":"add_users_plus","user_info_list":{}}"#, Some(ParamError), "an object");
        check(r#"{"method":"wipe_data","wipe_options":[true,true]}"#, Some(ParamError), "must be an object");
        check(
            r#"{"method":"wipe_data","wipe_options":{},"extend_params":[1]}"#,
            Some(ParamError),
            "must be an",
        );
        check(
            r#"{"method":"sync_permissions","permissions_info_list":[["1"]]}"#,
            Some(ParamError),
            "must be an object",
        );
        check(r#"{"method":"wipe_data","wipe_options":{"users":"yes"}}"#, Some(ParamError), "wipe_options");
        check(r#"{"method":"fiqa"}"#, Some(ParamError), "`info` is missing");
        check(r#"{"method":"fiqa","info":{}}"#, Some(ParamError), "`image_base64_str` is missing");
        check(
            r#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":"best"}}"#,
            Some(ParamError),
            "best",
        );
        check(r#"{"method":"control_config","config_field":[1]}"#, Some(ParamError), "must be an object");
    }

    #[test]
    fn erasure_is_asked_for_in_every_spelling_of_a_switch() {
        for (erase, expected) in [
            ("true", true),
            ("1", true),
            ("\"true\"", true),
            ("\"1\"", true),
            ("false", false),
            ("0", false),
            ("null", false),
            ("\"\"", false),
            ("[]", false),
        ] {
            let body = format!(r#"{{"method":"delete_users","userid_list":["1"],"erase":{erase}}}"#);
            match Envelope::parse(body.as_bytes()).unwrap().command {
                Ok(Command::DeleteUsers { erase, .. }) => assert_eq!(erase, expected, "{body}"),
                other => panic!("{body}: {:?}", other.map(|_| ())),
            }
        }
    }

    #[test]
    fn liberal_reading() {
        check(r#"{"method":"delete_users","userid_list":[1,"2"],"new_field":1}"#, None, "");
        check(r#"{"method":"add_users_plus","user_info_list":[],"extend_params":null}"#, None, "");
        let envelope =
            Envelope::parse(br#"{"method":"delete_users","userid_list":[1,"1"],"messageId":7}"#).unwrap();
        assert_eq!(envelope.message_id, Some(Value::from(7)));
        assert!(matches!(envelope.command, Ok(Command::DeleteUsers { ids, .. }) if ids == ["1"]));
        let envelope =
            Envelope::parse(br#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":null}}"#)
                .unwrap();
        assert!(matches!(envelope.command, Ok(Command::Fiqa { level: LevelName::High, .. })));
    }

    fn wiped(options: &str) -> Option<(bool, bool)> {
        let body = format!(r#"{{"method":"wipe_data","wipe_options":{options}}}"#);
        match Envelope::parse(body.as_bytes()).unwrap().command {
            Ok(Command::WipeData { options }) => Some((options.users, options.events)),
            _ => None,
        }
    }

    #[test]
    fn whatever_does_not_mean_wipe_means_keep() {
        for keep in ["0", "\"false\"", "null", "false", "\"0\"", "\"\"", "[]", "0.0"] {
            assert_eq!(wiped(&format!(r#"{{"users":{keep},"events":true}}"#)), Some((false, true)), "{keep}");
            assert_eq!(wiped(&format!(r#"{{"users":"1","events":{keep}}}"#)), Some((true, false)), "{keep}");
        }
        assert_eq!(wiped(r#"{"users":true}"#), Some((true, false)));
        assert_eq!(wiped("{}"), Some((false, false)));
        for doubtful in
            [r#"{"users":"yes","events":true}"#, r#"{"users":2}"#, r#"{"users":{}}"#, "[]", "\"\"", "null"]
        {
            assert_eq!(wiped(doubtful), None, "{doubtful}: nothing is wiped where it is not clear what");
        }
    }

    #[test]
    fn empty_values_of_php_and_java_are_absent() {
        for nothing in ["[]", "\"\"", "null"] {
            let parse = |fields: &str| Envelope::parse(fields.replace('?', nothing).as_bytes()).unwrap();
            let envelope = parse(r#"{"method":"delete_users","userid_list":["1"],"extend_params":?}"#);
            assert!(
                envelope.command.is_ok() && envelope.extend_params == ExtendParams::default(),
                "{nothing}"
            );
            let envelope = parse(
                r#"{"method":"delete_users","userid_list":["1",?,2],"extend_params":{"notify_path":?,"path":?}}"#,
            );
            assert!(matches!(envelope.command, Ok(Command::DeleteUsers { ids, .. }) if ids == ["1", "2"]));
            let envelope = parse(
                r#"{"method":"sync_permissions","permissions_info_list":[{"id":1,"info":?},
                    {"id":"2","info":{"name":?,"description":?}}]}"#,
            );
            let Ok(Command::SyncPermissions { groups }) = envelope.command else { panic!("{nothing}") };
            assert_eq!((groups[0].id.as_str(), groups[1].info.name.as_str()), ("1", ""));
            let envelope = parse(r#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":?}}"#);
            assert!(
                matches!(envelope.command, Ok(Command::Fiqa { level: LevelName::High, .. })),
                "{nothing}"
            );
            let envelope = parse(
                r#"{"method":"add_users_plus","user_info_list":?,"userid_list":["1"],"extend_params":{"path":"p"}}"#,
            );
            assert!(matches!(envelope.command, Ok(Command::AddUsersById { .. })), "{nothing}");
            let envelope = parse(r#"{"method":"add_users_plus","user_info_list":[{}],"userid_list":?}"#);
            assert!(matches!(envelope.command, Ok(Command::AddUsers { .. })), "{nothing}");
            for (fields, missing) in [
                (r#"{"method":"fiqa","info":?}"#, "`info` is missing"),
                (r#"{"method":"control_config","config_field":?}"#, "`config_field` is missing"),
            ] {
                let refusal = parse(fields).command.err().unwrap();
                assert!(refusal.detail.contains(missing), "{nothing}: {refusal}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_and_long_ids_are_read() {
        let body = "\u{feff}{\"method\":\"delete_users\",\"messageId\":1234567890123456789012,\"userid_list\":[12345678901234567890,123456789012345678901234567890,1001.0,\"1001\"]}";
        let envelope = Envelope::parse(body.as_bytes()).unwrap();
        assert_eq!(envelope.message_id, Some(Value::from("1234567890123456789012")));
        let Ok(Command::DeleteUsers { ids, .. }) = envelope.command else { panic!("no command") };
        assert_eq!(ids, ["12345678901234567890", "123456789012345678901234567890", "1001"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_can_upset_the_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Envelope::parse(&bytes);
        }
    }
}
