//! What bodies of every kind of event are made with.

use serde::Serialize;
use uuid::Uuid;

use super::deps::ReporterDeps;
use crate::ports::platform::PostBody;
use crate::ports::store::Namespace;
use menshen_domain::report_options::SendAs;
use menshen_protocol::event::form_fields;
use menshen_protocol::{form, picture};

/// A stored picture as base64; `None` when it is gone, which for a deleted person's photo is right.
pub fn stored(deps: &ReporterDeps, namespace: Namespace, name: &str) -> Option<String> {
    match deps.storage.pictures.get(namespace, name) {
        Ok(found) => found.map(|bytes| picture::encode(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "reading a picture failed, the report is sent without it");
            None
        }
    }
}

/// A body as JSON, or as a form.
pub fn write(body: &impl Serialize, send_as: SendAs) -> Result<PostBody, serde_json::Error> {
    match send_as {
        SendAs::Json => serde_json::to_vec(body).map(Into::into),
        SendAs::FormData => {
            // Nobody can have written it into a field.
            let boundary = format!("menshen-{}", Uuid::now_v7().simple());
            let bytes = form::write(&form_fields(body)?, &boundary);
            Ok(PostBody { content_type: form::content_type(&boundary).into(), bytes })
        }
    }
}
