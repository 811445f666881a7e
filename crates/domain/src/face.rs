//! What vision finds in a picture: boxes, landmarks, quality, embeddings.

use serde::{Deserialize, Serialize};

/// An axis-aligned box in pixels of the picture it was found in; `x2`/`y2` are exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}

impl BBox {
    /// In pixels; 0 for an inverted box.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// In pixels; 0 for an inverted box.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// In square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle, `(x, y)`.
    pub fn center(&self) -> (f32, f32) {
        (f32::midpoint(self.x1, self.x2), f32::midpoint(self.y1, self.y2))
    }

    /// Intersection over union, 0–1.
    pub fn iou(&self, other: &Self) -> f32 {
        let w = self.x2.min(other.x2) - self.x1.max(other.x1);
        let h = self.y2.min(other.y2) - self.y1.max(other.y1);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let inter = w * h;
        inter / (self.area() + other.area() - inter)
    }

    /// The box in a picture `factor` times as large.
    pub fn scaled(&self, factor: f32) -> Self {
        Self { x1: self.x1 * factor, y1: self.y1 * factor, x2: self.x2 * factor, y2: self.y2 * factor }
    }

    /// The box moved by `(dx, dy)`.
    pub fn shifted(&self, dx: f32, dy: f32) -> Self {
        Self { x1: self.x1 + dx, y1: self.y1 + dy, x2: self.x2 + dx, y2: self.y2 + dy }
    }
}

/// The five landmarks in the field's usual order: the eye that is left *in the picture*, the right one,
/// nose tip, left mouth corner, right mouth corner; pixels `[x, y]`.
pub type Landmarks = [[f32; 2]; 5];

/// One face as the detector gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The box around the face.
    pub bbox: BBox,
    /// Eyes, nose tip, mouth corners.
    pub landmarks: Landmarks,
    /// Detector's confidence, 0–1.
    pub score: f32,
}

impl Detection {
    /// The same face in a picture of which this one is a part, `(dx, dy)` from its corner.
    pub fn shifted(self, dx: f32, dy: f32) -> Self {
        Self {
            bbox: self.bbox.shifted(dx, dy),
            landmarks: self.landmarks.map(|[x, y]| [x + dx, y + dy]),
            score: self.score,
        }
    }
}

/// Head pose in degrees. Positive yaw: turned to the picture's right; positive pitch: looking up;
/// positive roll: tilted clockwise as seen in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadPose {
    /// Rotation to the side.
    pub yaw_deg: f32,
    /// Nod.
    pub pitch_deg: f32,
    /// Tilt in the picture's plane.
    pub roll_deg: f32,
}

impl HeadPose {
    /// The sum the protocol's levels limit: |yaw| + |pitch| + |roll|.
    pub fn deviation_deg(&self) -> f32 {
        self.yaw_deg.abs() + self.pitch_deg.abs() + self.roll_deg.abs()
    }
}

/// A unit-length face embedding with the model it came from: features of two models never mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// `name@first-12-hex-digits-of-sha256` of the model file.
    pub model: String,
    /// L2-normalised.
    pub vector: Vec<f32>,
    /// Length before normalisation; the best single quality signal (docs/recognition/models.md).
    pub norm: f32,
}

impl Embedding {
    /// Cosine similarity, −1 to 1; `None` when the models differ.
    pub fn similarity(&self, other: &Self) -> Option<f32> {
        (self.model == other.model && self.vector.len() == other.vector.len())
            .then(|| self.vector.iter().zip(&other.vector).map(|(a, b)| a * b).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_half_overlap_is_a_third() {
        let a = BBox { x1: 0.0, y1: 0.0, x2: 10.0, y2: 10.0 };
        assert!((a.iou(&a.shifted(5.0, 0.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert!(a.iou(&a.shifted(10.0, 0.0)).abs() < 1e-6);
    }

    #[test]
    fn features_of_two_models_never_compare() {
        let a = Embedding { model: "a@1".into(), vector: vec![1.0, 0.0], norm: 1.0 };
        let b = Embedding { model: "b@1".into(), ..a.clone() };
        assert_eq!(a.similarity(&a), Some(1.0));
        assert_eq!(a.similarity(&b), None);
    }
}
