//! A running pipeline: frames out without a copy, bus messages as notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gstreamer::prelude::*;
use gstreamer::{BusSyncReply, FlowError, FlowSuccess, MessageView, Pipeline, Sample, State};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_video::{VideoFormat, VideoInfo, VideoMeta};

use super::template::FRAMES;
use crate::core::device::mask_credentials;
use crate::core::frame::{Frame, PixelFormat, Plane};
use crate::ports::camera::{FrameSink, NoticeSink, OpenError, Stream, StreamNotice};

/// Stops with its last handle.
pub struct Running {
    pipeline: Pipeline,
}

impl Stream for Running {}

impl Running {
    pub fn start(pipeline: Pipeline, frames: FrameSink, notices: NoticeSink) -> Result<Self, OpenError> {
        let sink = pipeline
            .by_name(FRAMES)
            .and_then(|element| element.downcast::<AppSink>().ok())
            .ok_or_else(|| OpenError::Start(format!("the pipeline has no appsink `{FRAMES}`")))?;
        let failed_once = Arc::new(AtomicBool::new(false));
        let tell = {
            let failed_once = Arc::clone(&failed_once);
            move |notice| {
                // One ending a stream: what follows the first error is its echo.
                if !failed_once.swap(true, Ordering::AcqRel) {
                    notices(notice);
                }
            }
        };
        refuse_broken_pictures(&pipeline);
        watch_frames(&sink, frames, tell.clone());
        let bus = pipeline.bus().ok_or_else(|| OpenError::Start("the pipeline has no bus".to_owned()))?;
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                MessageView::Error(error) => {
                    let from = error.src().map(|src| src.name().to_string()).unwrap_or_default();
                    tell(StreamNotice::Failed(mask_credentials(&format!("{}: {}", from, error.error()))));
                }
                MessageView::Eos(_) => tell(StreamNotice::Ended),
                _ => {}
            }
            BusSyncReply::Drop
        });
        let running = Self { pipeline };
        running
            .pipeline
            .set_state(State::Playing)
            .map_err(|error| OpenError::Start(format!("the pipeline does not start: {error}")))?;
        Ok(running)
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
/// face in such a picture must not become anybody's event. Whatever elements the decoder is made of, those
/// that can hold such pictures back are told to.
fn refuse_broken_pictures(pipeline: &Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        for (property, value) in [("wait-for-keyframe", "true"), ("output-corrupt", "false")] {
            if element.find_property(property).is_some() {
                element.set_property_from_str(property, value);
            }
        }
    });
}

fn watch_frames(sink: &AppSink, frames: FrameSink, tell: impl Fn(StreamNotice) + Send + 'static) {
    let sequence = AtomicU64::new(0);
    let callbacks = AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| FlowError::Eos)?;
            match to_frame(&sample, sequence.fetch_add(1, Ordering::Relaxed)) {
                Ok(frame) => {
                    frames(frame);
                    Ok(FlowSuccess::Ok)
                }
                Err(reason) => {
                    tell(StreamNotice::Failed(reason));
                    Err(FlowError::Error)
                }
            }
        })
        .build();
    sink.set_callbacks(callbacks);
}

/// Shares the decoder's buffer; the frame gives it back when it is dropped.
fn to_frame(sample: &Sample, sequence: u64) -> Result<Frame, String> {
    let caps = sample.caps().ok_or("a sample without caps")?;
    let info = VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
    let format = match info.format() {
        VideoFormat::I420 => PixelFormat::I420,
        VideoFormat::Nv12 => PixelFormat::Nv12,
        VideoFormat::Rgb => PixelFormat::Rgb,
        other => return Err(format!("pixel format {other:?} is not supported; use I420, NV12 or RGB")),
    };
    let buffer = sample.buffer_owned().ok_or("a sample without a buffer")?;
    let mut planes = [Plane::default(); 3];
    {
        let meta = buffer.meta::<VideoMeta>();
        let offsets = meta.as_ref().map_or(info.offset(), |meta| meta.offset());
        let strides = meta.as_ref().map_or(info.stride(), |meta| meta.stride());
        for (plane, (offset, stride)) in planes.iter_mut().zip(offsets.iter().zip(strides)) {
            *plane = Plane { offset: *offset, stride: usize::try_from(*stride).map_err(|e| e.to_string())? };
        }
    }
    let mapped = buffer.into_mapped_buffer_readable().map_err(|_| "a buffer that cannot be read")?;
    let captured_at_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let frame = Frame {
        data: Bytes::from_owner(mapped),
        format,
        width: info.width(),
        height: info.height(),
        planes,
        captured_at_ms,
        sequence,
    };
    frame.validate().map_err(|error| error.to_string())?;
    Ok(frame)
}
