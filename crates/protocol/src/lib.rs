//! The management protocol as serde types: what is read is read liberally, what is written is exact.
//!
//! Field names, misspellings included, are the published protocol's. Nothing here acts: turning a
//! command into an effect is the actors' work.

pub mod attributes;
pub mod command;
pub mod control;
pub mod event;
pub mod fiqa;
pub mod ftp;
pub mod lenient;
pub mod local;
pub mod login;
mod number;
pub mod onvif;
pub mod picture;
pub mod reply;
pub mod report;
pub mod user;
