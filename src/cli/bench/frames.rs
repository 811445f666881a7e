//! `menshen bench frames`: the whole chain on a clip.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use crossbeam_channel::{Receiver, bounded, select};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::embeddings::list_images;
use crate::actors::face_engine::camera::CameraSession;
use crate::actors::recogniser::{InForce, Recogniser};
use crate::actors::tuning::SharedTuning;
use crate::adapters::camera::GstOpener;
use crate::config::Settings;
use crate::core::device::DeviceConfig;
use crate::core::face::Embedding;
use crate::core::frame::Frame;
use crate::core::gallery::Gallery;
use crate::core::lag::Handed;
use crate::core::person::{DEFAULT_PERMISSION_GROUP, Feature, Person, PersonKind, RegisterType};
use crate::core::quality::QualityLevel;
use crate::ports::camera::{Stream, StreamNotice, StreamOpener as _, StreamSpec};
use crate::ports::clock::Clock;
use crate::runtime::assemble::{base_tuning, camera_rules};
use crate::runtime::models::ready_models;
use crate::vision::FaceAnalyzer;

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

pub fn frames(asked: &Asked<'_>, settings: &Settings) -> Result<(), String> {
    let scratch = std::env::temp_dir().join(format!("menshen-bench-{}.mkv", std::process::id()));
    let clip = if let Some(clip) = asked.clip {
        clip.to_path_buf()
    } else {
        make_clip(&scratch)?;
        scratch.clone()
    };
    let opener = GstOpener::new(&settings.pipelines_dir)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let result = measure(&opener, &clip, asked, settings);
    // Not there when the clip was given.
    let _ = std::fs::remove_file(&scratch);
    result
}

fn measure(opener: &GstOpener, clip: &Path, asked: &Asked<'_>, settings: &Settings) -> Result<(), String> {
    let (people, fps) = (asked.people, asked.fps);
    // First decoding alone, so that what recognition adds can be told from it.
    let decoding = play(opener, clip, |_| Ok(()))?;
    print(&json!({ "bench": "decode" }), &decoding, fps);

    let (models, loader) = ready_models(settings).map_err(|errors| errors.join("; "))?;
    let mut analyzer = models.load(&loader).map_err(|error| error.to_string())?;
    let spec = models.embedder_spec();
    let mut gallery = made_up_gallery(&models.embedder_id(), spec.dimension, people)?;
    let known = asked.known.map_or(Ok(0), |folder| enrol(folder, &mut analyzer, &mut gallery))?;
    let clock = Arc::new(ClipClock::default());
    let in_force = InForce::new(Recogniser::new(models, gallery, Vec::new()));
    let recogniser = in_force.get();
    let rules = camera_rules(
        settings,
        in_force,
        Arc::clone(&clock) as Arc<dyn Clock>,
        SharedTuning::new(base_tuning(settings)),
    );
    let mut session = CameraSession::new(device(), rules);
    let (mut events, mut frames) = (0, 0u64);
    let whole = play(opener, clip, |frame| {
        clock.0.store(START_MS + frames * 1000 / u64::from(fps), Ordering::Relaxed);
        frames += 1;
        events += look(&mut session, &mut analyzer, &recogniser, frame)?;
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
fn enrol(folder: &Path, analyzer: &mut FaceAnalyzer, gallery: &mut Gallery) -> Result<usize, String> {
    let names = list_images(folder)?;
    for (index, name) in names.iter().enumerate() {
        let wrong = |reason: String| format!("{name}: {reason}");
        let bytes = std::fs::read(folder.join(name)).map_err(|error| wrong(error.to_string()))?;
        let face = analyzer
            .analyze_photo(&bytes, &QualityLevel::No)
            .map_err(|refusal| wrong(refusal.to_string()))?;
        let id = gallery.people() + index;
        gallery.put(&made_up_person(id, face.embedding)).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(names.len())
}

fn look(
    session: &mut CameraSession,
    analyzer: &mut FaceAnalyzer,
    recogniser: &Recogniser,
    frame: &Frame,
) -> Result<usize, String> {
    session.look(analyzer, recogniser, frame).map(|reports| reports.len()).map_err(|error| error.to_string())
}

/// People enrolled from photos in a bench.
const KNOWN_MAX: usize = 1000;

/// Any time but 0, which would look like the time of something that never was.
const START_MS: u64 = 1_000_000;

pub struct Played {
    size: (u32, u32),
    frames: u64,
    wall: Duration,
    cpu: Duration,
}

/// Gives every frame of the clip to `work` on this thread.
pub fn play(
    opener: &GstOpener,
    clip: &Path,
    mut work: impl FnMut(&Frame) -> Result<(), String>,
) -> Result<Played, String> {
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
                Handed::InTime
            }),
            Arc::new(move |notice| drop(notice_sender.try_send(notice))),
        )
        .map_err(|error| error.to_string())?;
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
        return Err(format!("{}: no pictures in it", clip.display()));
    }
    Ok(played)
}

/// The next frame; `None` at the end. The end is told after the last frame was handed over.
fn next(
    frames: &Receiver<Frame>,
    notices: &Receiver<StreamNotice>,
    ended: &mut bool,
) -> Result<Option<Frame>, String> {
    while !*ended {
        select! {
            recv(frames) -> frame => return Ok(frame.ok()),
            recv(notices) -> notice => match notice {
                Ok(StreamNotice::Decoding { .. }) => {}
                Ok(StreamNotice::Failed(failure)) => return Err(failure.text),
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

#[allow(clippy::print_stdout, reason = "the answer is for the terminal and for scripts")]
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
    println!("{line}");
}

fn device() -> DeviceConfig {
    DeviceConfig::plain("bench", "bench", "file-fast")
}

/// Random unit vectors: nobody in the clip is among them, so every look searches everyone.
pub fn made_up_gallery(model: &str, dimension: usize, people: usize) -> Result<Gallery, String> {
    let mut random = StdRng::seed_from_u64(1);
    // Room for those who are known besides.
    let mut gallery = Gallery::new(model, dimension, people + KNOWN_MAX);
    for index in 0..people {
        let vector = unit_vector(&mut random, dimension);
        let embedding = Embedding { model: model.to_owned(), vector, norm: 1.0 };
        gallery.put(&made_up_person(index, embedding)).map_err(|error| error.to_string())?;
    }
    Ok(gallery)
}

pub fn unit_vector(random: &mut StdRng, dimension: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..dimension).map(|_| random.random_range(-1.0..1.0)).collect();
    let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.into_iter().map(|x| x / norm).collect()
}

pub fn made_up_person(index: usize, embedding: Embedding) -> Person {
    Person {
        id: index.to_string(),
        name: format!("person {index}"),
        kind: PersonKind::Employee,
        register_type: RegisterType::Regular,
        permission_ids: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
        info: serde_json::Map::default(),
        features: vec![Feature {
            embedding,
            photo: String::new(),
            photo_sha256: String::new(),
            quality: 1.0,
        }],
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

#[cfg(feature = "sim")]
fn make_clip(file: &Path) -> Result<(), String> {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Film {
        #[command(flatten)]
        camera: crate::sim::camera::CameraArgs,
    }
    let pictures = Path::new(".setup/pictures");
    let walk = |name: &str| pictures.join(name).display().to_string();
    let film = Film::parse_from([
        "film",
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
    crate::sim::camera::run(&film.camera).map(drop).map_err(|errors| errors.join("; "))
}

#[cfg(not(feature = "sim"))]
fn make_clip(_: &Path) -> Result<(), String> {
    Err("this build has no simulator to make a clip with; give one with --clip FILE".to_owned())
}
