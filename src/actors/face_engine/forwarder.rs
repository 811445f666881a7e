//! Brings passages from the vision workers to the reporter, in order, without losing one.
//!
//! The channel is bounded: when the disk is slower than the faces, workers wait here, cameras drop frames, and
//! no passage is lost.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use crate::actors::handle::Handle;
use crate::actors::registry::RegistryActor;
use crate::actors::registry::message::EnrolStranger;
use crate::actors::reporter::ReporterActor;
use crate::actors::reporter::message::{EventPicture, PassageStage, RecordPassage};
use menshen_domain::event::{EventIdentity, EventRecord, WantAction};
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_protocol::event::STRANGER_NAME;

/// One fact on its way.
pub struct PassageReport {
    pub event: EventRecord,
    pub pictures: Vec<EventPicture>,
    pub stage: PassageStage,
    /// When this became certain, on the monotonic clock.
    pub decided_ms: u64,
    /// A stranger good enough to be known again, when that is wanted.
    pub stranger: Option<EnrolStranger>,
    /// Whether the person was there a moment ago.
    pub is_present: bool,
    /// ReportedEvent when the event is stored, by somebody who waits for that; dropped when it is lost.
    pub stored: Option<oneshot::Sender<()>>,
}

/// Starts the thread. It ends when every sender is gone and the last report has been answered.
pub fn start(
    reporter: Handle<ReporterActor>,
    registry: Handle<RegistryActor>,
) -> std::io::Result<(Sender<PassageReport>, JoinHandle<()>)> {
    let (sender, receiver) = bounded(limits::PASSAGE_FACTS_WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let thread = std::thread::Builder::new()
        .name("passages".to_owned())
        .spawn(move || runtime.block_on(forward(&receiver, &reporter, &registry)))?;
    Ok((sender, thread))
}

async fn forward(
    reports: &Receiver<PassageReport>,
    reporter: &Handle<ReporterActor>,
    registry: &Handle<RegistryActor>,
) {
    // Blocking here is fine: this runtime has nothing else to do.
    while let Ok(report) = reports.recv() {
        let PassageReport { mut event, pictures, stage, stranger, decided_ms, is_present: _, stored } =
            report;
        if let Some(stranger) = stranger {
            enrol(registry, stranger, &mut event).await;
        }
        let record = || RecordPassage { event: event.clone(), pictures: pictures.clone(), stage, decided_ms };
        match reporter.send_until_answered(record).await {
            // Whoever waited may have gone.
            Ok(()) => drop(stored.map(|stored| stored.send(()))),
            Err(error) => {
                metrics::counter!("menshen_events_lost_total").increment(1);
                tracing::error!(event_id = %event.event_id, %error, "EVENT LOST: it could not be stored");
            }
        }
    }
}

/// Gives the event of a stranger who is enrolled the stranger's identity. What goes wrong costs that, not the event.
async fn enrol(registry: &Handle<RegistryActor>, stranger: EnrolStranger, event: &mut EventRecord) {
    let failed = |reason: String| {
        metrics::counter!("menshen_strangers_failed_total").increment(1);
        tracing::warn!(reason, "a stranger could not be enrolled");
    };
    let known = match registry.send(stranger).await {
        Ok(Ok(Some(known))) => known,
        Ok(Ok(None)) => return,
        Ok(Err(refusal)) => return failed(refusal.to_string()),
        Err(error) => return failed(error.to_string()),
    };
    if known.is_new {
        event.want_action = WantAction::NewStranger;
    }
    event.identity = Some(EventIdentity {
        id: known.id,
        name: STRANGER_NAME.to_owned(),
        kind: PersonKind::Stranger,
        registry_photo: Some(known.photo).filter(|photo| !photo.is_empty()),
    });
}
