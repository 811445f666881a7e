//! From what a decoder puts out to a frame.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gstreamer::prelude::*;
use gstreamer::{Sample, glib};
use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoInfo, VideoMeta};

use menshen_domain::frame::{Colour, Frame, FrameError, Matrix, PixelAspect, PixelFormat, Plane, Range};

/// A sample that is no frame.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("a sample without {0}")]
    Missing(&'static str),
    #[error(transparent)]
    Caps(#[from] glib::BoolError),
    #[error("pixel format {0:?} is not supported; use I420, NV12 or RGB")]
    Format(VideoFormat),
    #[error(transparent)]
    Stride(#[from] std::num::TryFromIntError),
    #[error("a buffer that cannot be read")]
    Unreadable,
    #[error(transparent)]
    Layout(#[from] FrameError),
}

/// Has a software decoder work in one thread.
pub fn one_thread(element: &gstreamer::Element) {
    if element.find_property("max-threads").is_some() {
        element.set_property_from_str("max-threads", "1");
    }
}

/// Shares the decoder's buffer; the frame gives it back when it is dropped.
///
/// # Errors
/// When the sample is no picture in one of the formats that can be analysed.
pub fn to_frame(sample: &Sample, sequence: u64) -> Result<Frame, SampleError> {
    let caps = sample.caps().ok_or(SampleError::Missing("caps"))?;
    let info = VideoInfo::from_caps(caps)?;
    let format = match info.format() {
        VideoFormat::I420 => PixelFormat::I420,
        VideoFormat::Nv12 => PixelFormat::Nv12,
        VideoFormat::Rgb => PixelFormat::Rgb,
        other => return Err(SampleError::Format(other)),
    };
    let buffer = sample.buffer_owned().ok_or(SampleError::Missing("a buffer"))?;
    let mut planes = [Plane::default(); 3];
    {
        let meta = buffer.meta::<VideoMeta>();
        let offsets = meta.as_ref().map_or(info.offset(), |meta| meta.offset());
        let strides = meta.as_ref().map_or(info.stride(), |meta| meta.stride());
        for (plane, (offset, stride)) in planes.iter_mut().zip(offsets.iter().zip(strides)) {
            *plane = Plane { offset: *offset, stride: usize::try_from(*stride)? };
        }
    }
    let mapped = buffer.into_mapped_buffer_readable().map_err(|_| SampleError::Unreadable)?;
    let captured_at_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let frame = Frame {
        data: Bytes::from_owner(mapped),
        format,
        colour: colour(&info),
        pixel_aspect: pixel_aspect(&info),
        width: info.width(),
        height: info.height(),
        planes,
        captured_at_ms,
        sequence,
        larger: None,
    };
    frame.validate()?;
    Ok(frame)
}

/// What the stream says, or what GStreamer takes a picture of this size for. BT.2020 and SMPTE 240M are nearer to BT.709 than to
/// BT.601, FCC is nearly BT.601.
fn colour(info: &VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 | VideoColorMatrix::Bt2020 | VideoColorMatrix::Smpte240m => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = match colorimetry.range() {
        VideoColorRange::Range0_255 => Range::Full,
        _ => Range::Limited,
    };
    Colour { matrix, range }
}

/// Square where the stream says nothing, or nonsense.
fn pixel_aspect(info: &VideoInfo) -> PixelAspect {
    let side = |side: i32| u32::try_from(side).unwrap_or_default();
    let par = info.par();
    PixelAspect::new(side(par.numer()), side(par.denom())).unwrap_or_default()
}
