//! How people, groups and events become the bytes that are sealed.
//!
//! People are many and all are read at start, and embeddings are long: postcard. Events and groups are few: JSON,
//! whose records of older versions can be read field by field.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;

/// Bytes that are no record, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Postcard(#[from] postcard::Error),
}

/// As [`Person`]; `info` as text, since postcard has no values without a type. Postcard does not name its fields: what is
/// added later follows as a value of its own, as [`Memberships`] do.
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

/// Follows a [`StoredPerson`] whose registry groups are not the usual ones, so that most records stay as the first version
/// wrote them.
#[derive(Serialize, Deserialize)]
struct Memberships<'a> {
    registry_groups: Cow<'a, [String]>,
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
    let mut bytes = postcard::to_stdvec(&stored)?;
    if person.registry_groups != [DEFAULT_REGISTRY_GROUP] {
        let memberships = Memberships { registry_groups: Cow::Borrowed(&person.registry_groups) };
        bytes = postcard::to_extend(&memberships, bytes)?;
    }
    Ok(bytes)
}

pub fn decode_person(bytes: &[u8]) -> Result<Person, RecordError> {
    let (stored, rest): (StoredPerson<'_>, _) = postcard::take_from_bytes(bytes)?;
    let registry_groups = if rest.is_empty() {
        vec![DEFAULT_REGISTRY_GROUP.to_owned()]
    } else {
        postcard::from_bytes::<Memberships<'_>>(rest)?.registry_groups.into_owned()
    };
    Ok(Person {
        id: stored.id.into_owned(),
        name: stored.name.into_owned(),
        kind: stored.kind,
        register_type: stored.register_type,
        permission_ids: stored.permission_ids.into_owned(),
        registry_groups,
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

    fn person() -> Person {
        Person {
            id: "110101199003070000".into(),
            name: "张三".into(),
            kind: PersonKind::Vip,
            register_type: RegisterType::Stranger,
            permission_ids: vec!["0".into(), "7".into()],
            registry_groups: vec![DEFAULT_REGISTRY_GROUP.into()],
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
        }
    }

    #[test]
    fn a_person_comes_back_whole() {
        let person = person();
        let bytes = encode_person(&person).unwrap();
        assert_eq!(decode_person(&bytes).unwrap(), person);
        assert!(bytes.len() < 700, "{}", bytes.len());
        assert!(decode_person(&bytes[..20]).is_err());
    }

    #[test]
    fn registry_groups_follow_a_record_that_reads_as_before() {
        let usual = encode_person(&person()).unwrap();
        for groups in
            [vec![], vec!["访客".to_owned()], vec!["a".to_owned(), DEFAULT_REGISTRY_GROUP.to_owned()]]
        {
            let other = Person { registry_groups: groups, ..person() };
            let bytes = encode_person(&other).unwrap();
            assert!(bytes.starts_with(&usual) && bytes.len() > usual.len());
            assert_eq!(decode_person(&bytes).unwrap(), other);
        }
        // The first version wrote nothing behind it, and everyone was in the one group there was.
        let old: StoredPerson<'_> = postcard::from_bytes(&usual).unwrap();
        assert_eq!(postcard::to_stdvec(&old).unwrap(), usual);
        assert_eq!(decode_person(&usual).unwrap().registry_groups, [DEFAULT_REGISTRY_GROUP]);
    }
}
