//! Reading RGB out of a frame whatever its layout, without converting the whole of it.
//!
//! YUV is taken as BT.601 limited range, what SD and most surveillance cameras send. For BT.709 streams the
//! hue is off by a few per cent, which neither detector nor embedder notices (both were trained on JPEG of
//! all origins).

use crate::core::frame::{Frame, PixelFormat};

/// Fixed-point BT.601 limited range, scaled by 2^16 (ITU-R BT.601-7, section 2.5.3).
fn yuv_to_rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let c = 76_309 * (i32::from(y) - 16);
    let (d, e) = (i32::from(u) - 128, i32::from(v) - 128);
    let to_byte = |value: i32| ((value + 32_768) >> 16).clamp(0, 255) as u8;
    [to_byte(c + 104_597 * e), to_byte(c - 25_675 * d - 53_279 * e), to_byte(c + 132_201 * d)]
}

/// The pixel at (x, y), which must lie inside.
pub fn rgb_at(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
    let p = &frame.planes;
    let data = &frame.data;
    match frame.format {
        PixelFormat::Rgb => {
            let at = p[0].offset + y * p[0].stride + x * 3;
            [data[at], data[at + 1], data[at + 2]]
        }
        PixelFormat::I420 => yuv_to_rgb(
            data[p[0].offset + y * p[0].stride + x],
            data[p[1].offset + y / 2 * p[1].stride + x / 2],
            data[p[2].offset + y / 2 * p[2].stride + x / 2],
        ),
        PixelFormat::Nv12 => {
            let chroma = p[1].offset + y / 2 * p[1].stride + x / 2 * 2;
            yuv_to_rgb(data[p[0].offset + y * p[0].stride + x], data[chroma], data[chroma + 1])
        }
    }
}

/// Packed RGB of a rectangle, clipped to the frame: pixels, width, height.
pub fn rgb_region(frame: &Frame, x1: usize, y1: usize, x2: usize, y2: usize) -> (Vec<u8>, u32, u32) {
    let x2 = x2.min(frame.width as usize);
    let y2 = y2.min(frame.height as usize);
    let (x1, y1) = (x1.min(x2), y1.min(y2));
    let mut out = Vec::with_capacity((x2 - x1) * (y2 - y1) * 3);
    for y in y1..y2 {
        match frame.format {
            PixelFormat::Rgb => {
                let row = frame.planes[0].offset + y * frame.planes[0].stride;
                out.extend_from_slice(&frame.data[row + x1 * 3..row + x2 * 3]);
            }
            PixelFormat::I420 | PixelFormat::Nv12 => {
                for x in x1..x2 {
                    out.extend_from_slice(&rgb_at(frame, x, y));
                }
            }
        }
    }
    (out, (x2 - x1) as u32, (y2 - y1) as u32)
}

/// Bilinear sample at a fractional position; outside the frame it is black.
pub fn sample_bilinear(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let mut sum = [0.0f32; 3];
    for (dy, wy) in [(0.0, 1.0 - fy), (1.0, fy)] {
        for (dx, wx) in [(0.0, 1.0 - fx), (1.0, fx)] {
            let (px, py) = (x0 + dx, y0 + dy);
            if px >= 0.0 && py >= 0.0 && px < frame.width as f32 && py < frame.height as f32 {
                let rgb = rgb_at(frame, px as usize, py as usize);
                for channel in 0..3 {
                    sum[channel] += f32::from(rgb[channel]) * wx * wy;
                }
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_colours_of_bt601() {
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 0]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let found = yuv_to_rgb(yuv[0], yuv[1], yuv[2]);
            for (a, b) in found.iter().zip(rgb) {
                assert!(a.abs_diff(b) <= 2, "{yuv:?} gave {found:?}, expected {rgb:?}");
            }
        }
    }

    #[test]
    fn bilinear_is_exact_on_a_ramp_and_black_outside() {
        let rgb: Vec<u8> = (0..32 * 32).flat_map(|i| [(i % 32) as u8 * 4; 3]).collect();
        let frame = Frame::from_rgb(32, 32, rgb, 0).unwrap();
        assert!((sample_bilinear(&frame, 10.25, 5.5)[0] - 41.0).abs() < 1e-3);
        assert!(sample_bilinear(&frame, -5.0, 3.0)[1].abs() < 1e-6);
    }
}
