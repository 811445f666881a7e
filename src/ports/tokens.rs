//! Which tokens open the local API.

use menshen_domain::access::Role;

/// The tokens as they are at the moment of the question.
pub trait KnownTokens: Send + Sync {
    /// Name and role of the token with this text.
    fn find(&self, text: &str) -> Option<(String, Role)>;
    /// Whether tokens are asked for.
    fn is_any(&self) -> bool;
}
