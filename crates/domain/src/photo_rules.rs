//! What is configured about the photos of one device.

use serde::{Deserialize, Serialize};

/// Who may pass at a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassMode {
    /// People who are recognised and may pass.
    #[default]
    Normal,
    /// Anyone with a face, but for the blacklist; events are as they would be.
    AllPass,
    /// No person.
    AllForbidden,
}

impl PassMode {
    /// As `control_config` writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::AllPass => "allpass",
            Self::AllForbidden => "allforbidden",
        }
    }

    /// From the word of `control_config`.
    pub fn from_wire(text: &str) -> Option<Self> {
        [Self::Normal, Self::AllPass, Self::AllForbidden].into_iter().find(|mode| mode.wire() == text)
    }

    /// What counts at a device where this is the mode of the whole box: the device's own, unless nobody may pass anywhere.
    #[must_use]
    pub fn at(self, device: Self) -> Self {
        match (self, device) {
            (Self::AllForbidden, _) => Self::AllForbidden,
            (everywhere, Self::Normal) => everywhere,
            (_, own) => own,
        }
    }
}

/// A device's account on the box's FTP server.
#[derive(Clone, PartialEq, Eq)]
pub struct FtpAccount {
    /// The login name.
    pub user: String,
    /// Never shown.
    pub password: String,
}

/// Never shows the password.
impl std::fmt::Debug for FtpAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FtpAccount").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is done with a device's photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRules {
    /// What a recognised face does at the gate.
    pub pass_mode: PassMode,
    /// The same person makes one event in this time.
    pub dedup_ms: u64,
    /// A device that sent something within this time is online; 0: as long as the box listens.
    pub online_ms: u64,
    /// Its account, for devices that upload over FTP.
    pub ftp: Option<FtpAccount>,
}

/// Default of `dedup_ms`, in seconds: the protocol's original reports no person twice within six.
pub const DEDUP_DEFAULT_S: u64 = 6;

impl Default for PhotoRules {
    fn default() -> Self {
        Self { pass_mode: PassMode::Normal, dedup_ms: DEDUP_DEFAULT_S * 1000, online_ms: 0, ftp: None }
    }
}

#[cfg(test)]
mod tests {
    use super::PassMode::{AllForbidden, AllPass, Normal};
    use super::*;

    #[test]
    fn a_devices_own_mode_counts_unless_nobody_may_pass_anywhere() {
        for (everywhere, own, expected) in [
            (Normal, Normal, Normal),
            (Normal, AllPass, AllPass),
            (Normal, AllForbidden, AllForbidden),
            (AllPass, Normal, AllPass),
            (AllPass, AllForbidden, AllForbidden),
            (AllForbidden, AllPass, AllForbidden),
            (AllForbidden, Normal, AllForbidden),
        ] {
            assert_eq!(everywhere.at(own), expected, "{everywhere:?} {own:?}");
        }
        for mode in [Normal, AllPass, AllForbidden] {
            assert_eq!(PassMode::from_wire(mode.wire()), Some(mode));
        }
        assert_eq!(PassMode::from_wire("all_pass"), None, "a word of the configuration file");
    }
}
