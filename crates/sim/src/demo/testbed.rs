//! Setting everything up, playing it, and taking it down.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use menshen_testbed::box_config::{BoxConfig, Device, Listen, Mode};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::broker::PrivateBroker;
use menshen_testbed::camera_process::{TestCamera, Truth};
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::scrape;
use serde_json::{Value, json};

use super::args::DemoArgs;
use super::events::EventPrinter;
use super::show::{Screen, Tone, plain};
use super::verifier::{Found, verify};

const DEV_SNO: &str = "MENSHENDEMO20260101";
const LOGIN_WITHIN: Duration = Duration::from_secs(30);
const REPLY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// What the demo needs of the pictures folder.
const PICTURES: [&str; 6] =
    ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "astronaut.png", "coffee.png"];

pub struct TestBed {
    screen: Arc<Screen>,
    standalone: bool,
    folder: PathBuf,
    // Dropped in this order: sources first.
    cameras: Vec<TestCamera>,
    device: TestBox,
    platform: SimPlatform,
    _broker: Option<PrivateBroker>,
    truth: Truth,
    shown: u64,
    events: EventPrinter,
    enrol_reply: Option<Value>,
}

fn camera(
    name: &str,
    pictures: &Path,
    walks: &[&str],
    truth: &Truth,
    screen: &Arc<Screen>,
) -> Result<TestCamera> {
    let (screen, shown) = (Arc::clone(screen), name.to_owned());
    let on_walk = move |who: &str| {
        screen.print_line(
            Tone::Quiet,
            &format!("{shown}: {who} {}", screen.pick("走入画面", "walks into the picture")),
        );
    };
    let mut camera = TestCamera::new(name, pictures, walks, &[])?.with_truth(truth).with_listener(on_walk);
    camera.start()?;
    Ok(camera)
}

impl TestBed {
    pub fn set_up(arguments: &DemoArgs, screen: &Arc<Screen>) -> Result<Self> {
        let pictures = arguments.pictures.canonicalize().unwrap_or_else(|_| arguments.pictures.clone());
        let missing: Vec<_> = PICTURES.iter().filter(|name| !pictures.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!(
                "{} lacks {missing:?}; run scripts/setup, or scripts/setup --from FOLDER on a machine without network",
                pictures.display()
            );
        }
        let folder = std::env::temp_dir().join(format!("menshen-demo-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let broker = if arguments.standalone {
            None
        } else {
            screen
                .print_line(Tone::Step, screen.pick("启动专用 RabbitMQ …", "starting a private RabbitMQ …"));
            let broker = PrivateBroker::start(&folder.join("rabbitmq"))?;
            screen.print_line(Tone::Good, &format!("RabbitMQ: 127.0.0.1:{}", broker.port()));
            Some(broker)
        };
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.as_ref().map_or(0, PrivateBroker::port),
            ledger_file: Some(folder.join("ledger.jsonl")),
            ..PlatformConfig::default()
        })?;
        screen.print_line(
            Tone::Good,
            &format!("{}: {}", screen.pick("模拟管理平台", "simulated platform"), platform.url("/")),
        );
        screen.print_line(
            Tone::Step,
            screen.pick("两台摄像机编码画面 …", "two cameras encode their pictures …"),
        );
        let truth = Truth::default();
        let mut cameras = vec![
            camera("lobby", &pictures, &["obama-2.jpg", "astronaut.png"], &truth, screen)?,
            camera("gate", &pictures, &["biden-1.jpg@mirror", "obama-3.jpg"], &truth, screen)?,
        ];
        for camera in &mut cameras {
            camera.wait_ready()?;
            screen.print_line(Tone::Good, &format!("{}: {}", screen.pick("摄像机", "camera"), camera.url()));
        }
        let mut config = BoxConfig::managed(&folder, &platform)?;
        if arguments.standalone {
            config.mode = Mode::Standalone;
        }
        screen.pick("zh", "en").clone_into(&mut config.language);
        config.local_api = Listen(None);
        config.devices.extend(cameras.iter().map(|camera| Device::camera(camera.name(), &camera.url())));
        let bed = Self {
            screen: Arc::clone(screen),
            standalone: arguments.standalone,
            cameras,
            device: TestBox::new(&folder, config)?,
            folder,
            platform,
            _broker: broker,
            truth,
            shown: 0,
            events: EventPrinter::default(),
            enrol_reply: None,
        };
        bed.add_people(&pictures)?;
        Ok(bed)
    }

    fn add_people(&self, pictures: &Path) -> Result<()> {
        let folder = self.folder.join("photos");
        fs::create_dir_all(&folder)?;
        for (file, id, name) in [
            ("obama-1.jpg", "1001", "Barack Obama"),
            ("biden-1.jpg", "1002", "Joe Biden"),
            ("coffee.png", "1003", "No Face"),
        ] {
            let photo = fs::read(pictures.join(file)).context(file)?;
            let ending = file.rsplit('.').next().unwrap_or("jpg");
            fs::write(folder.join(format!("{name}-{id}-demo.{ending}")), &photo)?;
            self.platform.people().add(id, name, photo);
        }
        Ok(())
    }

    fn start_box(&mut self) -> Result<()> {
        self.device.start()?;
        let web = format!("http://127.0.0.1:{}", self.device.web_port());
        self.screen.print_line(
            Tone::Step,
            &format!("{} {web}/readyz {web}/metrics", self.screen.pick("盒子启动", "the box starts:")),
        );
        Ok(())
    }

    /// Plays until `over`; an error ends it early.
    pub fn play(&mut self, over: &dyn Fn() -> bool) -> Result<()> {
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
        self.screen.print_line(Tone::Step, self.screen.pick("人们开始走动", "people start to walk"));
        while !over() {
            self.show_events();
            if !self.device.is_running() {
                bail!("{}", self.screen.pick("盒子意外退出", "the box ended unexpectedly"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.show_events();
        Ok(())
    }

    fn import_people(&self) -> Result<()> {
        let folder = self.folder.join("photos");
        self.screen.print_line(Tone::Step, &format!("menshen users import {}", folder.display()));
        let output = self.device.command(&["users", "import"])?.arg(&folder).output()?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let tone = if line.contains("refused") { Tone::Bad } else { Tone::Good };
            self.screen.print_line(tone, &format!("  {line}"));
        }
        // One photo has no face: the import says so with its exit code.
        Ok(())
    }

    fn enrol_over_mq(&mut self, over: &dyn Fn() -> bool) -> Result<()> {
        let started = Instant::now();
        while self.platform.ledger().of_kind("login").is_empty() {
            if started.elapsed() > LOGIN_WITHIN || over() {
                bail!("{}", self.screen.pick("盒子没有登录", "the box did not log in"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.show_events();
        while scrape::value(&self.device.metrics(), "menshen_link_up") != Some(1.0) {
            if started.elapsed() > LOGIN_WITHIN || over() {
                bail!("{}", self.screen.pick("MQ 没有连通", "the MQ link did not come up"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.screen.print_line(Tone::Good, self.screen.pick("MQ 已连通", "MQ link up"));
        self.screen.print_line(
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
        self.show_events();
        self.enrol_reply = Some(reply);
        Ok(())
    }

    /// Prints what the platform got since the last call.
    fn show_events(&mut self) {
        for entry in self.platform.ledger().since(self.shown, |_| true) {
            self.shown = entry.number + 1;
            self.events.show(&self.screen, &entry);
        }
    }

    /// Stops everything; with `summary`, verifies what happened. Returns whether all was well.
    pub fn finish(mut self, summary: bool, outcome: Result<()>) -> bool {
        let ended_ms = now_ms();
        let metrics = self.device.metrics();
        self.screen.print_line(Tone::Step, self.screen.pick("盒子停止 …", "the box stops …"));
        let stopped = self.device.stop(STOP_WITHIN);
        self.cameras.clear();
        self.show_events();
        let mut passed = true;
        if let Err(error) = &outcome {
            self.screen.print_line(Tone::Bad, &format!("{error:#}"));
            passed = false;
        }
        if summary {
            let found = Found {
                standalone: self.standalone,
                entries: self.platform.ledger().since(0, |_| true),
                truth: self.truth.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                enrol_reply: self.enrol_reply.take(),
                metrics,
                ended_ms,
                clean_exit: stopped.is_ok_and(|status| status.success()),
            };
            passed &= verify(&found, &self.screen);
        }
        if passed {
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            let log = self.device.log();
            let tail: Vec<_> = log.lines().rev().take(25).collect();
            plain(&format!("\n--- {} ---", self.device.log_path().display()));
            tail.iter().rev().for_each(|line| plain(line));
        }
        passed
    }
}
