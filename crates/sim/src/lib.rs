//! `menshen-sim`: the demo, and campaigns of load and faults against a whole box, on the equipment of `menshen-testbed`.

pub mod cameras;
pub mod cli;
pub mod client;
pub mod demo;
pub mod faults;
pub mod figures;
mod interrupt;
pub mod load;
pub mod outage;
pub mod platform;
