//! What became of a report, by the answer to it: the same for every kind of report.

use crate::ports::platform::PlatformError;

/// What a receiver did with an event.
pub(super) enum Outcome {
    Accepted,
    /// This event will never be taken.
    Refused(String),
    /// Says nothing about the event: the receiver is down, overloaded, or rejects the token.
    Failed(String),
}

/// Refused for good, or only now.
pub(super) fn outcome_of(error: &PlatformError) -> Outcome {
    if error.is_permanent() {
        Outcome::Refused(error.to_string())
    } else {
        Outcome::Failed(error.to_string())
    }
}
