//! The small traits through which actors and vision see the outside world. Adapters implement them,
//! tests may stand in for them, and only `runtime` knows both sides.

pub mod audit;
pub mod broker;
pub mod camera;
pub mod changes;
pub mod clock;
pub mod dead_letters;
pub mod device_config_store;
pub mod erasures;
pub mod outbox;
pub mod photos;
pub mod picture_download;
pub mod platform;
pub mod relay;
pub mod store;
pub mod system;
pub mod tokens;
