//! The history receivers of a campaign.

/// History receivers of the login, which follow the platform's dialect.
pub const PLATFORM_RECEIVERS: usize = 2;
/// All history receivers; the last one is the box's own, with a dialect of its own.
pub const RECEIVERS: usize = PLATFORM_RECEIVERS + 1;
/// The receiver with a dialect of its own, and which one that is.
pub const PINNED: usize = RECEIVERS - 1;
pub const PINNED_DIALECT: &str = "2.6";

/// Where a receiver's history is taken.
pub fn receiver_path(receiver: usize) -> String {
    if receiver < PLATFORM_RECEIVERS { format!("/box/record/{receiver}") } else { "/own/record".to_owned() }
}
