//! Alignment: the similarity transform that brings five landmarks to their standard places, and the warp.

use crate::pixels::sample_bilinear;
use menshen_domain::face::Landmarks;
use menshen_domain::frame::Frame;

/// Side of an aligned face, px.
pub const ALIGNED_SIDE: usize = 112;

/// Where the landmarks come to lie in a 112×112 crop: the points ArcFace (Deng et al., CVPR 2019) and, in
/// OpenCV's `FaceRecognizerSF`, SFace were trained with.
pub const REFERENCE: Landmarks =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// A similarity transform: `x' = a·x − b·y + tx`, `y' = b·x + a·y + ty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Scale times the cosine of the turn.
    pub a: f32,
    /// Scale times the sine of the turn.
    pub b: f32,
    /// Shift to the right, px.
    pub tx: f32,
    /// Shift down, px.
    pub ty: f32,
}

impl Similarity {
    /// Least-squares similarity from `from` to `to` (Umeyama, PAMI 1991; in two dimensions, where reflection
    /// is excluded by the form, it is this closed expression). `None` when the points coincide.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let mean = |points: &Landmarks| {
            let sum = points.iter().fold([0.0f32; 2], |s, p| [s[0] + p[0], s[1] + p[1]]);
            [sum[0] / 5.0, sum[1] / 5.0]
        };
        let (mf, mt) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0f32, 0.0f32, 0.0f32);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy, tx, ty) = (f[0] - mf[0], f[1] - mf[1], t[0] - mt[0], t[1] - mt[1]);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        if !spread.is_finite() || spread < 1e-3 {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        Some(Self { a, b, tx: mt[0] - a * mf[0] + b * mf[1], ty: mt[1] - b * mf[0] - a * mf[1] })
    }

    /// Turns by so many degrees, clockwise as one sees it; what is at `from` comes to lie at `to`.
    pub fn turn(degrees: f32, from: [f32; 2], to: [f32; 2]) -> Self {
        let (b, a) = degrees.to_radians().sin_cos();
        let [x, y] = from;
        Self { a, b, tx: to[0] - a * x + b * y, ty: to[1] - b * x - a * y }
    }

    /// The transform back; `None` when this one maps everything to a point.
    pub fn inverse(&self) -> Option<Self> {
        let det = self.a * self.a + self.b * self.b;
        if det < 1e-12 {
            return None;
        }
        let (a, b) = (self.a / det, -self.b / det);
        Some(Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) })
    }

    /// Where the point comes to lie.
    pub fn apply(&self, x: f32, y: f32) -> [f32; 2] {
        [self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty]
    }
}

/// An aligned face, packed RGB, 112×112.
pub type AlignedFace = Vec<u8>;

/// Warps a face to its standard place, bilinear, straight from the frame's own layout. `None` when the landmarks coincide.
pub fn align(frame: &Frame, landmarks: &Landmarks) -> Option<AlignedFace> {
    let back = Similarity::fit(landmarks, &REFERENCE)?.inverse()?;
    Some(warp(frame, &back, ALIGNED_SIDE))
}

/// A square of packed RGB; `back` leads from its pixels to the frame's.
pub fn warp(frame: &Frame, back: &Similarity, side: usize) -> Vec<u8> {
    let mut out = vec![0; side * side * 3];
    for (y, row) in out.chunks_exact_mut(side * 3).enumerate() {
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let [sx, sy] = back.apply(x as f32, y as f32);
            let [red, green, blue] = sample_bilinear(frame, sx, sy);
            // Never negative, so that this rounds.
            *pixel = [(red + 0.5) as u8, (green + 0.5) as u8, (blue + 0.5) as u8];
        }
    }
    out
}

/// The mirror image of a picture of packed RGB, `width` px wide.
pub fn mirror(rgb: &[u8], width: usize) -> Vec<u8> {
    let mut mirrored = vec![0; rgb.len()];
    for (row, target) in rgb.chunks_exact(width * 3).zip(mirrored.chunks_exact_mut(width * 3)) {
        for (pixel, target) in row.rchunks_exact(3).zip(target.chunks_exact_mut(3)) {
            target.copy_from_slice(pixel);
        }
    }
    mirrored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_transform_is_found_and_undone() {
        let known = Similarity { a: 1.5, b: -0.7, tx: 12.0, ty: -30.0 };
        let moved = REFERENCE.map(|p| known.apply(p[0], p[1]));
        let found = Similarity::fit(&REFERENCE, &moved).unwrap();
        for (x, y) in [(found.a, known.a), (found.b, known.b), (found.tx, known.tx), (found.ty, known.ty)] {
            assert!((x - y).abs() < 1e-3, "{found:?}");
        }
        let back = found.inverse().unwrap();
        for (point, original) in moved.iter().zip(REFERENCE) {
            let p = back.apply(point[0], point[1]);
            assert!((p[0] - original[0]).abs() < 1e-2 && (p[1] - original[1]).abs() < 1e-2);
        }
    }

    #[test]
    fn a_turn_is_clockwise_around_its_middle() {
        let turn = Similarity::turn(90.0, [10.0, 20.0], [0.0, 5.0]);
        for ([x, y], expected) in
            [([10.0, 20.0], [0.0, 5.0]), ([13.0, 20.0], [0.0, 8.0]), ([10.0, 16.0], [4.0, 5.0])]
        {
            let [x, y] = turn.apply(x, y);
            assert!(
                (x - expected[0]).abs() < 1e-4 && (y - expected[1]).abs() < 1e-4,
                "{x} {y}, not {expected:?}"
            );
        }
    }

    #[test]
    fn a_mirror_turns_rows_and_keeps_colours() {
        assert_eq!(
            mirror(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 2),
            [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]
        );
    }

    #[test]
    fn coinciding_landmarks_have_no_transform() {
        assert!(Similarity::fit(&[[5.0, 5.0]; 5], &REFERENCE).is_none());
    }
}
