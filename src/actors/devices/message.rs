//! Messages of the device manager.

use actix::Message;

use crate::ports::camera::{OpenError, Stream, StreamNotice};
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::device_wish::{DeviceWish, Verb};
use menshen_domain::relay::DoorCommand;
use menshen_domain::status::ProtocolError;
use menshen_domain::tuning::DeviceChange;

/// All devices in their current state.
#[derive(Clone, Message)]
#[rtype(result = "Vec<DeviceStatus>")]
pub struct ListDevices;

/// Adds, changes or removes a device. Answered when it is on disk and effective; the stream may still be opening.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<DeviceStatus>, ProtocolError>")]
pub struct ChangeDevice {
    /// The device's `ip`.
    pub ip: String,
    pub change: DeviceChange,
}

/// Adds or changes devices as the published local API and the platform's commands speak of them. One that cannot be fails all,
/// and nothing changes. Answered when they are on disk and effective.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<DeviceStatus>, ProtocolError>")]
pub struct PutDevices {
    /// Groups among them as ids.
    pub wishes: Vec<DeviceWish>,
    pub verb: Verb,
}

/// Removes devices by their `device_id`; answers what they were.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<DeviceConfig>, ProtocolError>")]
pub struct RemoveDevices {
    /// `None`: all of them.
    pub ids: Option<Vec<String>>,
    /// Whether ids of no device are passed over, as those of a command that comes again.
    pub pass_over_unknown: bool,
}

/// Reads pipelines and the configuration file's devices again. On an error nothing changes.
#[derive(Clone, Message)]
#[rtype(result = "Result<Reloaded, ProtocolError>")]
pub struct ReloadDevices;

/// The outcome of a reload; the streams of other devices keep running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// `ip`s of devices that were added, removed, or reopened.
    pub changed: Vec<String>,
    pub devices: usize,
}

/// Calls the relay of a device, once. Too old a command is dropped, and so is one whose id has been there already.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct ActOnDoor {
    /// Unique to this command; in the log.
    pub id: String,
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

/// Names a device for as long as its stream has the same source.
pub(super) type DeviceKey = u64;

/// An attempt to open a stream has ended. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct OpenDone {
    pub device: DeviceKey,
    pub generation: u64,
    pub result: Result<Box<dyn Stream>, OpenError>,
}

/// A notice of a running stream. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FromStream {
    pub device: DeviceKey,
    pub generation: u64,
    pub notice: StreamNotice,
}
