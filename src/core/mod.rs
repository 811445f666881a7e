//! Pure thinking: no runtime, no clock, no input or output. Everything here is a function of its arguments.

pub mod face;
pub mod frame;
pub mod limits;
pub mod slot;
