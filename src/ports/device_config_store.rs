//! Which devices there are: the configuration file's, with what was changed in the field.

use menshen_domain::device::DeviceConfig;
use menshen_domain::status::ProtocolError;
use menshen_domain::tuning::{Changes, DeviceChange, DeviceTable};

/// The configuration file cannot be read again: everything that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct RereadError(pub Vec<String>);

pub trait DeviceConfigStore: Send + Sync {
    /// The devices, the file's first, and what is wrong with those that are left out.
    fn list(&self, changes: &Changes) -> (Vec<DeviceConfig>, Vec<String>);

    /// What a change makes of the device `ip`: its whole table and what that says; `None` when it goes.
    #[allow(clippy::type_complexity, reason = "two views of one thing")]
    fn changed(
        &self,
        changes: &Changes,
        ip: &str,
        change: &DeviceChange,
    ) -> Result<Option<(DeviceTable, DeviceConfig)>, ProtocolError>;

    /// Reads the configuration file's devices again. Blocks.
    ///
    /// # Errors
    /// When the file has an error; the devices that were read before stay.
    fn reread(&self) -> Result<(), RereadError>;
}
