//! The bytes of the outside: bodies of the management protocol and of the local API, ONVIF messages, the words of FTP.
//!
//! What is read is read liberally and not trusted: any bytes give a value or an error, never a panic, and never more memory
//! than [`menshen_domain::limits`] allow. What is written is exact; field names, misspellings included, are the published
//! protocol's. Every reader is fuzzed (`tests/fuzz`).
//!
//! It must never know a connection, a file, a clock or the parts of the box: it turns bytes into values and values into
//! bytes, and what follows from them is the actors' work. `clippy.toml` beside the manifest forbids those parts of `std`.

#![deny(missing_docs)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod attributes;
pub mod command;
pub mod control;
pub mod device;
pub mod event;
pub mod event_entry;
pub mod fiqa;
pub mod flat_event;
pub mod form;
pub mod ftp;
pub mod json;
pub mod lenient;
pub mod letter;
pub mod live_event;
pub mod local;
pub mod login;
mod number;
pub mod onvif;
pub mod page;
pub mod photo_post;
pub mod picture;
pub mod refused;
pub mod reply;
pub mod report;
pub mod seen_face;
pub mod user;
