//! How every history receiver is doing, shared by their senders that write it and by health, which shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use menshen_domain::history::ReceiverStatus;

/// The present receivers by their whole address. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct ReceiversStatus(Arc<Mutex<BTreeMap<String, ReceiverStatus>>>);

impl ReceiversStatus {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, ReceiverStatus>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the entry of a receiver, known by its whole address.
    pub fn update(&self, receiver: &str, change: impl FnOnce(&mut ReceiverStatus)) {
        self.with(|all| change(all.entry(receiver.to_owned()).or_default()));
    }

    /// Forgets those that are no longer receivers.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.with(|all| all.retain(|receiver, _| is_kept(receiver)));
    }

    pub fn list(&self) -> Vec<ReceiverStatus> {
        self.with(|all| all.values().cloned().collect())
    }
}
