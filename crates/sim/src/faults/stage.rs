//! Everything a campaign runs on: a broker, a platform, proxies before both, cameras, and a box.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::clock::WallClock;
use super::plan::Kind;
use super::supervisor::{BoxCommand, Supervisor};
use super::watch::{Looks, Watch};
use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::camera_process::{Camera, Truth};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::program;
use menshen_testbed::proxy::Proxy;
use menshen_testbed::small_disk::SmallDisk;

const DEV_SNO: &str = "MENSHENFAULTS2026";
pub const RECEIVERS: usize = 2;
const LINK_WITHIN: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(100);
/// Room for the events and photos of one run.
const DISK_MB: u32 = 256;

/// Small pictures leave the processor to the box; 854 is a width whose rows are padded.
const CAMERA: [&str; 8] = ["--size", "854x480", "--fps", "10", "--walk-ms", "3000", "--gap-ms", "3500"];

/// How a campaign wants its stage.
pub struct Wishes {
    pub pictures: PathBuf,
    pub cameras: bool,
    /// Replies go to `uploadQueue`; else to `notify_path`.
    pub upload_queue: bool,
    pub small_disk: bool,
    pub own_clock: bool,
    /// Turns true when somebody wants the campaign to end.
    pub interrupted: Arc<AtomicBool>,
}

pub struct Stage {
    // Dropped in this order: whoever uses something goes before it.
    _watch: Watch,
    pub keeper: Supervisor,
    cameras: Vec<Camera>,
    pub to_broker: Proxy,
    pub to_platform: Proxy,
    pub platform: Arc<SimPlatform>,
    pub broker: PrivateBroker,
    pub disk: Option<SmallDisk>,
    pub clock: Option<WallClock>,
    pub folder: PathBuf,
    /// Of the box's local API.
    pub local_port: u16,
    pub looks: Looks,
    pub truth: Truth,
    /// What was injected: kind, from, to.
    pub faults: Vec<(Kind, u64, u64)>,
    /// Why kinds cannot be injected here.
    pub cannot: Vec<(Kind, String)>,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    pub fn set_up(folder: PathBuf, wishes: &Wishes) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let pictures = wishes
            .pictures
            .canonicalize()
            .map_err(|error| format!("{}: {error}; run scripts/setup", wishes.pictures.display()))?;
        let mut cannot = Vec::new();
        let data = folder.join("var");
        let disk = match wishes.small_disk.then(|| SmallDisk::mount(&data, DISK_MB)) {
            None => None,
            Some(Ok(disk)) => Some(disk),
            Some(Err(reason)) => {
                cannot.push((Kind::DiskFull, reason));
                None
            }
        };
        let clock = if wishes.own_clock { WallClock::find(&folder)? } else { None };
        if wishes.own_clock && clock.is_none() {
            cannot.push((Kind::ClockStep, "libfaketime is missing; scripts/setup installs it".to_owned()));
        }
        let broker = PrivateBroker::start(&folder.join("rabbitmq")).map_err(told)?;
        let to_broker = Proxy::start(broker.port()).map_err(told)?;
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.port(),
            told_broker_port: Some(to_broker.port()),
            upload_queue: wishes.upload_queue,
            receivers: RECEIVERS,
            ledger_file: Some(folder.join("ledger.jsonl")),
            ..PlatformConfig::default()
        })?;
        let to_platform = Proxy::start(platform.port()).map_err(told)?;
        let truth = Truth::default();
        let mut cameras = Vec::new();
        if wishes.cameras {
            let start = |name, walks: &[&str]| Camera::start(name, &pictures, walks, &CAMERA, &truth, |_| {});
            cameras.push(start("lobby", &["obama-2.jpg", "astronaut.png"])?);
            cameras.push(start("gate", &["obama-2.jpg@mirror"])?);
            cameras.iter_mut().try_for_each(Camera::wait_ready)?;
        }
        let port = free_port().map_err(told)?;
        let local_port = free_port().map_err(told)?;
        let config = folder.join("menshen.toml");
        fs::write(&config, config_text(&data, to_platform.port(), [port, local_port], &cameras))
            .map_err(told)?;
        let looks = Looks::default();
        Ok(Self {
            _watch: Watch::start(port, looks.clone()),
            keeper: Supervisor::new(box_command(&config, clock.as_ref()), &folder, port),
            cameras,
            to_broker,
            to_platform,
            platform: Arc::new(platform),
            broker,
            disk,
            clock,
            folder,
            local_port,
            looks,
            truth,
            faults: Vec::new(),
            cannot,
            interrupted: Arc::clone(&wishes.interrupted),
        })
    }

    /// Sleeps while the box is kept running.
    pub fn nap(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        loop {
            self.keeper.tend()?;
            if self.interrupted.load(Ordering::Acquire) {
                return Err("interrupted".to_owned());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Naps until `look` says so; `false` when it does not within `limit`.
    pub fn wait(&mut self, limit: Duration, mut look: impl FnMut(&mut Self) -> bool) -> Result<bool, String> {
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
    pub fn open(&mut self) -> Result<(), String> {
        self.keeper.start()?;
        let up = |stage: &mut Self| stage.looks.last().is_some_and(|look| look.link_up && look.whole);
        if self.wait(LINK_WITHIN, up)? {
            return Ok(());
        }
        Err(format!("the box did not come up; its log is in {}", self.folder.display()))
    }

    pub fn people_walk(&mut self) -> Result<(), String> {
        self.cameras.iter_mut().try_for_each(Camera::go)
    }

    /// Takes the cameras away; passages then end by themselves.
    pub fn nobody_walks(&mut self) {
        self.cameras.clear();
    }

    /// What `menshen data check --people` says; an error when the data cannot be opened or a picture is missing.
    pub fn data(&self) -> Result<Value, String> {
        let output = self.keeper.run(&["data", "check", "--people"])?;
        let told = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        serde_json::from_slice(&output.stdout).map_err(|_| format!("data check: {}", told()))
    }

    /// What `menshen events list` says.
    pub fn stored_events(&self) -> Result<Vec<Value>, String> {
        let output = self.keeper.run(&["events", "list"])?;
        if !output.status.success() {
            return Err(format!("events list: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        lines.lines().map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect()
    }
}

fn config_text(data: &Path, platform: u16, [port, local_port]: [u16; 2], cameras: &[Camera]) -> String {
    let mut text = format!(
        "mode = \"platform\"\ndata_dir = \"{}\"\nlanguage = \"en\"\n\n[platform]\n\
         login_url = \"http://127.0.0.1:{platform}/api/gateway/login\"\ndev_sno = \"{DEV_SNO}\"\n\n\
         [events]\nrealtime_urls = [\"http://127.0.0.1:{platform}/events\"]\n\n[web]\nlisten = \"127.0.0.1:{port}\"\n\n\
         [local_api]\nlisten = \"127.0.0.1:{local_port}\"\n",
        data.display(),
    );
    for Camera { name, url, .. } in cameras {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[[devices]]\nip = \"{name}\"\nname = \"{name}\"\ntype = \"network-camera\"\npipeline = \"rtsp\"\nurl = \"{url}\"\n"
        );
    }
    text
}

fn box_command(config: &Path, clock: Option<&WallClock>) -> BoxCommand {
    let (config, clock) = (config.to_owned(), clock.cloned());
    Box::new(move |arguments| {
        let mut command = Command::new(program("menshen")?);
        command.args(arguments).arg("--config").arg(&config);
        if let (Some(clock), ["run", ..]) = (&clock, arguments) {
            clock.wind(&mut command);
        }
        Ok(command)
    })
}
