//! Menshen (门神): a face-recognition edge runtime for the SE3 AI mini-PC and boxes like it.
//!
//! `docs/design/architecture.md` says where everything lives and why.

pub mod actors;
pub mod adapters;
pub mod cli;
pub mod config;
pub mod evaluation;
pub mod ports;
pub mod regular_file;
pub mod runtime;
pub mod status;
pub mod telemetry;
pub mod web;
