//! Networks of age and gender as they are described, and loaded when they are first needed.

mod self_test;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::Catalogue;
use crate::description::{FileError, ModelSpec};
use crate::error::ModelError;
use crate::network::load_network;
use menshen_domain::attributes::Attributes;
use menshen_domain::face::Landmarks;
use menshen_domain::frame::Frame;
use menshen_vision::attributes::{AttributeNet, AttributeNets};
use menshen_vision::inference::{InferenceError, InferenceLoader, Placement};
use menshen_vision::spec::{AgeSpec, GenderSpec};

pub use self_test::{AttributeTestError, attribute_self_test};

/// The networks as they are described.
#[derive(Debug, Clone, Default)]
pub struct AttributeModels {
    age: Option<(ModelSpec, AgeSpec)>,
    gender: Option<(ModelSpec, GenderSpec)>,
}

impl AttributeModels {
    /// Picks by name; an empty name stands for no network.
    ///
    /// # Errors
    /// When a model is not described, or its description is wrong or of another role.
    pub fn pick(catalogue: &Catalogue, age: &str, gender: &str) -> Result<Self, ModelError> {
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
    ///
    /// # Errors
    /// When it has another role, or does not fit its decoder.
    pub fn with(mut self, model: &ModelSpec) -> Result<Self, ModelError> {
        let wrong = |reason| ModelError::Spec { model: model.name.clone(), reason };
        match model.role.as_str() {
            "age" => self.age = Some((model.clone(), model.age().map_err(wrong)?)),
            "gender" => self.gender = Some((model.clone(), model.gender().map_err(wrong)?)),
            other => {
                return Err(ModelError::NoAttribute { model: model.name.clone(), role: other.to_owned() });
            }
        }
        Ok(self)
    }

    /// Whether neither is there.
    pub fn is_empty(&self) -> bool {
        self.age.is_none() && self.gender.is_none()
    }

    /// Compares the files with their checksums.
    ///
    /// # Errors
    /// When a file is missing, cannot be read, or is another one.
    pub fn verify(&self) -> Result<(), FileError> {
        self.age.iter().try_for_each(|(model, _)| model.verify())?;
        self.gender.iter().try_for_each(|(model, _)| model.verify())
    }

    /// Loads them from the files as they came: they run once a passage, optimising them would save nothing.
    ///
    /// # Errors
    /// When a file cannot be loaded.
    pub fn load(&self, loader: &dyn InferenceLoader) -> Result<AttributeNets, InferenceError> {
        Ok(AttributeNets {
            age: load(self.age.as_ref(), loader)?,
            gender: load(self.gender.as_ref(), loader)?,
        })
    }
}

fn load<S: Copy>(
    described: Option<&(ModelSpec, S)>,
    loader: &dyn InferenceLoader,
) -> Result<Option<AttributeNet<S>>, InferenceError> {
    let Some((model, spec)) = described else { return Ok(None) };
    let network = load_network(model, &model.path(), Placement::Cpu, loader)?;
    Ok(Some(AttributeNet { network, spec: *spec }))
}

/// Estimates of age and gender for any thread. The networks are loaded with the first estimate, and looked up in the catalogue
/// only then, so that a box that is never asked needs none.
pub struct LazyAttributeNets {
    models_dir: PathBuf,
    age: String,
    gender: String,
    loader: Arc<dyn InferenceLoader>,
    nets: Mutex<Option<AttributeNets>>,
}

impl LazyAttributeNets {
    /// `age` and `gender` as in [`AttributeModels::pick`].
    pub fn new(models_dir: PathBuf, age: String, gender: String, loader: Arc<dyn InferenceLoader>) -> Self {
        Self { models_dir, age, gender, loader, nets: Mutex::new(None) }
    }

    /// The same with networks that are loaded already: the first passage does not wait for them.
    #[must_use]
    pub fn with(mut self, nets: Option<AttributeNets>) -> Self {
        self.nets = Mutex::new(nets);
        self
    }

    fn load(&self) -> Result<AttributeNets, ModelError> {
        let models = AttributeModels::pick(&Catalogue::read(&self.models_dir)?, &self.age, &self.gender)?;
        models.verify()?;
        Ok(models.load(self.loader.as_ref())?)
    }

    /// Age and gender of a face with these landmarks, in pixels of the frame.
    ///
    /// # Errors
    /// When the networks cannot be loaded, which is tried again with the next estimate, or do not run or give nonsense.
    pub fn estimate(&self, frame: &Frame, landmarks: &Landmarks) -> Result<Attributes, ModelError> {
        let mut place = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        // Not in their place while they work: after a panic they may be in any state, and are loaded again.
        let mut nets = match place.take() {
            Some(nets) => nets,
            None => self.load()?,
        };
        let seen = nets.estimate(frame, landmarks);
        *place = Some(nets);
        Ok(seen?)
    }
}
