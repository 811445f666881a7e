//! Pictures as devices in the field post them: the file itself, a form of several parts, base64 in JSON, in XML or in the fields
//! of a web form. Labels are often wrong, so the bytes decide what a body is; names decide which of several pictures is the face.

pub(crate) mod multipart;
mod reader;
mod role;
mod texts;

pub use reader::{KEYS, PostError};

use bytes::Bytes;

use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PictureKind};
use reader::Reader;
use role::{role_of, role_of_path};

/// The pictures of a body in the order in which they should be looked at: named faces, then pictures of which nothing is said, the
/// smaller ones first, since a face is cut out of its scene, then scenes. What was not taken of this passage is left out.
///
/// # Errors
///
/// When there is none. A picture that cannot be decoded is left to its decoder, which says why.
pub fn read(content_type: &str, body: &Bytes) -> Result<Vec<DevicePicture>, PostError> {
    if body.is_empty() {
        return Err(PostError::Empty);
    }
    let mut reader = Reader::default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let nothing = if PictureKind::of(body).is_some() {
        reader.keep(body.clone(), &[]);
        PostError::NoPictureType
    } else if is_form(&kind, content_type, body) {
        reader.form(content_type, body, 0);
        PostError::NoPictureInForm
    } else {
        let is_text = reader.text_body(content_type, body);
        match (is_text, kind.as_str()) {
            (_, kind) if kind.starts_with("multipart/") => PostError::NoPictureInForm,
            (true, _) => PostError::NoPictureInText,
            (false, "" | "application/octet-stream" | "binary/octet-stream") => {
                reader.keep(body.clone(), &[]);
                PostError::NoPictureType
            }
            (false, kind) if kind.starts_with("image/") => {
                reader.keep(body.clone(), &[]);
                PostError::NoPictureType
            }
            (false, _) => PostError::NoPictureType,
        }
    };
    reader.finish(nothing)
}

fn is_form(kind: &str, content_type: &str, body: &[u8]) -> bool {
    (kind.starts_with("multipart/") || body.starts_with(b"--"))
        && !multipart::split(content_type, body).is_empty()
}

impl Reader {
    fn form(&mut self, content_type: &str, body: &Bytes, depth: usize) {
        for part in multipart::split(content_type, body) {
            self.part(&part, body, depth);
        }
    }

    fn part(&mut self, part: &multipart::Part<'_>, body: &Bytes, depth: usize) {
        let bytes = body.slice_ref(part.body);
        let kind = part.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !part.is_base64 && PictureKind::of(&bytes).is_some() {
            self.keep(bytes, &part.names);
        } else if kind.starts_with("multipart/") && depth < limits::PHOTO_FORM_DEPTH_MAX {
            self.form(&part.content_type, &bytes, depth + 1);
        } else {
            let before = self.found.len();
            let text = texts::text_of(&part.content_type, &bytes);
            let named: Vec<_> = part.names.iter().map(|name| role_of(name)).collect();
            let role = role_of_path(&named.iter().rev().copied().collect::<Vec<_>>());
            let key = part.names.first().map_or("", String::as_str);
            self.text(&text, &[role], key, depth + 1);
            for found in &mut self.found[before..] {
                found.names.extend(part.names.iter().cloned());
            }
            // Called a picture and of no kind that is known: its decoder says what it is.
            if before == self.found.len() && kind.starts_with("image/") && !part.is_base64 {
                self.keep(bytes, &part.names);
            }
        }
    }
}

#[cfg(test)]
mod tests;
