//! The pure modules of the product that read what comes over the wire, and nothing else of it.

#[path = "../../src/core/mod.rs"]
pub mod core;
pub mod vision;
#[path = "../../src/wire/mod.rs"]
pub mod wire;
