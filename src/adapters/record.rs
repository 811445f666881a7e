//! How people, groups and events become the bytes that are sealed.
//!
//! People are many and all are read at start, and embeddings are long: postcard. Events and groups are few: JSON,
//! whose records of older versions can be read field by field.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(String);

fn told(error: impl ToString) -> RecordError {
    RecordError(error.to_string())
}

/// As [`Person`]; `info` as text, since postcard has no values without a type.
#[derive(Serialize, Deserialize)]
struct StoredPerson<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    kind: PersonKind,
    register_type: RegisterType,
    permission_ids: Cow<'a, [String]>,
    info: String,
    features: Cow<'a, [Feature]>,
    created_at_ms: u64,
    updated_at_ms: u64,
}

pub fn encode_person(person: &Person) -> Result<Vec<u8>, RecordError> {
    let stored = StoredPerson {
        id: Cow::Borrowed(&person.id),
        name: Cow::Borrowed(&person.name),
        kind: person.kind,
        register_type: person.register_type,
        permission_ids: Cow::Borrowed(&person.permission_ids),
        info: serde_json::to_string(&person.info).map_err(told)?,
        features: Cow::Borrowed(&person.features),
        created_at_ms: person.created_at_ms,
        updated_at_ms: person.updated_at_ms,
    };
    postcard::to_stdvec(&stored).map_err(told)
}

pub fn decode_person(bytes: &[u8]) -> Result<Person, RecordError> {
    let stored: StoredPerson<'_> = postcard::from_bytes(bytes).map_err(told)?;
    Ok(Person {
        id: stored.id.into_owned(),
        name: stored.name.into_owned(),
        kind: stored.kind,
        register_type: stored.register_type,
        permission_ids: stored.permission_ids.into_owned(),
        info: serde_json::from_str(&stored.info).map_err(told)?,
        features: stored.features.into_owned(),
        created_at_ms: stored.created_at_ms,
        updated_at_ms: stored.updated_at_ms,
    })
}

pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    serde_json::to_vec(value).map_err(told)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::face::Embedding;

    #[test]
    fn a_person_comes_back_whole() {
        let person = Person {
            id: "110101199003070000".into(),
            name: "张三".into(),
            kind: PersonKind::Vip,
            register_type: RegisterType::Stranger,
            permission_ids: vec!["0".into(), "7".into()],
            info: serde_json::json!({ "name": "张三", "more": { "deep": [1, null, 2.5] } })
                .as_object()
                .unwrap()
                .clone(),
            features: vec![Feature {
                embedding: Embedding { model: "m@1".into(), vector: vec![0.25; 128], norm: 9.5 },
                photo: "p.img".into(),
                photo_sha256: "ab".into(),
                quality: 0.5,
            }],
            created_at_ms: 1,
            updated_at_ms: u64::MAX,
        };
        let bytes = encode_person(&person).unwrap();
        assert_eq!(decode_person(&bytes).unwrap(), person);
        assert!(bytes.len() < 700, "{}", bytes.len());
        assert!(decode_person(&bytes[..20]).is_err());
    }
}
