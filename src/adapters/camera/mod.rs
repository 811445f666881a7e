//! Capture devices through GStreamer: launch templates from `pipelines/`, frames out of an appsink.

pub mod pipeline;
pub mod snapshot;
pub mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::ports::camera::{
    FrameSink, NoticeSink, OpenError, Stream, StreamOpener, StreamSpec, StreamTraits,
};
use template::{Source, Template};

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
        let template = self.template(&spec.pipeline)?;
        match template.source() {
            Source::Gstreamer => template.build(&spec.parameters).map(drop),
            Source::Push | Source::Snapshot => template.values(&spec.parameters).map(drop),
        }
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
        let template = self.template(&spec.pipeline)?;
        match template.source() {
            Source::Gstreamer => {
                let pipeline = template.build(&spec.parameters)?;
                let frames = match template.max_fps(&spec.parameters) {
                    Some(max_fps) => thinned(frames, max_fps),
                    None => frames,
                };
                Ok(Box::new(pipeline::Running::start(pipeline, frames, notices)?))
            }
            Source::Snapshot => {
                Ok(Box::new(snapshot::start(&template.values(&spec.parameters)?, frames, notices)?))
            }
            Source::Push => Err(OpenError::Start("this device sends its pictures by itself".to_owned())),
        }
    }
}

/// Lets at most so many frames a second through, evenly. Done here and not by the element `videorate`, which ends the
/// whole process where a stream tells no frame rate.
fn thinned(frames: FrameSink, max_fps: f64) -> FrameSink {
    let interval = Duration::from_secs_f64(1.0 / max_fps.max(0.1));
    let due = Mutex::new(Instant::now());
    Arc::new(move |frame| {
        let now = Instant::now();
        {
            let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
            // A little early is on time: frames of 15 a second do not come every 66.7 ms sharp.
            if now + interval / 4 < *due {
                return;
            }
            // What a network held up for a moment may come in one go.
            let earliest = now.checked_sub(interval * 2).unwrap_or(now);
            *due = (*due).max(earliest) + interval;
        }
        frames(frame);
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::core::frame::Frame;

    #[test]
    fn frames_are_thinned_out_evenly() {
        let passed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&passed);
        let sink = thinned(
            Arc::new(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            }),
            10.0,
        );
        let frame = Frame::from_rgb(16, 16, vec![0; 768], 0).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(500) {
            sink(frame.clone());
            std::thread::sleep(Duration::from_millis(5));
        }
        let expected = began.elapsed().as_secs_f64() * 10.0;
        let passed = f64::from(passed.load(Ordering::Relaxed));
        assert!(passed >= 1.0 && passed <= expected + 2.0, "{passed} of at most {expected}");
    }
}
