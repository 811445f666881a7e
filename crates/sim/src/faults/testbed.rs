//! Everything a campaign runs on: a broker, a platform, proxies before both, cameras, and a box.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use menshen_testbed::box_config::{BoxConfig, Device};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::camera_process::{TestCamera, Truth};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::proxy::Proxy;
use menshen_testbed::small_disk::SmallDisk;
use serde_json::{Value, json};

use super::brokers::{Broker, BrokerArgs, ToBroker};
use super::plan::Kind;
use super::receivers::{PINNED, PINNED_DIALECT, PLATFORM_RECEIVERS, receiver_path};
use super::supervisor::Supervisor;
use super::watch::{Looks, Watch};
use menshen_testbed::wall_clock::WallClock;

const DEV_SNO: &str = "MENSHENFAULTS2026";
/// Who the box is to the broker, where its permissions change.
const BOX_USER: &str = "box";
const BOX_PASSWORD: &str = "one";
const LINK_WITHIN: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(100);
/// Room for the events and photos of one run.
const DISK_MB: u32 = 256;

/// Small pictures leave the processor to the box; 854 is a width whose rows are padded.
const CAMERA: [&str; 8] = ["--size", "854x480", "--fps", "10", "--walk-ms", "3000", "--gap-ms", "3500"];

/// How a campaign wants its test bed.
pub struct Wishes {
    pub pictures: PathBuf,
    pub cameras: bool,
    /// Replies go to `uploadQueue`; else to `notify_path`.
    pub upload_queue: bool,
    pub small_disk: bool,
    pub own_clock: bool,
    /// The box has a user of its own at the broker.
    pub own_user: bool,
    pub broker: BrokerArgs,
    /// Turns true when the campaign is to end.
    pub interrupted: Arc<AtomicBool>,
}

pub struct TestBed {
    // Dropped in this order: what uses something goes before it.
    _watch: Watch,
    pub supervisor: Supervisor,
    cameras: Vec<TestCamera>,
    pub to_broker: ToBroker,
    pub to_platform: Proxy,
    pub platform: Arc<SimPlatform>,
    pub broker: Broker,
    pub disk: Option<SmallDisk>,
    pub clock: Option<WallClock>,
    pub folder: PathBuf,
    pub looks: Looks,
    pub truth: Truth,
    /// What was injected: kind, from, to.
    pub faults: Vec<(Kind, u64, u64)>,
    /// Refusals of replies that fell on no reply.
    pub not_felt: usize,
    /// Nodes that the broker left apart from the others, and that had to be started again.
    pub nodes_left_apart: usize,
    /// Why kinds cannot be injected here.
    pub cannot: Vec<(Kind, String)>,
    interrupted: Arc<AtomicBool>,
}

impl TestBed {
    pub fn set_up(folder: PathBuf, wishes: &Wishes) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let pictures = wishes
            .pictures
            .canonicalize()
            .map_err(|error| anyhow!("{}: {error}; run scripts/setup", wishes.pictures.display()))?;
        let mut cannot = Vec::new();
        let disk = match wishes.small_disk.then(|| SmallDisk::mount(&folder.join("var"), DISK_MB)) {
            None => None,
            Some(Ok(disk)) => Some(disk),
            Some(Err(reason)) => {
                cannot.push((Kind::DiskFull, format!("{reason:#}")));
                None
            }
        };
        let clock = if wishes.own_clock { WallClock::find(&folder)? } else { None };
        if wishes.own_clock && clock.is_none() {
            cannot.push((Kind::ClockStep, "libfaketime is missing; scripts/setup installs it".to_owned()));
        }
        if !wishes.upload_queue {
            cannot.push((Kind::ReplyRefused, "replies go through notify_path, not the broker".to_owned()));
        }
        let broker = Broker::start(&folder.join("rabbitmq"), &wishes.broker)?;
        let ports = broker.ports();
        let to_broker = ToBroker::start(&ports)?;
        let told = to_broker.ports();
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: ports[0],
            more_broker_ports: ports[1..].to_vec(),
            queue_type: wishes.broker.queue_type(),
            told_broker_port: Some(told[0]),
            upload_queue: wishes.upload_queue,
            receivers: PLATFORM_RECEIVERS,
            ledger_file: Some(folder.join("ledger.jsonl")),
            ..PlatformConfig::default()
        })?;
        platform.patch_login(login_patch(&told, wishes.own_user));
        let to_platform = Proxy::start(platform.port())?;
        let truth = Truth::default();
        let cameras = if wishes.cameras { start_cameras(&pictures, &truth)? } else { Vec::new() };
        let mut config = config_through(&to_platform, BoxConfig::managed(&folder, &platform)?)?;
        config.devices.extend(cameras.iter().map(|camera| Device::camera(camera.name(), &camera.url())));
        let mut device = TestBox::new(&folder, config)?;
        for (name, value) in clock.iter().flat_map(WallClock::environment) {
            device.set_environment(name, &value);
        }
        let looks = Looks::default();
        let bed = Self {
            _watch: Watch::start(device.web_port(), looks.clone()),
            supervisor: Supervisor::new(device),
            cameras,
            to_broker,
            to_platform,
            platform: Arc::new(platform),
            broker,
            disk,
            clock,
            folder,
            looks,
            truth,
            faults: Vec::new(),
            not_felt: 0,
            nodes_left_apart: 0,
            cannot,
            interrupted: Arc::clone(&wishes.interrupted),
        };
        if wishes.own_user {
            bed.broker.control(&["add_user", BOX_USER, BOX_PASSWORD])?;
            bed.permit(".*")?;
        }
        Ok(bed)
    }

    /// What the box may write to at the broker; all else it may.
    pub fn permit(&self, write: &str) -> Result<()> {
        self.broker.control(&["set_permissions", BOX_USER, ".*", write, ".*"]).map(drop)
    }

    /// Sleeps while the box is kept running.
    pub fn nap(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            self.supervisor.tend()?;
            if self.interrupted.load(Ordering::Acquire) {
                bail!("interrupted");
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Naps until `look` says so; `false` when it does not within `limit`.
    pub fn wait(&mut self, limit: Duration, mut look: impl FnMut(&mut Self) -> bool) -> Result<bool> {
        let started = Instant::now();
        while !look(self) {
            if started.elapsed() > limit {
                return Ok(false);
            }
            self.nap(TICK)?;
        }
        Ok(true)
    }

    /// Starts the box for the first time.
    pub fn open(&mut self) -> Result<()> {
        self.supervisor.start()?;
        let up = |bed: &mut Self| bed.looks.last().is_some_and(|look| look.link_up && look.whole);
        if self.wait(LINK_WITHIN, up)? {
            return Ok(());
        }
        bail!("the box did not come up; its log is in {}", self.folder.display())
    }

    pub fn people_walk(&mut self) -> Result<()> {
        self.cameras.iter_mut().try_for_each(TestCamera::go)
    }

    /// Takes the cameras away; passages then end by themselves.
    pub fn nobody_walks(&mut self) {
        self.cameras.clear();
    }

    /// What `menshen data check --people` says; an error when the data cannot be opened or a picture is missing.
    pub fn data(&self) -> Result<Value> {
        let output = self.supervisor.run(&["data", "check", "--people"])?;
        let errors = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        serde_json::from_slice(&output.stdout).ok().with_context(|| format!("data check: {}", errors()))
    }

    /// What `menshen events list` says.
    pub fn stored_events(&self) -> Result<Vec<Value>> {
        let output = self.supervisor.run(&["events", "list"])?;
        if !output.status.success() {
            bail!("events list: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Everything but the broker's own connection goes through the proxy.
fn config_through(to_platform: &Proxy, mut config: BoxConfig) -> Result<BoxConfig> {
    let through = |path: &str| format!("http://127.0.0.1:{}{path}", to_platform.port());
    config.events.realtime_urls = vec![through("/events")];
    let (own, dialect) = (through(&receiver_path(PINNED)), PINNED_DIALECT);
    config.add(&format!("[[events.receiver]]\nurl = {own:?}\ndialect = {dialect:?}\n"))?;
    if let Some(section) = &mut config.platform {
        section.login_url = through("/api/gateway/login");
    }
    Ok(config)
}

/// What of the broker is told to the box.
fn login_patch(ports: &[u16], own_user: bool) -> Value {
    let mut rabbitmq = json!({});
    if ports.len() > 1 {
        rabbitmq["host"] = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    }
    if own_user {
        rabbitmq["login"] = BOX_USER.into();
        rabbitmq["password"] = BOX_PASSWORD.into();
    }
    json!({ "rabbitmq": rabbitmq })
}

fn start_cameras(pictures: &Path, truth: &Truth) -> Result<Vec<TestCamera>> {
    let mut cameras = Vec::new();
    for (name, walks) in [("lobby", &["obama-2.jpg", "astronaut.png"][..]), ("gate", &["obama-2.jpg@mirror"])]
    {
        let mut camera = TestCamera::new(name, pictures, walks, &CAMERA)?.with_truth(truth);
        camera.start()?;
        cameras.push(camera);
    }
    cameras.iter_mut().try_for_each(TestCamera::wait_ready)?;
    Ok(cameras)
}
