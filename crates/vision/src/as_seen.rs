//! Frames as people see them: pixels as wide as high, and the picture of a camera that hangs on its side turned upright.

use std::borrow::Cow;

use image::{ImageBuffer, Luma, LumaA, Pixel, Rgb, imageops};

use crate::pixels::joined;
use crate::resize::{Resizer, ScaleError};
use menshen_domain::frame::{Frame, PixelAspect, PixelFormat, Plane};
use menshen_domain::view::{Rotation, View};

/// A frame as `view` has it seen. One whose pixels are square and that is not turned shares its pixels with the result.
///
/// # Errors
/// When its pixels cannot be made square.
pub fn as_seen(frame: &Frame, view: &View, resizer: &mut Resizer) -> Result<Frame, ScaleError> {
    let aspect = view.pixel_aspect.unwrap_or(frame.pixel_aspect);
    let mut seen = frame.clone();
    if !aspect.is_square() {
        let (width, height) = aspect.squared(frame.width, frame.height);
        seen = resizer.run(frame, width, height)?;
    }
    seen.pixel_aspect = PixelAspect::SQUARE;
    Ok(if view.rotation == Rotation::None { seen } else { turned(&seen, view.rotation) })
}

/// Every plane turned by itself. Where a side is odd its last column or row is left out, so that chroma stays where it belongs.
fn turned(frame: &Frame, rotation: Rotation) -> Frame {
    let (w, h) = match frame.format {
        PixelFormat::Rgb => (frame.width, frame.height),
        PixelFormat::I420 | PixelFormat::Nv12 => (frame.width / 2 * 2, frame.height / 2 * 2),
    };
    let mut data = Vec::new();
    let mut planes = [Plane::default(); 3];
    let mut put = |index: usize, (plane, row_bytes): (Vec<u8>, usize)| {
        planes[index] = Plane { offset: data.len(), stride: row_bytes };
        data.extend_from_slice(&plane);
    };
    match frame.format {
        PixelFormat::Rgb => put(0, turned_plane::<Rgb<u8>>(frame, 0, (w, h), rotation)),
        PixelFormat::Nv12 => {
            put(0, turned_plane::<Luma<u8>>(frame, 0, (w, h), rotation));
            put(1, turned_plane::<LumaA<u8>>(frame, 1, (w / 2, h / 2), rotation));
        }
        PixelFormat::I420 => {
            put(0, turned_plane::<Luma<u8>>(frame, 0, (w, h), rotation));
            put(1, turned_plane::<Luma<u8>>(frame, 1, (w / 2, h / 2), rotation));
            put(2, turned_plane::<Luma<u8>>(frame, 2, (w / 2, h / 2), rotation));
        }
    }
    let (width, height) = if rotation == Rotation::Half { (w, h) } else { (h, w) };
    Frame { data: data.into(), planes, width, height, ..frame.clone() }
}

/// The plane's bytes, and how many a row of them has.
fn turned_plane<P: Pixel<Subpixel = u8> + 'static>(
    frame: &Frame,
    index: usize,
    (width, height): (u32, u32),
    rotation: Rotation,
) -> (Vec<u8>, usize) {
    let bytes = usize::from(P::CHANNEL_COUNT);
    let (row, stride) = (width as usize * bytes, frame.planes[index].stride);
    let plane = frame.plane(index);
    let packed: Cow<'_, [u8]> = if stride == row {
        plane[..row * height as usize].into()
    } else {
        let lines = (0..height as usize).map(|line| &plane[line * stride..][..row]);
        joined(lines, row * height as usize).into()
    };
    // As many bytes as the sides say: packed just now.
    let Some(picture) = ImageBuffer::<P, _>::from_raw(width, height, packed.as_ref()) else {
        return (packed.into_owned(), row);
    };
    let turned = match rotation {
        Rotation::None => return (packed.into_owned(), row),
        Rotation::Quarter => imageops::rotate90(&picture),
        Rotation::Half => imageops::rotate180(&picture),
        Rotation::ThreeQuarters => imageops::rotate270(&picture),
    };
    let row = turned.width() as usize * bytes;
    (turned.into_raw(), row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::rgb_at;

    /// A frame of `width` x `height` whose left upper quarter is bright and reddish.
    fn frame(format: PixelFormat, width: u32, height: u32) -> Frame {
        let corner = |x: u32, y: u32, w: u32, h: u32| x < w / 2 && y < h / 2;
        let plane = |w: u32, h: u32, bright: u8, dark: u8| -> Vec<u8> {
            (0..w * h).map(|i| if corner(i % w, i / w, w, h) { bright } else { dark }).collect()
        };
        let (half_w, half_h) = (width / 2, height / 2);
        let luma = plane(width, height, 180, 40);
        let (u, v) = (plane(half_w, half_h, 100, 128), plane(half_w, half_h, 190, 128));
        let (luma_len, quarter) = (luma.len(), u.len());
        let stride = |stride: u32| stride as usize;
        let (data, planes) = match format {
            PixelFormat::I420 => (
                [luma, u, v].concat(),
                [
                    Plane { offset: 0, stride: stride(width) },
                    Plane { offset: luma_len, stride: stride(half_w) },
                    Plane { offset: luma_len + quarter, stride: stride(half_w) },
                ],
            ),
            PixelFormat::Nv12 => (
                [luma, u.into_iter().zip(v).flat_map(|(u, v)| [u, v]).collect()].concat(),
                [
                    Plane { offset: 0, stride: stride(width) },
                    Plane { offset: luma_len, stride: stride(width) },
                    Plane::default(),
                ],
            ),
            PixelFormat::Rgb => {
                let rgb = luma.iter().flat_map(|value| [*value, 40, 40]).collect();
                return Frame::from_rgb(width, height, rgb, 7).unwrap();
            }
        };
        let blank = Frame::from_rgb(width, height, vec![0; (width * height * 3) as usize], 7).unwrap();
        let frame = Frame { data: data.into(), planes, format, ..blank };
        frame.validate().unwrap();
        frame
    }

    fn is_bright(frame: &Frame, x: u32, y: u32) -> bool {
        rgb_at(frame, x as usize, y as usize)[0] > 150
    }

    #[test]
    fn a_turned_camera_is_seen_upright() {
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb] {
            let plain = frame(format, 40, 24);
            for (rotation, size, corner) in [
                (Rotation::None, (40, 24), (2, 2)),
                (Rotation::Quarter, (24, 40), (21, 2)),
                (Rotation::Half, (40, 24), (37, 21)),
                (Rotation::ThreeQuarters, (24, 40), (2, 37)),
            ] {
                let view = View { rotation, ..View::default() };
                let seen = as_seen(&plain, &view, &mut Resizer::default()).unwrap();
                seen.validate().unwrap();
                assert_eq!((seen.width, seen.height), size, "{format:?} {rotation:?}");
                let corners = [(2, 2), (size.0 - 3, 2), (size.0 - 3, size.1 - 3), (2, size.1 - 3)];
                for (x, y) in corners {
                    assert_eq!(is_bright(&seen, x, y), (x, y) == corner, "{format:?} {rotation:?} {x},{y}");
                }
            }
        }
    }

    #[test]
    fn pixels_become_square_and_none_is_lost() {
        let plain = frame(PixelFormat::I420, 40, 24);
        let with = |aspect: &str| {
            let aspect: PixelAspect = aspect.parse().unwrap();
            let stated = Frame { pixel_aspect: aspect, ..plain.clone() };
            let seen = as_seen(&stated, &View::default(), &mut Resizer::default()).unwrap();
            let view = View { pixel_aspect: Some(aspect), ..View::default() };
            let configured = as_seen(&plain, &view, &mut Resizer::default()).unwrap();
            assert_eq!((seen.width, seen.height), (configured.width, configured.height));
            assert!(seen.pixel_aspect.is_square());
            assert!(is_bright(&seen, 2, 2) && !is_bright(&seen, seen.width - 3, seen.height - 3));
            (seen.width, seen.height)
        };
        assert_eq!(with("1:1"), (40, 24));
        // Half the height, as sub-streams of one field have it.
        assert_eq!(with("1:2"), (40, 48));
        assert_eq!(with("2:1"), (80, 24));
        // D1 of 4:3.
        assert_eq!(with("12:11"), (42, 24));
    }
}
