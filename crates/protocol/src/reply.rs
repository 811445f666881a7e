//! Replies of the box (protocol section 3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use menshen_domain::status::{Language, ProtocolError, StatusCode};

/// A reply as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub success: bool,
    pub code: i64,
    pub message: String,
    pub dev_sno: String,
    /// The command's `method`.
    #[serde(rename = "messageKey")]
    pub message_key: String,
    /// Exactly as the command had it; absent when it had none.
    #[serde(rename = "messageId", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Value>,
    pub result: Value,
}

/// Result of `add_users_plus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AddUsersResult {
    pub success_users: Vec<AddedUser>,
    pub failed_users: Vec<AddedUser>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedUser {
    pub userid: String,
    pub username: String,
    /// Person type, 1 to 5.
    #[serde(rename = "type")]
    pub kind: i64,
    pub message: String,
    pub code: i64,
}

/// Result of `control_config`. `faild_field` is the wire's spelling.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlConfigResult {
    /// The values in force now.
    pub success_field: Map<String, Value>,
    /// The values as they came.
    pub faild_field: Map<String, Value>,
}

/// Result of `delete_users`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeleteUsersResult {
    pub success_users: Vec<DeletedUser>,
    pub failed_users: Vec<DeletedUser>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedUser {
    pub userid: String,
    pub message: String,
    pub code: i64,
}

/// Result of `sync_permissions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncPermissionsResult {
    pub success_permission: Vec<SyncedPermission>,
    pub failed_permission: Vec<SyncedPermission>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncedPermission {
    pub permission_id: String,
    pub permission_name: String,
    pub permission_description: String,
    pub message: String,
    pub code: i64,
}

/// What every reply of this box has in common.
#[derive(Debug, Clone)]
pub struct ReplyHead {
    pub dev_sno: String,
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
