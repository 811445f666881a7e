//! Simulated cameras as child processes that tell who walks when.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::broker::free_port;
use super::process::Process;

/// Ground truth: somebody walked by.
#[derive(Debug, Clone)]
pub struct TrueWalk {
    pub camera: String,
    /// File name of the walker's picture without its ending.
    pub who: String,
    pub from_ms: u64,
    pub to_ms: Option<u64>,
}

pub type Truth = Arc<Mutex<Vec<TrueWalk>>>;

pub struct Camera {
    pub name: String,
    pub url: String,
    process: Process,
    ready: Arc<AtomicBool>,
}

const READY_WITHIN: Duration = Duration::from_mins(1);

impl Camera {
    /// Starts a camera that encodes its film; see [`wait_ready`](Self::wait_ready) and [`go`](Self::go).
    /// `more` are further options of `menshen sim camera`; `on_walk` is told who sets out.
    pub fn start(
        name: &str,
        pictures: &Path,
        walks: &[&str],
        more: &[&str],
        truth: &Truth,
        on_walk: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, String> {
        let port = free_port().map_err(|error| error.to_string())?;
        let url = format!("rtsp://127.0.0.1:{port}/{name}");
        let executable = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(executable);
        command.args(["sim", "camera", "--wait", "--path", name, "--listen", &format!("127.0.0.1:{port}")]);
        for walk in walks {
            command.arg("--walk").arg(pictures.join(walk));
        }
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command).map_err(|error| format!("camera {name}: {error}"))?;
        let output = process.stdout().ok_or("a camera without output")?;
        let ready = Arc::new(AtomicBool::new(false));
        let (truth, camera) = (Arc::clone(truth), name.to_owned());
        let is_ready = Arc::clone(&ready);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(fact) = serde_json::from_str::<Value>(&line) else { continue };
                match fact["event"].as_str() {
                    Some("ready") => is_ready.store(true, Ordering::Release),
                    Some("walk-begins") => {
                        on_walk(fact["name"].as_str().unwrap_or_default());
                        begin(&truth, &camera, &fact);
                    }
                    Some("walk-ended") => end(&truth, &camera, &fact),
                    _ => {}
                }
            }
        });
        Ok(Self { name: name.to_owned(), url, process, ready })
    }

    /// Returns when the camera serves its stream.
    pub fn wait_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while !self.ready.load(Ordering::Acquire) {
            if started.elapsed() > READY_WITHIN || !self.process.is_running() {
                return Err(format!(
                    "camera {} did not come up; try `menshen sim camera` by hand",
                    self.name
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Processor time its process has used, seconds.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.process.cpu_seconds()
    }

    /// The walkers set out.
    pub fn go(&mut self) -> Result<(), String> {
        let stdin = self.process.stdin().ok_or("a camera without input")?;
        writeln!(stdin, "go").map_err(|error| format!("camera {}: {error}", self.name))
    }
}

fn begin(truth: &Truth, camera: &str, fact: &Value) {
    let walk = TrueWalk {
        camera: camera.to_owned(),
        who: fact["name"].as_str().unwrap_or_default().to_owned(),
        from_ms: fact["at_ms"].as_u64().unwrap_or_default(),
        to_ms: None,
    };
    truth.lock().unwrap_or_else(PoisonError::into_inner).push(walk);
}

fn end(truth: &Truth, camera: &str, fact: &Value) {
    let mut walks = truth.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(walk) = walks.iter_mut().rev().find(|walk| walk.camera == camera && walk.to_ms.is_none()) {
        walk.to_ms = fact["at_ms"].as_u64();
    }
}
