//! Messages of the reporter.

use std::ops::RangeInclusive;

use actix::Message;

use crate::ports::outbox::QuarantinedEvent;
use menshen_domain::device::DeviceStatus;
use menshen_domain::event::EventRecord;
pub use menshen_domain::event::{EventPicture, PassageStage};
use menshen_domain::event_query::EventQuery;
use menshen_domain::face::Embedding;
use menshen_domain::picture_search::FoundPage;
use menshen_domain::score::ScoreMap;
use menshen_domain::status::ProtocolError;

/// Stores an event, then reports it. Answers when it is on disk. The same message twice is harmless.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct RecordPassage {
    pub event: EventRecord,
    /// Empty when the pictures stored before are still right.
    pub pictures: Vec<EventPicture>,
    pub stage: PassageStage,
    /// When this became certain, on the monotonic clock: an old match is not pushed in real time.
    pub decided_ms: u64,
}

/// The shared session has been replaced: receivers, periods or token may differ.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SessionChanged;

/// The box's own receivers have been changed, or how anybody is written to.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReceiversChanged;

/// Something the platform wants the full device list for has changed: the work mode, say.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReportDevices;

/// The quarantined events of all receivers.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<QuarantinedEvent>, ProtocolError>")]
pub struct ListQuarantined {
    pub skip: usize,
    pub limit: usize,
}

/// Tries quarantined events again: of one receiver or of all, one event or all. Answers how many that will be.
#[derive(Clone, Message)]
#[rtype(result = "Result<u64, ProtocolError>")]
pub struct RetryQuarantined {
    pub receiver: Option<String>,
    pub sequence: Option<u64>,
}

/// Stored events, the newest first.
#[derive(Clone, Message)]
#[rtype(result = "Result<EventPage, ProtocolError>")]
pub struct FindEvents {
    pub query: EventQuery,
    pub skip: u64,
    pub limit: usize,
}

/// A page of the events that were asked for.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    /// Each with whether every receiver has it.
    pub events: Vec<(EventRecord, bool)>,
    /// How many there are in all, among those that were looked at.
    pub total: u64,
    /// How many were looked at; not all of very many.
    pub looked_at: u64,
    /// How many are stored.
    pub stored: u64,
}

/// The events of history whose kept feature is like this one.
#[derive(Clone, Message)]
#[rtype(result = "Result<FoundByPicture, ProtocolError>")]
pub struct SearchByPicture {
    pub probe: Embedding,
    /// Time of the events, ms since the epoch.
    pub between: RangeInclusive<u64>,
    pub newest_first: bool,
    /// At these devices only, by `device_id` or `ip`; empty: at all.
    pub devices: Vec<String>,
    pub map: ScoreMap,
    /// Least score, 0–100.
    pub score_min: f32,
}

/// A page of the events that were found.
#[derive(Debug, Clone)]
pub struct FoundByPicture {
    /// Each with its similarity, in the order of the search.
    pub events: Vec<(EventRecord, f32)>,
    pub page: FoundPage,
    /// Events of history that keep no feature, of any time: those of older versions.
    pub without_feature: u64,
    /// How long the search took, without finding the face of the picture.
    pub took_ms: u64,
}

/// A picture of an event, by its name; `None` when there is none.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<Vec<u8>>, ProtocolError>")]
pub struct GetEventPicture {
    pub name: String,
}

/// Deletes events with their pictures; one that a receiver has not got yet keeps all of them. Answers how many went.
#[derive(Clone, Message)]
#[rtype(result = "Result<usize, ProtocolError>")]
pub struct DeleteEvents {
    pub ids: Vec<String>,
}

/// Deletes pictures of events and leaves the events; likewise.
#[derive(Clone, Message)]
#[rtype(result = "Result<usize, ProtocolError>")]
pub struct DeletePictures {
    pub names: Vec<String>,
    /// Whose they are.
    pub event_ids: Vec<String>,
}

/// An operator says that the clock is right: stored events of a later time came from a wrong one.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct ConfirmClock;

/// The full list of devices in their current state.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct DevicesChanged(pub Vec<DeviceStatus>);

/// Deletes all events with their pictures.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct WipeEvents;

/// Finish what is being sent, begin nothing new.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;
