//! What covers a face: a mask, or anything before an eye or the mouth. Found in the aligned crop by small networks over the
//! features of a grid of squares (`grid_features`), one for masks, one for eyes and one for mouths.
//!
//! `benches/mask/train.py` and `benches/mask/occlusion.py` learn the weights and say how good they are; what they measure
//! and this must be changed together. Learned from things that were drawn only (docs/recognition/quality.md).

mod grid_features;
mod network;

use std::sync::LazyLock;

use self::grid_features::GridFeatures;
use self::network::Network;
use menshen_domain::quality::MASK_MAX;

/// An eye or the mouth is taken for covered from this probability. The scale is set so that one free eye or mouth in a
/// thousand, of people it was not learned from, reaches it.
const COVERED_MIN: f32 = 0.5;

/// What covers a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occlusion {
    /// Probability of a mask, 0–1.
    pub mask: f32,
    /// Left eye, right eye, mouth, as seen in the picture. A mask covers the mouth.
    pub parts: [bool; 3],
}

struct Networks {
    mask: Network,
    /// Of the left eye; the right one is the left one of the mirrored face.
    eye: Network,
    mouth: Network,
}

/// `None` cannot be: a test reads the files.
static NETWORKS: LazyLock<Option<Networks>> = LazyLock::new(|| {
    Some(Networks {
        mask: Network::read(include_str!("mask.toml"), grid_features::BOTH_SIDES)?,
        eye: Network::read(include_str!("eyes.toml"), grid_features::ONE_SIDE)?,
        mouth: Network::read(include_str!("mouth.toml"), grid_features::BOTH_SIDES)?,
    })
});

/// What covers an aligned face (packed RGB, 112 × 112); `None` for anything else.
pub fn occlusion(aligned: &[u8]) -> Option<Occlusion> {
    let grid = GridFeatures::of(aligned)?;
    let networks = NETWORKS.as_ref()?;
    let (left, right, both) = (grid.one_side(), grid.mirrored(), grid.both_sides());
    let mask = networks.mask.probability(&both);
    let mouth = networks.mouth.probability(&both) >= COVERED_MIN || mask >= MASK_MAX;
    let eye = |side: &[f32]| networks.eye.probability(side) >= COVERED_MIN;
    Some(Occlusion { mask, parts: [eye(&left), eye(&right), mouth] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::ALIGNED_SIDE;

    #[test]
    fn the_weights_are_whole() {
        assert!(NETWORKS.is_some());
    }

    #[test]
    fn what_is_no_aligned_face_is_not_measured() {
        assert_eq!(occlusion(&[0; 300]), None);
        let flat = occlusion(&vec![128; ALIGNED_SIDE * ALIGNED_SIDE * 3]);
        assert!(flat.is_some_and(|flat| (0.0..=1.0).contains(&flat.mask)));
    }
}
