//! Refinement of landmarks: a face is cut out, brought to sizes the detector knows well, and detected once more
//! in each, in some mirrored. The mean of all landmarks is steadier than any one of them, and a steadier alignment makes a
//! better embedding (docs/recognition/models.md).
//!
//! A tilted head can be detected upright: its cut-out is turned back first.

use crate::align::{REFERENCE, Similarity, mirror, warp};
use crate::pixels::rgb_region;
use crate::resize::{Resizer, ScaleError};
use crate::spec::RefinementPass;
use menshen_domain::face::{BBox, Detection, Landmarks};
use menshen_domain::frame::Frame;

/// What one pass sees: `frame = origin + cut-out / scale`, where the cut-out is neither mirrored nor turned.
struct View {
    cut_out: Frame,
    origin: [f32; 2],
    scale: [f32; 2],
    /// Width of the cut-out before it was turned, when it is mirrored.
    mirrored: Option<f32>,
    /// From the cut-out to what it was before it was turned.
    turned: Option<Similarity>,
    /// Middle of the face in the cut-out.
    centre: [f32; 2],
}

impl View {
    /// `None` when there is nothing to detect in.
    fn of(
        frame: &Frame,
        face: &Detection,
        pass: RefinementPass,
        tilt_deg: f32,
        resizer: &mut Resizer,
    ) -> Result<Option<Self>, ScaleError> {
        let longer = face.bbox.width().max(face.bbox.height());
        if !longer.is_finite() || longer < 1.0 {
            return Ok(None);
        }
        let ((cx, cy), scale) = (face.bbox.center(), pass.face_px as f32 / longer);
        // Of a turned square the corners must be there too.
        let (sin, cos) = tilt_deg.to_radians().sin_cos();
        let half = pass.side_px as f32 / 2.0 / scale * (sin.abs() + cos.abs());
        let from = [cx - half, cy - half].map(|at| at.max(0.0) as usize);
        let to = [cx + half, cy + half].map(|at| at.max(0.0).ceil() as usize);
        let (mut rgb, width, height) = rgb_region(frame, from[0], from[1], to[0], to[1]);
        if width == 0 || height == 0 {
            return Ok(None);
        }
        let [w, h] = [width, height].map(|length| ((length as f32 * scale) as u32 / 2 * 2).max(2));
        if pass.mirrored {
            rgb = mirror(&rgb, width as usize);
        }
        let Ok(region) = Frame::from_rgb(width, height, rgb, frame.captured_at_ms) else { return Ok(None) };
        let scale = [w as f32 / width as f32, h as f32 / height as f32];
        let origin = from.map(|at| at as f32);
        let mut centre = [(cx - origin[0]) * scale[0], (cy - origin[1]) * scale[1]];
        if pass.mirrored {
            centre[0] = w as f32 - 1.0 - centre[0];
        }
        let mirrored = pass.mirrored.then_some(w as f32);
        let plain =
            Self { cut_out: resizer.run(&region, w, h)?, origin, scale, mirrored, turned: None, centre };
        // Mirrored, a head is tilted the other way.
        let tilt_deg = if pass.mirrored { -tilt_deg } else { tilt_deg };
        Ok(if tilt_deg == 0.0 { Some(plain) } else { plain.turned(pass.side_px, tilt_deg) })
    }

    /// Turned so that a face tilted by this angle is upright in its middle.
    fn turned(self, side: u32, tilt_deg: f32) -> Option<Self> {
        let middle = [(side as f32 - 1.0) / 2.0; 2];
        let back = Similarity::turn(tilt_deg, middle, self.centre);
        let rgb = warp(&self.cut_out, &back, side as usize);
        let cut_out = Frame::from_rgb(side, side, rgb, self.cut_out.captured_at_ms).ok()?;
        Some(Self { cut_out, turned: Some(back), centre: middle, ..self })
    }

    /// The face nearest to where it should be, in the frame.
    fn to_frame(&self, found: &[Detection]) -> Option<Detection> {
        let off_centre = |face: &Detection| {
            let (x, y) = face.bbox.center();
            (x - self.centre[0]).hypot(y - self.centre[1])
        };
        let face = found.iter().min_by(|a, b| off_centre(a).total_cmp(&off_centre(b)))?;
        let (mut points, mut bbox) = (face.landmarks, face.bbox);
        if let Some(back) = &self.turned {
            points = points.map(|[x, y]| back.apply(x, y));
            // The upright box, around where the face is.
            let (x, y) = bbox.center();
            let [to_x, to_y] = back.apply(x, y);
            bbox = bbox.shifted(to_x - x, to_y - y);
        }
        if let Some(width) = self.mirrored {
            (bbox.x1, bbox.x2) = (width - bbox.x2, width - bbox.x1);
            let [left_eye, right_eye, nose, left_mouth, right_mouth] = points;
            points = [right_eye, left_eye, nose, right_mouth, left_mouth];
            for point in &mut points {
                point[0] = width - 1.0 - point[0];
            }
        }
        // Pixels are squares: the middle of the first lies at a half.
        let back = |at: f32, axis: usize| (at + 0.5) / self.scale[axis] - 0.5 + self.origin[axis];
        let edge = |at: f32, axis: usize| at / self.scale[axis] + self.origin[axis];
        Some(Detection {
            bbox: BBox {
                x1: edge(bbox.x1, 0),
                y1: edge(bbox.y1, 1),
                x2: edge(bbox.x2, 0),
                y2: edge(bbox.y2, 1),
            },
            landmarks: points.map(|[x, y]| [back(x, 0), back(y, 1)]),
            score: face.score,
        })
    }
}

/// `face` as each pass that finds it detects it, in pixels of the frame; `detect` finds faces in a cut-out. Each cut-out is turned
/// upright by `tilt_deg` ([`tilt_deg`]) before; zero leaves it as it is.
///
/// # Errors
/// What `detect` fails with, and when a cut-out cannot be scaled.
pub fn refine<E: From<ScaleError>>(
    frame: &Frame,
    face: &Detection,
    passes: &[RefinementPass],
    tilt_deg: f32,
    resizer: &mut Resizer,
    mut detect: impl FnMut(&Frame) -> Result<Vec<Detection>, E>,
) -> Result<Vec<Detection>, E> {
    let mut found = Vec::with_capacity(passes.len());
    for pass in passes {
        let Some(view) = View::of(frame, face, *pass, tilt_deg, resizer)? else { continue };
        found.extend(view.to_frame(&detect(&view.cut_out)?));
    }
    Ok(found)
}

/// By how much a head is tilted sideways, degrees, positive clockwise as one sees it; zero where its landmarks coincide.
pub fn tilt_deg(landmarks: &Landmarks) -> f32 {
    Similarity::fit(&REFERENCE, landmarks).map_or(0.0, |fit| fit.b.atan2(fit.a).to_degrees())
}

/// The mean of each landmark, which is steadier than any one of them; `seen` must not be empty.
pub fn mean_landmarks<'a>(seen: impl Iterator<Item = &'a Landmarks> + Clone) -> Landmarks {
    let count = seen.clone().count() as f32;
    std::array::from_fn(|point| {
        std::array::from_fn(|axis| seen.clone().map(|landmarks| landmarks[point][axis]).sum::<f32>() / count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::face::BBox;

    const PASSES: [RefinementPass; 3] = [
        RefinementPass { face_px: 64, side_px: 96, mirrored: false },
        RefinementPass { face_px: 100, side_px: 160, mirrored: true },
        RefinementPass { face_px: 160, side_px: 256, mirrored: false },
    ];
    const COLOURS: [[u8; 3]; 5] = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [250, 0, 250]];

    fn face_at(x: f32, y: f32, size: f32) -> Detection {
        let at = |dx: f32, dy: f32| [x + dx * size, y + dy * size];
        Detection {
            bbox: BBox { x1: x, y1: y, x2: x + size, y2: y + size },
            landmarks: [at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)],
            score: 0.9,
        }
    }

    /// A frame with a spot of its own colour at every landmark.
    fn painted(width: u32, height: u32, face: &Detection) -> Frame {
        let mut rgb = vec![0u8; (width * height * 3) as usize];
        for ([x, y], colour) in face.landmarks.iter().zip(COLOURS) {
            for dy in -3i32..=3 {
                for dx in -3i32..=3 {
                    let (x, y) = (*x as i32 + dx, *y as i32 + dy);
                    let at = ((y * width as i32 + x) * 3) as usize;
                    rgb[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
        Frame::from_rgb(width, height, rgb, 0).unwrap()
    }

    /// The middles of the spots, the left eye first as a detector would say; and another face at the border.
    fn find(cut_out: &Frame) -> Vec<Detection> {
        let mut face = face_at(0.0, 0.0, 1.0);
        for (point, colour) in face.landmarks.iter_mut().zip(COLOURS) {
            let (mut sum, mut weight) = ([0.0f32; 2], 0.0);
            for (index, pixel) in cut_out.data.chunks_exact(3).enumerate() {
                if pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 60) {
                    let (x, y) = (index % cut_out.width as usize, index / cut_out.width as usize);
                    sum = [sum[0] + x as f32, sum[1] + y as f32];
                    weight += 1.0;
                }
            }
            *point = sum.map(|sum| sum / weight);
        }
        let [a, b, c, d, e] = face.landmarks;
        if a[0] > b[0] {
            face.landmarks = [b, a, c, e, d];
        }
        let (x, y, half) = (c[0], c[1], (b[0] - a[0]).abs());
        face.bbox = BBox { x1: x - half, y1: y - half, x2: x + half, y2: y + half };
        vec![face_at(0.0, 0.0, 9.0), face]
    }

    #[test]
    fn landmarks_found_in_cut_outs_come_back_to_where_they_are() {
        // In the middle, and with cut-outs that reach over two borders of the frame.
        for (x, y, size) in [(160.0, 90.0, 120.0), (4.0, 6.0, 90.0), (330.0, 240.0, 60.0)] {
            let true_face = face_at(x, y, size);
            let frame = painted(400, 304, &true_face);
            let mut rough = true_face.clone();
            for point in &mut rough.landmarks {
                point[0] += 5.0;
            }
            let mut crops = 0;
            let found = refine(&frame, &rough, &PASSES, 0.0, &mut Resizer::default(), |cut_out| {
                crops += 1;
                Ok::<_, ScaleError>(find(cut_out))
            })
            .unwrap();
            assert_eq!(crops, PASSES.len());
            assert_eq!(found.len(), PASSES.len());
            for face in &found {
                // Spots begin at whole pixels.
                for (found, [x, y]) in face.landmarks.iter().zip(true_face.landmarks) {
                    assert!((found[0] - x.trunc()).abs() < 1.5, "{found:?} {x}");
                    assert!((found[1] - y.trunc()).abs() < 1.5, "{found:?} {y}");
                }
                // `find` draws the box around the nose, as wide as the eyes are apart to both sides.
                let ((cx, cy), [nose_x, nose_y]) = (face.bbox.center(), true_face.landmarks[2]);
                assert!((cx - nose_x).abs() < 2.5 && (cy - nose_y).abs() < 2.5, "{:?}", face.bbox);
                assert!((face.bbox.width() - 0.8 * size).abs() < 4.0, "{:?}", face.bbox);
            }
            let mean = mean_landmarks(found.iter().map(|face| &face.landmarks));
            for (mean, [x, y]) in mean.iter().zip(true_face.landmarks) {
                assert!((mean[0] - x.trunc()).abs() < 1.0 && (mean[1] - y.trunc()).abs() < 1.0, "{mean:?}");
            }
        }
    }

    #[test]
    fn a_tilted_face_is_detected_upright_and_comes_back_tilted() {
        for tilt in [-40.0, 25.0] {
            let upright = face_at(140.0, 90.0, 100.0);
            let turn = Similarity::turn(tilt, [190.0, 140.0], [190.0, 140.0]);
            let tilted = Detection { landmarks: upright.landmarks.map(|[x, y]| turn.apply(x, y)), ..upright };
            assert!((tilt_deg(&tilted.landmarks) - tilt).abs() < 1.0);
            let frame = painted(400, 304, &tilted);
            let seen_at = std::cell::RefCell::new(Vec::new());
            let found = refine(&frame, &tilted, &PASSES, tilt, &mut Resizer::default(), |cut_out| {
                let found = find(cut_out);
                seen_at.borrow_mut().push(tilt_deg(&found[1].landmarks));
                Ok::<_, ScaleError>(found)
            })
            .unwrap();
            assert!(seen_at.borrow().iter().all(|left| left.abs() < 2.0), "upright: {seen_at:?}");
            assert_eq!(found.len(), PASSES.len());
            for face in &found {
                for (found, [x, y]) in face.landmarks.iter().zip(tilted.landmarks) {
                    assert!(
                        (found[0] - x.trunc()).abs() < 1.7 && (found[1] - y.trunc()).abs() < 1.7,
                        "{tilt}: {found:?} {x} {y}"
                    );
                }
                let ((x, y), [nose_x, nose_y]) = (face.bbox.center(), tilted.landmarks[2]);
                assert!((x - nose_x).abs() < 2.5 && (y - nose_y).abs() < 2.5, "{:?}", face.bbox);
            }
        }
    }

    #[test]
    fn where_nothing_is_found_there_is_nothing_to_add() {
        let frame = Frame::from_rgb(64, 64, vec![90; 64 * 64 * 3], 0).unwrap();
        let nothing = |face: &Detection| {
            refine(&frame, face, &PASSES, 0.0, &mut Resizer::default(), |_| Ok::<_, ScaleError>(Vec::new()))
                .unwrap()
        };
        for face in [face_at(10.0, 10.0, 30.0), face_at(10.0, 10.0, 0.0), face_at(-90.0, 900.0, 30.0)] {
            assert!(nothing(&face).is_empty());
        }
    }
}
