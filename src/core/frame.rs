//! One decoded picture from a capture device, still in the pixel format the decoder gave.
//!
//! Frames stay in YUV: detection reads a scaled-down copy, and only crops and scene pictures that are
//! kept are ever converted in full.

use bytes::Bytes;

/// How the bytes of a [`Frame`] are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planar 4:2:0: full-size Y, then quarter-size U, then quarter-size V.
    I420,
    /// Semi-planar 4:2:0: full-size Y, then interleaved UV at half size.
    Nv12,
    /// Packed red, green, blue, 8 bit each.
    Rgb,
}

/// Where one plane starts inside [`Frame::data`] and how many bytes one of its rows takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plane {
    pub offset: usize,
    pub stride: usize,
}

/// A picture with its time of capture. Cloning shares the pixels.
#[derive(Debug, Clone)]
pub struct Frame {
    pub data: Bytes,
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    /// As many planes as the format has; the rest are zero.
    pub planes: [Plane; 3],
    /// Wall clock at arrival, milliseconds since the Unix epoch, UTC.
    pub captured_at_ms: u64,
    /// Counts up by one a frame per camera, also for frames that are dropped later.
    pub sequence: u64,
}

/// Why bytes and a described layout do not make a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {width}x{height} px is outside 16..={max} px a side")]
    Size { width: u32, height: u32, max: u32 },
    #[error("plane {plane} needs bytes up to {needed}, the buffer has {len}")]
    TooShort { plane: usize, needed: usize, len: usize },
}

impl Frame {
    /// Checks that every plane lies inside the buffer, so that readers may index without surprises.
    pub fn validate(&self) -> Result<(), FrameError> {
        let max = super::limits::FRAME_SIDE_MAX_PX;
        if !(16..=max).contains(&self.width) || !(16..=max).contains(&self.height) {
            return Err(FrameError::Size { width: self.width, height: self.height, max });
        }
        for (plane, (row_bytes, rows)) in self.plane_extents().into_iter().enumerate() {
            let Plane { offset, stride } = self.planes[plane];
            let needed = offset + stride * (rows - 1) + row_bytes;
            if stride < row_bytes || needed > self.data.len() {
                return Err(FrameError::TooShort { plane, needed, len: self.data.len() });
            }
        }
        Ok(())
    }

    /// Bytes per row that carry pixels, and number of rows, of each plane of this format.
    pub fn plane_extents(&self) -> Vec<(usize, usize)> {
        let (w, h) = (self.width as usize, self.height as usize);
        let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
        match self.format {
            PixelFormat::I420 => vec![(w, h), (half_w, half_h), (half_w, half_h)],
            PixelFormat::Nv12 => vec![(w, h), (half_w * 2, half_h)],
            PixelFormat::Rgb => vec![(w * 3, h)],
        }
    }

    /// The bytes of one plane, from its first row to the end of the buffer.
    pub fn plane(&self, index: usize) -> &[u8] {
        &self.data[self.planes[index].offset..]
    }

    /// A copy that owns its pixels. Keeping a frame for long must not keep a decoder's buffer.
    pub fn detached(&self) -> Self {
        Self { data: Bytes::copy_from_slice(&self.data), ..self.clone() }
    }

    /// A frame from tightly packed RGB rows.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>, captured_at_ms: u64) -> Result<Self, FrameError> {
        let frame = Self {
            data: Bytes::from(rgb),
            format: PixelFormat::Rgb,
            width,
            height,
            planes: [Plane { offset: 0, stride: width as usize * 3 }, Plane::default(), Plane::default()],
            captured_at_ms,
            sequence: 0,
        };
        frame.validate()?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_is_refused() {
        let err = Frame::from_rgb(32, 32, vec![0; 32 * 32 * 3 - 1], 0).unwrap_err();
        assert_eq!(err, FrameError::TooShort { plane: 0, needed: 3072, len: 3071 });
    }

    #[test]
    fn i420_with_odd_sizes_rounds_chroma_up() {
        let (w, h) = (17, 17);
        let frame = Frame {
            data: Bytes::from(vec![0; 17 * 17 + 2 * 9 * 9]),
            format: PixelFormat::I420,
            width: w,
            height: h,
            planes: [
                Plane { offset: 0, stride: 17 },
                Plane { offset: 289, stride: 9 },
                Plane { offset: 370, stride: 9 },
            ],
            captured_at_ms: 0,
            sequence: 0,
        };
        assert_eq!(frame.validate(), Ok(()));
    }
}
