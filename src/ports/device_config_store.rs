//! Which devices there are: the configuration file's, with what was changed in the field.

use menshen_domain::device::DeviceConfig;
use menshen_domain::status::ProtocolError;
use menshen_domain::tuning::{Changes, DeviceChange, DeviceEntry};

/// The configuration file cannot be read again: everything that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct RereadError(pub Vec<String>);

/// What a change makes of a device.
pub struct ChangedDevice {
    /// What is to be kept of it, and of the `ip` it had before.
    pub entries: Vec<(String, DeviceEntry)>,
    /// What it is from now on; `None` when it goes.
    pub config: Option<DeviceConfig>,
}

pub trait DeviceConfigStore: Send + Sync {
    /// The devices, the file's first, and what is wrong with those that are left out.
    fn list(&self, changes: &Changes) -> (Vec<DeviceConfig>, Vec<String>);

    /// What a change makes of the device `ip`.
    fn changed(
        &self,
        changes: &Changes,
        ip: &str,
        change: &DeviceChange,
    ) -> Result<ChangedDevice, ProtocolError>;

    /// Reads the configuration file's devices again. Blocks.
    ///
    /// # Errors
    /// When the file has an error; the devices that were read before stay.
    fn reread(&self) -> Result<(), RereadError>;
}
