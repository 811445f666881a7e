//! Brings the reports of passages from the vision workers to the reporter, in order, without losing one.
//!
//! The channel is bounded: when the disk is slower than the faces, workers wait here, cameras drop frames, and
//! no passage is lost.

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use super::face_engine::report::PassageReport;
use super::handle::Handle;
use super::registry::RegistryActor;
use super::registry::message::EnrolStranger;
use super::reporter::ReporterActor;
use super::reporter::message::RecordPassage;
use menshen_domain::event::{EventIdentity, EventRecord, WantAction};
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_domain::stranger::StrangerShot;
use menshen_protocol::event::STRANGER_NAME;

/// The thread that forwards reports. It outlives restarts of the face engine.
pub struct PassageForwarder {
    reports: Sender<PassageReport>,
    ended: oneshot::Receiver<()>,
}

impl PassageForwarder {
    /// Starts the thread. It ends when every sender is gone and the last report has been answered.
    pub fn start(reporter: Handle<ReporterActor>, registry: Handle<RegistryActor>) -> std::io::Result<Self> {
        let (reports, received) = bounded(limits::PASSAGE_FACTS_WAITING);
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("passages".to_owned()).spawn(move || {
            runtime.block_on(forward(&received, &reporter, &registry));
            // Nobody may be waiting for the end.
            let _ = end.send(());
        })?;
        Ok(Self { reports, ended })
    }

    pub fn sender(&self) -> Sender<PassageReport> {
        self.reports.clone()
    }

    /// Waits until every report has been answered; an error when the thread panicked. The other senders must go first.
    pub async fn finish(self) -> Result<(), oneshot::error::RecvError> {
        drop(self.reports);
        self.ended.await
    }
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
            // The receiver may have stopped waiting.
            Ok(()) => drop(stored.map(|stored| stored.send(()))),
            Err(error) => {
                metrics::counter!("menshen_events_lost_total").increment(1);
                tracing::error!(event_id = %event.event_id, %error, "EVENT LOST: it could not be stored");
            }
        }
    }
}

/// Gives the event of a stranger who is enrolled the stranger's identity. A failure costs that, not the event.
async fn enrol(registry: &Handle<RegistryActor>, stranger: StrangerShot, event: &mut EventRecord) {
    let failed = |reason: String| {
        metrics::counter!("menshen_strangers_failed_total").increment(1);
        tracing::warn!(reason, "a stranger could not be enrolled");
    };
    let known = match registry.send(EnrolStranger(stranger)).await {
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
