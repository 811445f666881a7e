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
    /// Sends the caller elsewhere: status and `Location`.
    Redirect(u16, String),
    /// This status with this body.
    Answer(u16, &'static str),
}

/// Makes other bytes of an answer's.
pub type Remake = fn(&[u8]) -> Vec<u8>;

/// How answers are dressed, whatever they are: what frameworks do without being asked.
#[derive(Debug, Clone, Default)]
pub struct Dress {
    /// In place of the right `Content-Type`; an empty one leaves it out.
    pub label: Option<&'static str>,
    /// A byte order mark before JSON.
    pub byte_order_mark: bool,
    /// What becomes of the bytes of JSON.
    pub remake: Option<Remake>,
    /// `Content-Encoding` of JSON, for bytes that `remake` compresses.
    pub encoding: Option<&'static str>,
}

/// Faults per kind of call, each for a number of calls.
#[derive(Default)]
pub struct Behaviour {
    faults: Mutex<HashMap<&'static str, (Fault, u32)>>,
    token: Mutex<u32>,
    dress: Mutex<Dress>,
}

impl Behaviour {
    /// The next `calls` calls of `kind` (as in the ledger) go wrong this way.
    pub fn fail(&self, kind: &'static str, fault: Fault, calls: u32) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, (fault, calls));
    }

    /// From now on every answer looks like this.
    pub fn dress(&self, dress: Dress) {
        *self.dress.lock().unwrap_or_else(PoisonError::into_inner) = dress;
    }

    /// How answers look now.
    pub fn dressed(&self) -> Dress {
        self.dress.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
