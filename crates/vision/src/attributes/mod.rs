//! Age and gender: two small networks that see a face once, when an event is reported or a photo is judged.

mod chip;
mod decode;

use crate::align::{ALIGNED_SIDE, REFERENCE, mirror};
use crate::embedder::to_tensor;
use crate::error::{OutputError, VisionError};
use crate::inference::Network;
use crate::spec::{AgeSpec, GenderSpec};
use menshen_domain::attributes::{AgeGuess, Attributes, GenderGuess};
use menshen_domain::face::Landmarks;
use menshen_domain::frame::Frame;

/// One loaded network.
pub struct AttributeNet<S> {
    /// The network.
    pub network: Network,
    /// What it is shown, and what its output means.
    pub spec: S,
}

impl<S: Copy> AttributeNet<S> {
    /// Runs it on a face and its mirror image, which together are steadier than one (docs/recognition/attributes.md); `None` when
    /// there is no face to be cut out.
    fn run<T>(
        &mut self,
        frame: &Frame,
        landmarks: &Landmarks,
        padding: f32,
        decode: impl Fn(&[f32], S) -> Result<T, OutputError>,
    ) -> Result<Option<T>, VisionError> {
        let Network { name, input, inference } = &mut self.network;
        let side = input.width as usize;
        let Some(face) = chip::chip(frame, landmarks, padding, side) else { return Ok(None) };
        let mut shares: Vec<f32> = Vec::new();
        for view in [&face, &mirror(&face, side)] {
            let outputs = inference.run(&to_tensor(view, input))?;
            let seen = outputs.first().map(|output| output.data.as_slice()).unwrap_or_default();
            shares.resize(seen.len(), 0.0);
            shares.iter_mut().zip(seen).for_each(|(share, seen)| *share += seen / 2.0);
        }
        let wrong = |reason| VisionError::Output { model: name.clone(), reason };
        decode(&shares, self.spec).map(Some).map_err(wrong)
    }
}

/// The networks of both attributes, loaded; either may be missing.
#[derive(Default)]
pub struct AttributeNets {
    /// Estimates the age.
    pub age: Option<AttributeNet<AgeSpec>>,
    /// Estimates the gender.
    pub gender: Option<AttributeNet<GenderSpec>>,
}

impl AttributeNets {
    /// Age and gender of a face with these landmarks, in pixels of the frame.
    ///
    /// # Errors
    /// When a network does not run, or its output is no distribution of the described length.
    pub fn estimate(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Attributes, VisionError> {
        Ok(Attributes { age: self.age(frame, landmarks)?, gender: self.gender(frame, landmarks)? })
    }

    /// Runs them on a made picture: what comes out must be what their descriptions say.
    ///
    /// # Errors
    /// As [`estimate`](Self::estimate).
    pub fn try_out(&mut self) -> Result<(), VisionError> {
        let side = ALIGNED_SIDE as u32;
        let rgb = (0..side * side).flat_map(|at| [at % side, at / side, 128].map(|value| value as u8));
        let frame = Frame::from_rgb(side, side, rgb.collect(), 0)?;
        self.estimate(&frame, &REFERENCE).map(drop)
    }

    fn age(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Option<AgeGuess>, VisionError> {
        let Some(net) = &mut self.age else { return Ok(None) };
        net.run(frame, landmarks, net.spec.padding, decode::age)
    }

    fn gender(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Option<GenderGuess>, VisionError> {
        let Some(net) = &mut self.gender else { return Ok(None) };
        net.run(frame, landmarks, net.spec.padding, decode::gender)
    }
}
