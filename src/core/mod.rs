//! Pure thinking: no runtime, no clock, no input or output. Everything here is a function of its arguments.

pub mod event;
pub mod face;
pub mod frame;
pub mod limits;
pub mod person;
pub mod slot;
pub mod status;
