//! Which embedder recognises and how a swap is doing, shared by the swap that writes it and by health, the local API and
//! the command line, which show it. What may follow on what is decided by [`ModelFacts`].

use std::sync::{Mutex, PoisonError};

use menshen_domain::models::{ModelFacts, SwapFacts};

/// The facts behind a lock that is held for a moment only.
#[derive(Debug, Default)]
pub struct ModelStatus(Mutex<ModelFacts>);

impl ModelStatus {
    /// Reads or changes the facts.
    pub fn change<T>(&self, change: impl FnOnce(&mut ModelFacts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy of the facts.
    pub fn facts(&self) -> ModelFacts {
        self.change(|facts| facts.clone())
    }

    /// Starts a swap, unless one is running; whether it did.
    pub fn begin(&self, from: &str, to: &str) -> bool {
        self.change(|facts| facts.begin_swap(from, to))
    }

    /// Asks the running swap to end; whether there is one.
    pub fn cancel(&self) -> bool {
        self.change(ModelFacts::cancel_swap)
    }

    /// Whether the last swap was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.change(|facts| facts.is_swap_cancelled())
    }

    /// Changes the facts of the last swap, if there was one.
    pub fn swap(&self, change: impl FnOnce(&mut SwapFacts)) {
        self.change(|facts| {
            if let Some(swap) = &mut facts.swap {
                change(swap);
            }
        });
    }

    /// Notes the people whose photos the new model cannot embed.
    pub fn not_embedded(&self, ids: &[String]) {
        self.change(|facts| facts.note_not_embedded(ids));
    }
}
