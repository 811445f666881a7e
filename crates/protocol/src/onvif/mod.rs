//! ONVIF as far as an installer needs it: finding cameras (WS-Discovery) and asking one for its streams (SOAP 1.2).
//!
//! Elements are read by their local names alone. Makers differ in prefixes and in versions of the same namespace, and some use
//! prefixes they never declared (there are cameras that answer `<wsa:Action>` without any `xmlns:wsa`), so that a reader that
//! resolves namespaces would refuse them. What is written looks like what the makers' own tools write: some cameras compare
//! texts where they should parse.
//!
//! Everything here is hostile until it is read: no entity but the five predefined ones is known and a DTD is refused, so that
//! nothing expands; depth, namespaces and sizes are bounded by `menshen_domain::limits`; texts lose whatever could move a cursor.

pub mod clock;
pub mod device;
pub mod discovery;
pub mod media;
pub mod security;
pub mod soap;

#[cfg(test)]
mod tests;
