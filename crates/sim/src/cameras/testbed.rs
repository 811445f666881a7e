//! A box, its cameras, and a receiver of its events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use menshen_testbed::box_config::{BoxConfig, Device};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::broker::free_port;
use menshen_testbed::camera_process::{TestCamera, Truth};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::scrape;
use serde_json::{Value, json};

use super::asked::{Asked, Audience, Walker};
use super::audience::Invited;
use super::chaos::Chaos;
use super::course::{Sample, course};
use super::reading::Reading;
use super::stats::Walk;
use super::user::user;

const READY_WITHIN: Duration = Duration::from_mins(2);
const STOP_WITHIN: Duration = Duration::from_secs(20);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const CHAOS_TICK: Duration = Duration::from_millis(250);

/// Dropped in this order: the box first.
pub struct TestBed {
    device: TestBox,
    pub cameras: Vec<TestCamera>,
    truth: Truth,
    pub platform: SimPlatform,
    /// Of the live stream, where it has an audience.
    stream_port: Option<u16>,
}

impl TestBed {
    pub fn set_up(asked: &Asked, folder: &Path) -> Result<Self> {
        let platform = SimPlatform::start(PlatformConfig { broker_port: 0, ..PlatformConfig::default() })?;
        let (truth, mut cameras) = (Truth::default(), Vec::new());
        for index in 0..asked.streams {
            // Each begins with another walker, so that no two cameras show the same at once.
            let mut walks: Vec<&str> = asked.walkers.iter().map(|walker| walker.picture.as_str()).collect();
            let turn = index % walks.len().max(1);
            walks.rotate_left(turn);
            let more: Vec<&str> = asked.camera.iter().map(String::as_str).collect();
            let name = format!("camera-{}", index + 1);
            let mut camera = TestCamera::new(&name, Path::new(""), &walks, &more)?.with_truth(&truth);
            camera.start()?;
            cameras.push(camera);
        }
        cameras.iter_mut().try_for_each(TestCamera::wait_ready)?;
        let mut config = BoxConfig::standalone(folder)?;
        config.events.realtime_urls.push(platform.url("/events"));
        let stream_port = asked.audience.map(|_| free_port()).transpose()?;
        if let Some(port) = stream_port {
            config.add(&format!("[local_api]\nstream_listen = \"127.0.0.1:{port}\"\n"))?;
        }
        config.devices.extend(cameras.iter().map(|camera| Device::camera(camera.name(), &camera.url())));
        config.merge(asked.config.clone());
        let mut device = TestBox::new(folder, config)?;
        device.start()?;
        let mut bed = Self { device, cameras, truth, platform, stream_port };
        bed.wait_ready()?;
        Ok(bed)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let online = self.device.metric("menshen_device_online");
            let local = scrape::get(self.local_port(), "/SophonMQ/api/DevSno");
            if online >= self.cameras.len() as f64 && !local.is_empty() {
                return Ok(());
            }
            if began.elapsed() > READY_WITHIN {
                let (of, log) = (self.cameras.len(), self.device.log_path());
                bail!("{online} of {of} cameras are online; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn local_port(&self) -> u16 {
        self.device.local_port()
    }

    /// Lets clients of the live stream come and go.
    pub fn invite(&self, audience: Audience) -> Result<Invited> {
        let answer = scrape::get(self.local_port(), "/SophonDevice/api/Devices");
        let answer: Value = serde_json::from_str(&answer).context("the box's devices")?;
        let devices = answer["data"]["devices_list"].as_array().into_iter().flatten();
        let ids = devices.filter_map(|device| device["device_id"].as_str().map(str::to_owned)).collect();
        let port = self.stream_port.context("the box has no live stream")?;
        Ok(Invited::begin(port, ids, audience))
    }

    pub fn enrol(&self, walkers: &[Walker]) -> Result<()> {
        let people: BTreeMap<&str, &PathBuf> =
            walkers.iter().map(|walker| (walker.person.as_str(), &walker.photo)).collect();
        for (id, photo) in people {
            let bytes = fs::read(photo).with_context(|| photo.display().to_string())?;
            let answer = scrape::post(self.local_port(), "/SophonFogSys/api/users", &user(id, &bytes));
            if !answer.contains("\"data\"") {
                bail!("{id} could not be enrolled: {answer}");
            }
        }
        Ok(())
    }

    /// The walkers of all cameras set out.
    pub fn people_walk(&mut self) -> Result<()> {
        self.cameras.iter_mut().try_for_each(TestCamera::go)
    }

    /// Walks that began and ended in that time.
    pub fn walks(&self, from_ms: u64, to_ms: u64) -> Vec<Walk> {
        let truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        truth
            .iter()
            .filter_map(|walk| {
                let ended_ms = walk.to_ms.filter(|ended| *ended <= to_ms && walk.from_ms >= from_ms)?;
                let (camera, name) = (walk.camera.clone(), walk.who.clone());
                Some(Walk { camera, name, from_ms: walk.from_ms, to_ms: ended_ms })
            })
            .collect()
    }

    pub fn reading(&self) -> Result<Reading> {
        let served: f64 = self.cameras.iter().filter_map(TestCamera::cpu_seconds).sum();
        let own = self.device.process()?.cpu_seconds().context("the box has gone")?;
        Ok(Reading { at: Instant::now(), own, served, metrics: self.device.metrics() })
    }

    /// Lets it run, and notes memory and open files.
    pub fn watch(&mut self, time: Duration, mut chaos: Option<&mut Chaos>) -> Result<Value> {
        let began = Instant::now();
        let mut samples: Vec<Sample> = Vec::new();
        let is_over = |chaos: &Option<&mut Chaos>| chaos.as_ref().is_none_or(|chaos| chaos.is_over());
        // Cameras that are away at the end are waited for, but not for ever.
        while began.elapsed() < time || (!is_over(&chaos) && began.elapsed() < time + READY_WITHIN) {
            let until = Instant::now() + SAMPLE_EVERY;
            while let Some(chaos) = &mut chaos
                && Instant::now() < until
            {
                let metrics = self.device.metrics();
                let online = |name: &str| {
                    let series = format!("menshen_device_online{{device=\"{name}\"}}");
                    scrape::value(&metrics, &series) == Some(1.0)
                };
                chaos.tick(&mut self.cameras, online, began.elapsed() >= time)?;
                std::thread::sleep(CHAOS_TICK);
            }
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            let process = self.device.process()?;
            let memory = process.resident_mb().context("the box has gone")?;
            // Streams that are just being opened or closed hold more than those that run, and those that are away less.
            let is_calm = chaos.as_ref().is_none_or(|chaos| chaos.is_calm());
            let files = process.open_files().unwrap_or_default();
            samples.push(Sample { at: began.elapsed(), memory, files, is_calm });
        }
        let most = samples.iter().map(|sample| sample.memory).fold(0.0, f64::max).round();
        let (memory, files) = course(&samples, began.elapsed());
        Ok(json!({ "resident_mb": memory, "open_files": files, "resident_mb_most": most }))
    }

    /// Ends the box, which must end in good order.
    pub fn stop_box(&mut self) -> Result<()> {
        self.device.stop_in_good_order(STOP_WITHIN)
    }
}
