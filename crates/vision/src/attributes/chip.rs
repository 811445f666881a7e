//! A face as the networks were trained on them: upright, always in the same place, with a little around it ("face chip" of dlib).

use crate::align::{Similarity, warp};
use menshen_domain::face::Landmarks;
use menshen_domain::frame::Frame;
use menshen_domain::limits;

/// Where YuNet's landmarks lie on dlib's mean face, in widths of that face: the networks were trained on faces that dlib put in
/// place. Medians over 3 785 faces of LFW that both found, left and right made alike (`benches/attributes/measure.py`).
const MEAN_FACE: Landmarks =
    [[0.2229, 0.2057], [0.7817, 0.2057], [0.5023, 0.5247], [0.2617, 0.7660], [0.7407, 0.7660]];

/// Packed RGB, `side` × `side`; what lies outside the picture is black. `None` when the landmarks coincide.
pub fn chip(frame: &Frame, landmarks: &Landmarks, padding: f32, side: usize) -> Option<Vec<u8>> {
    let place = |share: f32| (share + padding) / (1.0 + 2.0 * padding) * side as f32;
    let back = Similarity::fit(landmarks, &MEAN_FACE.map(|point| point.map(place)))?.inverse()?;
    // Pixels of the frame that one of the chip's stands for. A face is as a rule several times as large as its chip: one
    // sample a pixel would see every third line of it.
    let fine = (back.a.hypot(back.b).ceil() as usize).clamp(1, limits::ATTRIBUTE_SAMPLES_MAX);
    Some(averaged(&warp(frame, &finer(back, fine), side * fine), side, fine))
}

/// The same transform for pixels of which `fine` lie beside each other in one of before.
fn finer(back: Similarity, fine: usize) -> Similarity {
    let step = 1.0 / fine as f32;
    // Pixels have their middle at whole numbers.
    let [tx, ty] = back.apply(0.5 * step - 0.5, 0.5 * step - 0.5);
    Similarity { a: back.a * step, b: back.b * step, tx, ty }
}

/// Every pixel the mean of `fine` × `fine`.
fn averaged(rgb: &[u8], side: usize, fine: usize) -> Vec<u8> {
    if fine == 1 {
        return rgb.to_vec();
    }
    let row_bytes = side * fine * 3;
    let samples = (fine * fine) as u32;
    let mut out = Vec::with_capacity(side * side * 3);
    for rows in rgb.chunks_exact(row_bytes * fine) {
        let mut sums = vec![0u32; side * 3];
        for row in rows.chunks_exact(row_bytes) {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                for (sum, value) in sums[x / fine * 3..].iter_mut().zip(pixel) {
                    *sum += u32::from(*value);
                }
            }
        }
        out.extend(sums.into_iter().map(|sum| ((sum + samples / 2) / samples) as u8));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    /// Landmarks of a mean face that is `width` px wide with its left upper corner at (x, y).
    fn face(x: f32, y: f32, width: f32) -> Landmarks {
        MEAN_FACE.map(|[u, v]| [x + u * width, y + v * width])
    }

    fn frame(side: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
        let rgb = (0..side * side).flat_map(|i| pixel(i % side, i / side)).collect();
        Frame::from_rgb(side, side, rgb, 0).unwrap()
    }

    #[test]
    fn the_face_lies_in_the_middle_with_its_padding_around_it() {
        // A face of 320 px at (90, 90): its chip is 448 px wide and begins 64 px before it. Left of x = 250 is red.
        let frame = frame(512, |x, _| if x < 250 { [200, 0, 0] } else { [0, 0, 100] });
        let chip = chip(&frame, &face(90.0, 90.0, 320.0), 0.2, SIDE).unwrap();
        assert_eq!(chip.len(), SIDE * SIDE * 3);
        // (250 − 26) / 7 px: the 32nd pixel is the first blue one.
        let row = &chip[20 * SIDE * 3..][..SIDE * 3];
        assert_eq!((&row[29 * 3..30 * 3], &row[34 * 3..35 * 3]), (&[200, 0, 0][..], &[0, 0, 100][..]));
        assert!(row[..30 * 3].chunks(3).all(|p| p == [200, 0, 0]));
    }

    #[test]
    fn lines_finer_than_a_pixel_become_their_mean() {
        let frame = frame(512, |x, y| if (x + y) % 2 == 0 { [255; 3] } else { [0; 3] });
        let chip = chip(&frame, &face(100.0, 100.0, 300.0), 0.2, SIDE).unwrap();
        let inner = chip.chunks(3).map(|pixel| i32::from(pixel[0]));
        let worst = inner.map(|value| (value - 128).abs()).max().unwrap();
        assert!(worst <= 12, "a pixel is off by {worst}");
    }

    #[test]
    fn what_is_outside_the_picture_is_black_and_a_tilted_face_is_upright() {
        let white = frame(64, |_, _| [255; 3]);
        let outside = chip(&white, &face(-400.0, -400.0, 100.0), 0.2, SIDE).unwrap();
        assert!(outside.iter().all(|value| *value == 0));
        // Turned by a quarter about (256, 256): what was above the face lies to its right.
        let frame = frame(512, |x, _| if x > 300 { [250, 0, 0] } else { [0, 0, 250] });
        let turned = face(156.0, 156.0, 200.0).map(|[x, y]| [256.0 - (y - 256.0), 256.0 + (x - 256.0)]);
        let upright = chip(&frame, &turned, 0.2, SIDE).unwrap();
        assert_eq!((upright[0], upright[upright.len() - 1]), (250, 250), "red above, blue below");
    }

    #[test]
    fn coinciding_landmarks_make_no_chip() {
        let white = frame(64, |_, _| [255; 3]);
        assert!(chip(&white, &[[30.0, 30.0]; 5], 0.2, SIDE).is_none());
    }

    #[test]
    fn a_face_of_any_size_makes_a_chip() {
        let white = frame(64, |_, _| [255; 3]);
        for width in [2.0, 60.0, 5000.0] {
            let made = chip(&white, &face(0.0, 0.0, width), 0.2, SIDE).unwrap();
            assert_eq!(made.len(), SIDE * SIDE * 3, "{width}");
        }
    }
}
