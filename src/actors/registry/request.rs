//! From a user object, of the platform or of the local API, to an enrolment request.

use serde_json::Value;

use super::message::{EnrolRequest, Photo};
use super::photo::no_photo;
use menshen_domain::limits;
use menshen_domain::person::{PermissionGroup, Person, PersonKind};
use menshen_domain::registry_groups::RegistryGroup;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::lenient;
use menshen_protocol::local::info_of;
use menshen_protocol::login::Session;
use menshen_protocol::user::WireUser;

/// A user object that cannot be enrolled, with as much of it as could be read.
#[derive(Debug)]
pub struct UnusableUser {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    pub refusal: ProtocolError,
}

impl UnusableUser {
    /// Of a user of whom no more than the id is known.
    pub fn nameless(id: &str, refusal: ProtocolError) -> Self {
        Self { id: id.to_owned(), name: String::new(), kind: PersonKind::default(), refusal }
    }
}

/// Who may pass where and when is said in `info`.
const OF_INFO: [&str; 3] = ["permission_ids", "start_time", "end_time"];

/// A limit beside `info` would be left out in silence, and the person could pass without it.
fn check_places(user: &Value) -> Result<(), ProtocolError> {
    let is_said = |value: &Value| !lenient::is_absent(value);
    let misplaced = OF_INFO
        .into_iter()
        .find(|key| user.get(*key).is_some_and(is_said) && !user["info"].get(*key).is_some_and(is_said));
    misplaced.map_or(Ok(()), |key| Err(wrong(format!("`{key}` belongs into `info`, that is `info.{key}`"))))
}

impl EnrolRequest {
    /// Reads the user object of the person `id`. `old` is the person as stored, for an update: what the object leaves
    /// out stays as it was. `session` resolves relative photo addresses. What is wrong with the object is refused as
    /// [`StatusCode::ParamError`].
    pub fn from_wire(
        mut user: Value,
        id: String,
        old: Option<&Person>,
        session: Option<&Session>,
    ) -> Result<Self, UnusableUser> {
        check_places(&user).map_err(|error| UnusableUser::nameless(&id, error))?;
        if let (Some(old), Some(new)) = (old, user.as_object_mut()) {
            let mut info = info_of(old).as_object().cloned().unwrap_or_default();
            let said = new.get("info").and_then(Value::as_object).cloned().unwrap_or_default();
            // An empty list of groups takes them away, and an empty name is none; a type or a null is only not set.
            let is_unset = |key: &str, value: &Value| {
                value.is_null()
                    || (key == "type" || value.is_string() && key == "permission_ids")
                        && lenient::is_absent(value)
            };
            info.extend(said.into_iter().filter(|(key, value)| !is_unset(key, value)));
            new.insert("info".to_owned(), Value::Object(info));
        }
        let user: WireUser = lenient::object(user)
            .map_err(|error| UnusableUser::nameless(&id, wrong(format!("user: {error}"))))?;
        let unusable = |refusal| UnusableUser {
            id: id.clone(),
            name: user.name(),
            kind: user.kind().unwrap_or_default(),
            refusal,
        };
        if user.import_mode {
            return Err(unusable(foreign_features()));
        }
        let register_type = match (old, user.register_type) {
            (Some(old), None) => Ok(old.register_type),
            _ => user.register_type(),
        };
        check_lengths(&id, &user).map_err(|error| unusable(wrong(error)))?;
        Ok(Self {
            kind: user.kind().map_err(|error| unusable(wrong(error)))?,
            register_type: register_type.map_err(|error| unusable(wrong(error)))?,
            permission_ids: user.permission_ids().map_err(|error| unusable(wrong(error)))?,
            level: user.fiqa_level().map_err(|error| unusable(wrong(error)))?,
            photo: photo_of(&user, old, session).map_err(unusable)?,
            adds_face: user.support_single_face == Some(false),
            joins: Vec::new(),
            name: user.name(),
            info: user.info,
            id,
        })
    }
}

/// An id, a name or other facts longer than anyone keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    #[error("`{what}` has {bytes} bytes; at most {max} are kept")]
    Text { what: &'static str, bytes: usize, max: usize },
    #[error("{count} {what}; at most {max} are kept")]
    List { what: &'static str, count: usize, max: usize },
}

impl TooLong {
    /// Refuses a text of more than `max` bytes.
    pub fn check(what: &'static str, bytes: usize, max: usize) -> Result<(), Self> {
        if bytes <= max { Ok(()) } else { Err(Self::Text { what, bytes, max }) }
    }

    /// Refuses a registry group that nobody can have meant.
    pub fn check_group(group: &RegistryGroup) -> Result<(), Self> {
        let info = serde_json::to_vec(&group.info).map_or(0, |json| json.len());
        Self::check("group_name", group.name.len(), limits::NAME_BYTES_MAX)?;
        Self::check("description", group.description.len(), limits::INFO_BYTES_MAX)?;
        Self::check("info", info, limits::INFO_BYTES_MAX)
    }

    /// Refuses permission groups that nobody can have meant.
    pub fn check_groups(groups: &[PermissionGroup]) -> Result<(), Self> {
        if groups.len() > limits::GROUPS_MAX {
            return Err(Self::List {
                what: "permission groups",
                count: groups.len(),
                max: limits::GROUPS_MAX,
            });
        }
        groups.iter().try_for_each(|group| {
            Self::check("id", group.id.len(), limits::ID_BYTES_MAX)?;
            Self::check("name", group.name.len(), limits::NAME_BYTES_MAX)?;
            Self::check("description", group.description.len(), limits::INFO_BYTES_MAX)
        })
    }
}

fn check_lengths(id: &str, user: &WireUser) -> Result<(), TooLong> {
    TooLong::check("identity_id", id.len(), limits::ID_BYTES_MAX)?;
    TooLong::check("name", user.name().len(), limits::NAME_BYTES_MAX)?;
    let groups = user.permission_ids().unwrap_or_default();
    if groups.len() > limits::PERSON_GROUPS_MAX {
        let (count, max) = (groups.len(), limits::PERSON_GROUPS_MAX);
        return Err(TooLong::List { what: "permission_ids", count, max });
    }
    groups
        .iter()
        .try_for_each(|group| TooLong::check("permission_ids", group.len(), limits::ID_BYTES_MAX))?;
    let info = serde_json::to_vec(&user.info).map_or(0, |json| json.len());
    TooLong::check("info", info, limits::INFO_BYTES_MAX)
}

fn photo_of(
    user: &WireUser,
    old: Option<&Person>,
    session: Option<&Session>,
) -> Result<Photo, ProtocolError> {
    match user.photo() {
        Some(source) => Photo::from_source(source, session),
        None if old.is_some() || user.need_bring_pic == Some(false) => Ok(Photo::Kept),
        None => Err(no_photo()),
    }
}

/// Someone the platform wants to register by a feature (`import_mode`): vectors of two networks cannot be compared. A photo
/// beside it is not used either, which would hide that the platform's plan has failed.
pub fn foreign_features() -> ProtocolError {
    ProtocolError::new(StatusCode::BadFeature, "features of another model; send a photo without import_mode")
}

fn wrong(detail: impl ToString) -> ProtocolError {
    ProtocolError::new(StatusCode::ParamError, detail.to_string())
}

#[cfg(test)]
mod tests {
    use menshen_domain::quality::LevelName;
    use serde_json::json;

    use super::*;

    fn refusal(id: &str, info: &Value) -> Option<ProtocolError> {
        let user = json!({ "identity_id": id, "reg_photo": "/9j/", "info": info });
        EnrolRequest::from_wire(user, id.to_owned(), None, None).err().map(|unusable| unusable.refusal)
    }

    #[test]
    fn a_limit_beside_info_is_refused_and_not_left_out() {
        let refused = |key: &str, value: Value, info: Value| {
            let mut user = json!({ "identity_id": "1", "reg_photo": "/9j/", "info": info });
            user[key] = value;
            EnrolRequest::from_wire(user, "1".to_owned(), None, None).err().map(|unusable| unusable.refusal)
        };
        for key in OF_INFO {
            let refusal = refused(key, json!("2030-01-01"), json!({ "name": "x" })).unwrap();
            assert_eq!(refusal.code, StatusCode::ParamError);
            assert!(refusal.detail.contains(&format!("`info.{key}`")), "{}", refusal.detail);
            assert!(refused(key, json!("x"), Value::Null).is_some());
            assert!(refused(key, json!("2030-01-01"), json!({ "name": "x", key: "2030-01-01" })).is_none());
            assert!(refused(key, json!(""), json!({ "name": "x" })).is_none(), "nothing is said");
        }
    }

    #[test]
    fn who_brings_no_photo_says_so_and_features_are_never_taken() {
        let read = |fields: Value| {
            let mut user = json!({ "identity_id": "1", "info": { "name": "x" } });
            user.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            EnrolRequest::from_wire(user, "1".to_owned(), None, None)
        };
        let code = |fields: Value| read(fields).err().map(|unusable| unusable.refusal.code);
        assert_eq!(code(json!({})), Some(StatusCode::ParamError));
        assert_eq!(code(json!({ "need_bring_pic": true })), Some(StatusCode::ParamError));
        let kept = read(json!({ "need_bring_pic": "false", "reg_photo": "" })).unwrap();
        assert!(matches!(kept.photo, Photo::Kept) && !kept.adds_face && kept.level.is_none());
        let photo = json!("/9j/");
        let request =
            read(json!({ "need_bring_pic": false, "reg_photo": photo, "fiqa_level": "No" })).unwrap();
        assert!(matches!(request.photo, Photo::Bytes(_)));
        assert_eq!(request.level, Some(LevelName::No));
        assert_eq!(code(json!({ "reg_photo": photo, "fiqa_level": "best" })), Some(StatusCode::ParamError));
        for mode in [json!(true), json!("true"), json!(1)] {
            let refusal = read(json!({ "import_mode": mode, "reg_photo": photo })).err().unwrap();
            assert_eq!((refusal.refusal.code, refusal.name.as_str()), (StatusCode::BadFeature, "x"));
        }
        assert_eq!(code(json!({ "import_mode": false, "reg_photo": photo })), None);
        for (switch, adds_face) in [(json!(null), false), (json!(true), false), (json!(false), true)] {
            let request = read(json!({ "reg_photo": photo, "support_single_face": switch })).unwrap();
            assert_eq!(request.adds_face, adds_face, "{switch}");
        }
    }

    #[test]
    fn what_is_longer_than_anyone_keeps_is_refused_and_not_repeated() {
        let long = "7".repeat(limits::ID_BYTES_MAX + 1);
        assert_eq!(refusal(&long[1..], &json!({ "name": "x" })), None);
        for (id, info, what) in [
            (long.as_str(), json!({}), "`identity_id` has 257 bytes; at most 256"),
            ("1", json!({ "name": "门".repeat(400) }), "`name` has 1200 bytes"),
            ("1", json!({ "permission_ids": [long] }), "`permission_ids` has 257 bytes"),
            ("1", json!({ "permission_ids": vec!["1"; 1001] }), "1001 permission_ids"),
            ("1", json!({ "memo": "m".repeat(70_000) }), "`info` has 700"),
        ] {
            let refusal = refusal(id, &info).expect(what);
            assert_eq!(refusal.code, StatusCode::ParamError);
            assert!(refusal.detail.contains(what) && refusal.detail.len() < 100, "{}", refusal.detail);
        }
        let group = |id: &str, name: &str| PermissionGroup {
            name: name.into(),
            ..PermissionGroup::undescribed(id.into())
        };
        assert!(TooLong::check_groups(&[group("1", "all"), group(&long, "x")]).is_err());
        assert!(TooLong::check_groups(&[group("1", &"n".repeat(1025))]).is_err());
        assert!(TooLong::check_groups(&vec![group("1", "all"); 10_001]).is_err());
    }
}
