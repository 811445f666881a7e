//! What the box decides: people and their faces, quality levels, tracks and passages, matches and doors, the state machines
//! of streams, of the platform link and of history delivery, and every bound with its reason ([`limits`]).
//!
//! Everything here is a function of its arguments. Time comes in as milliseconds (`now_ms`: monotonic, unless a name says
//! wall clock), chance as a number in [0, 1) (`jitter`), and what is to be done comes back as a value.
//!
//! It must never know a clock, a thread, a file, a socket or an environment variable, any other crate of the workspace, or
//! how anything is detected, stored or sent. `clippy.toml` beside the manifest forbids those parts of `std`; `repo-checks`
//! forbids the crates that would bring them.
//!
//! Units are in the names: `_ms`, `_s`, `_px`, `_deg`. A *similarity* is the cosine of two embeddings, −1 to 1; a *score* of
//! a match is mapped to 0–100 ([`score`]); quality, liveness and confidences are 0–1.

#![deny(missing_docs)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod access;
pub mod address;
pub mod attributes;
pub mod backoff;
pub mod candidate;
pub mod change_result;
pub mod changed_setting;
pub mod clock;
pub mod decision;
pub mod device;
pub mod device_id;
pub mod device_kind;
pub mod device_wish;
pub mod erasure;
pub mod event;
pub mod event_feature;
pub mod event_query;
pub mod explain;
pub mod face;
pub mod fair_queue;
pub mod frame;
pub mod frame_gate;
pub mod fusion;
pub mod history;
pub mod lag;
pub mod limits;
pub mod link;
pub mod login_refusal;
pub mod models;
pub mod not_toml;
pub mod open_files;
pub mod passage;
pub mod permission_groups;
pub mod person;
pub mod photo;
pub mod photo_rules;
pub mod picture_search;
pub mod pixel;
pub mod public_address;
pub mod quality;
pub mod receiver_pause;
pub mod registry_groups;
pub mod relay;
pub mod relogin;
pub mod repeated;
pub mod report_options;
pub mod score;
pub mod secrets;
pub mod status;
pub mod storage;
pub mod stranger;
pub mod stream;
pub mod stream_fault;
pub mod supervision;
pub mod text;
pub mod track;
pub mod tuning;
pub mod typed;
pub mod validity;
pub mod view;
pub mod visible;
