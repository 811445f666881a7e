//! The equipment around a box, for tests, campaigns and integrators: a private broker, a management platform, cameras, a proxy that
//! cuts connections, a small disk, and child processes that can be frozen and killed.
//!
//! It shares the protocol's types with the product and none of its logic: it must never depend on the box, its store or its
//! inference.

pub mod broker;
pub mod camera;
pub mod camera_process;
pub mod platform;
pub mod process;
pub mod proxy;
pub mod scrape;
pub mod small_disk;
