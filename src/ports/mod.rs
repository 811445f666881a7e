//! The small traits through which actors and vision see the outside world. Adapters implement them,
//! tests may stand in for them, and only `runtime` knows both sides.

pub mod camera;
pub mod inference;
pub mod store;
