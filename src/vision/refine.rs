//! Landmarks found again, closer: a face is cut out, brought to a size the detector knows best, and looked at once
//! more, twice at each of two sizes, as it is and mirrored. The mean of all landmarks is steadier than any one of them,
//! and a steadier alignment makes a better embedding (README, Accuracy).

use super::align::{Similarity, warp};
use crate::core::face::{Detection, Landmarks};
use crate::core::frame::Frame;

/// Longer side of the face's box in the cut-out, px, and the side of the cut-out: a multiple of 32.
const VIEWS: [(f32, usize); 2] = [(100.0, 224), (160.0, 352)];

/// One closer look.
struct View {
    /// From the cut-out to the frame.
    back: Similarity,
    side: usize,
}

impl View {
    fn of(face: &Detection, size_px: f32, side: usize) -> Option<Self> {
        let longer = face.bbox.width().max(face.bbox.height());
        if !longer.is_finite() || longer < 1.0 {
            return None;
        }
        let a = longer / size_px;
        let ((cx, cy), half) = (face.bbox.center(), side as f32 / 2.0);
        Some(Self { back: Similarity { a, b: 0.0, tx: cx - a * half, ty: cy - a * half }, side })
    }

    /// The landmarks of the face nearest to the middle of the cut-out, in the frame.
    fn to_frame(&self, found: &[Detection], mirrored: bool) -> Option<Landmarks> {
        let half = self.side as f32 / 2.0;
        let off_centre = |face: &Detection| {
            let (x, y) = face.bbox.center();
            (x - half).hypot(y - half)
        };
        let face = found.iter().min_by(|a, b| off_centre(a).total_cmp(&off_centre(b)))?;
        let mut points = face.landmarks;
        if mirrored {
            let [left_eye, right_eye, nose, left_mouth, right_mouth] = points;
            points = [right_eye, left_eye, nose, right_mouth, left_mouth];
            for point in &mut points {
                point[0] = self.side as f32 - 1.0 - point[0];
            }
        }
        Some(points.map(|[x, y]| self.back.apply(x, y)))
    }
}

/// The mean of the landmarks of `face` and of every closer look that finds a face; `detect` finds faces in a cut-out.
pub fn refine<E>(
    frame: &Frame,
    face: &Detection,
    mut detect: impl FnMut(&Frame) -> Result<Vec<Detection>, E>,
) -> Result<Landmarks, E> {
    let mut looks = vec![face.landmarks];
    for (size_px, side) in VIEWS {
        let Some(view) = View::of(face, size_px, side) else { continue };
        let picture = warp(frame, &view.back, side);
        for mirrored in [false, true] {
            let pixels = if mirrored { super::align::mirror(&picture, side) } else { picture.clone() };
            let Ok(cut_out) = Frame::from_rgb(side as u32, side as u32, pixels, frame.captured_at_ms) else {
                continue;
            };
            looks.extend(view.to_frame(&detect(&cut_out)?, mirrored));
        }
    }
    let count = looks.len() as f32;
    Ok(std::array::from_fn(|point| {
        std::array::from_fn(|axis| looks.iter().map(|look| look[point][axis]).sum::<f32>() / count)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::face::BBox;

    fn face_at(x: f32, y: f32, size: f32) -> Detection {
        let at = |dx: f32, dy: f32| [x + dx * size, y + dy * size];
        Detection {
            bbox: BBox { x1: x, y1: y, x2: x + size, y2: y + size },
            landmarks: [at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)],
            score: 0.9,
        }
    }

    /// A "detector" that finds the same face, exactly, in every cut-out; mirrored ones come every second time.
    #[test]
    fn landmarks_found_in_cut_outs_come_back_to_where_they_are() {
        let frame = Frame::from_rgb(400, 300, vec![90; 400 * 300 * 3], 0).unwrap();
        let true_face = face_at(120.0, 80.0, 60.0);
        let mut rough = true_face.clone();
        for point in &mut rough.landmarks {
            point[0] += 5.0;
        }
        let mut calls = 0;
        let found = refine(&frame, &rough, |cut_out| {
            let (side, mirrored) = (cut_out.width as f32, calls % 2 == 1);
            let size = if cut_out.width == 224 { 100.0 } else { 160.0 };
            calls += 1;
            let mut face = face_at(side / 2.0 - size / 2.0, side / 2.0 - size / 2.0, size);
            if mirrored {
                let [a, b, c, d, e] = face.landmarks.map(|[x, y]| [side - 1.0 - x, y]);
                face.landmarks = [b, a, c, e, d];
            }
            // Somebody else at the border is not taken for this face.
            Ok::<_, ()>(vec![face_at(0.0, 0.0, 30.0), face])
        })
        .unwrap();
        assert_eq!(calls, 4);
        for (found, [x, y]) in found.iter().zip(true_face.landmarks) {
            // One look of five is off by five pixels.
            assert!((found[0] - x - 1.0).abs() < 0.01 && (found[1] - y).abs() < 0.01, "{found:?} {x} {y}");
        }
    }

    #[test]
    fn where_nothing_is_found_the_first_look_stays() {
        let frame = Frame::from_rgb(64, 64, vec![90; 64 * 64 * 3], 0).unwrap();
        let face = face_at(10.0, 10.0, 30.0);
        assert_eq!(refine(&frame, &face, |_| Ok::<_, ()>(Vec::new())), Ok(face.landmarks));
        let nowhere = face_at(10.0, 10.0, 0.0);
        assert_eq!(refine(&frame, &nowhere, |_| Err(())), Ok(nowhere.landmarks));
    }
}
