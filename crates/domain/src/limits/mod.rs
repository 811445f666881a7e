//! Bounds on what the box takes, keeps and waits for, each with its reason, in one file for each owner.
//!
//! A bound belongs here when it holds against the outside (what cameras, platforms and installers send), when it bounds
//! memory or disk, or when several places must agree on it. A constant that tunes one algorithm stays in its file.
//! Names end with their unit; pairs are the first and the longest wait of a backoff.

mod actors;
mod audit;
mod broker;
mod capture;
mod check;
mod door;
mod ftp;
mod gallery;
mod history;
mod import;
mod local_api;
mod onvif;
mod photo;
mod platform;
mod storage;
mod stream;
mod web;

pub use self::actors::*;
pub use self::audit::*;
pub use self::broker::*;
pub use self::capture::*;
pub use self::check::*;
pub use self::door::*;
pub use self::ftp::*;
pub use self::gallery::*;
pub use self::history::*;
pub use self::import::*;
pub use self::local_api::*;
pub use self::onvif::*;
pub use self::photo::*;
pub use self::platform::*;
pub use self::storage::*;
pub use self::stream::*;
pub use self::web::*;
