//! Capture devices through GStreamer: launch templates from `pipelines/`, frames out of an appsink.

mod cost;
mod frame_skipper;
mod http_camera;
pub mod main_stream;
pub mod mjpeg;
mod pace;
mod packets;
mod parameter_error;
pub mod pipeline;
pub mod reach;
pub mod rtsp_proxy;
mod sample;
pub mod snapshot;
pub mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use crate::ports::camera::{
    FailureKind, FrameSink, NoticeSink, OpenError, Stream, StreamFailure, StreamNotice, StreamOpener,
    StreamSpec, StreamTraits,
};
use main_stream::MainStream;
use menshen_domain::frame::Frame;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::stream_fault::StreamFault;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use pace::Pace;
use rtsp_proxy::RtspProxy;
use template::{Source, Template};

/// Opens streams by the templates of a folder.
pub struct GstOpener {
    folder: PathBuf,
    templates: RwLock<BTreeMap<String, Arc<Template>>>,
}

impl GstOpener {
    /// Initialises GStreamer and reads every template.
    ///
    /// # Errors
    /// Everything that is wrong in any of them.
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
            reason: {
                // Those a device may have.
                let known = templates.iter().filter(|(_, template)| !template.is_encoded());
                let known = known.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                tr!(spoken(), "there is no such template; there is {known}", "没有这个模板；可用的有 {known}")
            },
        })
    }
}

impl GstOpener {
    /// One that a device may have.
    fn own_template(&self, name: &str) -> Result<Arc<Template>, OpenError> {
        let template = self.template(name)?;
        if template.is_encoded() {
            let reason = tr!(
                spoken(),
                "its pictures are not decoded: it is opened by another, as main_url of rtsp does",
                "其图像不解码：由其他管道打开，如 rtsp 的 main_url"
            );
            return Err(OpenError::Template { name: name.to_owned(), reason });
        }
        Ok(template)
    }

    /// What is opened beside a device's stream.
    fn main_stream(
        &self,
        template: &Template,
        spec: &StreamSpec,
    ) -> Result<Option<Arc<MainStream>>, OpenError> {
        let Some((name, values)) = template.beside(&spec.parameters) else { return Ok(None) };
        let other = self.template(name)?;
        other.build(&values)?;
        let silence = other.traits().silence_timeout;
        let device = spec.device_id.clone();
        let build = Box::new(move || {
            let pipeline = other.build(&values)?;
            let proxy = RtspProxy::before(&pipeline, &device, None)?;
            Ok((pipeline, proxy))
        });
        let started = MainStream::start(&spec.device_id, silence, build);
        started.map(|stream| Some(Arc::new(stream))).map_err(|error| OpenError::Start(error.to_string()))
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
        let template = self.own_template(&spec.pipeline)?;
        if let Some((beside, values)) = template.beside(&spec.parameters) {
            self.template(beside)?.build(&values)?;
        }
        match template.source() {
            Source::Gstreamer => template.build(&spec.parameters).map(drop),
            Source::Push | Source::Snapshot | Source::Mjpeg => template.values(&spec.parameters).map(drop),
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
        let template = self.own_template(&spec.pipeline)?;
        let notices = first_failure(notices, spec.parameters.get("url").cloned());
        match template.source() {
            Source::Gstreamer => {
                let pipeline = template.build(&spec.parameters)?;
                let proxy = RtspProxy::before(&pipeline, &spec.device_id, Some(Arc::clone(&notices)))?;
                if let Some(url) =
                    spec.parameters.get("url").filter(|url| proxy.is_none() && is_of_network(url))
                {
                    // The proxy finds it out by itself. An element takes its time, and has one word for all of it.
                    reach::reach(url).map_err(OpenError::Unreachable)?;
                }
                let beside = self.main_stream(&template, spec)?;
                let frames = match &beside {
                    Some(main_stream) => with_high_res(frames, Arc::clone(main_stream)),
                    None => frames,
                };
                let frames = match template.max_fps(&spec.parameters) {
                    Some(max_fps) => thinned(frames, max_fps),
                    None => frames,
                };
                let running = pipeline::Running::start(pipeline, &spec.device_id, frames, notices)?;
                Ok(Box::new(running.beside(beside).behind(proxy)))
            }
            Source::Snapshot => {
                Ok(Box::new(snapshot::start(&template.values(&spec.parameters)?, frames, notices)?))
            }
            Source::Mjpeg => {
                Ok(Box::new(mjpeg::start(&template.values(&spec.parameters)?, frames, notices)?))
            }
            Source::Push => Err(OpenError::Start("this device sends its pictures by itself".to_owned())),
        }
    }
}

/// Lets one ending of a stream through: what follows the first error is its echo. An element does not say what is in the way to a
/// camera, so that is found out.
fn first_failure(notices: NoticeSink, url: Option<String>) -> NoticeSink {
    let has_ended = AtomicBool::new(false);
    Arc::new(move |notice| {
        let is_end = matches!(notice, StreamNotice::Failed(_) | StreamNotice::Ended);
        if is_end && has_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        match (notice, &url) {
            (StreamNotice::Failed(failure), Some(url)) if failure.kind == FailureKind::Unreachable => {
                let (notices, url) = (Arc::clone(&notices), url.clone());
                // Connecting takes seconds, and an element's thread must not wait.
                std::thread::spawn(move || notices(StreamNotice::Failed(located(failure, &url))));
            }
            (notice, _) => notices(notice),
        }
    })
}

fn is_of_network(url: &str) -> bool {
    ["rtsp", "http"].iter().any(|scheme| url.starts_with(scheme))
}

/// What is in the way to the camera, if anything is.
fn located(failure: StreamFailure, url: &str) -> StreamFailure {
    let (kind, text) = match reach::reach(url) {
        Err(StreamFault::Name(host)) => (FailureKind::Name, host),
        Err(StreamFault::Refused(at)) => (FailureKind::Refused, at),
        Err(StreamFault::NoAnswer(at)) => (FailureKind::NoAnswer, at),
        _ => return failure,
    };
    StreamFailure { kind, text }
}

/// Frames know where a larger picture of their moment is.
fn with_high_res(frames: FrameSink, main_stream: Arc<MainStream>) -> FrameSink {
    Arc::new(move |frame| {
        let larger = Some(main_stream.moment(frame.captured_at_ms));
        frames(Frame { larger, ..frame })
    })
}

/// Lets at most so many frames a second through, evenly. Done here and not by the element `videorate`, which ends the
/// whole process where a stream names no frame rate.
fn thinned(frames: FrameSink, max_fps: f64) -> FrameSink {
    let pace = Mutex::new(Pace::new(max_fps, Instant::now()));
    Arc::new(move |frame| {
        let is_due = pace.lock().unwrap_or_else(PoisonError::into_inner).is_due(Instant::now());
        if is_due { frames(frame) } else { SinkFeedback::Accepted }
    })
}
