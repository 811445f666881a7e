//! Reading RGB out of a frame whatever its layout and colours, without converting the whole of it.

use dcv_color_primitives::{ColorSpace, ErrorKind, ImageFormat, convert_image};

use menshen_domain::frame::{Colour, Frame, Matrix, PixelFormat, Plane, Range};

/// From luma and chroma to red, green and blue: `c = luma · (y − black)`, then `r = c + red_v · v`,
/// `g = c − green_u · u − green_v · v`, `b = c + blue_u · u`, with `u` and `v` less 128.
struct Coefficients {
    black: f32,
    luma: f32,
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
}

impl Coefficients {
    /// Of a matrix with these shares of red and blue in luma (ITU-R BT.601-7 and BT.709-6, section 2.5 and item 3.2 to 3.4).
    const fn new(red: f32, blue: f32, range: Range) -> Self {
        let green = 1.0 - red - blue;
        // 219 steps of luma and 224 of chroma in the limited range, 255 in the full one.
        let (black, luma, chroma) = match range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0.0, 1.0, 1.0),
        };
        Self {
            black,
            luma,
            red_v: chroma * 2.0 * (1.0 - red),
            green_u: chroma * 2.0 * (1.0 - blue) * blue / green,
            green_v: chroma * 2.0 * (1.0 - red) * red / green,
            blue_u: chroma * 2.0 * (1.0 - blue),
        }
    }

    fn of(colour: Colour) -> &'static Self {
        static BT601: Coefficients = Coefficients::new(0.299, 0.114, Range::Limited);
        static BT601_FULL: Coefficients = Coefficients::new(0.299, 0.114, Range::Full);
        static BT709: Coefficients = Coefficients::new(0.2126, 0.0722, Range::Limited);
        static BT709_FULL: Coefficients = Coefficients::new(0.2126, 0.0722, Range::Full);
        match (colour.matrix, colour.range) {
            (Matrix::Bt601, Range::Limited) => &BT601,
            (Matrix::Bt601, Range::Full) => &BT601_FULL,
            (Matrix::Bt709, Range::Limited) => &BT709,
            (Matrix::Bt709, Range::Full) => &BT709_FULL,
        }
    }

    #[inline]
    fn to_rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let (c, d, e) = (self.luma * (y - self.black), u - 128.0, v - 128.0);
        [c + self.red_v * e, c - self.green_u * d - self.green_v * e, c + self.blue_u * d]
            .map(|value| value.clamp(0.0, 255.0))
    }
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
        PixelFormat::I420 | PixelFormat::Nv12 => {
            let luma = f32::from(data[p[0].offset + y * p[0].stride + x]);
            let [u, v] = chroma_at(frame, x, y).map(f32::from);
            Coefficients::of(frame.colour).to_rgb(luma, u, v).map(|value| (value + 0.5) as u8)
        }
    }
}

/// Packed RGB of a rectangle, clipped to the frame: pixels, width, height.
pub fn rgb_region(frame: &Frame, x1: usize, y1: usize, x2: usize, y2: usize) -> (Vec<u8>, u32, u32) {
    let x2 = x2.min(frame.width as usize);
    let y2 = y2.min(frame.height as usize);
    let (x1, y1) = (x1.min(x2), y1.min(y2));
    let (width, height) = (x2 - x1, y2 - y1);
    let size = (width as u32, height as u32);
    if width == 0 || height == 0 {
        return (Vec::new(), size.0, size.1);
    }
    if frame.format == PixelFormat::Rgb {
        let Plane { offset, stride } = frame.planes[0];
        let lines = (y1..y2).map(|y| &frame.data[offset + y * stride + x1 * 3..][..width * 3]);
        return (joined(lines, width * height * 3), size.0, size.1);
    }
    // Chroma is shared by two by two pixels: what is converted begins and ends at even ones.
    let (even_x, even_y) = (x1 / 2 * 2, y1 / 2 * 2);
    let (even_width, even_height) = ((x2 - even_x).next_multiple_of(2), (y2 - even_y).next_multiple_of(2));
    let mut rgb = vec![0; even_width * even_height * 3];
    let luma = luma_of(frame, even_x, even_y, even_width, even_height);
    let chroma = chroma_of(frame, even_x, even_y, even_width, even_height);
    if let Err(error) = nv12_to_rgb(frame.colour, &luma, &chroma, [even_width, even_height], &mut rgb) {
        // The rectangle was clipped and the frame validated, so this cannot happen; black would hide it.
        debug_assert!(false, "a rectangle of a valid frame is convertible: {error}");
    }
    if (even_width, even_height) != (width, height) {
        let kept = rgb.chunks_exact(even_width * 3).skip(y1 - even_y).take(height);
        rgb = joined(kept.map(|line| &line[(x1 - even_x) * 3..][..width * 3]), width * height * 3);
    }
    (rgb, size.0, size.1)
}

/// Rows one after the other, a row at a time: byte by byte it takes twenty times as long.
pub fn joined<'a>(rows: impl Iterator<Item = &'a [u8]>, bytes: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(bytes);
    for row in rows {
        all.extend_from_slice(row);
    }
    all
}

/// Packed luma of a rectangle of even sides; beyond an odd side of the frame its last column and row are repeated.
fn luma_of(frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> Vec<u8> {
    let (plane, stride) = (frame.plane(0), frame.planes[0].stride);
    let within = width.min(frame.width as usize - x);
    let mut luma = Vec::with_capacity(width * height);
    for row in y..y + height {
        let line = &plane[row.min(frame.height as usize - 1) * stride + x..][..within];
        luma.extend_from_slice(line);
        luma.extend(line.last().filter(|_| within < width));
    }
    luma
}

/// U and V of a rectangle of even sides, in turn.
fn chroma_of(frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> Vec<u8> {
    let line = |plane: usize, row: usize, from: usize, bytes: usize| {
        &frame.plane(plane)[row * frame.planes[plane].stride + from..][..bytes]
    };
    let rows = y / 2..y / 2 + height / 2;
    if frame.format == PixelFormat::Nv12 {
        return joined(rows.map(|row| line(1, row, x, width)), width * height / 2);
    }
    let mut chroma = vec![0; width * height / 2];
    for (row, pairs) in rows.zip(chroma.chunks_exact_mut(width)) {
        let [u, v] = [1, 2].map(|plane| line(plane, row, x / 2, width / 2));
        for ((pair, u), v) in pairs.chunks_exact_mut(2).zip(u).zip(v) {
            pair.copy_from_slice(&[*u, *v]);
        }
    }
    chroma
}

/// Packed planes of even sides to packed RGB.
fn nv12_to_rgb(
    colour: Colour,
    luma: &[u8],
    chroma: &[u8],
    [width, height]: [usize; 2],
    rgb: &mut [u8],
) -> Result<(), ErrorKind> {
    let source = ImageFormat {
        pixel_format: dcv_color_primitives::PixelFormat::Nv12,
        color_space: match (colour.matrix, colour.range) {
            (Matrix::Bt601, Range::Limited) => ColorSpace::Bt601,
            (Matrix::Bt601, Range::Full) => ColorSpace::Bt601FR,
            (Matrix::Bt709, Range::Limited) => ColorSpace::Bt709,
            (Matrix::Bt709, Range::Full) => ColorSpace::Bt709FR,
        },
        num_planes: 2,
    };
    let target = ImageFormat {
        pixel_format: dcv_color_primitives::PixelFormat::Rgb,
        color_space: ColorSpace::Rgb,
        num_planes: 1,
    };
    let (width, height) = (width as u32, height as u32);
    convert_image(width, height, &source, None, &[luma, chroma], &target, None, &mut [rgb])
}

/// Bilinear sample at a fractional position; outside the frame it is black.
#[inline]
pub fn sample_bilinear(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
    let inside = x >= 0.0 && y >= 0.0 && x + 1.0 < frame.width as f32 && y + 1.0 < frame.height as f32;
    if !inside {
        return sample_at_border(frame, x, y);
    }
    // Not below zero, so that this rounds down, without the call `floor` would be.
    let (column, row) = (x as i32, y as i32);
    let (fx, fy) = (x - column as f32, y - row as f32);
    let (column, row) = (column as usize, row as usize);
    let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
    let Plane { offset, stride } = frame.planes[0];
    if frame.format == PixelFormat::Rgb {
        let at = offset + row * stride + column * 3;
        let (upper, lower) = (&frame.data[at..at + 6], &frame.data[at + stride..at + stride + 6]);
        let colour = |c: usize| weighted([upper[c], upper[c + 3], lower[c], lower[c + 3]], weights);
        return [colour(0), colour(1), colour(2)];
    }
    let at = offset + row * stride + column;
    let luma = weighted(
        [frame.data[at], frame.data[at + 1], frame.data[at + stride], frame.data[at + stride + 1]],
        weights,
    );
    let [u, v] = chroma_at(frame, column + usize::from(fx >= 0.5), row + usize::from(fy >= 0.5));
    Coefficients::of(frame.colour).to_rgb(luma, f32::from(u), f32::from(v))
}

#[inline]
fn weighted([a, b, c, d]: [u8; 4], weights: [f32; 4]) -> f32 {
    f32::from(a) * weights[0]
        + f32::from(b) * weights[1]
        + f32::from(c) * weights[2]
        + f32::from(d) * weights[3]
}

/// Of the nearest pixel: chroma is half as fine as luma already.
fn chroma_at(frame: &Frame, x: usize, y: usize) -> [u8; 2] {
    let (p, data) = (&frame.planes, &frame.data);
    if frame.format == PixelFormat::Nv12 {
        let at = p[1].offset + y / 2 * p[1].stride + x / 2 * 2;
        return [data[at], data[at + 1]];
    }
    [1, 2].map(|plane: usize| data[p[plane].offset + y / 2 * p[plane].stride + x / 2])
}

#[cold]
fn sample_at_border(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
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
    use menshen_domain::frame::PixelAspect;

    /// Black, white and pure colours, as the equations of the recommendations give them.
    #[test]
    fn reference_colours_of_every_matrix_and_range() {
        let colour = |matrix, range| Colour { matrix, range };
        let (limited, full) = (Range::Limited, Range::Full);
        for (colour, yuv, rgb) in [
            (colour(Matrix::Bt601, limited), [16, 128, 128], [0, 0, 0]),
            (colour(Matrix::Bt601, limited), [235, 128, 128], [255, 255, 255]),
            (colour(Matrix::Bt601, limited), [81, 90, 240], [255, 0, 0]),
            (colour(Matrix::Bt601, limited), [145, 54, 34], [0, 255, 0]),
            (colour(Matrix::Bt601, limited), [41, 240, 110], [0, 0, 255]),
            (colour(Matrix::Bt601, full), [0, 128, 128], [0, 0, 0]),
            (colour(Matrix::Bt601, full), [16, 128, 128], [16, 16, 16]),
            (colour(Matrix::Bt601, full), [76, 85, 255], [255, 0, 0]),
            (colour(Matrix::Bt709, limited), [63, 102, 240], [255, 0, 0]),
            (colour(Matrix::Bt709, limited), [173, 42, 26], [0, 255, 0]),
            (colour(Matrix::Bt709, limited), [32, 240, 118], [0, 0, 255]),
            (colour(Matrix::Bt709, full), [54, 99, 255], [255, 0, 0]),
            (colour(Matrix::Bt709, full), [18, 255, 116], [0, 0, 255]),
        ] {
            let mut frame = yuv_frame(PixelFormat::I420, 16, 16);
            let mut data = frame.data.to_vec();
            for (plane, value) in frame.planes.iter().zip(yuv) {
                let rows = if plane.offset == 0 { 256 } else { 64 };
                data[plane.offset..plane.offset + rows].fill(value);
            }
            frame = Frame { data: data.into(), colour, ..frame };
            let (region, ..) = rgb_region(&frame, 4, 4, 6, 6);
            let sampled = sample_bilinear(&frame, 4.5, 4.5).map(|value| (value + 0.5) as u8);
            for found in [rgb_at(&frame, 5, 5), sampled, [region[0], region[1], region[2]]] {
                let is_near = found.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 3);
                assert!(is_near, "{colour:?} {yuv:?} gave {found:?}, expected {rgb:?}");
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

    /// A YUV frame with a coloured ramp in it.
    fn yuv_frame(format: PixelFormat, w: usize, h: usize) -> Frame {
        let luma: Vec<u8> = (0..w * h).map(|i| 40 + (i % w * 4 + i / w * 2) as u8).collect();
        let half = w.div_ceil(2);
        let quarter = half * h.div_ceil(2);
        let (u, v): (Vec<u8>, Vec<u8>) =
            (0..quarter).map(|i| (90 + (i % half * 2) as u8, 170 - (i / half * 3) as u8)).unzip();
        let (data, planes) = if format == PixelFormat::I420 {
            let offsets = [(0, w), (w * h, half), (w * h + quarter, half)];
            ([luma, u, v].concat(), offsets.map(|(offset, stride)| Plane { offset, stride }))
        } else {
            let uv: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
            let planes =
                [Plane { offset: 0, stride: w }, Plane { offset: w * h, stride: half * 2 }, Plane::default()];
            ([luma, uv].concat(), planes)
        };
        let frame = Frame {
            data: data.into(),
            format,
            colour: Colour::default(),
            pixel_aspect: PixelAspect::SQUARE,
            width: w as u32,
            height: h as u32,
            planes,
            captured_at_ms: 0,
            sequence: 0,
            larger: None,
        };
        frame.validate().unwrap();
        frame
    }

    #[test]
    fn regions_and_samples_are_the_pixels_of_the_frame() {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let frame = yuv_frame(format, 34, 20);
            let (whole, ..) = rgb_region(&frame, 0, 0, 34, 20);
            assert!(whole.chunks(3).all(|pixel| pixel != [0; 3]), "{format:?}: every pixel is there");
            let (rgb, width, height) = rgb_region(&frame, 3, 5, 30, 99);
            assert_eq!((width, height), (27, 15));
            for (x, y) in [(0usize, 0usize), (26, 0), (13, 7), (26, 14)] {
                let (found, expected) = (&rgb[(y * 27 + x) * 3..][..3], rgb_at(&frame, 3 + x, 5 + y));
                let sampled = sample_bilinear(&frame, 3.0 + x as f32, 5.0 + y as f32);
                for channel in 0..3 {
                    assert!(
                        found[channel].abs_diff(expected[channel]) <= 2,
                        "{format:?} {x},{y}: {found:?} {expected:?}"
                    );
                    assert!(
                        (sampled[channel] - f32::from(expected[channel])).abs() <= 1.5,
                        "{format:?} {x},{y}"
                    );
                }
            }
            // Half way between two columns lies the mean of both.
            let between = sample_bilinear(&frame, 10.5, 6.0)[1];
            let mean =
                f32::midpoint(sample_bilinear(&frame, 10.0, 6.0)[1], sample_bilinear(&frame, 11.0, 6.0)[1]);
            assert!((between - mean).abs() < 0.5, "{between} {mean}");
        }
        assert_eq!(rgb_region(&yuv_frame(PixelFormat::I420, 34, 20), 50, 50, 60, 60).0.len(), 0);
    }

    #[test]
    fn every_rectangle_is_converted_whatever_its_sides_and_those_of_the_frame() {
        for (format, (w, h)) in [PixelFormat::I420, PixelFormat::Nv12]
            .into_iter()
            .flat_map(|format| [(34, 20), (33, 19), (32, 17), (17, 32)].map(|size| (format, size)))
        {
            let frame = yuv_frame(format, w, h);
            frame.validate().unwrap();
            for (x1, y1, x2, y2) in
                [(0, 0, w, h), (1, 1, w, h), (2, 3, 9, 8), (w - 1, h - 1, w, h), (5, 4, 6, 5)]
            {
                let (rgb, width, height) = rgb_region(&frame, x1, y1, x2, y2);
                assert_eq!((width as usize, height as usize), (x2 - x1, y2 - y1));
                for (index, found) in rgb.chunks_exact(3).enumerate() {
                    let (x, y) = (x1 + index % (x2 - x1), y1 + index / (x2 - x1));
                    let expected = rgb_at(&frame, x, y);
                    let is_near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
                    assert!(is_near, "{format:?} {w}x{h} at {x},{y}: {found:?} {expected:?}");
                }
            }
        }
    }
}
