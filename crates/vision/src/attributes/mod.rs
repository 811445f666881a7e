//! Guesses at age and gender: two small networks that look at a face once, when it is told of.

mod chip;
mod decode;
mod self_test;
mod spec;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::VisionError;
use super::align::{ALIGNED_SIDE, REFERENCE, mirror};
use super::catalogue::{Catalogue, CatalogueError, InputSpec, ModelSpec};
use super::embedder::to_tensor;
use crate::inference::{Inference, InferenceLoader, Placement};
use menshen_domain::attributes::{AgeGuess, Attributes, GenderGuess};
use menshen_domain::face::Landmarks;
use menshen_domain::frame::Frame;

pub use self_test::self_test;
pub use spec::{AgeSpec, GenderSpec};

/// The networks as they are described.
#[derive(Debug, Clone, Default)]
pub struct AttributeModels {
    age: Option<(ModelSpec, AgeSpec)>,
    gender: Option<(ModelSpec, GenderSpec)>,
}

fn wrong(model: &ModelSpec) -> impl Fn(String) -> VisionError {
    let model = model.name.clone();
    move |reason| VisionError::Model { model: model.clone(), reason }
}

impl AttributeModels {
    /// Picks by name; an empty name is of no network.
    pub fn pick(catalogue: &Catalogue, age: &str, gender: &str) -> Result<Self, VisionError> {
        let mut models = Self::default();
        if !age.is_empty() {
            models = models.with(catalogue.find(age, "age")?)?;
        }
        if !gender.is_empty() {
            models = models.with(catalogue.find(gender, "gender")?)?;
        }
        Ok(models)
    }

    /// Takes in a model of role `age` or `gender`.
    pub fn with(mut self, model: &ModelSpec) -> Result<Self, VisionError> {
        match model.role.as_str() {
            "age" => self.age = Some((model.clone(), AgeSpec::of(model).map_err(wrong(model))?)),
            "gender" => self.gender = Some((model.clone(), GenderSpec::of(model).map_err(wrong(model))?)),
            other => return Err(wrong(model)(format!("it is a {other}, it guesses neither age nor gender"))),
        }
        Ok(self)
    }

    pub fn is_empty(&self) -> bool {
        self.age.is_none() && self.gender.is_none()
    }

    /// Compares the files with their checksums.
    pub fn verify(&self) -> Result<(), CatalogueError> {
        self.age.iter().try_for_each(|(model, _)| model.verify())?;
        self.gender.iter().try_for_each(|(model, _)| model.verify())
    }

    /// They run from the files as they came: once a passage, preparing them would save nothing.
    pub fn load(&self, loader: &dyn InferenceLoader) -> Result<Nets, VisionError> {
        let age = self.age.as_ref().map(|(model, spec)| Net::load(model, *spec, loader)).transpose()?;
        let gender = self.gender.as_ref().map(|(model, spec)| Net::load(model, *spec, loader)).transpose()?;
        Ok(Nets { age, gender })
    }
}

/// One loaded network with what it is to be shown.
struct Net<S> {
    name: String,
    input: InputSpec,
    spec: S,
    inference: Box<dyn Inference>,
}

impl<S: Copy> Net<S> {
    fn load(model: &ModelSpec, spec: S, loader: &dyn InferenceLoader) -> Result<Self, VisionError> {
        let inference =
            loader.load(&model.path(), &model.input.name, &model.outputs.names, Placement::Cpu)?;
        Ok(Self { name: model.name.clone(), input: model.input.clone(), spec, inference })
    }

    /// Shows it a face and its mirror image, which together are steadier than one (README, Age and gender); `None` when there
    /// is no face to be cut out.
    fn look<T>(
        &mut self,
        frame: &Frame,
        landmarks: &Landmarks,
        padding: f32,
        decode: impl Fn(&[f32], S) -> Result<T, String>,
    ) -> Result<Option<T>, VisionError> {
        let side = self.input.width as usize;
        let Some(face) = chip::chip(frame, landmarks, padding, side) else { return Ok(None) };
        let mut shares: Vec<f32> = Vec::new();
        for view in [&face, &mirror(&face, side)] {
            let outputs = self.inference.run(&to_tensor(view, &self.input))?;
            let seen = outputs.first().map(|output| output.data.as_slice()).unwrap_or_default();
            shares.resize(seen.len(), 0.0);
            shares.iter_mut().zip(seen).for_each(|(share, seen)| *share += seen / 2.0);
        }
        let wrong = |reason| VisionError::Model { model: self.name.clone(), reason };
        decode(&shares, self.spec).map(Some).map_err(wrong)
    }
}

/// The networks, loaded.
pub struct Nets {
    age: Option<Net<AgeSpec>>,
    gender: Option<Net<GenderSpec>>,
}

impl Nets {
    /// What they take a face for.
    pub fn look(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Attributes, VisionError> {
        Ok(Attributes { age: self.age(frame, landmarks)?, gender: self.gender(frame, landmarks)? })
    }

    /// Shows them a made picture: what comes out must be what their descriptions say.
    pub fn try_out(&mut self) -> Result<(), VisionError> {
        let side = ALIGNED_SIDE as u32;
        let rgb = (0..side * side).flat_map(|at| [at % side, at / side, 128].map(|value| value as u8));
        let frame = Frame::from_rgb(side, side, rgb.collect(), 0);
        let frame = frame.map_err(|error| VisionError::Frame(error.to_string()))?;
        self.look(&frame, &REFERENCE).map(drop)
    }

    fn age(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Option<AgeGuess>, VisionError> {
        let Some(net) = &mut self.age else { return Ok(None) };
        net.look(frame, landmarks, net.spec.padding, decode::age)
    }

    fn gender(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Option<GenderGuess>, VisionError> {
        let Some(net) = &mut self.gender else { return Ok(None) };
        net.look(frame, landmarks, net.spec.padding, decode::gender)
    }
}

/// Guesses for whoever asks, from any thread. The networks are loaded when the first one does, and looked up in the catalogue
/// only then, so that a box that is never asked needs none.
pub struct LazyAttributeNets {
    models_dir: PathBuf,
    age: String,
    gender: String,
    loader: Arc<dyn InferenceLoader>,
    nets: Mutex<Option<Nets>>,
}

impl LazyAttributeNets {
    /// `age` and `gender` as in [`AttributeModels::pick`].
    pub fn new(models_dir: PathBuf, age: String, gender: String, loader: Arc<dyn InferenceLoader>) -> Self {
        Self { models_dir, age, gender, loader, nets: Mutex::new(None) }
    }

    /// The same with networks that are loaded already: the first passage does not wait for them.
    #[must_use]
    pub fn with(mut self, nets: Option<Nets>) -> Self {
        self.nets = Mutex::new(nets);
        self
    }

    fn load(&self) -> Result<Nets, VisionError> {
        let models = AttributeModels::pick(&Catalogue::read(&self.models_dir)?, &self.age, &self.gender)?;
        models.verify()?;
        models.load(self.loader.as_ref())
    }

    pub fn look(&self, frame: &Frame, landmarks: &Landmarks) -> Result<Attributes, VisionError> {
        let mut place = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        // Not in their place while they work: after a panic they may be in any state, and are loaded anew.
        let mut nets = match place.take() {
            Some(nets) => nets,
            None => self.load()?,
        };
        let seen = nets.look(frame, landmarks);
        *place = Some(nets);
        seen
    }
}
