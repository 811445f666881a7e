//! Every bound in the program, each with its reason. Nothing else in the tree may invent one.

/// Longest side of a camera frame: 8K video; anything larger is a broken header.
pub const FRAME_SIDE_MAX_PX: u32 = 8192;

/// Longest side of a registry photo before decoding: a 16 384 px side already means 268 MP; phones give 12 000.
pub const PHOTO_SIDE_MAX_PX: u32 = 16_384;

/// Most pixels a registry photo may decode to: 64 MP × 3 bytes = 192 MB, transient, one a worker.
pub const PHOTO_PIXELS_MAX: u64 = 64_000_000;

/// Largest registry photo file: the field's platforms send 50–500 KB; 12 MB covers a phone's best JPEG.
pub const PHOTO_BYTES_MAX: usize = 12 * 1024 * 1024;
