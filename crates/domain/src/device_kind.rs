//! Kinds of capture devices and the way people walk by them: words that devices, doors and photos share.

use serde::{Deserialize, Serialize};

/// The protocol's device types (section 1). Type 2, static stream, is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Opens for one person at a time.
    Turnstile,
    /// Sends single pictures.
    SnapshotCamera,
    /// Sends a video stream.
    NetworkCamera,
    /// A face terminal at a door.
    DoorTerminal,
}

impl DeviceKind {
    /// As the wire writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Turnstile => "0",
            Self::SnapshotCamera => "1",
            Self::NetworkCamera => "3",
            Self::DoorTerminal => "4",
        }
    }
}

/// Which way people pass a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// They enter.
    #[default]
    In,
    /// They leave.
    Out,
}

impl Direction {
    /// As reports write it: 0 in, 1 out.
    pub fn wire(self) -> i64 {
        match self {
            Self::In => 0,
            Self::Out => 1,
        }
    }
}
