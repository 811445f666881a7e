//! Replies of the box (protocol section 3).

use menshen_domain::erasure::ErasureReceipt;
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
    /// Our own: the receipt, where erasure was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<ErasureReceipt>,
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

/// Makes a reply shorter that whoever takes it finds too long: first without the texts of its entries, then without the
/// list of those that succeeded, then with fewer and fewer of those that failed. Its `message` says so, with the numbers
/// of the whole.
pub struct Shortener {
    reply: Value,
}

impl Shortener {
    /// `None` when it is no reply with lists: there is nothing to leave out.
    pub fn new(reply: &[u8], language: Language) -> Option<Self> {
        let mut reply: Value = serde_json::from_slice(reply).ok()?;
        let count = |reply: &Value, success: bool| {
            let lists = reply["result"].as_object().into_iter().flatten();
            let lists = lists.filter(|(name, _)| name.starts_with("success") == success);
            lists.filter_map(|(_, list)| list.as_array().map(Vec::len)).sum::<usize>()
        };
        let (succeeded, failed) = (count(&reply, true), count(&reply, false));
        if succeeded + failed == 0 {
            return None;
        }
        let said = reply["message"].as_str().unwrap_or_default();
        let note = match language {
            Language::En => {
                format!("reply shortened, it was too long: {succeeded} succeeded, {failed} failed")
            }
            Language::Zh => format!("应答过长，已截短：成功 {succeeded}，失败 {failed}"),
        };
        reply["message"] = Value::from(if said.is_empty() { note } else { format!("{said} ({note})") });
        Some(Self { reply })
    }

    /// The next shorter form that has at most `max_bytes`, or simply the next; `None` when nothing is left to leave out.
    pub fn within(&mut self, max_bytes: Option<usize>) -> Option<Vec<u8>> {
        loop {
            if !self.leave_out() {
                return None;
            }
            let written = serde_json::to_vec(&self.reply).ok()?;
            if max_bytes.is_none_or(|max| written.len() <= max) {
                return Some(written);
            }
        }
    }

    fn lists(&mut self) -> impl Iterator<Item = (&String, &mut Vec<Value>)> {
        let lists = self.reply["result"].as_object_mut().into_iter().flatten();
        lists.filter_map(|(name, list)| Some((name, list.as_array_mut()?)))
    }

    /// One step; `false` when there is none left.
    fn leave_out(&mut self) -> bool {
        let mut has_texts = false;
        for text in self.lists().flat_map(|(_, list)| list).filter_map(|entry| entry.get_mut("message")) {
            has_texts |= text.as_str().is_some_and(|text| !text.is_empty());
            *text = Value::from("");
        }
        if has_texts {
            return true;
        }
        if let Some((_, list)) =
            self.lists().find(|(name, list)| name.starts_with("success") && !list.is_empty())
        {
            list.clear();
            return true;
        }
        let longest = self.lists().max_by_key(|(_, list)| list.len());
        longest.is_some_and(|(_, list)| {
            let half = list.len() / 2;
            let is_shorter = half < list.len();
            list.truncate(half);
            is_shorter
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_reply(succeeded: usize, failed: usize) -> Vec<u8> {
        let user = |code: i64| {
            move |number: usize| AddedUser {
                userid: format!("{code}-{number}"),
                username: "x".to_owned(),
                kind: 1,
                message: "a text that says why".to_owned(),
                code,
            }
        };
        let result = AddUsersResult {
            success_users: (0..succeeded).map(user(0)).collect(),
            failed_users: (0..failed).map(user(40004)).collect(),
        };
        let head = ReplyHead { dev_sno: "D".into(), language: Language::En };
        let result = serde_json::to_value(result).unwrap();
        serde_json::to_vec(&head.success("add_users_plus", Some(Value::from("7")), result)).unwrap()
    }

    #[test]
    fn a_long_reply_loses_its_texts_first_and_its_failures_last() {
        let reply = long_reply(100, 50);
        let mut shortener = Shortener::new(&reply, Language::En).unwrap();
        let mut next = || -> Reply { serde_json::from_slice(&shortener.within(None).unwrap()).unwrap() };
        let counts = |reply: &Reply| {
            let count = |list: &str| reply.result[list].as_array().unwrap().len();
            (count("success_users"), count("failed_users"))
        };
        let first = next();
        assert_eq!(counts(&first), (100, 50));
        assert!(
            first.message.contains("shortened") && first.message.contains("100 succeeded, 50 failed"),
            "{}",
            first.message
        );
        assert_eq!((&first.message_id, first.code), (&Some(Value::from("7")), 0));
        let entry = &first.result["failed_users"][7];
        assert_eq!(
            (&entry["message"], &entry["code"], &entry["userid"]),
            (&json!(""), &json!(40004), &json!("40004-7"))
        );
        assert_eq!([counts(&next()), counts(&next()), counts(&next())], [(0, 50), (0, 25), (0, 12)]);
        let mut shortener = Shortener::new(&reply, Language::Zh).unwrap();
        let fitting = shortener.within(Some(3_000)).unwrap();
        assert!(fitting.len() <= 3_000);
        assert_eq!(counts(&serde_json::from_slice(&fitting).unwrap()).0, 0);
        assert!(shortener.within(Some(20)).is_none(), "not below its frame");
        assert!(
            Shortener::new(&serde_json::to_vec(&json!({ "result": { "data": [] } })).unwrap(), Language::En)
                .is_none()
        );
        assert!(Shortener::new(b"{", Language::En).is_none());
    }

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
