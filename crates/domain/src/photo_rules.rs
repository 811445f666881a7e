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
