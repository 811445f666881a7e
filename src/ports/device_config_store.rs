//! Which devices there are: the configuration file's, with what was changed in the field.

use menshen_domain::device::DeviceConfig;
use menshen_domain::status::ProtocolError;
use menshen_domain::tuning::{Changes, DeviceChange, DeviceTable};

pub trait DeviceConfigStore: Send + Sync {
    /// The devices in force, the file's first; and what is wrong with those that are passed over.
    fn list(&self, changes: &Changes) -> (Vec<DeviceConfig>, Vec<String>);

    /// What a change makes of the device `ip`: its whole table and what that says; `None` when it goes.
    #[allow(clippy::type_complexity, reason = "two views of one thing")]
    fn changed(
        &self,
        changes: &Changes,
        ip: &str,
        change: &DeviceChange,
    ) -> Result<Option<(DeviceTable, DeviceConfig)>, ProtocolError>;

    /// Reads the configuration file's devices again; on an error the old ones stay. Blocks.
    fn reread(&self) -> Result<(), Vec<String>>;
}
