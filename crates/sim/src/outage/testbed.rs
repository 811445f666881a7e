//! A box whose history receiver is away, with a camera before it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use menshen_testbed::box_config::{BoxConfig, Device, Listen};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::camera_process::TestCamera;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::program;

use super::args::OutageArgs;
use super::target::Target;

/// Events the box keeps besides those of the outage.
const KEEP_MORE: u64 = 1_000;

pub struct TestBed {
    folder: PathBuf,
    pictures: PathBuf,
    pub history: Target,
    pub live: Target,
    pub history_port: u16,
    // Dropped in this order: sources first.
    pub camera: TestCamera,
    pub device: TestBox,
    _platform: SimPlatform,
    _broker: PrivateBroker,
}

impl TestBed {
    pub fn set_up(arguments: &OutageArgs) -> Result<Self> {
        let default = || std::env::temp_dir().join(format!("menshen-outage-{}", std::process::id()));
        let folder = arguments.folder.clone().unwrap_or_else(default);
        fs::create_dir_all(&folder)?;
        let broker = PrivateBroker::start(&folder.join("rabbitmq"))?;
        let (history_port, live_port) = (free_port()?, free_port()?);
        let platform = SimPlatform::start(PlatformConfig {
            broker_port: broker.port(),
            record_addr: Some(format!("http://127.0.0.1:{history_port}/record")),
            ..PlatformConfig::default()
        })?;
        let live = Target::default();
        live.listen(live_port)?;
        let walks = ["obama-2.jpg", "biden-1.jpg@mirror"];
        let pace = ["--walk-ms", "3000", "--gap-ms", "3000"];
        let mut camera = TestCamera::new("gate", &arguments.pictures, &walks, &pace)?;
        camera.start()?;
        let mut config = BoxConfig::managed(&folder, &platform)?;
        config.events.realtime_urls = vec![format!("http://127.0.0.1:{live_port}/events")];
        config.events.keep_max = Some(arguments.events + KEEP_MORE);
        config.local_api = Listen(None);
        config.devices.push(Device::camera(camera.name(), &camera.url()));
        Ok(Self {
            device: TestBox::new(&folder, config)?,
            folder,
            pictures: arguments.pictures.clone(),
            history: Target::default(),
            live,
            history_port,
            camera,
            _platform: platform,
            _broker: broker,
        })
    }

    /// Puts `events` events with a scene picture of `picture_bytes` each into the box's store, spread over the last three
    /// days; returns their ids in order. `menshen-bench` writes them with the product's own stores.
    pub fn fill(&self, events: u64, picture_bytes: usize) -> Result<Vec<String>> {
        let mut command = Command::new(program("menshen-bench")?);
        command.args(["fill", "events", "--count", &events.to_string()]);
        command.args(["--picture-bytes", &picture_bytes.to_string()]);
        command.arg("--config").arg(self.device.write_config()?);
        let output = command.output().context("menshen-bench")?;
        if !output.status.success() {
            bail!("menshen-bench fill events: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Enrols those who walk by.
    pub fn import(&self) -> Result<()> {
        let photos = self.folder.join("photos");
        fs::create_dir_all(&photos)?;
        for (file, name) in
            [("obama-1.jpg", "Barack Obama-1001-x.jpg"), ("biden-1.jpg", "Joe Biden-1002-x.jpg")]
        {
            fs::copy(self.pictures.join(file), photos.join(name)).context(file)?;
        }
        let output = self.device.command(&["users", "import"])?.arg(&photos).output()?;
        if !output.status.success() {
            bail!("users import: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts the box, before which people walk by without end.
    pub fn start_box(&mut self, within: Duration) -> Result<()> {
        self.device.start()?;
        self.camera.wait_ready()?;
        self.camera.go()?;
        self.device.wait_ready(within)
    }

    /// Live passages that are not in history.
    pub fn live_not_in_history(&self) -> usize {
        let history = self.history.arrivals();
        let delivered: HashSet<_> = history.iter().map(|arrival| arrival.id.as_str()).collect();
        self.live.arrivals().iter().filter(|one| !delivered.contains(one.id.as_str())).count()
    }

    /// Ends everything and removes what it left.
    pub fn clean_up(mut self) {
        self.camera.kill9();
        let folder = self.folder.clone();
        drop(self);
        let _ = fs::remove_dir_all(folder);
    }
}
