//! The current devices, to be found by their address.

use std::sync::Arc;

use arc_swap::ArcSwap;

use menshen_domain::device::DeviceConfig;

/// Written by the device manager, read by all.
#[derive(Clone, Default)]
pub struct DeviceList(Arc<ArcSwap<Vec<DeviceConfig>>>);

impl DeviceList {
    pub fn new(devices: Vec<DeviceConfig>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(devices)))
    }

    pub fn all(&self) -> Arc<Vec<DeviceConfig>> {
        self.0.load_full()
    }

    /// By its `ip`.
    pub fn find(&self, ip: &str) -> Option<DeviceConfig> {
        self.0.load().iter().find(|device| device.ip == ip).cloned()
    }

    pub(super) fn set(&self, devices: Vec<DeviceConfig>) {
        self.0.store(Arc::new(devices));
    }
}
