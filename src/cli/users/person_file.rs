//! What a folder or a table says of people, before a photo is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use encoding_rs::GBK;
use serde_json::{Map, Value};

use crate::cli::language::said;
use menshen_domain::limits;
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, PersonKind};

/// One person to be enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonFile {
    /// As it is shown: the photo's path, or the line of the table.
    pub place: String,
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    pub permission_ids: Vec<String>,
    /// Also name and department.
    pub info: Map<String, Value>,
    pub photo: PathBuf,
}

impl PersonFile {
    /// An employee of everybody's group.
    pub fn new(place: String, id: &str, name: &str, department: &str, photo: PathBuf) -> Self {
        let mut info = Map::new();
        info.insert("name".to_owned(), name.into());
        info.insert("department".to_owned(), department.into());
        Self {
            place,
            id: id.to_owned(),
            name: name.to_owned(),
            kind: PersonKind::Employee,
            permission_ids: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
            info,
            photo,
        }
    }
}

/// Somebody who cannot be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The photo's path, or the line of the table, and who it is where that is known.
    pub place: String,
    pub why: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Found {
    pub people: Vec<PersonFile>,
    pub refused: Vec<Refused>,
    /// Files that are no photos.
    pub left_out: Vec<String>,
}

impl Found {
    pub fn refuse(&mut self, place: impl Into<String>, why: String) {
        self.refused.push(Refused { place: place.into(), why });
    }

    /// Whoever's id is there more than once is refused in every place: nobody knows which is right.
    pub fn refuse_twins(&mut self) {
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for person in &self.people {
            places.entry(&person.id).or_default().push(&person.place);
        }
        places.retain(|_, places| places.len() > 1);
        let twins: BTreeMap<String, Vec<String>> = places
            .into_iter()
            .map(|(id, places)| (id.to_owned(), places.into_iter().map(str::to_owned).collect()))
            .collect();
        let (single, twice): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.people).into_iter().partition(|person| !twins.contains_key(&person.id));
        self.people = single;
        for PersonFile { place, id, .. } in twice {
            let others = twins.get(&id).into_iter().flatten().filter(|other| **other != place);
            let others = others.map(String::as_str).collect::<Vec<_>>().join(", ");
            self.refuse(
                place,
                said!(
                    "id {id} is also in {others}; keep the right one, or give each its own id",
                    "编号 {id} 也出现在 {others}；请保留正确的一个，或使用不同编号"
                ),
            );
        }
    }
}

/// Bytes of a name as a person reads them: UTF-8, else GBK, which Chinese Windows writes.
pub fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => GBK.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// A path as a person reads it.
pub fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    readable(path.as_os_str().as_bytes())
}

/// What is wrong with an id; `None`: nothing.
pub fn id_fault(id: &str) -> Option<String> {
    let max = limits::IMPORT_ID_BYTES_MAX;
    if id.is_empty() {
        return Some(said!("the id is empty", "编号为空"));
    }
    if id.len() > max || id.chars().any(char::is_control) {
        return Some(said!(
            "the id must be 1 to {max} bytes without control characters",
            "编号应为 1 到 {max} 字节，不含控制字符"
        ));
    }
    // 110101199003074477 becomes 1.10101E+17 in a spreadsheet.
    let is_shortened = id.to_ascii_uppercase().split_once("E+").is_some_and(|(digits, power)| {
        digits.chars().all(|c| c.is_ascii_digit() || c == '.') && power.chars().all(|c| c.is_ascii_digit())
    });
    is_shortened.then(|| {
        said!(
            "the id {id} was shortened by a spreadsheet: make its column text, and enter it again",
            "编号 {id} 被电子表格改写：请将该列设为文本后重新填写"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_there_twice_is_refused_everywhere() {
        let person =
            |place: &str, id: &str| PersonFile::new(place.into(), id, "n", "d", PathBuf::from(place));
        let people =
            vec![person("a.jpg", "1"), person("b.jpg", "2"), person("c.jpg", "1"), person("d.jpg", "1")];
        let mut found = Found { people, ..Found::default() };
        found.refuse_twins();
        assert_eq!(found.people.len(), 1);
        assert_eq!(found.refused.len(), 3);
        assert!(found.refused[0].why.contains("also in c.jpg, d.jpg"), "{:?}", found.refused);
    }

    #[test]
    fn ids_that_cannot_be_meant_are_refused() {
        for id in ["1001", "E-17", "王-1", "110101199003074477"] {
            assert_eq!(id_fault(id), None, "{id}");
        }
        for id in ["", "1.10101E+17", "1e+5", "a\u{7}b", &"x".repeat(500)] {
            assert!(id_fault(id).is_some(), "{id}");
        }
    }
}
