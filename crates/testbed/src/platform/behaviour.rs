//! How the platform misbehaves on request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One kind of misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and the protocol's error body.
    Status(u16),
    /// 200 with a login page: a gateway in front answered, the platform never saw the call.
    Html,
    /// 200 with bytes that are no JSON; the platform has taken the call all the same.
    Garbage,
    /// Answers rightly, but late.
    Slow(Duration),
}

/// Faults per kind of call, each for a number of calls.
#[derive(Default)]
pub struct Behaviour {
    faults: Mutex<HashMap<&'static str, (Fault, u32)>>,
    token: Mutex<u32>,
}

impl Behaviour {
    /// The next `calls` calls of `kind` (as in the ledger) go wrong this way.
    pub fn fail(&self, kind: &'static str, fault: Fault, calls: u32) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, (fault, calls));
    }

    /// Calls of `kind` go right again.
    pub fn heal_kind(&self, kind: &str) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    /// All calls go right again.
    pub fn heal(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether this call goes wrong.
    pub fn take(&self, kind: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, left) = faults.get_mut(kind)?;
        if *left == 0 {
            return None;
        }
        *left -= 1;
        Some(fault.clone())
    }

    /// The token that is good now.
    pub fn token(&self) -> String {
        format!("sim-token-{}", self.token.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on the old token answers 401.
    pub fn rotate_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}
