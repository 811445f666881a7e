//! Pure thinking: no runtime, no clock, no input or output. Everything here is a function of its arguments.

pub mod attention;
pub mod backoff;
pub mod device;
pub mod event;
pub mod face;
pub mod frame;
pub mod gallery;
pub mod history;
pub mod limits;
pub mod link;
pub mod models;
pub mod passage;
pub mod person;
pub mod quality;
pub mod relay;
pub mod relogin;
pub mod score;
pub mod slot;
pub mod status;
pub mod storage;
pub mod supervision;
pub mod track;
pub mod tuning;
