//! While analysis is behind a camera, pictures that no other one is predicted from are not decoded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::prelude::*;
use gstreamer::{CapsRef, Pad, PadProbeData, PadProbeReturn, PadProbeType};

use menshen_domain::lag::{Codec, Lag, Packing, SinkFeedback, is_disposable};

/// Notes each frame, and whether a frame before the decoder can be left out.
#[derive(Default)]
pub struct FrameSkipper {
    lag: Mutex<Lag>,
    is_behind: AtomicBool,
}

impl FrameSkipper {
    pub fn note(&self, handed: SinkFeedback) {
        let behind = self.lag.lock().unwrap_or_else(PoisonError::into_inner).note(handed);
        self.is_behind.store(behind, Ordering::Relaxed);
    }

    /// Leaves out what comes into a decoder's pad, while that is of use.
    pub fn guard(self: &Arc<Self>, pad: &Pad, device: &str) {
        let skipper = Arc::clone(self);
        let skipped = metrics::counter!("menshen_frames_skipped_total", "device" => device.to_owned());
        pad.add_probe(PadProbeType::BUFFER, move |pad, info| {
            if !skipper.is_behind.load(Ordering::Relaxed) {
                return PadProbeReturn::Ok;
            }
            let format = pad.current_caps().and_then(|caps| format_of(&caps));
            let Some(((codec, packing), PadProbeData::Buffer(buffer))) = format.zip(info.data.as_ref())
            else {
                return PadProbeReturn::Ok;
            };
            match buffer.map_readable() {
                Ok(bytes) if is_disposable(codec, packing, &bytes) => {
                    skipped.increment(1);
                    // The buffer is dropped here. `Drop` would have GStreamer give it up once more, and complain.
                    PadProbeReturn::Handled
                }
                _ => PadProbeReturn::Ok,
            }
        });
    }
}

/// Only whole pictures are judged.
fn format_of(caps: &CapsRef) -> Option<(Codec, Packing)> {
    let media = caps.structure(0)?;
    let codec = match media.name().as_str() {
        "video/x-h264" => Codec::H264,
        "video/x-h265" => Codec::H265,
        _ => return None,
    };
    if media.get::<&str>("alignment").ok()? != "au" {
        return None;
    }
    if media.get::<&str>("stream-format").ok()? == "byte-stream" {
        return Some((codec, Packing::StartCodes));
    }
    // `lengthSizeMinusOne` of avcC and hvcC (ISO/IEC 14496-15).
    let at = if codec == Codec::H264 { 4 } else { 21 };
    let codec_data = media.get::<gstreamer::Buffer>("codec_data").ok()?;
    let bytes = codec_data.map_readable().ok()?;
    Some((codec, Packing::Lengths(usize::from(bytes.get(at)? & 3) + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer::{ClockTime, State};
    use gstreamer_app::AppSink;

    /// Pictures that come out of a decoder of 120, two of three of which nothing is predicted from.
    fn decoded(skipper: &Arc<FrameSkipper>, encoder: &str) -> usize {
        gstreamer::init().unwrap();
        let launch = format!(
            "videotestsrc num-buffers=120 pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 ! {encoder} \
             ! avdec_h264 name=decoder max-threads=1 ! appsink name=out sync=false"
        );
        let pipeline = gstreamer::parse::launch(&launch).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
        let pad = pipeline.by_name("decoder").unwrap().static_pad("sink").unwrap();
        skipper.guard(&pad, "test");
        let sink = pipeline.by_name("out").unwrap().downcast::<AppSink>().unwrap();
        pipeline.set_state(State::Playing).unwrap();
        let mut pictures = 0;
        while sink.try_pull_sample(ClockTime::from_seconds(20)).is_some() {
            pictures += 1;
        }
        assert!(sink.is_eos());
        pipeline.set_state(State::Null).unwrap();
        pictures
    }

    #[test]
    fn while_it_is_behind_only_what_others_need_is_decoded() {
        for format in ["avc", "byte-stream"] {
            let encoder = format!(
                "x264enc bframes=2 b-adapt=false b-pyramid=false key-int-max=30 ! video/x-h264,profile=main ! h264parse \
                 ! video/x-h264,stream-format={format},alignment=au"
            );
            let skipper = Arc::<FrameSkipper>::default();
            assert_eq!(decoded(&skipper, &encoder), 120, "{format}");
            for _ in 0..30 {
                skipper.note(SinkFeedback::Overwrote);
            }
            let left = decoded(&skipper, &encoder);
            assert!((40..60).contains(&left), "{format}: {left} of 120");
        }
    }
}
