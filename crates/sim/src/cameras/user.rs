//! People as the local API takes them.

use base64::Engine as _;
use serde_json::{Value, json};

/// A person for the local API, called by their id.
pub fn user(id: &str, photo: &[u8]) -> Value {
    json!({ "identity_id": id, "reg_photo": base64::prelude::BASE64_STANDARD.encode(photo),
        "info": { "name": id, "permission_ids": ["0"] } })
}
