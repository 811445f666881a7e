//! Simulated network cameras: given faces walk through a scene, encoded once, served over real RTSP for ever.

mod args;
pub mod encode;
pub mod scene;
mod serve;

pub use args::CameraArgs;

use anyhow::Result;

/// Encodes, then serves until the process ends, or writes the file that `--record` names.
///
/// # Errors
/// When pictures cannot be read or encoded, or the address cannot be listened on.
pub fn run(arguments: &CameraArgs) -> Result<()> {
    gstreamer::init()?;
    let mut clip = encode::render(arguments)?;
    if let Some(size) = arguments.other_size {
        clip.append(encode::render(&CameraArgs { size, ..arguments.clone() })?);
    }
    if let Some(file) = &arguments.record {
        return encode::record(&clip, arguments.fps, file);
    }
    let sub = arguments.sub.map(|size| encode::render(&CameraArgs { size, ..arguments.clone() }));
    serve::serve(arguments, clip, sub.transpose()?)
}
