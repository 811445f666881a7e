//! What is found in a body, and which of it is looked at first.

use bytes::Bytes;

use super::role::{NamedRole, of_passage, role_of, role_of_path};
use crate::picture::{self, PictureTextError};
use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PictureKind, PictureRole};

/// Keys under which devices put a picture, the protocol's own first: what stands there and is none is an error.
pub const KEYS: [&str; 7] = ["image_base64_str", "image", "photo", "picture", "spot_pic", "pic", "img"];

/// Why a body holds no picture of a passage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing was sent.
    #[error("the body is empty")]
    Empty,
    /// No form, no text with a picture, and no label of a picture either.
    #[error(
        "a picture (JPEG, PNG, WebP, BMP), a form with one, or JSON or XML with one in base64 is expected"
    )]
    NoPictureType,
    /// JSON that is none; where.
    #[error("the body is no JSON: line {0} column {1}")]
    NotJson(usize, usize),
    /// A text without a picture.
    #[error("no picture is in it; a picture in base64 is expected under {}", KEYS[0])]
    NoPictureInText,
    /// A form without a picture.
    #[error("the form holds no picture")]
    NoPictureInForm,
    /// Only pictures that were not taken of this passage.
    #[error("the only picture is of a registration or a document, not of a person who passes")]
    OnlyRegistered,
    /// Under the key of a picture.
    #[error(transparent)]
    Text(#[from] PictureTextError),
}

/// One picture that was found.
pub(super) struct Found {
    pub role: Option<NamedRole>,
    pub bytes: Bytes,
    /// Names by which a text of the same form may speak of it.
    pub names: Vec<String>,
    is_known_kind: bool,
    pixels: u64,
}

/// Collects the pictures of one body.
#[derive(Default)]
pub(super) struct Reader {
    pub found: Vec<Found>,
    /// Names of other parts, with what the text says of them.
    mentioned: Vec<(String, NamedRole)>,
    pub trouble: Option<PostError>,
}

impl Reader {
    /// The file of a picture under its names, the most telling one first.
    pub fn keep(&mut self, bytes: Bytes, names: &[String]) {
        let named: Vec<_> = names.iter().rev().map(|name| role_of(name)).collect();
        self.keep_as(bytes, role_of_path(&named), names.to_vec());
    }

    pub fn keep_as(&mut self, bytes: Bytes, role: Option<NamedRole>, names: Vec<String>) {
        let is_known_kind = PictureKind::of(&bytes).is_some();
        let size = imagesize::blob_size(&bytes).ok();
        let pixels = size.map_or(u64::MAX, |size| size.width as u64 * size.height as u64);
        self.found.push(Found { role, bytes, names, is_known_kind, pixels });
    }

    /// What a text calls something else by.
    pub fn mention(&mut self, name: &str, role: NamedRole) {
        let is_name = (1..=limits::PHOTO_PART_NAME_CHARS_MAX).contains(&name.len());
        if is_name && self.mentioned.len() < limits::PHOTO_FORM_NAMES_MAX {
            self.mentioned.push((name.trim_start_matches("cid:").to_owned(), role));
        }
    }

    pub fn finish(mut self, nothing: PostError) -> Result<Vec<DevicePicture>, PostError> {
        for found in self.found.iter_mut().filter(|found| found.role.is_none()) {
            let told =
                self.mentioned.iter().filter(|(name, _)| found.names.contains(name)).map(|(_, role)| *role);
            found.role = told.max_by_key(|role| *role == NamedRole::Registered);
        }
        let is_any = !self.found.is_empty();
        let mut pictures: Vec<(PictureRole, Found)> =
            self.found.into_iter().filter_map(|found| Some((of_passage(found.role)?, found))).collect();
        // Stable: among equals the device's own order counts.
        pictures.sort_by_key(|(role, found)| {
            let pixels = if *role == PictureRole::Unnamed { found.pixels } else { 0 };
            (!found.is_known_kind, *role, pixels)
        });
        pictures.truncate(limits::PHOTO_FORM_PICTURES_MAX);
        if pictures.is_empty() {
            return Err(match self.trouble {
                _ if is_any => PostError::OnlyRegistered,
                Some(trouble) => trouble,
                None => nothing,
            });
        }
        Ok(pictures.into_iter().map(|(role, found)| DevicePicture { role, bytes: found.bytes }).collect())
    }

    /// A text that may be a picture in base64, under `key`, with what its path says.
    pub fn leaf(&mut self, text: &str, path: &[Option<NamedRole>], key: &str) {
        let is_expected = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) && !text.trim().is_empty();
        let role = role_of_path(path);
        if !is_expected && !picture::begins_like_one(text) {
            if let Some(role) = role {
                self.mention(text.trim(), role);
            }
            return;
        }
        match picture::decode(text, limits::PHOTO_BYTES_MAX) {
            Ok(bytes) => self.keep_as(bytes.into(), role, Vec::new()),
            Err(error) => self.trouble = self.trouble.take().or(Some(error.into())),
        }
    }
}
