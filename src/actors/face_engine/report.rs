//! What the face engine reports of a passage.

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
