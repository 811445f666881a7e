//! Three days without the platform, and what happens when it is back: a real box with a full store of events with
//! pictures drains it while people go on walking by. Prints one JSON object a line.

pub mod target;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use menshen_testbed::broker::{PrivateBroker, free_port};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::process::{Process, program};
use menshen_testbed::scrape;
use target::{Arrival, Target};

/// Puts `events` events with a scene picture of `picture_bytes` each into the store a configuration names, spread over
/// the last three days; returns their ids in order. `menshen-bench` writes them with the product's own stores.
fn fill(config: &Path, events: u64, picture_bytes: usize) -> Result<Vec<String>, String> {
    let mut command = Command::new(program("menshen-bench")?);
    command.args(["fill", "events", "--count", &events.to_string()]);
    command.args(["--picture-bytes", &picture_bytes.to_string(), "--config"]).arg(config);
    let output = command.output().map_err(|error| format!("menshen-bench: {error}"))?;
    if !output.status.success() {
        return Err(format!("menshen-bench fill events: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// `menshen sim outage`
#[derive(Args, Clone, Debug)]
pub struct OutageArgs {
    /// Events left over from the outage
    #[arg(long, default_value_t = 20_000)]
    pub events: u64,
    /// Size of each scene picture; the face crop comes on top
    #[arg(long, default_value_t = 100)]
    pub picture_kb: usize,
    /// Live passages to be seen at least, after the platform is back
    #[arg(long, default_value_t = 10)]
    pub live: usize,
    /// Folder of the pictures scripts/setup fetched
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
    /// Give up after this long
    #[arg(long, default_value_t = 1800)]
    pub within_s: u64,
    /// Where the box's data goes; a temporary folder without it
    #[arg(long)]
    pub folder: Option<PathBuf>,
}

/// Live passages that the box sees before the platform is back.
const LIVE_BEFORE: usize = 2;
const SETTLE: Duration = Duration::from_mins(2);

struct Run {
    folder: PathBuf,
    pictures: PathBuf,
    history: Target,
    live: Target,
    history_port: u16,
    web_port: u16,
    // Dropped in this order: sources first.
    camera: Process,
    container: Option<Process>,
    _platform: SimPlatform,
    _broker: PrivateBroker,
}

pub fn run(arguments: &OutageArgs) -> Result<ExitCode, Vec<String>> {
    measure(arguments).map_err(|error| vec![error])
}

#[allow(clippy::print_stdout, reason = "the figures are for the terminal")]
fn tell(line: &Value) {
    println!("{line}");
}

fn measure(arguments: &OutageArgs) -> Result<ExitCode, String> {
    let mut run = Run::set_up(arguments)?;
    let started = Instant::now();
    let ids = fill(&run.config_path(), arguments.events, arguments.picture_kb * 1024)?;
    tell(
        &json!({ "step": "filled", "events": ids.len(), "picture_kb": arguments.picture_kb, "seconds": seconds(started) }),
    );
    run.import()?;
    run.start_box()?;
    wait("live passages during the outage", SETTLE, || run.live.count() >= LIVE_BEFORE)?;
    tell(
        &json!({ "step": "outage", "live": run.live.count(), "waiting": scrape::sum(&run.metrics(), "menshen_outbox_depth") }),
    );

    let (back, live_before) = (Instant::now(), run.live.count());
    run.history.listen(run.history_port).map_err(|error| error.to_string())?;
    let within = Duration::from_secs(arguments.within_s);
    wait("the backlog to drain", within, || run.history.count() >= ids.len())?;
    let drained_s = seconds(back);
    let rss_mb = run.resident_mb();
    wait("enough live passages", SETTLE, || run.live.count() >= live_before + arguments.live)?;
    // Nobody walks any more: the passages that are open end, and whatever was live arrives as history too.
    run.camera.kill9();
    wait("live passages in history", SETTLE, || untold(&run.history.arrivals(), &run.live.arrivals()) == 0)?;
    let status = run.container.take().map(|mut container| container.stop(Duration::from_secs(15)));
    let is_clean = matches!(&status, Some(Ok(status)) if status.success());
    let verdict = judge(&ids, &run, live_before);
    let bytes: usize = run.history.arrivals().iter().map(|arrival| arrival.bytes).sum();
    tell(&json!({
        "step": "drained", "events": ids.len(), "seconds": drained_s,
        "events_per_s": (ids.len() as f64 / drained_s * 10.0).round() / 10.0,
        "megabytes": bytes / 1_000_000, "lost": verdict.lost, "doubled": verdict.doubled,
        "order_violations": verdict.disordered, "live_not_in_history": verdict.untold,
        "resident_mb": rss_mb, "clean_exit": is_clean,
    }));
    tell(&json!({
        "step": "live", "passages": verdict.delays_ms.len(),
        "p50_ms": percentile(&verdict.delays_ms, 50), "p95_ms": percentile(&verdict.delays_ms, 95),
        "max_ms": verdict.delays_ms.last(),
    }));
    let passed = is_clean
        && verdict.lost + verdict.doubled + verdict.disordered + verdict.untold == 0
        && !verdict.delays_ms.is_empty()
        && percentile(&verdict.delays_ms, 95).is_some_and(|p95_ms| p95_ms < 2_000);
    tell(&json!({ "step": "judged", "passed": passed }));
    if passed {
        run.clean_up();
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

struct Verdict {
    lost: usize,
    doubled: usize,
    disordered: usize,
    /// Live passages that never became history.
    untold: usize,
    /// From first seen to reported, of those reported since the platform was back; sorted.
    delays_ms: Vec<u64>,
}

fn judge(ids: &[String], run: &Run, live_before: usize) -> Verdict {
    let arrivals = run.history.arrivals();
    let mut seen = HashSet::new();
    let first: Vec<_> = arrivals.iter().filter(|arrival| seen.insert(arrival.id.as_str())).collect();
    // The backlog, then what happened since: exactly the order of the store.
    let backlog: Vec<_> = first.iter().take(ids.len()).map(|arrival| arrival.id.as_str()).collect();
    let disordered = backlog.iter().zip(ids).filter(|(got, expected)| *got != expected).count();
    let live = run.live.arrivals();
    let mut delays_ms: Vec<_> =
        live.iter().skip(live_before).map(|one| one.at_ms.saturating_sub(one.in_timestamp)).collect();
    delays_ms.sort_unstable();
    Verdict {
        lost: ids.iter().filter(|id| !seen.contains(id.as_str())).count(),
        doubled: arrivals.len() - first.len(),
        disordered,
        untold: untold(&arrivals, &live),
        delays_ms,
    }
}

/// Live passages that are not in history.
fn untold(history: &[Arrival], live: &[Arrival]) -> usize {
    let told: HashSet<_> = history.iter().map(|arrival| arrival.id.as_str()).collect();
    live.iter().filter(|one| !told.contains(one.id.as_str())).count()
}

fn seconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10.0).round() / 10.0
}

fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

fn wait(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > limit {
            return Err(format!("not within {} s: {what}", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

impl Run {
    fn set_up(arguments: &OutageArgs) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let default = || std::env::temp_dir().join(format!("menshen-outage-{}", std::process::id()));
        let folder = arguments.folder.clone().unwrap_or_else(default);
        fs::create_dir_all(&folder).map_err(text)?;
        let pictures = arguments.pictures.clone();
        let broker = PrivateBroker::start(&folder.join("rabbitmq")).map_err(text)?;
        let (history_port, live_port, web_port) =
            (free_port().map_err(text)?, free_port().map_err(text)?, free_port().map_err(text)?);
        let platform = SimPlatform::start(PlatformConfig {
            broker_port: broker.port(),
            record_addr: Some(format!("http://127.0.0.1:{history_port}/record")),
            ..PlatformConfig::default()
        })?;
        let live = Target::default();
        live.listen(live_port).map_err(text)?;
        let rtsp_port = free_port().map_err(text)?;
        let camera = start_camera(&pictures, rtsp_port)?;
        let config = format!(
            "data_dir = \"{}\"\nlanguage = \"en\"\n\n[platform]\nlogin_url = \"{}\"\ndev_sno = \"{}\"\n\n\
             [events]\nrealtime_urls = [\"http://127.0.0.1:{live_port}/events\"]\nkeep_max = {}\n\n\
             [web]\nlisten = \"127.0.0.1:{web_port}\"\n\n[local_api]\nlisten = \"\"\n\n\
             [[devices]]\nip = \"gate\"\nname = \"gate\"\ntype = \"network-camera\"\npipeline = \"rtsp\"\n\
             url = \"rtsp://127.0.0.1:{rtsp_port}/gate\"\n",
            folder.join("var").display(),
            platform.login_url(),
            PlatformConfig::default().dev_sno,
            arguments.events + 1_000,
        );
        fs::write(folder.join("menshen.toml"), config).map_err(text)?;
        Ok(Self {
            folder,
            pictures,
            history: Target::default(),
            live,
            history_port,
            web_port,
            camera,
            container: None,
            _platform: platform,
            _broker: broker,
        })
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("menshen.toml")
    }

    fn menshen(&self, arguments: &[&str]) -> Result<Command, String> {
        let mut command = Command::new(program("menshen")?);
        command.args(arguments).arg("--config").arg(self.config_path());
        Ok(command)
    }

    fn import(&self) -> Result<(), String> {
        let photos = self.folder.join("photos");
        fs::create_dir_all(&photos).map_err(|error| error.to_string())?;
        for (file, name) in
            [("obama-1.jpg", "Barack Obama-1001-x.jpg"), ("biden-1.jpg", "Joe Biden-1002-x.jpg")]
        {
            fs::copy(self.pictures.join(file), photos.join(name))
                .map_err(|error| format!("{file}: {error}"))?;
        }
        let output = self.menshen(&["users", "import"])?.arg(&photos).output().map_err(|e| e.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("users import: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn start_box(&mut self) -> Result<(), String> {
        let log = fs::File::create(self.folder.join("box.log")).map_err(|error| error.to_string())?;
        let mut command = self.menshen(&["run"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.container = Some(Process::spawn(&mut command).map_err(|error| error.to_string())?);
        let port = self.web_port;
        wait("the box to be ready", SETTLE, || scrape::get(port, "/readyz").contains("\"ready\":true"))
    }

    fn metrics(&self) -> String {
        scrape::get(self.web_port, "/metrics")
    }

    /// Resident memory of the box at this moment.
    fn resident_mb(&self) -> Option<u64> {
        self.container.as_ref()?.resident_mb().map(|megabytes| megabytes as u64)
    }

    fn clean_up(mut self) {
        self.camera.kill9();
        let folder = self.folder.clone();
        drop(self);
        let _ = fs::remove_dir_all(folder);
    }
}

/// People walk by without end.
fn start_camera(pictures: &Path, port: u16) -> Result<Process, String> {
    let mut command = Command::new(program("menshen-sim")?);
    command.args(["camera", "--path", "gate", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--walk-ms", "3000", "--gap-ms", "3000"]);
    for walk in ["obama-2.jpg", "biden-1.jpg@mirror"] {
        command.arg("--walk").arg(pictures.join(walk));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn(&mut command).map_err(|error| format!("camera: {error}"))
}
