//! Capture devices through GStreamer: launch templates from `pipelines/`, frames out of an appsink.

pub mod pipeline;
pub mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::ports::camera::{
    FrameSink, NoticeSink, OpenError, Stream, StreamOpener, StreamSpec, StreamTraits,
};
use template::Template;

/// Opens streams by the templates of a folder.
pub struct GstOpener {
    folder: PathBuf,
    templates: RwLock<BTreeMap<String, Arc<Template>>>,
}

impl GstOpener {
    /// Initialises GStreamer and reads every template; all that are wrong are told.
    pub fn new(folder: &Path) -> Result<Self, Vec<OpenError>> {
        gstreamer::init().map_err(|error| vec![OpenError::Start(format!("GStreamer: {error}"))])?;
        let templates = RwLock::new(read(folder)?);
        Ok(Self { folder: folder.to_path_buf(), templates })
    }

    pub fn names(&self) -> Vec<String> {
        self.templates.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn template(&self, name: &str) -> Result<Arc<Template>, OpenError> {
        let templates = self.templates.read().unwrap_or_else(PoisonError::into_inner);
        templates.get(name).cloned().ok_or_else(|| OpenError::Template {
            name: name.to_owned(),
            reason: format!(
                "there is no such template; there is {}",
                templates.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        })
    }
}

fn read(folder: &Path) -> Result<BTreeMap<String, Arc<Template>>, Vec<OpenError>> {
    Ok(template::read_all(folder)?.into_iter().map(|(name, template)| (name, Arc::new(template))).collect())
}

impl StreamOpener for GstOpener {
    fn traits(&self, pipeline: &str) -> Result<StreamTraits, OpenError> {
        Ok(self.template(pipeline)?.traits())
    }

    fn check(&self, spec: &StreamSpec) -> Result<(), OpenError> {
        self.template(&spec.pipeline)?.build(&spec.parameters).map(drop)
    }

    fn reload(&self) -> Result<Vec<String>, Vec<OpenError>> {
        let newer = read(&self.folder)?;
        let mut templates = self.templates.write().unwrap_or_else(PoisonError::into_inner);
        let changed = newer.iter().filter(|(name, template)| templates.get(*name) != Some(*template));
        let changed = changed.map(|(name, _)| name.clone()).collect();
        *templates = newer;
        Ok(changed)
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
