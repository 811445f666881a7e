//! Making the bodies of history events, on threads and ahead of the one being sent.

use url::Url;

use super::deps::ReporterDeps;
use super::parts::{stored, write};
use crate::actors::blocking::run_blocking;
use crate::ports::outbox::OutboxEntry;
use crate::ports::platform::PostBody;
use crate::ports::store::Namespace;
use menshen_domain::device::NO_LICENCE_CODE;
use menshen_domain::event::EventRecord;
use menshen_domain::report_options::{Dialect, OcclusionTrue, Pictures, SendAs};
use menshen_domain::status::ProtocolError;
use menshen_protocol::event::{EventBody, EventPictures, ReportKind};
use menshen_protocol::flat_event::{FlatEventBody, FlatReport};

/// How history is written to one receiver. A stored event knows nothing of it: it is looked at when a body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryForm {
    pub pictures: Pictures,
    pub dialect: Dialect,
    pub send_as: SendAs,
    /// Whether it carries what was measured of the face beside its quality.
    pub info: bool,
    pub occlusion: OcclusionTrue,
}

impl HistoryForm {
    /// At this moment: the platform's receivers as the login says, the box's own as the configuration and the local API say.
    pub fn of(deps: &ReporterDeps, receiver: &Url) -> Self {
        let session = deps.delivery.sessions.current();
        let tuning = deps.tuning.load();
        let reports = &tuning.reports;
        // What the platform said last, by `control_config`, counts before its login.
        let of_login = || session.as_ref().is_some_and(|session| session.upload_info == Some(true));
        let info = tuning.history_face_info.unwrap_or_else(of_login);
        let occlusion = reports.occlusion;
        let of_platform = session.filter(|session| session.record_urls.contains(receiver));
        let dialect = reports.dialects.of_history(receiver, of_platform.is_some());
        let (pictures, send_as) = if let Some(login) = of_platform {
            let (reg_pic, spot_pic) = (login.upload_reg, login.upload_spot_pic);
            (Pictures { reg_pic, spot_pic, recognize_face: login.upload_recognize_face }, SendAs::Json)
        } else {
            (reports.history.pictures, reports.history.send_as)
        };
        Self { pictures, dialect, send_as, info, occlusion }
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
    pub entry: OutboxEntry,
    pub form: HistoryForm,
    pub body: Result<PostBody, BodyError>,
}

pub async fn prepare(
    deps: ReporterDeps,
    receiver: Url,
    entry: OutboxEntry,
) -> Result<PreparedBody, ProtocolError> {
    run_blocking(move || {
        let form = HistoryForm::of(&deps, &receiver);
        let body = match &entry.event {
            Ok(event) => build(&deps, form, event),
            Err(error) => Err(BodyError::Unreadable { reason: error.to_string() }),
        };
        Ok(PreparedBody { entry, form, body })
    })
    .await
}

fn build(deps: &ReporterDeps, form: HistoryForm, event: &EventRecord) -> Result<PostBody, BodyError> {
    let read = |wanted: bool, namespace, name: Option<&String>| {
        name.filter(|_| wanted).and_then(|name| stored(deps, namespace, name))
    };
    let registry_photo = event.identity.as_ref().and_then(|identity| identity.registry_photo.as_ref());
    let pictures = EventPictures {
        reg_pic: read(form.pictures.reg_pic, Namespace::Registry, registry_photo),
        spot_pic: read(form.pictures.spot_pic, Namespace::Events, event.spot_pic.as_ref()),
        recognize_face: read(form.pictures.recognize_face, Namespace::Events, event.face_pic.as_ref()),
    };
    let (dev_sno, info) = (deps.config.dev_sno.as_str(), form.info);
    let written = match form.dialect {
        Dialect::V24 => {
            let mut body = EventBody::new(event, pictures, ReportKind::History { dev_sno, info });
            body.ext_data.box_fiqa_info.info.say_occlusion(form.occlusion);
            write(&body, form.send_as)
        }
        Dialect::V26 => {
            // This form has an empty code where none was issued.
            let dev_sno = if dev_sno == NO_LICENCE_CODE { "" } else { dev_sno };
            let mut body = FlatEventBody::new(event, pictures, FlatReport { dev_sno, info });
            body.box_fiqa_info.info.say_occlusion(form.occlusion);
            write(&body, form.send_as)
        }
    };
    written.map_err(BodyError::Json)
}
