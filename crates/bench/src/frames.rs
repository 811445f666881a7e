//! `menshen bench frames`: the whole chain on a clip.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use cpu_time::ProcessTime;
use crossbeam_channel::{Receiver, bounded, select};
use serde_json::json;

use super::product::{opener, ready_models};
use menshen::actors::face_engine::camera::CameraSession;
use menshen::actors::recogniser::{ActiveRecogniser, Recogniser};
use menshen::actors::tuning::SharedTuning;
use menshen::adapters::camera::GstOpener;
use menshen::config::Settings;
use menshen::evaluation::embeddings::list_images;
use menshen::evaluation::made_up::{made_up_gallery, made_up_person};
use menshen::ports::camera::{Stream, StreamNotice, StreamOpener as _, StreamSpec};
use menshen::ports::clock::Clock;
use menshen::runtime::recognition::camera_rules;
use menshen::runtime::tuning::base_tuning;
use menshen_domain::device::DeviceConfig;
use menshen_domain::frame::Frame;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::quality::QualityLevel;
use menshen_gallery::Gallery;
use menshen_sim::figures::print_figures;
use menshen_testbed::camera::{self, CameraArgs};
use menshen_vision::FaceAnalyzer;

/// The clip's own time: how often a face is embedded must not depend on how fast this machine plays it.
#[derive(Default)]
struct ClipClock(AtomicU64);

impl Clock for ClipClock {
    fn wall_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What `menshen bench frames` was asked for.
pub struct Asked<'a> {
    pub clip: Option<&'a Path>,
    pub people: usize,
    /// Photos of people who are enrolled besides the made-up ones.
    pub known: Option<&'a Path>,
    pub fps: u32,
}

pub fn frames(asked: &Asked<'_>, settings: &Settings) -> Result<()> {
    let scratch = std::env::temp_dir().join(format!("menshen-bench-{}.mkv", std::process::id()));
    let clip = if let Some(clip) = asked.clip {
        clip.to_path_buf()
    } else {
        make_clip(&scratch)?;
        scratch.clone()
    };
    let opener = opener(settings)?;
    let result = measure(&opener, &clip, asked, settings);
    // Not there when the clip was given.
    let _ = std::fs::remove_file(&scratch);
    result
}

fn measure(opener: &GstOpener, clip: &Path, asked: &Asked<'_>, settings: &Settings) -> Result<()> {
    let (people, fps) = (asked.people, asked.fps);
    // First decoding alone, so that what recognition adds can be computed.
    let decoding = play(opener, clip, |_| Ok(()))?;
    print(&json!({ "bench": "decode" }), &decoding, fps);

    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader).map_err(Error::msg)?;
    let spec = models.embedder_spec();
    let mut gallery = made_up_gallery(&models.embedder_id(), spec.dimension, people).map_err(Error::msg)?;
    let known = asked.known.map_or(Ok(0), |folder| enrol(folder, &mut analyzer, &mut gallery))?;
    let clock = Arc::new(ClipClock::default());
    let active = ActiveRecogniser::new(Recogniser::new(models, gallery, Vec::new()));
    let recogniser = active.get();
    let rules = camera_rules(
        settings,
        active,
        Arc::clone(&clock) as Arc<dyn Clock>,
        SharedTuning::new(base_tuning(settings)),
    );
    let mut session = CameraSession::new(device(), rules);
    let (mut events, mut frames) = (0, 0u64);
    let whole = play(opener, clip, |frame| {
        clock.0.store(START_MS + frames * 1000 / u64::from(fps), Ordering::Relaxed);
        frames += 1;
        events += process_frame(&mut session, &mut analyzer, &recogniser, frame)?;
        Ok(())
    })?;
    events += session.finish().len();
    print(
        &json!({ "bench": "frames", "people": people, "known": known, "event_messages": events }),
        &whole,
        fps,
    );
    Ok(())
}

/// Enrols every photo of a folder as a person of its own; how many.
fn enrol(folder: &Path, analyzer: &mut FaceAnalyzer, gallery: &mut Gallery) -> Result<usize> {
    let names = list_images(folder).map_err(Error::msg)?;
    for (index, name) in names.iter().enumerate() {
        let bytes = std::fs::read(folder.join(name)).with_context(|| name.clone())?;
        let face =
            analyzer.analyze_photo(&bytes, &QualityLevel::No).map_err(|error| anyhow!("{name}: {error}"))?;
        let id = gallery.people() + index;
        gallery.put(&made_up_person(id, face.embedding)).map_err(|error| anyhow!("{name}: {error}"))?;
    }
    Ok(names.len())
}

fn process_frame(
    session: &mut CameraSession,
    analyzer: &mut FaceAnalyzer,
    recogniser: &Recogniser,
    frame: &Frame,
) -> Result<usize> {
    session.process_frame(analyzer, recogniser, frame).map(|reports| reports.len()).map_err(Error::msg)
}

/// Any time but 0, which would look like the time of something that never was.
const START_MS: u64 = 1_000_000;

pub struct Played {
    size: (u32, u32),
    frames: u64,
    wall: Duration,
    cpu: Duration,
}

/// Gives every frame of the clip to `work` on this thread.
pub fn play(opener: &GstOpener, clip: &Path, mut work: impl FnMut(&Frame) -> Result<()>) -> Result<Played> {
    // Decoding may be two frames ahead, as far as the pipeline's own queue.
    let (frame_sender, frames) = bounded::<Frame>(2);
    // What is decoded, and how it ends.
    let (notice_sender, notices) = bounded(8);
    let spec = StreamSpec {
        device_id: "bench".to_owned(),
        pipeline: "file-fast".to_owned(),
        parameters: [("url".to_owned(), clip.display().to_string())].into(),
    };
    let (started, cpu) = (Instant::now(), ProcessTime::now());
    let stream = opener
        .open(
            &spec,
            // Waits where a camera's slot would overwrite: here every frame counts.
            Arc::new(move |frame| {
                drop(frame_sender.send(frame));
                SinkFeedback::Accepted
            }),
            Arc::new(move |notice| drop(notice_sender.try_send(notice))),
        )
        .map_err(Error::msg)?;
    let mut played = Played { size: (0, 0), frames: 0, wall: Duration::ZERO, cpu: Duration::ZERO };
    let mut ended = false;
    while let Some(frame) = next(&frames, &notices, &mut ended)? {
        played.size = (frame.width, frame.height);
        played.frames += 1;
        work(&frame)?;
    }
    (played.wall, played.cpu) = (started.elapsed(), cpu.elapsed());
    stop(stream, &frames);
    if played.frames == 0 {
        bail!("{}: no pictures in it", clip.display());
    }
    Ok(played)
}

/// The next frame; `None` at the end. The end is reported after the last frame was handed over.
fn next(
    frames: &Receiver<Frame>,
    notices: &Receiver<StreamNotice>,
    ended: &mut bool,
) -> Result<Option<Frame>> {
    while !*ended {
        select! {
            recv(frames) -> frame => return Ok(frame.ok()),
            recv(notices) -> notice => match notice {
                Ok(StreamNotice::Decoding { .. }) => {}
                Ok(StreamNotice::Failed(failure)) => bail!("{}", failure.text),
                _ => *ended = true,
            },
        }
    }
    Ok(frames.try_recv().ok())
}

/// A decoder that waits to hand over a frame could not be stopped.
fn stop(stream: Box<dyn Stream>, frames: &Receiver<Frame>) {
    while frames.try_recv().is_ok() {}
    drop(stream);
}

fn print(head: &serde_json::Value, played: &Played, fps: u32) {
    let frames = played.frames as f64;
    let mut line = json!({
        "size": format!("{}x{}", played.size.0, played.size.1),
        "frames": played.frames,
        "wall_s": played.wall.as_secs_f64(),
        "frames_per_s": frames / played.wall.as_secs_f64(),
        "cpu_s_per_camera_s": played.cpu.as_secs_f64() * f64::from(fps) / frames,
        "cpu_ms_per_frame": played.cpu.as_secs_f64() * 1000.0 / frames,
        "optimised": !cfg!(debug_assertions),
    });
    for (key, value) in head.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
    print_figures(&line);
}

fn device() -> DeviceConfig {
    DeviceConfig::plain("bench", "bench", "file-fast")
}

fn make_clip(file: &Path) -> Result<()> {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Clip {
        #[command(flatten)]
        camera: CameraArgs,
    }
    let pictures = Path::new(".setup/pictures");
    let walk = |name: &str| pictures.join(name).display().to_string();
    let clip = Clip::parse_from([
        "clip",
        "--size",
        "1920x1080",
        "--walk",
        &walk("obama-2.jpg"),
        "--walk",
        &walk("biden-1.jpg"),
        "--walk",
        &walk("obama-3.jpg"),
        "--record",
        &file.display().to_string(),
    ]);
    camera::run(&clip.camera)
}
