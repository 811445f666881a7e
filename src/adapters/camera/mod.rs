//! Capture devices through GStreamer: launch templates from `pipelines/`, frames out of an appsink.

pub mod pipeline;
pub mod template;

use std::collections::BTreeMap;
use std::path::Path;

use crate::ports::camera::{
    FrameSink, NoticeSink, OpenError, Stream, StreamOpener, StreamSpec, StreamTraits,
};
use template::Template;

/// Opens streams by the templates it was given.
pub struct GstOpener {
    templates: BTreeMap<String, Template>,
}

impl GstOpener {
    /// Initialises GStreamer and reads every template; all that are wrong are told.
    pub fn new(folder: &Path) -> Result<Self, Vec<OpenError>> {
        gstreamer::init().map_err(|error| vec![OpenError::Start(format!("GStreamer: {error}"))])?;
        Ok(Self { templates: template::read_all(folder)? })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// Checks a device's values and builds its pipeline without starting it.
    pub fn check(&self, spec: &StreamSpec) -> Result<(), OpenError> {
        self.template(&spec.pipeline)?.build(&spec.parameters).map(drop)
    }

    fn template(&self, name: &str) -> Result<&Template, OpenError> {
        self.templates.get(name).ok_or_else(|| OpenError::Template {
            name: name.to_owned(),
            reason: format!(
                "there is no such template; there is {}",
                self.names().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}

impl StreamOpener for GstOpener {
    fn traits(&self, pipeline: &str) -> Result<StreamTraits, OpenError> {
        Ok(self.template(pipeline)?.traits())
    }

    fn open(
        &self,
        spec: &StreamSpec,
        frames: FrameSink,
        notices: NoticeSink,
    ) -> Result<Box<dyn Stream>, OpenError> {
        let pipeline = self.template(&spec.pipeline)?.build(&spec.parameters)?;
        Ok(Box::new(pipeline::Running::start(pipeline, frames, notices)?))
    }
}
