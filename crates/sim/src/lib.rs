//! Test equipment and a gift to integrators: a management platform, a private broker and cameras in a box.
//!
//! It shares the wire types with the product and none of its logic.

pub mod broker;
pub mod camera;
pub mod camera_process;
pub mod cameras;
pub mod cli;
pub mod demo;
pub mod faults;
pub mod interrupt;
pub mod load;
pub mod outage;
pub mod photos;
pub mod platform;
pub mod process;
pub mod proxy;
pub mod scrape;
pub mod small_disk;
