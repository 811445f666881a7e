//! Brings passages from the vision workers to the reporter, in order, without losing one.
//!
//! The channel is bounded: when the disk is slower than the faces, workers wait here, cameras drop frames, and
//! no passage is lost.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::actors::handle::Handle;
use crate::actors::reporter::ReporterActor;
use crate::actors::reporter::message::{EventPicture, PassageStage, RecordPassage};
use crate::core::event::EventRecord;
use crate::core::limits;

/// One fact on its way.
#[derive(Debug, Clone)]
pub struct PassageReport {
    pub event: EventRecord,
    pub pictures: Vec<EventPicture>,
    pub stage: PassageStage,
    /// When this became certain, on the monotonic clock.
    pub decided_ms: u64,
}

/// Starts the thread. It ends when every sender is gone and the last report has been answered.
pub fn start(reporter: Handle<ReporterActor>) -> std::io::Result<(Sender<PassageReport>, JoinHandle<()>)> {
    let (sender, receiver) = bounded(limits::PASSAGE_FACTS_WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let thread = std::thread::Builder::new()
        .name("passages".to_owned())
        .spawn(move || runtime.block_on(forward(&receiver, &reporter)))?;
    Ok((sender, thread))
}

async fn forward(reports: &Receiver<PassageReport>, reporter: &Handle<ReporterActor>) {
    // Blocking here is fine: this runtime has nothing else to do.
    while let Ok(PassageReport { event, pictures, stage, decided_ms }) = reports.recv() {
        let record = || RecordPassage { event: event.clone(), pictures: pictures.clone(), stage, decided_ms };
        if let Err(error) = reporter.send_until_answered(record).await {
            metrics::counter!("menshen_events_lost_total").increment(1);
            tracing::error!(event_id = %event.event_id, %error, "EVENT LOST: it could not be stored");
        }
    }
}
