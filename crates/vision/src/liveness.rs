//! Passive liveness: how sure a few small networks are that a face is a living one and no picture of one.
//!
//! Each sees a cut-out around the face of its own width, since a fake shows at its edges most of all: a hand, a
//! frame, a sheet's border. What none of them can see is in docs/recognition/liveness.md.

use crate::error::{OutputError, VisionError};
use crate::inference::Network;
use crate::pixels::sample_bilinear;
use crate::spec::{InputSpec, LivenessSpec, OutputSpec, SpecError};
use crate::tensor::{Tensor, from_samples};
use menshen_domain::face::BBox;
use menshen_domain::frame::Frame;

/// Name of the decoder: one picture in, one vector of classes out, as Silent-Face-Anti-Spoofing's MiniFASNet has it.
pub const DECODER: &str = "minifas";

/// Whether a description fits the decoder.
///
/// # Errors
/// When there is more than one output.
pub fn check(outputs: &OutputSpec) -> Result<(), SpecError> {
    if outputs.names.len() != 1 {
        return Err(SpecError::Needs { decoder: DECODER, what: "exactly one output" });
    }
    Ok(())
}

/// One loaded network of passive liveness.
pub struct LivenessNetwork {
    /// The network.
    pub network: Network,
    /// What it is shown, and which class means a living face.
    pub spec: LivenessSpec,
}

/// Mean over the networks of the probability that the face in `bbox` (px of the frame) is a living one, 0–1; `None` without
/// a network.
///
/// # Errors
/// When a network does not run, or its output is not as described.
pub fn score(
    networks: &mut [LivenessNetwork],
    frame: &Frame,
    bbox: &BBox,
) -> Result<Option<f32>, VisionError> {
    if networks.is_empty() {
        return Ok(None);
    }
    let mut sum = 0.0;
    for LivenessNetwork { network, spec } in networks.iter_mut() {
        let outputs = network.inference.run(&cut_out(frame, bbox, spec.crop_scale, &network.input))?;
        let logits = outputs.first().map(|output| output.data.as_slice()).unwrap_or_default();
        sum += live_share(logits, *spec)
            .map_err(|reason| VisionError::Output { model: network.name.clone(), reason })?;
    }
    Ok(Some(sum / networks.len() as f32))
}

/// The live class's share of the softmax.
fn live_share(logits: &[f32], spec: LivenessSpec) -> Result<f32, OutputError> {
    if logits.len() != spec.classes {
        return Err(OutputError::Classes { found: logits.len(), expected: spec.classes });
    }
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    let share = (logits[spec.live_class] - highest).exp() / total;
    if share.is_finite() { Ok(share) } else { Err(OutputError::NotFinite) }
}

/// What the networks were trained on: the face's box made `scale` times as large about its middle, or as large as the
/// picture allows, moved inside the picture, and brought to the input's size without smoothing.
fn region(frame: &Frame, bbox: &BBox, scale: f32) -> BBox {
    let (width, height) = (frame.width as f32, frame.height as f32);
    let (w, h) = (bbox.width().max(1.0), bbox.height().max(1.0));
    let scale = scale.min((width - 1.0) / w).min((height - 1.0) / h);
    let (x, y) = bbox.center();
    let side = |centre: f32, half: f32, length: f32| {
        let low = (centre - half).min(length - 1.0 - 2.0 * half).max(0.0);
        (low.floor(), (low + 2.0 * half).floor().min(length - 1.0) + 1.0)
    };
    let ((x1, x2), (y1, y2)) = (side(x, w * scale / 2.0, width), side(y, h * scale / 2.0, height));
    BBox { x1, y1, x2, y2 }
}

fn cut_out(frame: &Frame, bbox: &BBox, scale: f32, input: &InputSpec) -> Tensor {
    let region = region(frame, bbox, scale);
    let (columns, rows) = (input.width as usize, input.height as usize);
    let step = (region.width() / input.width as f32, region.height() / input.height as f32);
    let samples = (0..rows).map(|row| {
        // Pixels have their middle at .5, and beyond the outermost middles the outermost pixels go on.
        let y = ((row as f32 + 0.5) * step.1 - 0.5).clamp(0.0, region.height() - 1.0) + region.y1;
        (0..columns).map(move |column| {
            let x = ((column as f32 + 0.5) * step.0 - 0.5).clamp(0.0, region.width() - 1.0) + region.x1;
            sample_bilinear(frame, x, y)
        })
    });
    from_samples(samples, input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ColourOrder;

    const INPUT: InputSpec = InputSpec {
        name: String::new(),
        width: 4,
        height: 2,
        colour: ColourOrder::Bgr,
        mean: [0.0; 3],
        scale: 1.0,
    };

    fn bbox(x1: f32, y1: f32, x2: f32, y2: f32) -> BBox {
        BBox { x1, y1, x2, y2 }
    }

    #[test]
    fn a_cut_out_is_moved_into_the_picture_and_no_larger_than_it() {
        let frame = Frame::from_rgb(100, 80, vec![0; 100 * 80 * 3], 0).unwrap();
        assert_eq!(region(&frame, &bbox(40.0, 30.0, 60.0, 50.0), 2.0), bbox(30.0, 20.0, 71.0, 61.0));
        assert_eq!(region(&frame, &bbox(-5.0, 0.0, 15.0, 20.0), 2.0), bbox(0.0, 0.0, 41.0, 41.0));
        assert_eq!(region(&frame, &bbox(85.0, 60.0, 105.0, 80.0), 2.0), bbox(59.0, 39.0, 100.0, 80.0));
        // Four times as large as the picture is high: as high as the picture, and as wide in proportion.
        let all = region(&frame, &bbox(30.0, 20.0, 70.0, 60.0), 4.0);
        assert_eq!((all.y1, all.y2), (0.0, 80.0));
        assert!((all.width() - 80.0).abs() <= 1.0, "{all:?}");
        for wild in
            [bbox(-900.0, -900.0, 900.0, 900.0), bbox(5.0, 5.0, 5.0, 5.0), bbox(500.0, 9.0, 600.0, 50.0)]
        {
            let inside = region(&frame, &wild, 4.0);
            assert!(
                inside.x1 >= 0.0 && inside.y1 >= 0.0 && inside.x2 <= 100.0 && inside.y2 <= 80.0,
                "{inside:?}"
            );
        }
    }

    #[test]
    fn colours_come_in_the_models_order_and_place() {
        // Red on the left, blue on the right.
        let rgb: Vec<u8> =
            (0..32 * 16).flat_map(|i| if i % 32 < 16 { [200, 0, 0] } else { [0, 0, 100] }).collect();
        let frame = Frame::from_rgb(32, 16, rgb, 0).unwrap();
        let tensor = cut_out(&frame, &bbox(0.0, 0.0, 31.0, 15.0), 1.0, &INPUT);
        assert_eq!(tensor.shape, [1, 3, 2, 4]);
        let (blue, red) = (&tensor.data[..8], &tensor.data[16..]);
        assert_eq!((red[0], red[3], blue[0], blue[3]), (200.0, 0.0, 0.0, 100.0), "{tensor:?}");
    }

    #[test]
    fn the_live_class_is_a_share_and_nonsense_is_refused() {
        let spec = LivenessSpec { crop_scale: 2.7, classes: 3, live_class: 1 };
        assert!((live_share(&[0.0, 0.0, 0.0], spec).unwrap() - 1.0 / 3.0).abs() < 1e-6);
        assert!(live_share(&[-900.0, 900.0, 0.0], spec).unwrap() > 0.999);
        assert!(live_share(&[0.0, 0.0], spec).unwrap_err().to_string().contains("2 classes"));
        assert!(live_share(&[f32::NAN, 0.0, 0.0], spec).is_err());
    }
}
