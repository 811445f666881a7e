//! What the face engine reports of a passage.

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use menshen_domain::event::{EventPicture, EventRecord, PassageStage};
use menshen_domain::stranger::StrangerShot;

/// One report of a passage, on its way to the reporter.
pub struct PassageReport {
    pub event: EventRecord,
    pub pictures: Vec<EventPicture>,
    pub stage: PassageStage,
    /// When this became certain, on the monotonic clock.
    pub decided_ms: u64,
    /// The shot that enrols a stranger, where strangers are enrolled and it is good enough.
    pub stranger: Option<StrangerShot>,
    /// Whether the person was there a moment ago.
    pub is_present: bool,
    /// Sent when the event is stored, dropped when it is lost.
    pub stored: Option<oneshot::Sender<()>>,
}

impl PassageReport {
    /// Sends the report on; waits while the channel is full. Without a receiver the event is lost, which is counted.
    pub fn send(self, passages: &Sender<Self>) {
        if let Err(lost) = passages.send(self) {
            metrics::counter!("menshen_events_lost_total").increment(1);
            tracing::error!(event_id = %lost.0.event.event_id, "EVENT LOST: the thread that forwards passages is gone");
        }
    }
}
