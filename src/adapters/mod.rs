//! The outside world: broker, platform, disk, cameras, models. Each file implements a trait of `ports`.

pub mod amqp;
pub mod audit;
pub mod camera;
pub mod changes_file;
pub mod clock;
pub mod dead_letters;
pub mod erasures;
pub mod files;
pub mod ftp;
pub mod http_login;
mod line_file;
pub mod onnx;
pub mod onvif;
pub mod picture_download;
pub mod pictures;
pub mod platform_http;
pub mod process;
mod record;
pub mod relay;
pub mod space;
pub mod store;
pub mod system;
pub mod tls;
pub mod tokens;
pub mod vault;
