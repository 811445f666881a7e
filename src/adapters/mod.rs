//! The outside world: broker, platform, disk, cameras, models. Each file implements a trait of `ports`.

pub mod amqp;
pub mod onnx;
pub mod platform_http;
pub mod system;
