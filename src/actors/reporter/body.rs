//! Making the bodies of history events, on threads and ahead of the one being sent.

use super::deps::ReporterDeps;
use super::realtime::stored;
use crate::actors::blocking::run_blocking;
use crate::ports::outbox::OutboxEntry;
use crate::ports::store::Namespace;
use menshen_domain::event::EventRecord;
use menshen_domain::status::ProtocolError;
use menshen_protocol::event::{EventBody, EventPictures, ReportKind};
use menshen_protocol::login::Session;

/// Which pictures history carries, as the login says; all of them without a login.
#[derive(Debug, Clone, Copy)]
pub struct WantedPictures {
    pub reg_pic: bool,
    pub spot_pic: bool,
    pub recognize_face: bool,
}

impl WantedPictures {
    pub fn of(session: Option<&Session>) -> Self {
        Self {
            reg_pic: session.is_none_or(|session| session.upload_reg),
            spot_pic: session.is_none_or(|session| session.upload_spot_pic),
            recognize_face: session.is_none_or(|session| session.upload_recognize_face),
        }
    }
}

/// Why an event can never be sent.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("its record cannot be read: {reason}")]
    Unreadable { reason: String },
    #[error("it cannot be written as JSON: {0}")]
    Json(#[source] serde_json::Error),
}

/// The body of an event that is to be sent.
pub struct PreparedBody {
    pub sequence: u64,
    /// `None` where it cannot be read.
    pub event: Option<EventRecord>,
    pub body: Result<Vec<u8>, BodyError>,
}

pub async fn prepare(
    deps: ReporterDeps,
    wanted: WantedPictures,
    entry: OutboxEntry,
) -> Result<PreparedBody, ProtocolError> {
    run_blocking(move || {
        let body = match &entry.event {
            Ok(event) => build(&deps, wanted, event),
            Err(error) => Err(BodyError::Unreadable { reason: error.to_string() }),
        };
        Ok(PreparedBody { sequence: entry.sequence, event: entry.event.ok(), body })
    })
    .await
}

fn build(deps: &ReporterDeps, wanted: WantedPictures, event: &EventRecord) -> Result<Vec<u8>, BodyError> {
    let read = |wanted: bool, namespace, name: Option<&String>| {
        name.filter(|_| wanted).and_then(|name| stored(deps, namespace, name))
    };
    let registry_photo = event.identity.as_ref().and_then(|identity| identity.registry_photo.as_ref());
    let pictures = EventPictures {
        reg_pic: read(wanted.reg_pic, Namespace::Registry, registry_photo),
        spot_pic: read(wanted.spot_pic, Namespace::Events, event.spot_pic.as_ref()),
        recognize_face: read(wanted.recognize_face, Namespace::Events, event.face_pic.as_ref()),
    };
    let kind = ReportKind::History { dev_sno: &deps.config.dev_sno };
    serde_json::to_vec(&EventBody::new(event, pictures, kind)).map_err(BodyError::Json)
}
