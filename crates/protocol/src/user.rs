//! People as the platform sends them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{json, lenient};
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, PersonKind, RegisterType};
use menshen_domain::quality::LevelName;

/// One `user` of `add_users_plus`, as written.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct WireUser {
    /// Chosen by the platform; unique.
    #[serde(deserialize_with = "lenient::text")]
    pub identity_id: String,
    /// The photo, base64.
    #[serde(default, deserialize_with = "lenient::text_opt", skip_serializing_if = "Option::is_none")]
    pub reg_photo: Option<String>,
    /// The photo's whole URL.
    #[serde(default, deserialize_with = "lenient::text_opt", skip_serializing_if = "Option::is_none")]
    pub reg_url: Option<String>,
    /// The photo's path below `imgServerAddr`.
    #[serde(default, deserialize_with = "lenient::text_opt", skip_serializing_if = "Option::is_none")]
    pub relative_pic_url: Option<String>,
    /// 1 regular, 2 stranger.
    #[serde(default, deserialize_with = "lenient::integer_opt", skip_serializing_if = "Option::is_none")]
    pub register_type: Option<i64>,
    /// Level the photo must pass; replaces that of `register_type`.
    #[serde(default, deserialize_with = "lenient::text_opt", skip_serializing_if = "Option::is_none")]
    pub fiqa_level: Option<String>,
    /// By a feature of the platform's model instead of a photo.
    #[serde(
        default,
        deserialize_with = "lenient::switch_or_off",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub import_mode: bool,
    /// Off: whoever has no photo is kept without.
    #[serde(default, deserialize_with = "lenient::switch_opt", skip_serializing_if = "Option::is_none")]
    pub need_bring_pic: Option<bool>,
    /// Off: the face comes beside those that are known.
    #[serde(default, deserialize_with = "lenient::switch_opt", skip_serializing_if = "Option::is_none")]
    pub support_single_face: Option<bool>,
    /// Name, person type, permission groups, times; other keys are kept as they are.
    #[serde(default, deserialize_with = "lenient::map_opt")]
    pub info: Map<String, Value>,
}

/// Where a registry photo is to be had from.
#[derive(Clone, PartialEq, Eq)]
pub enum PhotoSource {
    /// In the message itself.
    Base64(String),
    /// Whole URL.
    Url(String),
    /// Path below `imgServerAddr`.
    RelativeUrl(String),
}

/// What is wrong with a person's fields.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A person type the protocol does not know.
    #[error("info.type must be 1 to 5")]
    Kind,
    /// A way of registering the protocol does not know.
    #[error("register_type must be 1 or 2, not {0}")]
    RegisterType(i64),
    /// A level the protocol does not know.
    #[error("fiqa_level `{0}` is none of high, middle, low, custom, no")]
    Level(String),
    /// Permission groups that are no list of ids.
    #[error("info.permission_ids: {0}")]
    PermissionIds(serde_json::Error),
}

impl WireUser {
    fn info_text(&self, key: &str) -> Option<String> {
        lenient::id_of(self.info.get(key)?)
    }

    /// `info.name`; empty where there is none.
    pub fn name(&self) -> String {
        self.info_text("name").unwrap_or_default()
    }

    /// `info.type`; absent means employee, a number the protocol does not know is an error.
    ///
    /// # Errors
    ///
    /// [`UserError::Kind`].
    pub fn kind(&self) -> Result<PersonKind, UserError> {
        match self.info.get("type") {
            None => Ok(PersonKind::default()),
            Some(absent) if lenient::is_absent(absent) => Ok(PersonKind::default()),
            Some(written) => {
                lenient::integer_of(written).and_then(PersonKind::from_number).ok_or(UserError::Kind)
            }
        }
    }

    /// `register_type`; absent means regular.
    ///
    /// # Errors
    ///
    /// [`UserError::RegisterType`].
    pub fn register_type(&self) -> Result<RegisterType, UserError> {
        match self.register_type {
            None | Some(1) => Ok(RegisterType::Regular),
            Some(2) => Ok(RegisterType::Stranger),
            Some(other) => Err(UserError::RegisterType(other)),
        }
    }

    /// `fiqa_level`, where one is given.
    ///
    /// # Errors
    ///
    /// [`UserError::Level`].
    pub fn fiqa_level(&self) -> Result<Option<LevelName>, UserError> {
        let written = self.fiqa_level.as_deref().filter(|text| !text.trim().is_empty());
        let unknown = |text: &str| UserError::Level(text.chars().take(64).collect());
        written.map(|text| LevelName::parse(text).ok_or_else(|| unknown(text))).transpose()
    }

    /// `info.permission_ids`; absent or empty means the default group.
    ///
    /// # Errors
    ///
    /// [`UserError::PermissionIds`].
    pub fn permission_ids(&self) -> Result<Vec<String>, UserError> {
        let ids = match self.info.get("permission_ids") {
            None => Vec::new(),
            Some(value) => lenient::texts(value.clone()).map_err(UserError::PermissionIds)?,
        };
        Ok(if ids.is_empty() { vec![DEFAULT_PERMISSION_GROUP.to_owned()] } else { ids })
    }

    /// The photo's source; the first of `reg_photo`, `reg_url`, `relative_pic_url` that is not empty.
    pub fn photo(&self) -> Option<PhotoSource> {
        let filled = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
        filled(&self.reg_photo)
            .map(PhotoSource::Base64)
            .or_else(|| filled(&self.reg_url).map(PhotoSource::Url))
            .or_else(|| filled(&self.relative_pic_url).map(PhotoSource::RelativeUrl))
    }
}

/// Body of `POST {path}` that asks for people's details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserListRequest {
    /// The ids, in order.
    pub userid_list: Vec<String>,
}

/// Its answer. Users are kept raw, so that one broken entry does not spoil the others.
#[derive(Clone, Serialize, Deserialize)]
pub struct UserListAnswer {
    /// What was asked for.
    pub data: UserListData,
}

/// `data` of the answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct UserListData {
    /// One object a person.
    pub user_list: Vec<Value>,
}

/// Why an answer holds no users.
#[derive(Debug, thiserror::Error)]
pub enum UserListError {
    /// Something else than JSON.
    #[error("no JSON: {0}")]
    Json(#[from] json::NotJson),
    /// JSON of another shape.
    #[error("no data.user_list")]
    NoList,
}

impl UserListAnswer {
    /// Reads the answer. Where the platform found nobody, PHP writes `[]` for `data`, and Java null for the list.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or holds no `data`, or tells of an error beside empty data.
    pub fn parse(body: &[u8]) -> Result<Self, UserListError> {
        let Value::Object(mut answer) = json::parse(body)? else { return Err(UserListError::NoList) };
        let failed = answer.get("error").is_some_and(|error| !lenient::is_absent(error));
        let list = match answer.remove("data") {
            Some(Value::Object(mut data)) => data.remove("user_list"),
            other => other.filter(lenient::is_absent),
        };
        let user_list = match list {
            Some(Value::Array(users)) if !(users.is_empty() && failed) => users,
            Some(absent) if lenient::is_absent(&absent) && !failed => Vec::new(),
            _ => return Err(UserListError::NoList),
        };
        Ok(Self { data: UserListData { user_list } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(value: Value) -> WireUser {
        lenient::object(value).unwrap()
    }

    #[test]
    fn empty_values_of_php_and_java_are_absent() {
        for nothing in [json!([]), json!(""), json!(null)] {
            let plain = user(json!({
                "identity_id": 7, "reg_photo": nothing, "reg_url": nothing, "relative_pic_url": nothing,
                "register_type": nothing, "info": nothing, "fiqa_level": nothing, "import_mode": nothing,
                "need_bring_pic": nothing, "support_single_face": nothing,
            }));
            assert!(
                !plain.import_mode && plain.need_bring_pic.is_none() && plain.support_single_face.is_none()
            );
            assert_eq!(plain.fiqa_level().unwrap(), None);
            assert_eq!((plain.identity_id.as_str(), plain.name().as_str()), ("7", ""));
            assert!(plain.photo().is_none(), "{nothing}");
            assert_eq!(plain.register_type().unwrap(), RegisterType::Regular);
            let info = json!({ "name": nothing, "type": nothing, "permission_ids": nothing });
            let named = user(json!({ "identity_id": "7", "info": info }));
            assert_eq!((named.name().as_str(), named.kind().unwrap()), ("", PersonKind::default()));
            assert_eq!(named.permission_ids().unwrap(), [DEFAULT_PERMISSION_GROUP]);
            let groups = user(json!({ "identity_id": "7", "info": { "permission_ids": [nothing, 3, "a"] } }));
            assert_eq!(groups.permission_ids().unwrap(), ["3", "a"]);
        }
        let visitor = |kind: Value| user(json!({ "identity_id": "7", "info": { "type": kind } })).kind().ok();
        let expected = PersonKind::from_number(2);
        assert_eq!([json!(2), json!("2"), json!(2.0)].map(visitor), [expected, expected, expected]);
        assert_eq!([json!({}), json!("guest"), json!(9)].map(visitor), [None, None, None]);
    }

    #[test]
    fn an_answer_about_nobody_is_an_empty_list_and_an_error_is_none() {
        let count = |text: &str| UserListAnswer::parse(text.as_bytes()).ok().map(|a| a.data.user_list.len());
        for (text, expected) in [
            (r#"{"data":{"user_list":[{"identity_id":"1"}]}}"#, Some(1)),
            (r#"{"error":null,"data":{"user_list":[{}]}}"#, Some(1)),
            ("\u{feff}{\"data\":{\"user_list\":[{},{}]}}", Some(2)),
            (r#"{"data":{"user_list":null}}"#, Some(0)),
            (r#"{"data":{"user_list":""}}"#, Some(0)),
            (r#"{"data":[]}"#, Some(0)),
            (r#"{"data":"","error":[]}"#, Some(0)),
            (r#"{"data":null,"error":{"code":50072,"message":"down"}}"#, None),
            (r#"{"data":{"user_list":[]},"error":{"code":50072}}"#, None),
            (r#"{"data":{}}"#, None),
            (r#"{"data":{"user_list":{}}}"#, None),
            (r#"{"status":0}"#, None),
            ("[]", None),
            ("<html>", None),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_and_free_keys_keep_all_their_digits() {
        let text = r#"{"data":{"user_list":[{"identity_id":123456789012345678901234,
            "info":{"name":12345678901234567890,"card":98765432109876543210987}}]}}"#;
        let users = UserListAnswer::parse(text.as_bytes()).unwrap().data.user_list;
        let user = user(users[0].clone());
        assert_eq!(
            (user.identity_id.as_str(), user.name().as_str()),
            ("123456789012345678901234", "12345678901234567890")
        );
        assert_eq!(user.info["card"], "98765432109876543210987");
    }
}
