//! Simulated cameras as child processes that tell who walks when.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::broker::free_port;
use super::process::{Process, program};

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
    /// To start it again at the same address.
    arguments: Vec<OsString>,
    truth: Truth,
    on_walk: OnWalk,
    /// Whether its walkers have set out.
    going: bool,
}

type OnWalk = Arc<dyn Fn(&str) + Send + Sync>;

/// Eight of them encode their films at once on two cores.
const READY_WITHIN: Duration = Duration::from_mins(3);

impl Camera {
    /// Starts a camera that encodes its film; see [`wait_ready`](Self::wait_ready) and [`go`](Self::go).
    /// `more` are further options of `menshen sim camera`; `on_walk` is told who sets out.
    pub fn start(
        name: &str,
        pictures: &Path,
        walks: &[&str],
        more: &[&str],
        truth: &Truth,
        on_walk: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let port = free_port().map_err(|error| error.to_string())?;
        let url = format!("rtsp://127.0.0.1:{port}/{name}");
        let listen = format!("127.0.0.1:{port}");
        let mut arguments: Vec<OsString> =
            ["camera", "--wait", "--path", name, "--listen", &listen].map(OsString::from).into();
        for walk in walks {
            arguments.extend([OsString::from("--walk"), pictures.join(walk).into_os_string()]);
        }
        arguments.extend(more.iter().map(OsString::from));
        let (truth, on_walk): (Truth, OnWalk) = (Arc::clone(truth), Arc::new(on_walk));
        let (process, ready) = spawn(name, &arguments, &truth, &on_walk)?;
        Ok(Self { name: name.to_owned(), url, process, ready, arguments, truth, on_walk, going: false })
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    pub fn signal(&self, name: &str) -> Result<(), String> {
        self.process.signal(name).map_err(|error| format!("camera {}: {error}", self.name))
    }

    /// Starts it again at the same address; returns when it serves. Its walkers set out if they had.
    pub fn restart(&mut self) -> Result<(), String> {
        self.begin_restart()?;
        self.wait_ready()?;
        self.resume()
    }

    /// The first half of [`restart`](Self::restart), without waiting for it to serve; [`resume`](Self::resume) is the other.
    pub fn begin_restart(&mut self) -> Result<(), String> {
        (self.process, self.ready) = spawn(&self.name, &self.arguments, &self.truth, &self.on_walk)?;
        Ok(())
    }

    /// Whether it serves its stream.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Its walkers set out if they had.
    pub fn resume(&mut self) -> Result<(), String> {
        if self.going { self.go() } else { Ok(()) }
    }

    /// Returns when the camera serves its stream.
    pub fn wait_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while !self.is_ready() {
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
        self.going = true;
        let stdin = self.process.stdin().ok_or("a camera without input")?;
        writeln!(stdin, "go").map_err(|error| format!("camera {}: {error}", self.name))
    }
}

fn spawn(
    name: &str,
    arguments: &[OsString],
    truth: &Truth,
    on_walk: &OnWalk,
) -> Result<(Process, Arc<AtomicBool>), String> {
    let mut command = Command::new(program("menshen-sim")?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(&mut command).map_err(|error| format!("camera {name}: {error}"))?;
    let output = process.stdout().ok_or("a camera without output")?;
    let ready = Arc::new(AtomicBool::new(false));
    let (truth, camera, on_walk) = (Arc::clone(truth), name.to_owned(), Arc::clone(on_walk));
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
    Ok((process, ready))
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
