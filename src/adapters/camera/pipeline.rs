//! A running pipeline: frames out without a copy, bus messages as notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::{BusSyncReply, FlowError, FlowSuccess, MessageView, Pipeline, State};
use gstreamer_app::{AppSink, AppSinkCallbacks};

use super::cost::Cost;
use super::frame_skipper::FrameSkipper;
use super::main_stream::MainStream;
use super::packets::count_packets;
use super::rtsp_proxy::RtspProxy;
use super::sample::{one_thread, to_frame};
use super::template::FRAMES;
use crate::ports::camera::{
    FailureKind, FrameSink, NoticeSink, OpenError, Stream, StreamFailure, StreamNotice,
};
use menshen_domain::repeated::element_kind;
use menshen_domain::secrets::mask_credentials;

/// Stops with its last handle.
pub struct Running {
    pipeline: Pipeline,
    cost: Arc<Cost>,
    /// Runs as long as this does.
    #[allow(dead_code, reason = "ends with it")]
    beside: Option<Arc<MainStream>>,
    /// The same.
    #[allow(dead_code, reason = "ends with it")]
    proxy: Option<RtspProxy>,
    packets: Arc<AtomicU64>,
}

impl Stream for Running {
    fn cost(&self) -> Duration {
        self.cost.spent()
    }

    fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }
}

impl Running {
    pub fn start(
        pipeline: Pipeline,
        device: &str,
        frames: FrameSink,
        notices: NoticeSink,
    ) -> Result<Self, OpenError> {
        let sink = pipeline
            .by_name(FRAMES)
            .and_then(|element| element.downcast::<AppSink>().ok())
            .ok_or_else(|| OpenError::Start(format!("the pipeline has no appsink `{FRAMES}`")))?;
        let skipper = Arc::<FrameSkipper>::default();
        watch_decoders(&pipeline, device, Arc::clone(&notices), Arc::clone(&skipper));
        let report = move |notice| notices(notice);
        let packets = count_packets(&pipeline);
        refuse_broken_pictures(&pipeline);
        let frames: FrameSink = Arc::new(move |frame| {
            let handed = frames(frame);
            skipper.note(handed);
            handed
        });
        watch_frames(&sink, frames, report.clone());
        let bus = pipeline.bus().ok_or_else(|| OpenError::Start("the pipeline has no bus".to_owned()))?;
        let cost = Arc::<Cost>::default();
        let noted = Arc::clone(&cost);
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                MessageView::Error(error) => {
                    let from = error.src().map(|src| src.name().to_string()).unwrap_or_default();
                    let text = mask_credentials(&format!("{}: {}", element_kind(&from), error.error()));
                    report(StreamNotice::Failed(StreamFailure { kind: kind_of(&error.error()), text }));
                }
                MessageView::StreamStatus(status) => noted.note(status),
                MessageView::Eos(_) => report(StreamNotice::Ended),
                _ => {}
            }
            BusSyncReply::Drop
        });
        let running = Self { pipeline, cost, beside: None, proxy: None, packets };
        running
            .pipeline
            .set_state(State::Playing)
            .map_err(|error| OpenError::Start(format!("the pipeline does not start: {error}")))?;
        Ok(running)
    }
}

impl Running {
    /// With another stream, which ends together with this one.
    pub fn beside(mut self, main_stream: Option<Arc<MainStream>>) -> Self {
        self.beside = main_stream;
        self
    }

    /// With what its client goes through to the camera.
    pub fn behind(mut self, proxy: Option<RtspProxy>) -> Self {
        self.proxy = proxy;
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Waits for the streaming threads; rtspsrc bounds its farewell to the server by itself.
        if let Err(error) = self.pipeline.set_state(State::Null) {
            tracing::warn!(%error, "a pipeline did not stop in good order");
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

/// A viewer that joins between two key frames gets pictures with grey or green holes until the next one; a
/// face in such a picture must not become an event. Whatever elements the decoder is made of, those
/// that can hold such pictures back are set to do so.
fn refuse_broken_pictures(pipeline: &Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        for (property, value) in [("wait-for-keyframe", "true"), ("output-corrupt", "false")] {
            if element.find_property(property).is_some() {
                element.set_property_from_str(property, value);
            }
        }
    });
}

/// Says what is decoded, as soon as it is known; and has software decoders work in one thread: with several of them a
/// picture comes later by one picture a thread, takes more memory, and the cores are shared by many cameras anyway.
fn watch_decoders(pipeline: &Pipeline, device: &str, notices: NoticeSink, skipper: Arc<FrameSkipper>) {
    let device = device.to_owned();
    pipeline.connect_deep_element_added(move |_, _, element| {
        let is_decoder = element.factory().is_some_and(|factory| {
            let class = factory.metadata("klass").unwrap_or_default().to_owned();
            class.contains("Decoder") && class.contains("Video")
        });
        if !is_decoder {
            return;
        }
        one_thread(element);
        let decoder = element.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
        let notices = Arc::clone(&notices);
        if let Some(pad) = element.static_pad("sink") {
            skipper.guard(&pad, &device);
            pad.connect_caps_notify(move |pad| {
                let Some(caps) = pad.current_caps() else { return };
                let Some(media) = caps.structure(0) else { return };
                let codec =
                    media.name().trim_start_matches("video/x-").trim_start_matches("image/").to_owned();
                notices(StreamNotice::Decoding { codec, decoder: decoder.clone() });
            });
        }
    });
}

fn kind_of(error: &glib::Error) -> FailureKind {
    use gstreamer::{CoreError, ResourceError, StreamError};
    let text = error.message();
    // rtspsrc reports some of these as a general error, with these texts.
    if error.matches(ResourceError::NotAuthorized) || text.contains("nauthorized") {
        FailureKind::Unauthorized
    } else if error.matches(ResourceError::NotFound)
        || text.contains("Not Found")
        || text.contains("Not found")
    {
        FailureKind::NotFound
    } else if error.matches(ResourceError::OpenRead)
        || error.matches(ResourceError::OpenReadWrite)
        || error.matches(ResourceError::Read)
        || error.matches(ResourceError::Write)
    {
        FailureKind::Unreachable
    } else if error.matches(CoreError::MissingPlugin)
        || error.matches(StreamError::CodecNotFound)
        || error.matches(StreamError::TypeNotFound)
        || error.matches(StreamError::Decode)
    {
        FailureKind::Codec
    } else {
        FailureKind::Other
    }
}

fn watch_frames(sink: &AppSink, frames: FrameSink, report: impl Fn(StreamNotice) + Send + 'static) {
    let sequence = AtomicU64::new(0);
    let callbacks = AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| FlowError::Eos)?;
            match to_frame(&sample, sequence.fetch_add(1, Ordering::Relaxed)) {
                Ok(frame) => {
                    frames(frame);
                    Ok(FlowSuccess::Ok)
                }
                Err(error) => {
                    let text = error.to_string();
                    report(StreamNotice::Failed(StreamFailure { kind: FailureKind::Other, text }));
                    Err(FlowError::Error)
                }
            }
        })
        .build();
    sink.set_callbacks(callbacks);
}
