//! Replies of the box (protocol section 3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use menshen_domain::status::{Language, ProtocolError, StatusCode};

/// A reply as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether the command was carried out.
    pub success: bool,
    /// [`StatusCode::code`].
    pub code: i64,
    /// For people, in the configured language.
    pub message: String,
    /// The box's serial number.
    pub dev_sno: String,
    /// The command's `method`.
    #[serde(rename = "messageKey")]
    pub message_key: String,
    /// Exactly as the command had it; absent when it had none.
    #[serde(rename = "messageId", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Value>,
    /// One of the results of this module, an empty object, or the list of faces of `fiqa`.
    pub result: Value,
}

/// Result of `add_users_plus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AddUsersResult {
    /// Enrolled or updated.
    pub success_users: Vec<AddedUser>,
    /// Not enrolled, each with its reason.
    pub failed_users: Vec<AddedUser>,
}

/// A person of `add_users_plus`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedUser {
    /// The platform's id.
    pub userid: String,
    /// The name.
    pub username: String,
    /// Person type, 1 to 5.
    #[serde(rename = "type")]
    pub kind: i64,
    /// For people, in the configured language.
    pub message: String,
    /// [`StatusCode::code`].
    pub code: i64,
}

/// Result of `control_config`. `faild_field` is the wire's spelling.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlConfigResult {
    /// The values as they are now.
    pub success_field: Map<String, Value>,
    /// The values as they came.
    pub faild_field: Map<String, Value>,
}

/// Result of `delete_users`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeleteUsersResult {
    /// Removed.
    pub success_users: Vec<DeletedUser>,
    /// Not removed.
    pub failed_users: Vec<DeletedUser>,
}

/// A person of `delete_users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedUser {
    /// The platform's id.
    pub userid: String,
    /// For people, in the configured language.
    pub message: String,
    /// [`StatusCode::code`].
    pub code: i64,
}

/// Result of `sync_permissions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncPermissionsResult {
    /// Stored.
    pub success_permission: Vec<SyncedPermission>,
    /// Not stored.
    pub failed_permission: Vec<SyncedPermission>,
}

/// A group of `sync_permissions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncedPermission {
    /// Its id.
    pub permission_id: String,
    /// Its name.
    pub permission_name: String,
    /// Its description.
    pub permission_description: String,
    /// For people, in the configured language.
    pub message: String,
    /// [`StatusCode::code`].
    pub code: i64,
}

/// What every reply of this box has in common.
#[derive(Debug, Clone)]
pub struct ReplyHead {
    /// The box's serial number.
    pub dev_sno: String,
    /// Language of the texts.
    pub language: Language,
}

impl ReplyHead {
    /// A reply to a command that was carried out.
    pub fn success(&self, method: &str, message_id: Option<Value>, result: Value) -> Reply {
        Reply {
            success: true,
            code: StatusCode::Success.code(),
            message: StatusCode::Success.text(self.language).to_owned(),
            dev_sno: self.dev_sno.clone(),
            message_key: method.to_owned(),
            message_id,
            result,
        }
    }

    /// A reply to a command that was refused whole.
    pub fn refused(&self, method: &str, message_id: Option<Value>, refusal: &ProtocolError) -> Reply {
        Reply {
            success: false,
            code: refusal.code.code(),
            message: refusal.message(self.language),
            dev_sno: self.dev_sno.clone(),
            message_key: method.to_owned(),
            message_id,
            // `fiqa` always has its list of faces, empty here (protocol section 5).
            result: if method == "fiqa" { json!({ "data": [] }) } else { json!({}) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_exactly_the_documented_fields() {
        let head = ReplyHead { dev_sno: "D".into(), language: Language::En };
        let with_id = serde_json::to_value(head.success("m", Some(Value::from("7")), Value::Null)).unwrap();
        let keys: Vec<_> = with_id.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["code", "dev_sno", "message", "messageId", "messageKey", "result", "success"]);
        let without = serde_json::to_value(head.success("m", None, Value::Null)).unwrap();
        assert!(without.get("messageId").is_none());
    }
}
