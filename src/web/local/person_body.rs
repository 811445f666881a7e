//! What a call says of a person besides the person: the switches of `POST` and `PUT users`.

use serde_json::{Map, Value};

use super::answer::wrong;
use super::body::said;
use menshen_domain::status::ProtocolError;
use menshen_protocol::lenient;

/// A switch that may be absent.
pub fn switch(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, ProtocolError> {
    let read =
        |value| lenient::switch_of(value).ok_or_else(|| wrong(format!("`{key}` must be true or false")));
    said(body, key).map(read).transpose()
}

/// Names in one text with commas, or in a list; each once. `None`: nothing is said.
pub fn names(body: &Map<String, Value>, key: &str) -> Result<Option<Vec<String>>, ProtocolError> {
    let Some(value) = said(body, key) else { return Ok(None) };
    let texts = lenient::texts(value.clone()).map_err(|error| wrong(format!("{key}: {error}")))?;
    let mut names: Vec<String> = Vec::new();
    for name in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(Some(names))
}

/// Switches of a list that count for each of its people who does not say otherwise.
const OF_LIST: [&str; 7] = [
    "group_name",
    "ignore_exist",
    "create_no_exit_permission",
    "support_single_face",
    "need_bring_pic",
    "import_mode",
    "fiqa_level",
];

/// The people of `user_info_list`, each with what the whole call says.
pub fn with_switches(body: &Map<String, Value>, mut users: Vec<Value>) -> Vec<Value> {
    for user in users.iter_mut().filter_map(Value::as_object_mut) {
        for key in OF_LIST {
            if let (Some(value), None) = (said(body, key), said(user, key)) {
                user.insert(key.to_owned(), value.clone());
            }
        }
    }
    users
}

/// Switches of one person that are the local API's own.
#[derive(Debug, PartialEq, Eq)]
pub struct Switches {
    /// Whoever is there already is changed instead of refused.
    pub ignore_exist: bool,
    /// Permission groups nobody knows are made.
    pub creates_permissions: bool,
    /// Registry groups the person is put into.
    pub groups: Option<Vec<String>>,
}

impl Switches {
    pub fn read(user: &Map<String, Value>) -> Result<Self, ProtocolError> {
        Ok(Self {
            ignore_exist: switch(user, "ignore_exist")?.unwrap_or(false),
            creates_permissions: switch(user, "create_no_exit_permission")?.unwrap_or(false),
            groups: names(user, "group_name")?,
        })
    }
}

/// Keys of `info` that answers fill in: sent back, they are no facts of the person.
const ANSWERED: [&str; 3] = ["user_id", "image_id", "face_ids"];

/// A user object without what this box wrote into it.
pub fn without_answered(user: &mut Map<String, Value>) {
    if let Some(Value::Object(info)) = user.get_mut("info") {
        info.retain(|key, _| !ANSWERED.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn switches_are_off_unless_they_are_on_and_never_guessed() {
        let read = |value: Value| Switches::read(&body(value));
        let off = Switches { ignore_exist: false, creates_permissions: false, groups: None };
        assert_eq!(read(json!({ "ignore_exist": null, "group_name": "" })).unwrap(), off);
        let on = json!({ "ignore_exist": "true", "create_no_exit_permission": 1, "group_name": "a, b,,a" });
        let groups = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(read(on).unwrap(), Switches { ignore_exist: true, creates_permissions: true, groups });
        let list = read(json!({ "group_name": ["vip", "访客"] })).unwrap();
        assert_eq!(list.groups.unwrap(), ["vip", "访客"]);
        for wrong in [json!({ "ignore_exist": "perhaps" }), json!({ "group_name": { "a": 1 } })] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_gives_its_switches_to_those_who_say_nothing() {
        let users = vec![json!({ "identity_id": "1" }), json!({ "identity_id": "2", "ignore_exist": false })];
        let users = with_switches(&body(json!({ "ignore_exist": true, "fiqa_level": "no" })), users);
        assert_eq!(users[0], json!({ "identity_id": "1", "ignore_exist": true, "fiqa_level": "no" }));
        assert_eq!(users[1]["ignore_exist"], false);
    }

    #[test]
    fn what_answers_fill_in_does_not_come_back() {
        let info = json!({ "name": "x", "user_id": "other", "image_id": "ab", "face_ids": [], "desk": 1 });
        let mut user = body(json!({ "identity_id": "1", "info": info }));
        without_answered(&mut user);
        assert_eq!(user["info"], json!({ "name": "x", "desk": 1 }));
    }
}
