//! People as the platform sends them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient;
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, PersonKind, RegisterType};

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
    /// Permission groups that are no list of ids.
    #[error("info.permission_ids: {0}")]
    PermissionIds(serde_json::Error),
}

impl WireUser {
    fn info_text(&self, key: &str) -> Option<String> {
        match self.info.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
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
            None | Some(Value::Null) => Ok(PersonKind::default()),
            Some(_) => self
                .info_text("type")
                .and_then(|text| text.trim().parse().ok())
                .and_then(PersonKind::from_number)
                .ok_or(UserError::Kind),
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
