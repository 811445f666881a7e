//! A stage for one test: broker, platform, cameras and a box, all private to it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use menshen_sim::scrape;
use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const DEV_SNO: &str = "UMOTRU000120190909103019";
/// Enough for the slowest machine; nothing waits this long when all is well.
pub const SOON: Duration = Duration::from_secs(40);

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
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
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

/// A simulated camera in a process of its own, which can be killed, frozen and started again at the same address.
pub struct Camera {
    pub name: String,
    port: u16,
    arguments: Vec<String>,
    process: Option<Process>,
    truth: Arc<Mutex<Vec<Value>>>,
}

impl Camera {
    /// Short walks keep the tests quick; `more` may give another `--size`.
    pub fn new(name: &str, walks: &[&str], more: &[&str]) -> Self {
        let mut arguments: Vec<String> =
            ["--walk-ms", "3000", "--gap-ms", "3500"].map(str::to_owned).to_vec();
        for walk in walks {
            arguments.extend(["--walk".to_owned(), picture(walk).display().to_string()]);
        }
        arguments.extend(more.iter().map(ToString::to_string));
        let mut camera = Self {
            name: name.to_owned(),
            port: free_port().unwrap(),
            arguments,
            process: None,
            truth: Arc::default(),
        };
        camera.start();
        camera
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/{}", self.port, self.name)
    }

    /// Starts serving the empty scene; walkers wait for [`go`](Self::go).
    pub fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = simulator(&["camera", "--wait", "--path", &self.name, "--listen", &listen]);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command).unwrap();
        let output = BufReader::new(process.stdout().unwrap());
        self.process = Some(process);
        self.truth.lock().unwrap().clear();
        let truth = Arc::clone(&self.truth);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                truth.lock().unwrap().extend(serde_json::from_str::<Value>(&line));
            }
        });
        // It encodes its film first, which H.265 takes long for on a busy machine.
        eventually("the camera serves", Duration::from_mins(2), || self.said("ready").pop());
    }

    pub fn go(&mut self) {
        writeln!(self.process.as_mut().unwrap().stdin().unwrap(), "go").unwrap();
    }

    /// Where it is served.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again as somebody changed it.
    pub fn start_as(&mut self, changed: &[(&str, &str)]) {
        for (key, value) in changed {
            match self.arguments.iter().position(|known| known == key) {
                Some(at) => (*value).clone_into(&mut self.arguments[at + 1]),
                None => self.arguments.extend([*key, *value].map(str::to_owned)),
            }
        }
        self.start();
    }

    pub fn kill9(&mut self) {
        self.process.take().unwrap().kill9();
    }

    pub fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name).unwrap();
    }

    /// DecisionBasis truth of one kind: `walk-begins`, `walk-ended`.
    pub fn said(&self, event: &str) -> Vec<Value> {
        self.truth.lock().unwrap().iter().filter(|fact| fact["event"] == event).cloned().collect()
    }
}

pub struct TestBed {
    pub platform: SimPlatform,
    pub broker: Option<PrivateBroker>,
    pub folder: TempDir,
    pub port: u16,
    container: Option<Process>,
    config: String,
    overrides: Vec<(String, String)>,
    /// Of the local API.
    pub local_port: u16,
    starts: u32,
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
        Self::new(folder, SimPlatform::start(config).unwrap(), Some(broker), "platform")
    }

    /// Only somebody who listens to real-time events.
    pub fn standalone() -> Self {
        let config = PlatformConfig { broker_port: 0, ..PlatformConfig::default() };
        Self::new(TempDir::new().unwrap(), SimPlatform::start(config).unwrap(), None, "standalone")
    }

    fn new(folder: TempDir, platform: SimPlatform, broker: Option<PrivateBroker>, mode: &str) -> Self {
        let port = free_port().unwrap();
        let local_port = free_port().unwrap();
        let config = format!(
            "mode = \"{mode}\"\ndata_dir = \"{}\"\nlanguage = \"en\"\n\n[platform]\nlogin_url = \"{}\"\n\
             dev_sno = \"{DEV_SNO}\"\n\n[events]\nrealtime_urls = [\"{}\"]\n\n[web]\nlisten = \"127.0.0.1:{port}\"\n\n[local_api]\nlisten = \"127.0.0.1:{local_port}\"\n",
            folder.path().join("var").display(),
            platform.login_url(),
            platform.url("/events"),
        );
        Self {
            platform,
            broker,
            folder,
            port,
            container: None,
            config,
            overrides: Vec::new(),
            local_port,
            starts: 0,
        }
    }

    /// A second box of the same platform and broker, with its own data; nothing of it is shared but those two.
    pub fn twin(&self) -> Twin {
        let folder = TempDir::new().unwrap();
        let port = free_port().unwrap();
        let mine = self.folder.path().join("var").display().to_string();
        let theirs = folder.path().join("var").display().to_string();
        let listens = |port: u16| format!("listen = \"127.0.0.1:{port}\"");
        let config = self
            .config
            .replace(&mine, &theirs)
            .replace(&listens(self.port), &listens(port))
            .replace(&listens(self.local_port), &listens(free_port().unwrap()));
        Twin { folder, port, config, container: None }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("var")
    }

    /// Keeps the data elsewhere; before the start.
    pub fn use_data_dir(&mut self, path: &Path) {
        let (here, there) = (self.data_dir().display().to_string(), path.display().to_string());
        self.config = self.config.replace(&here, &there);
    }

    /// Adds sections to the configuration; before the start.
    pub fn add_config(&mut self, text: &str) {
        self.config.push_str(text);
    }

    /// The `storage` part of `/healthz`.
    pub fn storage_health(&self) -> Value {
        let page = scrape::get(self.port, "/healthz");
        let body = page.find('{').map_or("", |at| &page[at..]);
        serde_json::from_str::<Value>(body).unwrap_or_default()["storage"].clone()
    }

    /// Adds a device to the configuration; before the start.
    pub fn add_device(&mut self, name: &str, pipeline: &str, url: &str) {
        write!(
            self.config,
            "\n[[devices]]\nip = \"{name}\"\nname = \"{name} door\"\ntype = \"network-camera\"\n\
             pipeline = \"{pipeline}\"\nurl = \"{url}\"\nmemo = \"by the lift\"\nlocation = \"ground floor\"\n",
        )
        .unwrap();
    }

    pub fn add_camera(&mut self, camera: &Camera) {
        self.add_device(&camera.name, "rtsp", &camera.url());
    }

    /// Overrides a key of the configuration from the next start on; a value is TOML.
    pub fn set(&mut self, key: &str, value: &str) {
        self.overrides.retain(|(known, _)| known != key);
        self.overrides.push((key.to_owned(), value.to_owned()));
    }

    fn overrides(&self) -> impl Iterator<Item = String> {
        self.overrides.iter().map(|(key, value)| format!("--set={key}={value}"))
    }

    pub fn config_path(&self) -> PathBuf {
        let path = self.folder.path().join("menshen.toml");
        std::fs::write(&path, &self.config).unwrap();
        path
    }

    /// A `menshen` command on this stage's configuration, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        menshen(arguments).arg("--config").arg(self.config_path()).args(self.overrides()).output().unwrap()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join(format!("box-{}.log", self.starts))
    }

    /// Everything the box has said since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
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
        self.starts += 1;
        let mut command = menshen(&["run", "--config"]);
        let log = std::fs::File::create(self.log_path()).unwrap();
        command.arg(self.config_path()).args(self.overrides());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.container = Some(Process::spawn(&mut command).unwrap());
        eventually("the box is ready", SOON, || {
            assert!(self.container.as_mut().unwrap().is_running(), "the box ended:\n{}", self.log());
            scrape::get(self.port, "/readyz").contains("\"ready\":true").then_some(())
        });
    }

    pub fn wait_link(&self) {
        eventually("the link is up", SOON, || (self.metric("menshen_link_up") == 1.0).then_some(()));
    }

    pub fn container(&mut self) -> &mut Process {
        self.container.as_mut().unwrap()
    }

    /// Memory of the box now.
    pub fn resident_mb(&self) -> f64 {
        self.container.as_ref().unwrap().resident_mb().unwrap()
    }

    pub fn kill9(&mut self) {
        self.container.take().unwrap().kill9();
    }

    /// Ends the box as systemd would; it must end well and within its deadline.
    pub fn stop(&mut self) {
        let status = self.container.take().unwrap().stop(Duration::from_secs(15)).unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Sum over the labels of a metric; 0 where there is none yet.
    pub fn metric(&self, name: &str) -> f64 {
        scrape::sum(&scrape::get(self.port, "/metrics"), name)
    }

    pub fn command(&self, command: Value) -> Value {
        self.platform.command(command, SOON).unwrap_or_else(|error| panic!("{error}:\n{}", self.log()))
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
            .unwrap_or_else(|| panic!("did not come: {what}; the box says:\n{}", self.log()))
    }

    /// Waits for a device to be reported in this state after entry `after`; returns the number of that entry.
    pub fn wait_device(&self, name: &str, state: &str, after: u64) -> u64 {
        let told = |entry: &Entry| {
            let devices = entry.body["deviceList"].as_array();
            entry.kind == "device-list"
                && entry.number >= after
                && entry.is_accepted()
                && devices.into_iter().flatten().any(|d| d["epIp"] == name && d["epStatus"] == state)
        };
        self.wait(&format!("{name} {state}"), told).number
    }
}

/// See [`TestBed::twin`].
pub struct Twin {
    folder: TempDir,
    port: u16,
    config: String,
    container: Option<Process>,
}

impl Twin {
    pub fn start(&mut self) {
        let path = self.folder.path().join("menshen.toml");
        std::fs::write(&path, &self.config).unwrap();
        let mut command = menshen(&["run", "--config"]);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.container = Some(Process::spawn(&mut command).unwrap());
        eventually("the twin's link is up", SOON, || (self.metric("menshen_link_up") == 1.0).then_some(()));
    }

    pub fn metric(&self, name: &str) -> f64 {
        scrape::sum(&scrape::get(self.port, "/metrics"), name)
    }

    pub fn stop(&mut self) {
        assert!(self.container.take().unwrap().stop(Duration::from_secs(15)).unwrap().success());
    }
}

/// Accepted history events of a camera.
pub fn is_history_of(camera: &str) -> impl Fn(&Entry) -> bool {
    move |entry| {
        entry.kind == "history" && entry.is_accepted() && entry.body["ext_data"]["device_ip"] == camera
    }
}
