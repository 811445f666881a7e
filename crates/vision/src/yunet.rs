//! Decoder of YuNet's twelve output tensors (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector",
//! 2023): for strides 8, 16, 32 a class score, an objectness, a box and five landmarks per cell.

use crate::error::OutputError;
use crate::letterbox::Letterbox;
use crate::spec::{DetectorSpec, InputSpec, OutputSpec, SpecError};
use crate::tensor::Tensor;
use menshen_domain::face::{BBox, Detection};

const STRIDES: [usize; 3] = [8, 16, 32];
/// A picture with more faces than this is a crowd photo, not a passage; keeps NMS and tracking bounded.
const FACES_MAX: usize = 100;

/// Name of the decoder.
pub const DECODER: &str = "yunet";

/// Whether a description fits the decoder.
///
/// # Errors
/// When there are not twelve outputs, or the input's sides are no multiples of 32.
pub fn check(input: &InputSpec, outputs: &OutputSpec) -> Result<(), SpecError> {
    let (expected, found) = (4 * STRIDES.len(), outputs.names.len());
    if found != expected {
        return Err(SpecError::Outputs { decoder: DECODER, expected, found });
    }
    if !input.width.is_multiple_of(32) || !input.height.is_multiple_of(32) {
        return Err(SpecError::Needs { decoder: DECODER, what: "an input size that is a multiple of 32" });
    }
    Ok(())
}

/// Faces in pixels of the original frame, best first. `outputs` are the twelve of the network, kind by kind (class,
/// objectness, box, landmarks) and in each by stride; `letterbox` is what it was run on.
///
/// # Errors
/// When the outputs do not fit the size of the input.
pub fn decode(
    outputs: &[Tensor],
    letterbox: &Letterbox,
    spec: DetectorSpec,
) -> Result<Vec<Detection>, OutputError> {
    let &[_, _, height, width] = letterbox.tensor.shape.as_slice() else {
        return Err(OutputError::InputShape);
    };
    let mut faces = Vec::new();
    for (level, stride) in STRIDES.into_iter().enumerate() {
        let columns = width / stride;
        let cells = columns * (height / stride);
        let [cls, obj, bbox, kps] = [0, 1, 2, 3].map(|kind| &outputs[kind * STRIDES.len() + level].data);
        for (tensor, per_cell) in [(cls, 1), (obj, 1), (bbox, 4), (kps, 10)] {
            if tensor.len() != cells * per_cell {
                return Err(OutputError::Head { stride, expected: cells * per_cell, found: tensor.len() });
            }
        }
        for cell in 0..cells {
            let score = (cls[cell].clamp(0.0, 1.0) * obj[cell].clamp(0.0, 1.0)).sqrt();
            if score < spec.score_min {
                continue;
            }
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let to_frame = stride as f32 / letterbox.scale;
            let b = &bbox[cell * 4..][..4];
            let (cx, cy) = ((column + b[0]) * to_frame, (row + b[1]) * to_frame);
            let (w, h) = (b[2].exp() * to_frame, b[3].exp() * to_frame);
            let k = &kps[cell * 10..][..10];
            let landmarks =
                std::array::from_fn(|i| [(column + k[2 * i]) * to_frame, (row + k[2 * i + 1]) * to_frame]);
            let bbox = BBox { x1: cx - w / 2.0, y1: cy - h / 2.0, x2: cx + w / 2.0, y2: cy + h / 2.0 };
            if [bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().all(|v| v.is_finite()) {
                faces.push(Detection { bbox, landmarks, score });
            }
        }
    }
    Ok(suppress(faces, spec.nms_iou))
}

/// Greedy non-maximum suppression.
fn suppress(mut faces: Vec<Detection>, iou_max: f32) -> Vec<Detection> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for face in faces {
        if kept.len() == FACES_MAX {
            break;
        }
        if kept.iter().all(|better| better.bbox.iou(&face.bbox) <= iou_max) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data: Vec<f32>) -> Tensor {
        Tensor { shape: vec![1, data.len()], data }
    }

    /// A 64×64 input where one cell of stride 16 fires, at column 2, row 1.
    #[test]
    fn one_cell_becomes_one_face_in_frame_pixels() {
        let cells = |stride: usize| (64 / stride) * (64 / stride);
        let mut outputs = Vec::new();
        for per_cell in [1, 1, 4, 10] {
            for stride in STRIDES {
                outputs.push(tensor(vec![0.0; cells(stride) * per_cell]));
            }
        }
        let cell = 4 + 2;
        outputs[1].data[cell] = 0.81;
        outputs[4].data[cell] = 1.0;
        outputs[7].data[cell * 4..][..4].copy_from_slice(&[0.5, 0.5, 2.0f32.ln(), 1.0f32.ln()]);
        let letterbox =
            Letterbox { tensor: Tensor { shape: vec![1, 3, 64, 64], data: Vec::new() }, scale: 0.5 };
        let spec = DetectorSpec { score_min: 0.5, nms_iou: 0.3 };
        let faces = decode(&outputs, &letterbox, spec).unwrap();
        assert_eq!(faces.len(), 1);
        assert!((faces[0].score - 0.9).abs() < 1e-5);
        let b = faces[0].bbox;
        for (found, expected) in [(b.x1, 48.0), (b.y1, 32.0), (b.x2, 112.0), (b.y2, 64.0)] {
            assert!((found - expected).abs() < 1e-3, "{b:?}");
        }
        assert!((faces[0].landmarks[0][0] - 64.0).abs() < 1e-3);
    }

    #[test]
    fn a_model_with_other_shapes_is_an_error_not_a_panic() {
        let outputs = vec![tensor(vec![0.0; 3]); 12];
        let letterbox =
            Letterbox { tensor: Tensor { shape: vec![1, 3, 64, 64], data: Vec::new() }, scale: 1.0 };
        let error = decode(&outputs, &letterbox, DetectorSpec { score_min: 0.5, nms_iou: 0.3 }).unwrap_err();
        assert!(error.to_string().contains("stride 8"), "{error}");
    }
}
