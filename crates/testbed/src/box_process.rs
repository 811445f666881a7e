//! A box under test: its configuration, its process, its log, and what a monitoring system would read of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::box_config::{BoxConfig, Mode};
use super::process::{Process, program};
use super::scrape;

const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A box of its own folder. It is not running before [`start`](Self::start), and ends with its handle.
pub struct TestBox {
    /// Written to the configuration file before each command.
    pub config: BoxConfig,
    folder: PathBuf,
    overrides: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    starts: u32,
}

impl TestBox {
    /// A box with its configuration and logs in `folder`, which is made.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path, config: BoxConfig) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        Ok(Self {
            config,
            folder: folder.to_owned(),
            overrides: Vec::new(),
            environment: Vec::new(),
            process: None,
            starts: 0,
        })
    }

    /// Where its configuration and logs are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Port of health and metrics.
    pub fn web_port(&self) -> u16 {
        self.config.web.port()
    }

    /// Port of the local API.
    pub fn local_port(&self) -> u16 {
        self.config.local_api.port()
    }

    /// Overrides a key of the configuration from the next command on; `value` is TOML.
    pub fn set(&mut self, key: &str, value: &str) {
        self.overrides.retain(|(known, _)| known != key);
        self.overrides.push((key.to_owned(), value.to_owned()));
    }

    /// Runs the box, and none of the other commands, with this variable in its environment.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Writes the configuration file, where it is not as configured already, and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self) -> Result<PathBuf> {
        let (path, text) = (self.folder.join("menshen.toml"), self.config.to_toml()?);
        // A box that is just starting may be reading it.
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(path);
        }
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// A `menshen` command on this box's configuration.
    ///
    /// # Errors
    /// When the configuration cannot be written or the program is missing.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("menshen")?);
        command.args(arguments).arg("--config").arg(self.write_config()?);
        command.args(self.overrides.iter().map(|(key, value)| format!("--set={key}={value}")));
        Ok(command)
    }

    /// A `menshen` command on this box's configuration, run to its end.
    ///
    /// # Errors
    /// When it cannot be run; how it ended is in the output.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments)?.output()?)
    }

    /// The log of the current start, or of the last one.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join(format!("box-{:03}.log", self.starts))
    }

    /// Everything the box has logged since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Starts the box, with a log file of its own, and returns at once.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(&mut self) -> Result<()> {
        self.starts += 1;
        let log = File::create(self.log_path()).with_context(|| self.log_path().display().to_string())?;
        let mut command = self.command(&["run"])?;
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(Process::spawn(&mut command)?);
        Ok(())
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Its process.
    ///
    /// # Errors
    /// When it was not started or has been ended.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("the box is not running")
    }

    /// Whether `/readyz` says that it is ready.
    pub fn is_ready(&self) -> bool {
        scrape::get(self.web_port(), "/readyz").contains("\"ready\":true")
    }

    /// Waits until the box is ready.
    ///
    /// # Errors
    /// When it is not within `limit`, or ends before.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        self.wait(limit, Self::is_ready)
    }

    /// Waits until as many devices are online and, with a platform, the link is up.
    ///
    /// # Errors
    /// When they are not within `limit`, or the box ends before.
    pub fn wait_online(&mut self, devices: usize, limit: Duration) -> Result<()> {
        let is_managed = self.config.mode == Mode::Platform;
        self.wait(limit, |this| {
            let metrics = this.metrics();
            scrape::sum(&metrics, "menshen_device_online") >= devices as f64
                && (!is_managed || scrape::sum(&metrics, "menshen_link_up") > 0.0)
        })
    }

    fn wait(&mut self, limit: Duration, mut is_so: impl FnMut(&Self) -> bool) -> Result<()> {
        let started = Instant::now();
        while !is_so(self) {
            if started.elapsed() > limit || !self.is_running() {
                bail!("the box did not come up; see {}", self.log_path().display());
            }
            std::thread::sleep(ASK_AGAIN);
        }
        Ok(())
    }

    /// Its metrics as Prometheus reads them; empty when it does not answer.
    pub fn metrics(&self) -> String {
        scrape::get(self.web_port(), "/metrics")
    }

    /// Sum over the labels of a metric; 0 where there is none yet.
    pub fn metric(&self, name: &str) -> f64 {
        scrape::sum(&self.metrics(), name)
    }

    /// The body of `/healthz`; `null` when it does not answer.
    pub fn health(&self) -> Value {
        serde_json::from_str(&scrape::get(self.web_port(), "/healthz")).unwrap_or_default()
    }

    /// `kill -9`, and waits until it is gone; `false` when it was not running.
    pub fn kill9(&mut self) -> bool {
        self.process.take().map(|mut process| process.kill9()).is_some()
    }

    /// `SIGTERM`, then `SIGKILL` after `limit`; how it ended.
    ///
    /// # Errors
    /// When it was not running.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the box is not running")?;
        Ok(process.stop(limit)?)
    }

    /// As [`stop`](Self::stop), where any other end than a good one is an error.
    ///
    /// # Errors
    /// When it was not running or did not end in good order.
    pub fn stop_in_good_order(&mut self, limit: Duration) -> Result<()> {
        let status = self.stop(limit)?;
        if !status.success() {
            bail!("the box ended with {status}; see {}", self.log_path().display());
        }
        Ok(())
    }
}
