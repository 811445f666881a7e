//! Many network cameras before one box: real RTSP, people whom it knows walking by, and every passage accounted for.
//!
//! The cameras' films are encoded before anything is measured; their processor time while serving is told apart from the
//! box's. A passage is missed when the box's real-time event for it, with the right name, does not reach the receiver.

mod chaos;
pub mod enrolment;
mod peer;
mod reading;
mod stats;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use self::chaos::Chaos;
use self::enrolment::{Enrolment, People};
use self::reading::Reading;
use self::stats::{Seen, Stats};
use menshen_testbed::broker::free_port;
use menshen_testbed::camera_process::{Camera, Truth};
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use menshen_testbed::scrape;

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub streams: usize,
    pub seconds: u64,
    /// Who walks by.
    pub walkers: Vec<Walker>,
    /// Further options of `menshen sim camera`.
    pub camera: Vec<String>,
    /// More keys for the box's configuration.
    pub config: String,
    /// Cameras are killed, frozen and started again at random; everything random follows from this.
    pub chaos: Option<u64>,
    /// Who is enrolled all the while.
    pub enrol: Option<People>,
    /// Python with OpenCV, to do the same afterwards (`benches/peer/peer.py cameras`).
    pub peer: Option<PathBuf>,
}

/// One of those who walk by.
#[derive(Debug, Clone)]
pub struct Walker {
    /// As `menshen sim camera --walk` takes it.
    pub picture: String,
    /// What the camera calls them.
    pub name: String,
    /// The person they are, and the photo they are enrolled with.
    pub person: String,
    pub photo: PathBuf,
    /// From where the walk begins to the first picture in which the face is good enough.
    pub good_after_ms: u64,
}

const READY_WITHIN: Duration = Duration::from_mins(2);
/// From start to the first figures: caches fill, decoders settle.
const WARM_UP: Duration = Duration::from_secs(15);
/// Events of walks that ended just now may still be on their way.
const TAIL: Duration = Duration::from_secs(4);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const CHAOS_TICK: Duration = Duration::from_millis(250);
/// Memory is compared from here on: by then every camera has shown everybody once.
const SETTLED_AFTER: Duration = Duration::from_mins(1);

/// Dropped in this order: the box first.
struct Stage {
    container: Process,
    cameras: Vec<Camera>,
    truth: Truth,
    platform: SimPlatform,
    web_port: u16,
    local_port: u16,
    folder: PathBuf,
}

/// Runs it; one JSON object a measure goes to `tell`. `Ok(false)`: passages were missed.
pub fn run(asked: &Asked, tell: &dyn Fn(&Value)) -> Result<bool, String> {
    let folder = std::env::temp_dir().join(format!("menshen-cameras-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut stage = Stage::set_up(asked, folder.clone())?;
    stage.enrol(&asked.walkers)?;
    let begin = |people: &People| Enrolment::start(stage.local_port, people, &folder.join("photos"));
    let enrolment = asked.enrol.as_ref().map(begin).transpose()?;
    stage.cameras.iter_mut().try_for_each(Camera::go)?;
    std::thread::sleep(WARM_UP);
    let (before, from_ms) = (stage.reading()?, now_ms());
    let mut chaos = asked.chaos.map(Chaos::new);
    let course = stage.watch(Duration::from_secs(asked.seconds), chaos.as_mut())?;
    let (after, to_ms) = (stage.reading()?, now_ms());
    let enrolled = enrolment.map(Enrolment::stop).transpose()?;
    std::thread::sleep(TAIL);
    let seen: Vec<Seen> = stage.platform.ledger().of_kind("realtime").iter().map(Seen::of_event).collect();
    let mut walks = stage.walks(from_ms, to_ms);
    if let Some(chaos) = &chaos {
        walks = chaos.undisturbed(walks, &stage.cameras);
    }
    let mut tally = Stats::of(&walks, &asked.walkers, &seen);
    let mut line = tally.figures("cameras");
    if let Some(chaos) = &chaos {
        let (figures, problems) = chaos.figures(&stage.cameras);
        merge(&mut line, &figures);
        tally.problems.extend(problems);
    }
    line["streams"] = json!(asked.streams);
    line["optimised"] = json!(!cfg!(debug_assertions));
    merge(&mut line, &after.since(&before, asked.streams));
    merge(&mut line, &course);
    merge(&mut line, &enrolled.unwrap_or_default());
    tell(&line);
    for problem in &tally.problems {
        tell(&json!({ "measure": "problem", "what": problem }));
    }
    let status = stage.container.stop(Duration::from_secs(20)).map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("the box ended with {status}; see {}", folder.display()));
    }
    if let Some(python) = &asked.peer {
        let (seconds, cameras) = (asked.seconds, &stage.cameras);
        let peer = peer::run(python, &asked.walkers, cameras, seconds)?;
        let tally = Stats::of(&stage.walks(peer.from_ms, peer.to_ms), &asked.walkers, &peer.seen);
        let mut line = tally.figures("peer-opencv");
        line["streams"] = json!(asked.streams);
        merge(&mut line, &peer.figures);
        tell(&line);
    }
    drop(stage);
    if tally.is_whole() {
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(tally.is_whole())
}

fn merge(line: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
}

impl Stage {
    fn set_up(asked: &Asked, folder: PathBuf) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let platform = SimPlatform::start(PlatformConfig { broker_port: 0, ..PlatformConfig::default() })?;
        let (truth, mut cameras) = (Truth::default(), Vec::new());
        for index in 0..asked.streams {
            // Each begins with another walker, so that no two cameras show the same at once.
            let mut walks: Vec<&str> = asked.walkers.iter().map(|walker| walker.picture.as_str()).collect();
            let turn = index % walks.len().max(1);
            walks.rotate_left(turn);
            let more: Vec<&str> = asked.camera.iter().map(String::as_str).collect();
            let name = format!("camera-{}", index + 1);
            cameras.push(Camera::start(&name, std::path::Path::new(""), &walks, &more, &truth, |_| {})?);
        }
        cameras.iter_mut().try_for_each(Camera::wait_ready)?;
        let (web_port, local_port) = (free_port().map_err(told)?, free_port().map_err(told)?);
        let mut config = format!(
            "mode = \"standalone\"\ndata_dir = \"{}\"\nlanguage = \"en\"\n{}\n[web]\nlisten = \"127.0.0.1:{web_port}\"\n\n\
             [local_api]\nlisten = \"127.0.0.1:{local_port}\"\n\n[events]\nrealtime_urls = [\"{}\"]\n",
            folder.join("var").display(),
            asked.config,
            platform.url("/events"),
        );
        for Camera { name, url, .. } in &cameras {
            // Writing to a string does not fail.
            let _ = write!(
                config,
                "\n[[devices]]\nip = \"{name}\"\ntype = \"network-camera\"\npipeline = \"rtsp\"\nurl = \"{url}\"\n"
            );
        }
        let config_path = folder.join("menshen.toml");
        fs::write(&config_path, config).map_err(told)?;
        let log = fs::File::create(folder.join("box.log")).map_err(told)?;
        let mut command = Command::new(program("menshen")?);
        command.args(["run", "--config"]).arg(config_path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let container = Process::spawn(&mut command).map_err(told)?;
        let stage = Self { container, cameras, truth, platform, web_port, local_port, folder };
        stage.wait_ready()?;
        Ok(stage)
    }

    fn wait_ready(&self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let online = scrape::sum(&scrape::get(self.web_port, "/metrics"), "menshen_device_online");
            let local = scrape::get(self.local_port, "/SophonMQ/api/DevSno");
            if online >= self.cameras.len() as f64 && !local.is_empty() {
                return Ok(());
            }
            if began.elapsed() > READY_WITHIN {
                let log = self.folder.join("box.log");
                return Err(format!(
                    "{online} of {} cameras are online; see {}",
                    self.cameras.len(),
                    log.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn enrol(&self, walkers: &[Walker]) -> Result<(), String> {
        let people: BTreeMap<&str, &PathBuf> =
            walkers.iter().map(|walker| (walker.person.as_str(), &walker.photo)).collect();
        for (id, photo) in people {
            let bytes = fs::read(photo).map_err(|error| format!("{}: {error}", photo.display()))?;
            let answer = scrape::post(self.local_port, "/SophonFogSys/api/users", &user(id, &bytes));
            if !answer.contains("\"data\"") {
                return Err(format!("{id} could not be enrolled: {answer}"));
            }
        }
        Ok(())
    }

    /// Walks that began and ended in that time.
    fn walks(&self, from_ms: u64, to_ms: u64) -> Vec<stats::Walk> {
        let truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        truth
            .iter()
            .filter_map(|walk| {
                let ended_ms = walk.to_ms.filter(|ended| *ended <= to_ms && walk.from_ms >= from_ms)?;
                let (camera, name) = (walk.camera.clone(), walk.who.clone());
                Some(stats::Walk { camera, name, from_ms: walk.from_ms, to_ms: ended_ms })
            })
            .collect()
    }

    fn reading(&self) -> Result<Reading, String> {
        let served: f64 = self.cameras.iter().filter_map(Camera::cpu_seconds).sum();
        let own = self.container.cpu_seconds().ok_or("the box has gone")?;
        let metrics = scrape::get(self.web_port, "/metrics");
        Ok(Reading { at: Instant::now(), own, served, metrics })
    }

    /// Lets it run, and notes memory and open files.
    fn watch(&mut self, time: Duration, mut chaos: Option<&mut Chaos>) -> Result<Value, String> {
        let began = Instant::now();
        let mut samples: Vec<Sample> = Vec::new();
        let is_over = |chaos: &Option<&mut Chaos>| chaos.as_ref().is_none_or(|chaos| chaos.is_over());
        // Whoever is away at the end is waited for, but not for ever.
        while began.elapsed() < time || (!is_over(&chaos) && began.elapsed() < time + READY_WITHIN) {
            let until = Instant::now() + SAMPLE_EVERY;
            while let Some(chaos) = &mut chaos
                && Instant::now() < until
            {
                let metrics = scrape::get(self.web_port, "/metrics");
                let online = |name: &str| {
                    let series = format!("menshen_device_online{{device=\"STANDALONE__{name}\"}}");
                    scrape::value(&metrics, &series) == Some(1.0)
                };
                chaos.tick(&mut self.cameras, online, began.elapsed() >= time)?;
                std::thread::sleep(CHAOS_TICK);
            }
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            let memory = self.container.resident_mb().ok_or("the box has gone")?;
            // Streams that are just being opened or closed hold more than those that run, and those that are away less.
            let is_calm = chaos.as_ref().is_none_or(|chaos| chaos.is_calm());
            let files = self.container.open_files().unwrap_or_default();
            samples.push(Sample { at: began.elapsed(), memory, files, is_calm });
        }
        let most = samples.iter().map(|sample| sample.memory).fold(0.0, f64::max).round();
        let (memory, files) = course(&samples, began.elapsed());
        Ok(json!({ "resident_mb": memory, "open_files": files, "resident_mb_most": most }))
    }
}

/// Somebody for the local API.
fn user(id: &str, photo: &[u8]) -> Value {
    json!({ "identity_id": id, "reg_photo": base64::prelude::BASE64_STANDARD.encode(photo),
        "info": { "name": id, "permission_ids": ["0"] } })
}

struct Sample {
    at: Duration,
    memory: f64,
    files: usize,
    is_calm: bool,
}

/// Parts of a run, whose means show whether something grows.
const PARTS: u32 = 6;

/// Memory and open files of each part of the run, means of the calm samples; `None` where there was none.
fn course(samples: &[Sample], whole: Duration) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let part = |index: u32| {
        let span = (whole * index / PARTS).max(SETTLED_AFTER)..whole * (index + 1) / PARTS;
        let calm: Vec<&Sample> =
            samples.iter().filter(|sample| sample.is_calm && span.contains(&sample.at)).collect();
        let mean = |value: &dyn Fn(&Sample) -> f64| {
            let count = calm.len() as f64;
            (count > 0.0).then(|| rounded(calm.iter().map(|sample| value(sample)).sum::<f64>() / count))
        };
        (mean(&|sample| sample.memory), mean(&|sample| sample.files as f64))
    };
    (0..PARTS).map(part).unzip()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
