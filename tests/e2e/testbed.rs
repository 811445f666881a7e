//! A test bed for one test: broker, platform, cameras and a box, all private to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use menshen_testbed::box_config::{BoxConfig, Device, Listen, Mode};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::broker::PrivateBroker;
use menshen_testbed::camera_process::TestCamera;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const DEV_SNO: &str = "UMOTRU000120190909103019";
/// Enough for the slowest machine; nothing waits this long when all is well.
pub const SOON: Duration = Duration::from_secs(40);
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub fn picture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".setup/pictures").join(name);
    let file = path.display().to_string();
    assert!(Path::new(file.trim_end_matches("@mirror")).is_file(), "{file} is missing: run scripts/setup");
    path
}

pub fn photo(name: &str) -> Vec<u8> {
    std::fs::read(picture(name)).unwrap()
}

pub fn photo_base64(name: &str) -> String {
    base64::prelude::BASE64_STANDARD.encode(photo(name))
}

pub fn menshen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("LC_ALL", "C.UTF-8").args(arguments);
    command
}

pub fn simulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("menshen-sim").unwrap());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

/// Asks again and again until there is an answer.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A camera that serves the empty scene; walkers wait for [`TestCamera::go`]. Short walks keep the tests quick; `more` may give
/// another `--size`.
pub fn start_camera(name: &str, walks: &[&str], more: &[&str]) -> TestCamera {
    let walks: Vec<String> = walks.iter().map(|walk| picture(walk).display().to_string()).collect();
    let walks: Vec<&str> = walks.iter().map(String::as_str).collect();
    let options = [&["--walk-ms", "3000", "--gap-ms", "3500"], more].concat();
    let mut camera = TestCamera::new(name, Path::new(""), &walks, &options).unwrap();
    camera.restart().unwrap();
    camera
}

pub struct TestBed {
    pub platform: SimPlatform,
    pub broker: Option<PrivateBroker>,
    pub folder: TempDir,
    /// Health and metrics.
    pub port: u16,
    /// Of the local API.
    pub local_port: u16,
    pub device: TestBox,
}

impl TestBed {
    /// A platform with its broker.
    pub fn with_platform(change: impl FnOnce(&mut PlatformConfig)) -> Self {
        Self::with_broker(PrivateBroker::start, change)
    }

    /// As [`with_platform`](Self::with_platform), with a broker of its own kind.
    pub fn with_broker(
        start: impl FnOnce(&Path) -> std::io::Result<PrivateBroker>,
        change: impl FnOnce(&mut PlatformConfig),
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let broker = start(&folder.path().join("rabbitmq")).unwrap();
        let mut config = PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.port(),
            ..PlatformConfig::default()
        };
        change(&mut config);
        Self::new(folder, SimPlatform::start(config).unwrap(), Some(broker), Mode::Platform)
    }

    /// Only a receiver of real-time events.
    pub fn standalone() -> Self {
        let config = PlatformConfig { broker_port: 0, ..PlatformConfig::default() };
        Self::new(TempDir::new().unwrap(), SimPlatform::start(config).unwrap(), None, Mode::Standalone)
    }

    fn new(folder: TempDir, platform: SimPlatform, broker: Option<PrivateBroker>, mode: Mode) -> Self {
        let mut config = BoxConfig::managed(folder.path(), &platform).unwrap();
        config.mode = mode;
        let (port, local_port) = (config.web.port(), config.local_api.port());
        let device = TestBox::new(folder.path(), config).unwrap();
        Self { platform, broker, folder, port, local_port, device }
    }

    /// A second box of the same platform and broker, with its own data; nothing of it is shared but those two.
    pub fn twin(&self) -> Twin {
        let folder = TempDir::new().unwrap();
        let mut config = self.device.config.clone();
        config.data_dir = folder.path().join("var");
        config.web = Listen::anywhere().unwrap();
        config.local_api = Listen::anywhere().unwrap();
        Twin { device: TestBox::new(folder.path(), config).unwrap(), _folder: folder }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.device.config.data_dir.clone()
    }

    /// Keeps the data elsewhere; before the start.
    pub fn use_data_dir(&mut self, path: &Path) {
        path.clone_into(&mut self.device.config.data_dir);
    }

    /// Adds sections to the configuration; before the start.
    pub fn add_config(&mut self, text: &str) {
        self.device.config.add(text).unwrap();
    }

    /// The `storage` part of `/healthz`.
    pub fn storage_health(&self) -> Value {
        self.device.health()["storage"].clone()
    }

    /// Adds a device to the configuration; before the start.
    pub fn add_device(&mut self, name: &str, pipeline: &str, url: &str) {
        let device = Device::new(name, "network-camera").with("name", format!("{name} door"));
        let device = device.with("pipeline", pipeline).with("url", url);
        let device = device.with("memo", "by the lift").with("location", "ground floor");
        self.device.config.devices.push(device);
    }

    /// Adds keys to the device that was added last; before the start.
    pub fn add_device_config(&mut self, text: &str) {
        self.device.config.add_to_last_device(text).unwrap();
    }

    pub fn add_camera(&mut self, camera: &TestCamera) {
        self.add_device(camera.name(), "rtsp", &camera.url());
    }

    /// Overrides a key of the configuration from the next start on; a value is TOML.
    pub fn set(&mut self, key: &str, value: &str) {
        self.device.set(key, value);
    }

    pub fn config_path(&self) -> PathBuf {
        self.device.write_config().unwrap()
    }

    /// A `menshen` command on this box's configuration, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.device.run(arguments).unwrap()
    }

    /// Everything the box has logged since its last start.
    pub fn log(&self) -> String {
        self.device.log()
    }

    /// Starts the box (again) and waits until it is ready and, with a broker, its link is up.
    pub fn start(&mut self) {
        self.start_unlinked();
        if self.broker.is_some() {
            self.wait_link();
        }
    }

    /// Starts the box and waits only until it is ready.
    pub fn start_unlinked(&mut self) {
        self.device.start().unwrap();
        eventually("the box is ready", SOON, || {
            assert!(self.device.is_running(), "the box ended:\n{}", self.log());
            self.device.is_ready().then_some(())
        });
    }

    pub fn wait_link(&self) {
        eventually("the link is up", SOON, || (self.metric("menshen_link_up") == 1.0).then_some(()));
    }

    /// The box's process.
    pub fn process(&self) -> &Process {
        self.device.process().unwrap()
    }

    /// Memory of the box now.
    pub fn resident_mb(&self) -> f64 {
        self.process().resident_mb().unwrap()
    }

    pub fn kill9(&mut self) {
        assert!(self.device.kill9(), "the box was not running");
    }

    /// Ends the box as systemd would; it must end well and within its deadline.
    pub fn stop(&mut self) {
        let status = self.device.stop(STOP_WITHIN).unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Sum over the labels of a metric; 0 where there is none yet.
    pub fn metric(&self, name: &str) -> f64 {
        self.device.metric(name)
    }

    pub fn command(&self, command: Value) -> Value {
        self.platform.command(command, SOON).unwrap_or_else(|error| panic!("{error:#}:\n{}", self.log()))
    }

    /// Enrols people by details in the message; all must succeed.
    pub fn enrol(&self, people: &[(&str, &str, &str)]) {
        let users: Vec<_> = people
            .iter()
            .map(|(id, name, file)| json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": name } }))
            .collect();
        let reply = self.command(json!({ "method": "add_users_plus", "user_info_list": users }));
        assert_eq!(reply["result"]["success_users"].as_array().unwrap().len(), people.len(), "{reply}");
    }

    /// The first entry of a kind that is as wanted, old or new.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Entry {
        self.platform
            .ledger()
            .wait(SOON, wanted)
            .unwrap_or_else(|| panic!("did not come: {what}; the box's log:\n{}", self.log()))
    }

    /// Waits for a device to be reported in this state after entry `after`; returns the number of that entry.
    pub fn wait_device(&self, name: &str, state: &str, after: u64) -> u64 {
        let reported = |entry: &Entry| {
            let devices = entry.body["deviceList"].as_array();
            entry.kind == "device-list"
                && entry.number >= after
                && entry.is_accepted()
                && devices.into_iter().flatten().any(|d| d["epIp"] == name && d["epStatus"] == state)
        };
        self.wait(&format!("{name} {state}"), reported).number
    }
}

/// See [`TestBed::twin`].
pub struct Twin {
    // Dropped in this order.
    device: TestBox,
    _folder: TempDir,
}

impl Twin {
    pub fn start(&mut self) {
        self.device.start().unwrap();
        eventually("the twin's link is up", SOON, || (self.metric("menshen_link_up") == 1.0).then_some(()));
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.device.metric(name)
    }

    pub fn stop(&mut self) {
        assert!(self.device.stop(STOP_WITHIN).unwrap().success());
    }
}

/// Accepted history events of a camera.
pub fn is_history_of(camera: &str) -> impl Fn(&Entry) -> bool {
    move |entry| {
        entry.kind == "history" && entry.is_accepted() && entry.body["ext_data"]["device_ip"] == camera
    }
}
