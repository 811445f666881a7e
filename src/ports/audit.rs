//! Where every change of the box is written down.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// One change: who asked for it, from where, what it was and what came of it. No names of people and no secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Wall clock, ms.
    pub at_ms: u64,
    /// Name of a token, `platform`, or `command line`.
    pub who: String,
    /// Address of the caller, or of the platform's broker.
    pub from: String,
    /// The call or command.
    pub what: String,
    /// What it was about: a device, a person as the log calls them, a number of people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub on: String,
    /// `ok`, how many of its parts failed, or the code it was refused with.
    pub result: String,
    /// Nothing is different from before: it was refused, or all of it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Further refused ones of the same caller, for which this line stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
}

/// Keeps entries.
pub trait AuditLog: Send + Sync {
    /// Keeps an entry; the future ends when it is on the disk, or when that has failed or takes too long, which is logged
    /// and counted. It need not be awaited.
    fn record(&self, entry: AuditEntry) -> BoxFuture<'static, ()>;
}
