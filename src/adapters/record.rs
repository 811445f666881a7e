//! How people, groups and events become the bytes that are sealed.
//!
//! People are many and all are read at start, and embeddings are long: postcard. Events and groups are few: JSON,
//! whose records of older versions can be read field by field.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};

/// Bytes that are no record, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Postcard(#[from] postcard::Error),
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
        info: serde_json::to_string(&person.info)?,
        features: Cow::Borrowed(&person.features),
        created_at_ms: person.created_at_ms,
        updated_at_ms: person.updated_at_ms,
    };
    Ok(postcard::to_stdvec(&stored)?)
}

pub fn decode_person(bytes: &[u8]) -> Result<Person, RecordError> {
    let stored: StoredPerson<'_> = postcard::from_bytes(bytes)?;
    Ok(Person {
        id: stored.id.into_owned(),
        name: stored.name.into_owned(),
        kind: stored.kind,
        register_type: stored.register_type,
        permission_ids: stored.permission_ids.into_owned(),
        info: serde_json::from_str(&stored.info)?,
        features: stored.features.into_owned(),
        created_at_ms: stored.created_at_ms,
        updated_at_ms: stored.updated_at_ms,
    })
}

pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    Ok(serde_json::to_vec(value)?)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    Ok(serde_json::from_slice(bytes)?)
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
