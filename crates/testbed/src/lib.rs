//! One harness for tests and campaigns: a box with its configuration, and the equipment around it, which integrators may use as well:
//! a private broker, a management platform, cameras, a proxy that cuts connections, a small disk, and child processes that can be
//! frozen and killed.
//!
//! It shares the protocol's types with the product and none of its logic: it must never depend on the box, its store or its
//! inference.

#![deny(missing_docs)]
#![warn(clippy::missing_errors_doc)]

pub mod box_config;
pub mod box_process;
pub mod broker;
pub mod camera;
pub mod camera_process;
pub mod cluster;
pub mod deliveries;
pub mod local_api;
pub mod platform;
pub mod process;
pub mod proxy;
pub mod scrape;
pub mod small_disk;
pub mod statistics;
pub mod stream_client;
pub mod wall_clock;
