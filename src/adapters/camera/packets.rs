//! Packets of a stream, before any picture is made of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer::prelude::*;
use gstreamer::{PadProbeReturn, PadProbeType, Pipeline};

/// Counts the packets of the picture that come from a camera, whether or not a picture can be made of them yet.
pub fn count_packets(pipeline: &Pipeline) -> Arc<AtomicU64> {
    let packets = Arc::<AtomicU64>::default();
    for element in pipeline.children() {
        let name = element.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
        let pad = ["decodebin", "decodebin3", "parsebin"].contains(&name.as_str());
        let Some(pad) = pad.then(|| element.static_pad("sink")).flatten() else { continue };
        let counted = Arc::clone(&packets);
        pad.add_probe(PadProbeType::BUFFER | PadProbeType::BUFFER_LIST, move |pad, _| {
            let is_rtp = pad.current_caps().is_some_and(|caps| {
                caps.structure(0).is_some_and(|media| media.name() == "application/x-rtp")
            });
            if is_rtp {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            PadProbeReturn::Ok
        });
    }
    packets
}
