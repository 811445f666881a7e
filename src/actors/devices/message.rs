//! What the device manager is asked and told.

use actix::Message;

use crate::core::device::DeviceStatus;
use crate::core::relay::DoorCommand;
use crate::core::status::Refusal;
use crate::ports::camera::{OpenError, Stream, StreamNotice};

/// All devices as they stand now.
#[derive(Clone, Message)]
#[rtype(result = "Vec<DeviceStatus>")]
pub struct ListDevices;

/// Calls the relay of a device, once. Too old a command is dropped.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct ActOnDoor {
    /// The device's `ip`.
    pub ip: String,
    pub command: DoorCommand,
    /// When it was asked for, on the monotonic clock.
    pub asked_ms: u64,
}

/// Close every stream; answers when all are closed.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// An attempt to open a stream has ended. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct OpenDone {
    pub device: usize,
    pub generation: u64,
    pub result: Result<Box<dyn Stream>, OpenError>,
}

/// A running stream says something. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FromStream {
    pub device: usize,
    pub generation: u64,
    pub notice: StreamNotice,
}
