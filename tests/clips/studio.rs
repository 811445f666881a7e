//! Clips, scenes composed from them, and the camera that looks at them: the decoder and the vision path of the box,
//! on the clip's own time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use image::{Rgb, RgbImage};
use menshen::actors::face_engine::camera::CameraSession;
use menshen::actors::face_engine::report::PassageReport;
use menshen::actors::face_engine::rules::CameraRules;
use menshen::actors::recogniser::{ActiveRecogniser, Recogniser};
use menshen::actors::reporter::message::PassageStage;
use menshen::actors::tuning::SharedTuning;
use menshen::adapters::camera::GstOpener;
use menshen::adapters::onnx::OrtLoader;
use menshen::config::{Overrides, Settings, load};
use menshen::ports::camera::{StreamNotice, StreamOpener as _, StreamSpec};
use menshen::ports::clock::Clock;
use menshen::runtime::models::ready_models;
use menshen::runtime::recognition::camera_rules;
use menshen::runtime::tuning::base_tuning;
use menshen_domain::device::DeviceConfig;
use menshen_domain::frame::Frame;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, Feature, Person, PersonKind, RegisterType};
use menshen_domain::quality::QualityLevel;
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;
use menshen_gallery::Gallery;
use menshen_models::ModelSet;
use menshen_vision::FaceAnalyzer;
use menshen_vision::analyzer::AnalyzedFace;
use menshen_vision::pixels::rgb_region;

/// Where the clips are, or `None`, said aloud: they are no part of the project.
pub fn clips_folder() -> Option<PathBuf> {
    let folder =
        std::env::var_os("TEST_CLIPS_DIR").map_or_else(|| "../shared/data/clips".into(), PathBuf::from);
    if folder.join("again.mkv").is_file() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no clips in {}; name their folder in TEST_CLIPS_DIR", folder.display());
    None
}

/// Every picture of a clip, decoded as a camera's are.
pub fn decode(clip: &Path) -> Vec<Frame> {
    let opener = GstOpener::new(Path::new("pipelines")).expect("pipelines");
    let spec = StreamSpec {
        device_id: "clip".to_owned(),
        pipeline: "file-fast".to_owned(),
        parameters: [("url".to_owned(), clip.display().to_string())].into(),
    };
    let frames = Arc::new(Mutex::new(Vec::new()));
    let (sender, ended) = std::sync::mpsc::channel();
    let kept = Arc::clone(&frames);
    let stream = opener
        .open(
            &spec,
            Arc::new(move |frame: Frame| {
                kept.lock().unwrap().push(frame.detached());
                SinkFeedback::Accepted
            }),
            Arc::new(move |notice| drop(sender.send(notice))),
        )
        .unwrap();
    let mut news = ended.iter().filter(|notice| !matches!(notice, StreamNotice::Decoding { .. }));
    assert_eq!(news.next(), Some(StreamNotice::Ended), "{}", clip.display());
    drop(stream);
    let frames = std::mem::take(&mut *frames.lock().unwrap());
    assert!(!frames.is_empty(), "{}: no pictures", clip.display());
    frames
}

pub fn to_picture(frame: &Frame) -> RgbImage {
    let (rgb, width, height) = rgb_region(frame, 0, 0, frame.width as usize, frame.height as usize);
    RgbImage::from_raw(width, height, rgb).unwrap()
}

fn doubled(frame: &Frame) -> RgbImage {
    let picture = to_picture(frame);
    let (width, height) = (picture.width() * 2, picture.height() * 2);
    image::imageops::resize(&picture, width, height, image::imageops::FilterType::Triangle)
}

pub fn to_frame(picture: &RgbImage) -> Frame {
    Frame::from_rgb(picture.width(), picture.height(), picture.as_raw().clone(), 0).unwrap()
}

/// A clip with its face cut out of every picture: an oval with a soft rim, to be put anywhere.
pub struct Actor {
    pictures: Vec<RgbImage>,
    /// Middle of the face in the clip, and the half axes of the oval around head and neck.
    center: (f32, f32),
    axes: (f32, f32),
}

/// The rim of the oval, as a share of its axes, in which it fades.
const RIM: f32 = 0.12;

impl Actor {
    pub fn new(frames: &[Frame], analyzer: &mut FaceAnalyzer) -> Self {
        let middle = &frames[frames.len() / 2];
        let (face, _) = analyzer.largest_face(middle).unwrap().expect("a face in the middle of the clip");
        let (cx, cy) = face.bbox.center();
        Self {
            pictures: frames.iter().map(to_picture).collect(),
            center: (cx, cy),
            axes: (face.bbox.width() * 1.05, face.bbox.height() * 0.95),
        }
    }

    /// The picture of a moment; a clip that has ended runs backwards, so that nobody jumps.
    fn picture(&self, at_ms: u64) -> &RgbImage {
        let (last, at) = (self.pictures.len() - 1, (at_ms * 30 / 1000) as usize);
        let at = at % (2 * last.max(1));
        &self.pictures[if at > last { 2 * last - at } else { at }]
    }

    /// Puts the head on a picture with the middle of the face at `(x, y)`, `scale` times as large and `narrow` times
    /// as wide as that.
    pub fn draw(&self, on: &mut RgbImage, at_ms: u64, (x, y): (f32, f32), scale: f32, narrow: f32) {
        let picture = self.picture(at_ms);
        let (ax, ay) = (self.axes.0 * scale * narrow, self.axes.1 * scale);
        let range = |middle: f32, half: f32, end: u32| {
            ((middle - half).max(0.0) as u32)..((middle + half).clamp(0.0, end as f32) as u32)
        };
        for py in range(y, ay, on.height()) {
            for px in range(x, ax, on.width()) {
                let (dx, dy) = (px as f32 - x, py as f32 - y);
                let outside = (dx / ax).hypot(dy / ay);
                let alpha = ((1.0 - outside) / RIM).clamp(0.0, 1.0);
                let (sx, sy) = (self.center.0 + dx / scale / narrow, self.center.1 + dy / scale);
                if alpha > 0.0 && sx >= 0.0 && sy >= 0.0 {
                    let (sx, sy) = (sx as u32, sy as u32);
                    if sx < picture.width() && sy < picture.height() {
                        let (new, old) = (picture.get_pixel(sx, sy), *on.get_pixel(px, py));
                        let mix = |channel: usize| {
                            (f32::from(new[channel]) * alpha + f32::from(old[channel]) * (1.0 - alpha)) as u8
                        };
                        on.put_pixel(px, py, Rgb([mix(0), mix(1), mix(2)]));
                    }
                }
            }
        }
    }
}

/// An empty room: a wall that grows darker, a floor, a door frame.
pub fn room() -> RgbImage {
    RgbImage::from_fn(1280, 720, |x, y| {
        let base = if y > 560 { 90 } else { 150 - (x / 32) as u8 };
        let frame = (600..612).contains(&x) || (760..772).contains(&x);
        let value = if frame && y < 560 { base - 50 } else { base };
        Rgb([value, value, value.saturating_sub(8)])
    })
}

#[derive(Default)]
struct ClipClock(AtomicU64);

impl Clock for ClipClock {
    fn wall_ms(&self) -> u64 {
        1_700_000_000_000 + self.0.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One camera with its settings, models and the people it knows.
pub struct Studio {
    pub analyzer: FaceAnalyzer,
    settings: Settings,
    in_force: ActiveRecogniser,
    clips: PathBuf,
    decoded: BTreeMap<String, Vec<Frame>>,
    /// The best face of a clip.
    faces: BTreeMap<String, AnalyzedFace>,
}

impl Studio {
    /// With the settings as shipped, but for `set`.
    pub fn open(clips: PathBuf, set: &[&str]) -> Self {
        let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        let overrides = Overrides::new(std::iter::empty(), &set).unwrap();
        let settings = load(Path::new("config/menshen.toml"), &overrides).unwrap();
        let (models, loader): (ModelSet, OrtLoader) =
            ready_models(&settings).expect("run scripts/setup first");
        let analyzer = models.load(&loader).unwrap();
        let gallery = Gallery::new(models.embedder_id(), models.embedder_spec().dimension, 1000);
        Self {
            analyzer,
            settings,
            in_force: ActiveRecogniser::new(Recogniser::new(models, gallery, Vec::new())),
            clips,
            decoded: BTreeMap::new(),
            faces: BTreeMap::new(),
        }
    }

    /// A clip as its camera gave it: faces are 52 to 69 px wide.
    pub fn clip(&mut self, name: &str) -> Vec<Frame> {
        let path = self.clips.join(format!("{name}.mkv"));
        self.decoded.entry(name.to_owned()).or_insert_with(|| decode(&path)).clone()
    }

    /// A clip as from a camera of twice the resolution.
    pub fn near_clip(&mut self, name: &str) -> Vec<Frame> {
        self.clip(name).iter().map(|frame| to_frame(&doubled(frame))).collect()
    }

    pub fn actor(&mut self, name: &str) -> Actor {
        let frames = self.clip(name);
        Actor::new(&frames, &mut self.analyzer)
    }

    /// Enrols somebody from the best picture of a clip, at level middle: they are about as large as level high asks.
    pub fn enrol(&mut self, id: &str, clip: &str) {
        let best = self.best_face(clip);
        let feature = Feature {
            embedding: best.embedding,
            photo: format!("{id}.img"),
            photo_sha256: String::new(),
            quality: best.judgement.score,
        };
        let person = Person {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: PersonKind::Employee,
            register_type: RegisterType::Regular,
            permission_ids: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
            registry_groups: vec![DEFAULT_REGISTRY_GROUP.to_owned()],
            info: serde_json::Map::default(),
            features: vec![feature],
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        self.in_force.get().write().put(&person).unwrap();
    }

    fn best_face(&mut self, clip: &str) -> AnalyzedFace {
        if let Some(known) = self.faces.get(clip) {
            return known.clone();
        }
        let frames = self.clip(clip);
        let photos: Vec<Vec<u8>> = frames.iter().step_by(15).map(|frame| png(&doubled(frame))).collect();
        let faces =
            photos.iter().filter_map(|photo| self.analyzer.analyze_photo(photo, &QualityLevel::Middle).ok());
        let best = faces
            .max_by(|a, b| a.judgement.score.total_cmp(&b.judgement.score))
            .unwrap_or_else(|| panic!("no picture of {clip} passes level middle"));
        self.faces.insert(clip.to_owned(), best.clone());
        best
    }

    fn rules(&self, clock: Arc<ClipClock>) -> CameraRules {
        camera_rules(
            &self.settings,
            self.in_force.clone(),
            clock,
            SharedTuning::new(base_tuning(&self.settings)),
        )
    }

    /// Shows the camera pictures at their times and gives what was reported until the passages' ends.
    pub fn film(&mut self, scene: impl IntoIterator<Item = (u64, Frame)>) -> Story {
        let clock = Arc::new(ClipClock::default());
        let mut session = CameraSession::new(device(), self.rules(Arc::clone(&clock)));
        let recogniser = self.in_force.get();
        let mut story = Story::default();
        let mut last_ms = 0;
        for (at_ms, mut frame) in scene {
            // Cameras that send nothing are tended four times a second.
            while last_ms + 250 < at_ms {
                last_ms += 250;
                clock.0.store(START_MS + last_ms, Ordering::Relaxed);
                story.note(last_ms, session.collect());
            }
            last_ms = at_ms;
            clock.0.store(START_MS + at_ms, Ordering::Relaxed);
            frame.captured_at_ms = clock.wall_ms();
            story.note(at_ms, session.process_frame(&mut self.analyzer, &recogniser, &frame).unwrap());
        }
        for _ in 0..24 {
            last_ms += 250;
            clock.0.store(START_MS + last_ms, Ordering::Relaxed);
            story.note(last_ms, session.collect());
        }
        story.note(last_ms, session.finish());
        story
    }
}

/// Any time but 0, which would look like the time of something that never was.
const START_MS: u64 = 1_000_000;

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn device() -> DeviceConfig {
    DeviceConfig::plain("test__clip", "clip", "file-fast")
}

/// Everything a camera reported.
#[derive(Default)]
pub struct Story {
    pub reports: Vec<(u64, PassageReport)>,
}

impl Story {
    fn note(&mut self, at_ms: u64, reports: Vec<PassageReport>) {
        self.reports.extend(reports.into_iter().map(|report| (at_ms, report)));
    }

    /// Who every event was about, in order of their ends; `?` for a stranger.
    pub fn events(&self) -> Vec<&str> {
        let ended = self.reports.iter().filter(|(_, report)| report.stage == PassageStage::Closed);
        ended.map(|(_, report)| report.event.identity.as_ref().map_or("?", |who| who.id.as_str())).collect()
    }

    /// One line a report, for whoever reads a failure.
    pub fn told(&self) -> String {
        let line = |(at_ms, report): &(u64, PassageReport)| {
            let event = &report.event;
            format!(
                "{at_ms:6} {:?} {} similarity {:?} face {:.0} px, {} ms in sight, {:?}",
                report.stage,
                event.identity.as_ref().map_or("?", |who| who.id.as_str()),
                event.similarity,
                event.quality.face_size_px,
                event.out_timestamp_ms - event.in_timestamp_ms,
                event.why.as_ref().map(|why| (why.looks, why.shots.len(), why.basis, why.reason)),
            )
        };
        self.reports.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The events, sorted, are these and no others, and every one that was told early keeps its name and id.
    pub fn assert_events(&self, scene: &str, expected: &[&str]) {
        let mut events = self.events();
        events.sort_unstable();
        assert_eq!(events, expected, "{scene}:\n{}", self.told());
        for (_, early) in self.reports.iter().filter(|(_, report)| report.stage == PassageStage::Open) {
            let ends: Vec<_> = self
                .reports
                .iter()
                .filter(|(_, r)| r.stage == PassageStage::Closed && r.event.event_id == early.event.event_id)
                .collect();
            assert_eq!(ends.len(), 1, "{scene}: an event ends once:\n{}", self.told());
            let name = |report: &PassageReport| report.event.identity.as_ref().map(|who| who.id.clone());
            assert_eq!(name(early), name(&ends[0].1), "{scene}: a name once told stays:\n{}", self.told());
        }
    }
}
