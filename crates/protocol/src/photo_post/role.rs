//! What a picture is, by the words devices use: keys, part names, file names, content ids.

use menshen_domain::photo::PictureRole;

/// What a name says of the picture that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedRole {
    /// The face that was seen.
    Face,
    /// The scene around it.
    Background,
    /// Of somebody's registration, or of a document they hold: it was not taken of this passage, and must open no door.
    Registered,
}

/// Anywhere in a name.
const REGISTERED: [&str; 15] = [
    "regist",
    "enrol",
    "library",
    "facelib",
    "fdlib",
    "template",
    "idcard",
    "idphoto",
    "idpic",
    "idimage",
    "certificate",
    "candidate",
    "注册",
    "底库",
    "证件",
];
const BACKGROUND: [&str; 14] = [
    "background",
    "panoram",
    "scene",
    "overview",
    "global",
    "whole",
    "origin",
    "fullimage",
    "fullpic",
    "fullimg",
    "全景",
    "背景",
    "场景",
    "大图",
];
const FACE: [&str; 7] = ["face", "portrait", "cutout", "crop", "人脸", "小图", "特写"];
/// At the beginning of a word of a name.
const BACKGROUND_WORDS: [&str; 5] = ["bg", "big", "pano", "large", "spot"];
const FACE_WORDS: [&str; 3] = ["small", "head", "closeup"];
/// A whole word of a name.
const REGISTERED_WORDS: [&str; 3] = ["reg", "lib", "cert"];

/// What one name says.
pub fn role_of(name: &str) -> Option<NamedRole> {
    let lower = name.to_lowercase();
    let words = words_of(name);
    let holds = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let begins = |parts: &[&str]| words.iter().any(|word| parts.iter().any(|part| word.starts_with(part)));
    if holds(&REGISTERED) || words.iter().any(|word| REGISTERED_WORDS.contains(&word.as_str())) {
        Some(NamedRole::Registered)
    } else if holds(&BACKGROUND) || begins(&BACKGROUND_WORDS) {
        Some(NamedRole::Background)
    } else if holds(&FACE) || begins(&FACE_WORDS) {
        Some(NamedRole::Face)
    } else {
        None
    }
}

/// What the value of a key such as `type` says: a word, or a number of GA/T 1400.
pub fn role_of_type(value: &str) -> Option<NamedRole> {
    match value.trim() {
        "11" => Some(NamedRole::Face),
        // Vehicles and things; the scene.
        "01" | "02" | "09" | "12" | "13" | "14" => Some(NamedRole::Background),
        word => role_of(word),
    }
}

/// Lower-case words of a name: `bgImg` and `big_pic` have two each.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_small = false;
    for letter in name.chars() {
        let is_new = !letter.is_alphabetic() || (letter.is_uppercase() && before_is_small);
        before_is_small = letter.is_lowercase();
        if is_new {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a path of names says, the outermost first: one that is registered anywhere is; otherwise the innermost name that says
/// something.
pub fn role_of_path(path: &[Option<NamedRole>]) -> Option<NamedRole> {
    let said = || path.iter().rev().copied().flatten();
    said().find(|role| *role == NamedRole::Registered).or_else(|| said().next())
}

/// What is told of a picture that may be looked at; `None`: it is of no passage.
pub fn of_passage(role: Option<NamedRole>) -> Option<PictureRole> {
    match role {
        Some(NamedRole::Face) => Some(PictureRole::Face),
        None => Some(PictureRole::Unnamed),
        Some(NamedRole::Background) => Some(PictureRole::Background),
        Some(NamedRole::Registered) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_field_are_known() {
        use NamedRole::{Background, Face, Registered};
        for (name, role) in [
            ("facePicture.jpg", Some(Face)),
            ("FaceImage", Some(Face)),
            ("recognize_face", Some(Face)),
            ("smallPic", Some(Face)),
            ("人脸小图.jpg", Some(Face)),
            ("backgroundImage", Some(Background)),
            ("background_face_1.jpg", Some(Background)),
            ("FacePanoramaPic", Some(Background)),
            ("faceScene", Some(Background)),
            ("SceneImage", Some(Background)),
            ("bgImg", Some(Background)),
            ("bigpic", Some(Background)),
            ("spot_pic", Some(Background)),
            ("全景图", Some(Background)),
            ("reg_pic", Some(Registered)),
            ("registerPhoto", Some(Registered)),
            ("FDLibFace", Some(Registered)),
            ("idCardPicture", Some(Registered)),
            ("Candidates", Some(Registered)),
            ("Picture", None),
            ("file", None),
            ("image_base64_str", None),
            ("regularity", None),
            ("ambiguous", None),
        ] {
            assert_eq!(role_of(name), role, "{name}");
        }
        assert_eq!(
            (role_of_type("11"), role_of_type("14"), role_of_type("100")),
            (Some(Face), Some(Background), None)
        );
    }

    #[test]
    fn a_path_says_what_its_innermost_name_says_unless_it_is_of_a_registration() {
        let path = |names: &[&str]| role_of_path(&names.iter().map(|name| role_of(name)).collect::<Vec<_>>());
        assert_eq!(path(&["FaceEvent", "backgroundImage", "content"]), Some(NamedRole::Background));
        assert_eq!(path(&["SceneInfo", "FaceImage", "Data"]), Some(NamedRole::Face));
        assert_eq!(path(&["Candidates", "FaceImage", "Data"]), Some(NamedRole::Registered));
        assert_eq!(path(&["a", "b"]), None);
    }
}
