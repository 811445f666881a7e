//! What a caller of the local API may do.

use serde::{Deserialize, Serialize};

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// To post photos of one device, and to act on its door.
    Device {
        /// The device's `ip`.
        device: String,
    },
}

impl Role {
    /// As lists show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Device { .. } => "device",
        }
    }

    /// Whether it covers the device with this `ip`.
    pub fn covers_device(&self, ip: &str) -> bool {
        match self {
            Self::Admin => true,
            Self::Device { device } => device == ip,
        }
    }

    /// The device a caller is held to.
    pub fn only_device(&self) -> Option<&str> {
        match self {
            Self::Admin => None,
            Self::Device { device } => Some(device),
        }
    }
}

/// Why a name is none for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's name has 1 to 64 letters, digits, `-`, `_` or `.`")]
pub struct BadName;

/// A token's name stands in the audit log and on command lines.
///
/// # Errors
/// When it could not.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let is_good = !name.is_empty() && name.chars().count() <= 64 && name.chars().all(is_plain);
    if is_good { Ok(()) } else { Err(BadName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_held_to_itself() {
        let gate = Role::Device { device: "10.0.0.5".into() };
        assert!(
            gate.covers_device("10.0.0.5") && !gate.covers_device("10.0.0.50") && !gate.covers_device("")
        );
        assert!(Role::Admin.covers_device("10.0.0.5") && Role::Admin.only_device().is_none());
        let text = serde_json::to_string(&gate).unwrap();
        assert_eq!(text, r#"{"role":"device","device":"10.0.0.5"}"#);
        assert!(
            serde_json::from_str::<Role>(r#"{"role":"viewer"}"#).is_err(),
            "a role of a later version opens nothing"
        );
    }

    #[test]
    fn names_are_plain() {
        for good in ["gate-1", "门卫", "a.b_c"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "a b", "a\nb", "a/b", "x\u{202e}y", &"n".repeat(65)] {
            assert_eq!(check_name(bad), Err(BadName), "{bad:?}");
        }
    }
}
