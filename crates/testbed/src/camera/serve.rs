//! Serving a clip over RTSP: one feeder thread at the camera's pace, any number of viewers.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::{PadProbeData, PadProbeReturn, PadProbeType};
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPAuth, RTSPMediaFactory, RTSPServer, RTSPToken};

use super::args::CameraArgs;
use super::encode::Clip;

/// Sources of the media that are being watched; a viewer joins at the next key frame.
type Viewers = Arc<Mutex<Vec<Viewer>>>;

struct Viewer {
    source: AppSrc,
    started: bool,
}

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub fn serve(arguments: &CameraArgs, clip: Clip, sub: Option<Clip>) -> Result<()> {
    let server = RTSPServer::new();
    server.set_address(&arguments.listen.ip().to_string());
    server.set_service(&arguments.listen.port().to_string());
    let mounts = server.mount_points().context("the RTSP server has no mount points")?;
    let mut streams = Vec::new();
    for (clip, path) in [(Some(clip), arguments.path.clone()), (sub, format!("{}-sub", arguments.path))] {
        let Some(clip) = clip else { continue };
        let viewers = Viewers::default();
        let factory = factory(arguments, &clip, &viewers)?;
        if let Some(credentials) = &arguments.credentials {
            protect(&server, &factory, credentials)?;
        }
        mounts.add_factory(&format!("/{path}"), factory);
        streams.push((clip, viewers));
    }
    let context = glib::MainContext::new();
    server.attach(Some(&context)).with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let go = Arc::new(AtomicBool::new(!arguments.wait));
    if arguments.wait {
        let go = Arc::clone(&go);
        std::thread::spawn(move || {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                go.store(true, Ordering::Release);
            }
        });
    }
    let fps = arguments.fps;
    std::thread::spawn(move || feed(&streams, fps, &go));
    print_fact(
        &serde_json::json!({ "event": "ready", "url": format!("rtsp://{}/{}", arguments.listen, arguments.path) }),
    );
    glib::MainLoop::new(Some(&context), false).run();
    Ok(())
}

fn factory(arguments: &CameraArgs, clip: &Clip, viewers: &Viewers) -> Result<RTSPMediaFactory> {
    let (parse, pay) = match arguments.codec.as_str() {
        "h264" => ("h264parse config-interval=-1", "rtph264pay"),
        "h265" => ("h265parse config-interval=-1", "rtph265pay"),
        other => bail!("codec `{other}` is unknown"),
    };
    let factory = RTSPMediaFactory::new();
    factory.set_launch(&format!(
        "( appsrc name=source is-live=true format=time do-timestamp=true max-buffers=60 leaky-type=downstream \
         ! {parse} ! {pay} name=pay0 pt=96 )"
    ));
    factory.set_shared(true);
    let (caps, viewers) = (clip.caps.clone(), Arc::clone(viewers));
    let (mad_clock, mixed_sizes) = (arguments.mad_clock, arguments.other_size.is_some());
    factory.connect_media_configure(move |_, media| {
        let Ok(bin) = media.element().downcast::<gstreamer::Bin>() else { return };
        if mad_clock && let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) {
            leap(&pad);
        }
        let source = bin.by_name("source").and_then(|element| element.downcast::<AppSrc>().ok());
        if let Some(source) = source {
            let mut caps = caps.clone();
            if mixed_sizes && let Some(media) = caps.make_mut().structure_mut(0) {
                // What the pictures say of themselves counts.
                media.remove_fields(["width", "height", "codec_data"]);
            }
            source.set_caps(Some(&caps));
            viewers.lock().unwrap_or_else(PoisonError::into_inner).push(Viewer { source, started: false });
        }
    });
    Ok(factory)
}

/// Every two seconds of pictures the RTP timestamps leap somewhere else.
fn leap(pad: &gstreamer::Pad) {
    let began = Instant::now();
    let shifted = move |buffer: &mut gstreamer::BufferRef| {
        let round = began.elapsed().as_secs() / 2;
        let by = (round as u32).wrapping_mul(2_654_435_761);
        let Ok(mut bytes) = buffer.map_writable() else { return };
        // Bytes 4 to 7 of an RTP header (RFC 3550, section 5.1).
        if let Some(stamp) = bytes.get_mut(4..8).and_then(|stamp| <&mut [u8; 4]>::try_from(stamp).ok()) {
            *stamp = u32::from_be_bytes(*stamp).wrapping_add(by).to_be_bytes();
        }
    };
    pad.add_probe(PadProbeType::BUFFER | PadProbeType::BUFFER_LIST, move |_, info| {
        match &mut info.data {
            Some(PadProbeData::Buffer(buffer)) => shifted(buffer.make_mut()),
            Some(PadProbeData::BufferList(list)) => {
                let list = list.make_mut();
                for index in 0..list.len() {
                    if let Some(buffer) = list.get_mut(index) {
                        shifted(buffer);
                    }
                }
            }
            _ => {}
        }
        PadProbeReturn::Ok
    });
}

fn protect(server: &RTSPServer, factory: &RTSPMediaFactory, credentials: &str) -> Result<()> {
    let (user, password) = credentials.split_once(':').context("credentials are USER:PASSWORD")?;
    let auth = RTSPAuth::new();
    auth.set_supported_methods(gstreamer_rtsp::RTSPAuthMethod::Digest);
    let token = RTSPToken::builder().field("media.factory.role", "viewer").build();
    auth.add_digest(user, password, &token);
    server.set_auth(Some(&auth));
    factory.add_role_from_structure(
        &gstreamer::Structure::builder("viewer")
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build(),
    );
    Ok(())
}

/// Pushes one unit per frame time to every viewer, for ever, and prints when walkers come and go.
fn feed(streams: &[(Clip, Viewers)], fps: u32, go: &AtomicBool) {
    let Some((clip, _)) = streams.first() else { return };
    let period = Duration::from_secs(1) / fps;
    let mut next = Instant::now();
    let mut index = 0;
    loop {
        if !go.load(Ordering::Acquire) && clip.idle > 0 && index >= clip.idle {
            index = 0;
        }
        if index >= clip.units.len() {
            index = 0;
        }
        for walk in &clip.walks {
            if index == walk.from {
                print_fact(
                    &serde_json::json!({ "event": "walk-begins", "name": walk.name, "at_ms": now_ms() }),
                );
            } else if index == walk.to {
                print_fact(
                    &serde_json::json!({ "event": "walk-ended", "name": walk.name, "at_ms": now_ms() }),
                );
            }
        }
        for (clip, viewers) in streams {
            let Some(unit) = clip.units.get(index) else { continue };
            viewers.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|viewer| {
                viewer.started |= unit.is_key;
                let pushed = !viewer.started || viewer.source.push_buffer(plain(&unit.data)).is_ok();
                // A source that takes nothing any more belongs to a media that was torn down.
                pushed || viewer.source.current_state() > gstreamer::State::Null
            });
        }
        index += 1;
        next += period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// A copy without times, so that the live source stamps it.
fn plain(unit: &gstreamer::Buffer) -> gstreamer::Buffer {
    let mut buffer = unit.copy();
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(None);
        buffer.set_dts(None);
    }
    buffer
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// One JSON line on the standard output: the ground truth.
fn print_fact(fact: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // Nobody may be listening.
    let _ = writeln!(out, "{fact}").and_then(|()| out.flush());
}
