//! A storm of commands: thousands of people in one message, while two cameras run and photos are checked at a
//! steady rate. Prints one JSON object a line.

mod message;
pub mod photos;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use self::message::FiqaLoad;
use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::platform::ledger::{Entry, now_ms};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use menshen_testbed::scrape;

/// `menshen sim storm`
#[derive(Args, Debug, Clone)]
pub struct LoadArgs {
    /// People in the one message
    #[arg(long, default_value_t = 5000)]
    pub users: usize,
    /// Photos to be checked a second
    #[arg(long, default_value_t = 2.0)]
    pub fiqa_per_s: f64,
    /// Folder of portraits, with folders inside; they are taken in turn
    #[arg(long, default_value = ".setup/pictures")]
    pub photos: PathBuf,
    /// Different photos at most
    #[arg(long, default_value_t = 1000)]
    pub photos_max: usize,
    /// Photos are enlarged by this, so that small portraits pass level high
    #[arg(long, default_value_t = 1)]
    pub enlarge: u32,
    /// Pictures of scripts/setup, for the cameras
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
    /// Python with OpenCV, to do the same photos afterwards (benches/peer/enrol.py)
    #[arg(long)]
    pub peer: Option<PathBuf>,
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
}

const DEV_SNO: &str = "MENSHENSTORM";
const READY_WITHIN: Duration = Duration::from_mins(2);
/// At two people a second something is wrong.
const PER_USER_MAX: Duration = Duration::from_millis(500);
/// What the cameras show; nobody of it is among the enrolled.
const WALKS: [(&str, &str); 2] = [("lobby", "obama-2.jpg"), ("gate", "biden-1.jpg")];

/// Everything that runs; dropped in this order: sources first.
struct Stage {
    container: Process,
    cameras: Vec<Process>,
    platform: SimPlatform,
    broker: PrivateBroker,
    folder: PathBuf,
    web_port: u16,
}

pub fn run(arguments: &LoadArgs) -> Result<ExitCode, Vec<String>> {
    storm(arguments).map(|()| ExitCode::SUCCESS).map_err(|error| vec![error])
}

#[allow(clippy::print_stdout, reason = "the figures are the purpose")]
fn tell(figures: &Value) {
    println!("{figures}");
}

fn storm(arguments: &LoadArgs) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("menshen-storm-{}", std::process::id()));
    let photo_folder = folder.join("photos");
    let wanted = photos::Wanted {
        photos: &arguments.photos,
        max: arguments.photos_max.min(arguments.users),
        enlarge: arguments.enlarge,
    };
    let photos = photos::prepare(&wanted, &photo_folder)?;
    let mut stage = Stage::set_up(arguments, folder.clone())?;
    let ids: Vec<String> = (0..arguments.users).map(|number| format!("u{number}")).collect();
    for (id, photo) in ids.iter().zip(photos.iter().cycle()) {
        stage.platform.people().add(id, id, photo.clone());
    }
    let quiet = stage.fiqa_for(arguments, &photos, Duration::from_secs(10))?;
    tell(&quiet.figures("fiqa-before"));
    let before = stage.metrics();
    let command = json!({
        "method": "add_users_plus", "messageId": "storm", "userid_list": ids,
        "extend_params": { "path": "/box/users" },
    });
    let began = Instant::now();
    let began_ms = now_ms();
    stage.platform.publish(&command)?;
    let load = FiqaLoad::start(stage.broker.port(), arguments.fiqa_per_s, &photos)?;
    let limit = PER_USER_MAX * arguments.users as u32;
    let reply = stage.platform.ledger().wait(limit, |entry| entry.body["messageId"] == "storm");
    let seconds = began.elapsed().as_secs_f64();
    let load = load.stop(stage.platform.ledger());
    let reply = reply.ok_or_else(|| format!("no reply within {limit:?}; see {}", folder.display()))?;
    let count = |list: &str| reply.body["result"][list].as_array().map_or(0, Vec::len);
    tell(&json!({
        "measure": "storm", "users": arguments.users, "different_photos": photos.len(),
        "enrolled": count("success_users"), "refused": count("failed_users"),
        "seconds": rounded(seconds), "users_per_s": rounded(arguments.users as f64 / seconds),
    }));
    tell(&load.figures("fiqa-during"));
    stage.tell_cameras(&before, began_ms, seconds);
    tell(&json!({ "measure": "memory", "max_resident_mb": stage.container.max_resident_mb().map(rounded) }));
    let status = stage.container.stop(Duration::from_secs(20)).map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("the box ended with {status}; see {}", folder.display()));
    }
    drop(stage);
    if let Some(python) = &arguments.peer {
        let output = Command::new(python)
            .args(["benches/peer/enrol.py", "--photos"])
            .arg(&photo_folder)
            .arg("--models")
            .arg(&arguments.models)
            .output()
            .map_err(|error| format!("{}: {error}", python.display()))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures: Value = serde_json::from_str(told.trim())
            .map_err(|_| format!("the peer says: {told}{}", String::from_utf8_lossy(&output.stderr)))?;
        tell(&figures);
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl Stage {
    fn set_up(arguments: &LoadArgs, folder: PathBuf) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let broker = PrivateBroker::start(&folder.join("rabbitmq")).map_err(text)?;
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.port(),
            fiqa: true,
            ..PlatformConfig::default()
        })?;
        let web_port = free_port().map_err(text)?;
        let mut config = format!(
            "data_dir = \"{}\"\nlanguage = \"en\"\n\n[platform]\nlogin_url = \"{}\"\ndev_sno = \"{DEV_SNO}\"\n\n\
             [web]\nlisten = \"127.0.0.1:{web_port}\"\n",
            folder.join("var").display(),
            platform.login_url(),
        );
        let simulator = program("menshen-sim")?;
        let mut cameras = Vec::new();
        for (name, walk) in WALKS {
            let listen = format!("127.0.0.1:{}", free_port().map_err(text)?);
            let mut command = Command::new(&simulator);
            command
                .args(["camera", "--path", name, "--listen", &listen, "--walk"])
                .arg(arguments.pictures.join(walk))
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            cameras.push(Process::spawn(&mut command).map_err(text)?);
            // Writing to a string does not fail.
            let _ = write!(
                config,
                "\n[[devices]]\nip = \"{name}\"\ntype = \"network-camera\"\nurl = \"rtsp://{listen}/{name}\"\n"
            );
        }
        let config_path = folder.join("menshen.toml");
        fs::write(&config_path, config).map_err(text)?;
        let log = fs::File::create(folder.join("box.log")).map_err(text)?;
        let mut command = Command::new(&simulator);
        command.args(["run", "--config"]).arg(config_path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let container = Process::spawn(&mut command).map_err(text)?;
        let stage = Self { container, cameras, platform, broker, folder, web_port };
        stage.wait_ready()?;
        Ok(stage)
    }

    /// Link up, both cameras seen.
    fn wait_ready(&self) -> Result<(), String> {
        let began = Instant::now();
        let online = |metrics: &str| scrape::sum(metrics, "menshen_device_online");
        loop {
            let metrics = self.metrics();
            if scrape::sum(&metrics, "menshen_link_up") > 0.0 && online(&metrics) >= self.cameras.len() as f64
            {
                return Ok(());
            }
            if began.elapsed() > READY_WITHIN {
                return Err(format!(
                    "the box did not come up; see {}",
                    self.folder.join("box.log").display()
                ));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn metrics(&self) -> String {
        scrape::get(self.web_port, "/metrics")
    }

    /// FIQA alone, for comparison.
    fn fiqa_for(
        &self,
        arguments: &LoadArgs,
        photos: &[Vec<u8>],
        time: Duration,
    ) -> Result<message::FiqaTimes, String> {
        let load = FiqaLoad::start(self.broker.port(), arguments.fiqa_per_s, photos)?;
        std::thread::sleep(time);
        Ok(load.stop(self.platform.ledger()))
    }

    /// What the cameras did between `before` and now.
    fn tell_cameras(&self, before: &str, began_ms: u64, seconds: f64) {
        let after = self.metrics();
        for (name, _) in WALKS {
            let grown = |metric: &str| {
                let series = format!("{metric}{{device=\"{DEV_SNO}__{name}\"}}");
                let value = |metrics: &str| scrape::value(metrics, &series).unwrap_or_default();
                value(&after) - value(before)
            };
            let events = self.platform.ledger().since(0, |entry: &Entry| {
                entry.kind == "history"
                    && entry.at_ms >= began_ms
                    && entry.body["ext_data"]["device_ip"] == name
            });
            let (frames, dropped) = (grown("menshen_frames_total"), grown("menshen_frames_dropped_total"));
            tell(&json!({
                "measure": "camera", "device": name, "frames": frames, "frames_dropped": dropped,
                "looked_at_per_s": rounded((frames - dropped) / seconds), "events": events.len(),
            }));
        }
    }
}
