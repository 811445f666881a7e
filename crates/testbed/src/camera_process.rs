//! Simulated cameras as child processes that report who walks by, and when.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::broker::free_port;
use super::process::{Process, program};

/// Ground truth: one person walked by.
#[derive(Debug, Clone)]
pub struct TrueWalk {
    /// Name of the camera.
    pub camera: String,
    /// File name of the walker's picture without its ending.
    pub who: String,
    /// Wall clock.
    pub from_ms: u64,
    /// Wall clock; `None` while the walk lasts.
    pub to_ms: Option<u64>,
}

/// The walks of any number of cameras.
pub type Truth = Arc<Mutex<Vec<TrueWalk>>>;

type OnWalk = Arc<dyn Fn(&str) + Send + Sync>;

/// Eight of them encode their pictures at once on two cores.
const READY_WITHIN: Duration = Duration::from_mins(3);

/// A simulated camera in a process of its own, which can be killed, frozen and started again at the same address.
pub struct TestCamera {
    name: String,
    port: u16,
    /// To start it again at the same address.
    arguments: Vec<OsString>,
    process: Option<Process>,
    /// Whether its walkers have set out.
    going: bool,
    reports: Reports,
}

/// What the camera's process has reported.
#[derive(Clone)]
struct Reports {
    camera: String,
    /// Of the running process.
    ready: Arc<AtomicBool>,
    /// Of the running process.
    facts: Arc<Mutex<Vec<Value>>>,
    truth: Truth,
    on_walk: OnWalk,
}

impl TestCamera {
    /// A camera that shows `walks`, pictures of `folder`; it does not run yet. `more` are further options of `menshen-sim camera`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(name: &str, folder: &Path, walks: &[&str], more: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let mut arguments: Vec<OsString> =
            ["camera", "--wait", "--path", name, "--listen", &listen].map(OsString::from).into();
        for walk in walks {
            arguments.extend([OsString::from("--walk"), folder.join(walk).into_os_string()]);
        }
        arguments.extend(more.iter().map(OsString::from));
        let reports = Reports {
            camera: name.to_owned(),
            ready: Arc::default(),
            facts: Arc::default(),
            truth: Truth::default(),
            on_walk: Arc::new(|_| {}),
        };
        Ok(Self { name: name.to_owned(), port, arguments, process: None, going: false, reports })
    }

    /// The camera, with its walks going to `truth`.
    pub fn with_truth(mut self, truth: &Truth) -> Self {
        self.reports.truth = Arc::clone(truth);
        self
    }

    /// The camera, with `on_walk` called with the name of each walker who sets out.
    pub fn with_listener(mut self, on_walk: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.reports.on_walk = Arc::new(on_walk);
        self
    }

    /// Name, and path of its stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Address of its stream.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/{}", self.port, self.name)
    }

    /// Where it is served.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the process, which encodes its pictures; see [`wait_ready`](Self::wait_ready) and [`go`](Self::go).
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(&mut self) -> Result<()> {
        let mut command = Command::new(program("menshen-sim")?);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command).with_context(|| format!("camera {}", self.name))?;
        let output = process.stdout().context("a camera without output")?;
        self.process = Some(process);
        // Whatever the process before still reports must not be taken for this one's.
        self.reports.ready = Arc::default();
        self.reports.facts = Arc::default();
        let reports = self.reports.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(fact) = serde_json::from_str(&line) {
                    reports.add(fact);
                }
            }
        });
        Ok(())
    }

    /// Whether it serves its stream.
    pub fn is_ready(&self) -> bool {
        self.reports.ready.load(Ordering::Acquire)
    }

    /// Returns when the camera serves its stream.
    ///
    /// # Errors
    /// When it does not within three minutes, or has ended.
    pub fn wait_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.is_ready() {
            let is_running = self.process.as_mut().is_some_and(Process::is_running);
            if started.elapsed() > READY_WITHIN || !is_running {
                bail!("camera {} did not come up; try `menshen-sim camera` by hand", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The walkers set out.
    ///
    /// # Errors
    /// When the camera does not run.
    pub fn go(&mut self) -> Result<()> {
        self.going = true;
        let stdin = self.process.as_mut().and_then(Process::stdin).context("a camera without input")?;
        writeln!(stdin, "go").with_context(|| format!("camera {}", self.name))
    }

    /// Its walkers set out if they had before it was started again.
    ///
    /// # Errors
    /// When the camera does not run.
    pub fn resume(&mut self) -> Result<()> {
        if self.going { self.go() } else { Ok(()) }
    }

    /// Starts it again at the same address; returns when it serves. Its walkers set out if they had.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.start()?;
        self.wait_ready()?;
        self.resume()
    }

    /// Changes options of `menshen-sim camera` from the next start on.
    pub fn change(&mut self, options: &[(&str, &str)]) {
        for (key, value) in options {
            match self.arguments.iter().position(|known| known == key) {
                Some(at) => self.arguments[at + 1] = OsString::from(value),
                None => self.arguments.extend([*key, *value].map(OsString::from)),
            }
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Sends a signal by name (`STOP`, `CONT`).
    ///
    /// # Errors
    /// When the camera does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        let process =
            self.process.as_ref().with_context(|| format!("camera {} is not running", self.name))?;
        process.signal(name).with_context(|| format!("camera {}", self.name))
    }

    /// Processor time its process has used, seconds.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.process.as_ref()?.cpu_seconds()
    }

    /// What the running process has reported of one kind: `ready`, `walk-begins`, `walk-ended`.
    pub fn reported(&self, event: &str) -> Vec<Value> {
        let facts = self.reports.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.iter().filter(|fact| fact["event"] == event).cloned().collect()
    }
}

impl Reports {
    fn add(&self, fact: Value) {
        match fact["event"].as_str() {
            Some("walk-begins") => {
                (self.on_walk)(fact["name"].as_str().unwrap_or_default());
                self.begin(&fact);
            }
            Some("walk-ended") => self.end(&fact),
            _ => {}
        }
        let is_ready = fact["event"] == "ready";
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
        if is_ready {
            self.ready.store(true, Ordering::Release);
        }
    }

    fn begin(&self, fact: &Value) {
        let walk = TrueWalk {
            camera: self.camera.clone(),
            who: fact["name"].as_str().unwrap_or_default().to_owned(),
            from_ms: fact["at_ms"].as_u64().unwrap_or_default(),
            to_ms: None,
        };
        self.truth.lock().unwrap_or_else(PoisonError::into_inner).push(walk);
    }

    fn end(&self, fact: &Value) {
        let mut walks = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |walk: &&mut TrueWalk| walk.camera == self.camera && walk.to_ms.is_none();
        if let Some(walk) = walks.iter_mut().rev().find(open) {
            walk.to_ms = fact["at_ms"].as_u64();
        }
    }
}
