//! Setting everything up, playing it, and taking it down.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::DemoArgs;
use super::events::News;
use super::show::{Screen, Tone, plain};
use super::verifier::{Found, judge};
use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::camera_process::{Camera, Truth};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use menshen_testbed::scrape;

const DEV_SNO: &str = "MENSHENDEMO20260101";
const LOGIN_WITHIN: Duration = Duration::from_secs(30);
const REPLY_WITHIN: Duration = Duration::from_secs(30);
/// What the demo needs of the pictures folder.
const PICTURES: [&str; 6] =
    ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "astronaut.png", "coffee.png"];

pub struct Stage {
    screen: Arc<Screen>,
    standalone: bool,
    folder: PathBuf,
    // Dropped in this order: sources first.
    cameras: Vec<Camera>,
    container: Option<Process>,
    platform: SimPlatform,
    _broker: Option<PrivateBroker>,
    truth: Truth,
    web_port: u16,
    shown: u64,
    news: News,
    enrol_reply: Option<Value>,
}

fn camera(
    name: &str,
    pictures: &Path,
    walks: &[&str],
    truth: &Truth,
    screen: &Arc<Screen>,
) -> Result<Camera, String> {
    let (screen, camera) = (Arc::clone(screen), name.to_owned());
    let on_walk = move |who: &str| {
        screen.say(
            Tone::Quiet,
            &format!("{camera}: {who} {}", screen.pick("走入画面", "walks into the picture")),
        );
    };
    Camera::start(name, pictures, walks, &[], truth, on_walk)
}

impl Stage {
    pub fn set_up(arguments: &DemoArgs, screen: &Arc<Screen>) -> Result<Self, String> {
        let pictures = arguments.pictures.canonicalize().unwrap_or_else(|_| arguments.pictures.clone());
        let missing: Vec<_> = PICTURES.iter().filter(|name| !pictures.join(name).is_file()).collect();
        if !missing.is_empty() {
            return Err(format!(
                "{} lacks {missing:?}; run scripts/setup, or scripts/setup --from FOLDER on a machine without network",
                pictures.display()
            ));
        }
        let folder = std::env::temp_dir().join(format!("menshen-demo-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let broker = if arguments.standalone {
            None
        } else {
            screen.say(Tone::Step, screen.pick("启动专用 RabbitMQ …", "starting a private RabbitMQ …"));
            let broker = PrivateBroker::start(&folder.join("rabbitmq")).map_err(|error| error.to_string())?;
            screen.say(Tone::Good, &format!("RabbitMQ: 127.0.0.1:{}", broker.port()));
            Some(broker)
        };
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.as_ref().map_or(0, PrivateBroker::port),
            ledger_file: Some(folder.join("ledger.jsonl")),
            ..PlatformConfig::default()
        })?;
        screen.say(
            Tone::Good,
            &format!("{}: {}", screen.pick("模拟管理平台", "simulated platform"), platform.url("/")),
        );
        screen.say(Tone::Step, screen.pick("两台摄像机编码画面 …", "two cameras encode their pictures …"));
        let truth = Truth::default();
        let mut cameras = vec![
            camera("lobby", &pictures, &["obama-2.jpg", "astronaut.png"], &truth, screen)?,
            camera("gate", &pictures, &["biden-1.jpg@mirror", "obama-3.jpg"], &truth, screen)?,
        ];
        for camera in &mut cameras {
            camera.wait_ready()?;
            screen.say(Tone::Good, &format!("{}: {}", screen.pick("摄像机", "camera"), camera.url));
        }
        let web_port = free_port().map_err(|error| error.to_string())?;
        let stage = Self {
            screen: Arc::clone(screen),
            standalone: arguments.standalone,
            folder,
            cameras,
            container: None,
            platform,
            _broker: broker,
            truth,
            web_port,
            shown: 0,
            news: News::default(),
            enrol_reply: None,
        };
        stage.add_people(&pictures)?;
        stage.write_config()?;
        Ok(stage)
    }

    fn add_people(&self, pictures: &Path) -> Result<(), String> {
        let folder = self.folder.join("photos");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        for (file, id, name) in [
            ("obama-1.jpg", "1001", "Barack Obama"),
            ("biden-1.jpg", "1002", "Joe Biden"),
            ("coffee.png", "1003", "No Face"),
        ] {
            let photo = fs::read(pictures.join(file)).map_err(|error| format!("{file}: {error}"))?;
            let ending = file.rsplit('.').next().unwrap_or("jpg");
            fs::write(folder.join(format!("{name}-{id}-demo.{ending}")), &photo)
                .map_err(|error| error.to_string())?;
            self.platform.people().add(id, name, photo);
        }
        Ok(())
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("menshen.toml")
    }

    fn write_config(&self) -> Result<(), String> {
        let mode = if self.standalone { "standalone" } else { "platform" };
        let mut text = format!(
            "mode = \"{mode}\"\ndata_dir = \"{}\"\nlanguage = \"{}\"\n\n[platform]\nlogin_url = \"{}\"\ndev_sno = \"{DEV_SNO}\"\n\n\
             [events]\nrealtime_urls = [\"{}\"]\n\n[web]\nlisten = \"127.0.0.1:{}\"\n\n[local_api]\nlisten = \"\"\n",
            self.folder.join("var").display(),
            self.screen.pick("zh", "en"),
            self.platform.login_url(),
            self.platform.url("/events"),
            self.web_port,
        );
        for Camera { name, url, .. } in &self.cameras {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n[[devices]]\nip = \"{name}\"\nname = \"{name}\"\ntype = \"network-camera\"\npipeline = \"rtsp\"\nurl = \"{url}\"\n"
            );
        }
        fs::write(self.config_path(), text).map_err(|error| error.to_string())
    }

    fn menshen(&self, arguments: &[&str]) -> Result<Command, String> {
        let mut command = Command::new(program("menshen")?);
        command.args(arguments).arg("--config").arg(self.config_path());
        Ok(command)
    }

    fn start_box(&mut self) -> Result<(), String> {
        let log = fs::File::create(self.folder.join("box.log")).map_err(|error| error.to_string())?;
        let mut command = self.menshen(&["run"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.container = Some(Process::spawn(&mut command).map_err(|error| error.to_string())?);
        let web = format!("http://127.0.0.1:{}", self.web_port);
        self.screen.say(
            Tone::Step,
            &format!("{} {web}/readyz {web}/metrics", self.screen.pick("盒子启动", "the box starts:")),
        );
        Ok(())
    }

    /// Plays until `over`; an error ends it early.
    pub fn play(&mut self, over: &dyn Fn() -> bool) -> Result<(), String> {
        if self.standalone {
            self.import_people()?;
            self.start_box()?;
        } else {
            self.start_box()?;
            self.enrol_over_mq(over)?;
        }
        for camera in &mut self.cameras {
            camera.go()?;
        }
        self.screen.say(Tone::Step, self.screen.pick("人们开始走动", "people start to walk"));
        while !over() {
            self.show_news();
            if !self.container.as_mut().is_some_and(Process::is_running) {
                return Err(self.screen.pick("盒子意外退出", "the box ended unexpectedly").to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.show_news();
        Ok(())
    }

    fn import_people(&self) -> Result<(), String> {
        let folder = self.folder.join("photos");
        self.screen.say(Tone::Step, &format!("menshen users import {}", folder.display()));
        let output =
            self.menshen(&["users", "import"])?.arg(&folder).output().map_err(|error| error.to_string())?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let tone = if line.contains("refused") { Tone::Bad } else { Tone::Good };
            self.screen.say(tone, &format!("  {line}"));
        }
        // One photo has no face: the import says so with its exit code.
        Ok(())
    }

    fn enrol_over_mq(&mut self, over: &dyn Fn() -> bool) -> Result<(), String> {
        let started = Instant::now();
        while self.platform.ledger().of_kind("login").is_empty() {
            if started.elapsed() > LOGIN_WITHIN || over() {
                return Err(self.screen.pick("盒子没有登录", "the box did not log in").to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.show_news();
        while scrape::value(&self.metrics(), "menshen_link_up") != Some(1.0) {
            if started.elapsed() > LOGIN_WITHIN || over() {
                return Err(self.screen.pick("MQ 没有连通", "the MQ link did not come up").to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.screen.say(Tone::Good, self.screen.pick("MQ 已连通", "MQ link up"));
        self.screen.say(
            Tone::Step,
            self.screen.pick(
                "平台下发三名人员 (add_users_plus)",
                "the platform sends three people (add_users_plus)",
            ),
        );
        let command = json!({
            "method": "add_users_plus",
            "userid_list": ["1001", "1002", "1003"],
            "extend_params": { "path": "/box/users" },
        });
        let reply = self.platform.command(command, REPLY_WITHIN)?;
        self.show_news();
        self.enrol_reply = Some(reply);
        Ok(())
    }

    /// Prints what the platform got since the last look.
    fn show_news(&mut self) {
        for entry in self.platform.ledger().since(self.shown, |_| true) {
            self.shown = entry.number + 1;
            self.news.show(&self.screen, &entry);
        }
    }

    fn metrics(&self) -> String {
        scrape::get(self.web_port, "/metrics")
    }

    /// Stops everything; with `summary`, judges what happened. Returns whether all was well.
    pub fn finish(mut self, summary: bool, outcome: Result<(), String>) -> bool {
        let ended_ms = menshen_testbed::platform::ledger::now_ms();
        let metrics = self.metrics();
        self.screen.say(Tone::Step, self.screen.pick("盒子停止 …", "the box stops …"));
        let stopped = self.container.take().map(|mut container| container.stop(Duration::from_secs(15)));
        self.cameras.clear();
        self.show_news();
        let mut passed = true;
        if let Err(error) = &outcome {
            self.screen.say(Tone::Bad, error);
            passed = false;
        }
        if summary {
            let found = Found {
                standalone: self.standalone,
                entries: self.platform.ledger().since(0, |_| true),
                truth: self.truth.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
                enrol_reply: self.enrol_reply.take(),
                metrics,
                ended_ms,
                clean_exit: matches!(&stopped, Some(Ok(status)) if status.success()),
            };
            passed &= judge(&found, &self.screen);
        }
        if passed {
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            let log = fs::read_to_string(self.folder.join("box.log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(25).collect();
            plain(&format!("\n--- {} ---", self.folder.join("box.log").display()));
            tail.iter().rev().for_each(|line| plain(line));
        }
        passed
    }
}
