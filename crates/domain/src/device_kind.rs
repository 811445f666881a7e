//! Kinds of capture devices and the way people walk by them: words that devices, doors and photos share.

use serde::{Deserialize, Serialize};

/// The protocol's device types (section 1). Type 2, static stream, is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    Turnstile,
    SnapshotCamera,
    NetworkCamera,
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    #[default]
    In,
    Out,
}

impl Direction {
    pub fn wire(self) -> i64 {
        match self {
            Self::In => 0,
            Self::Out => 1,
        }
    }
}
