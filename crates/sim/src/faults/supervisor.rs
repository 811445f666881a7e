//! The box as a child process, kept running as a service manager would, and its log read along the way.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::process::Process;
use menshen_testbed::scrape;

/// A service manager waits a little before it starts a process again.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// Makes the commands that run the box.
pub type BoxCommand = Box<dyn Fn(&[&str]) -> Result<Command, String>>;

/// Something the box said that must not be.
#[derive(Debug, Clone)]
pub struct Cry {
    pub at_ms: u64,
    pub line: String,
}

pub struct Supervisor {
    make: BoxCommand,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
    wanted: bool,
    starts: u32,
    read_to: u64,
    ended_at: Option<Instant>,
    /// Date at the beginning of the last log line.
    pub last_date: String,
    /// Times at which the box was killed or had ended by itself.
    pub breaks: Vec<u64>,
    /// Ends that nobody asked for, with the last line of the log.
    pub own_ends: Vec<Cry>,
    /// Log lines that speak of a loss or a panic.
    pub cries: Vec<Cry>,
}

impl Supervisor {
    pub fn new(make: BoxCommand, folder: &Path, port: u16) -> Self {
        Self {
            make,
            folder: folder.to_owned(),
            port,
            process: None,
            wanted: false,
            starts: 0,
            read_to: 0,
            ended_at: None,
            last_date: String::new(),
            breaks: Vec::new(),
            own_ends: Vec::new(),
            cries: Vec::new(),
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("box-{:03}.log", self.starts))
    }

    /// Starts the box and returns at once.
    pub fn start(&mut self) -> Result<(), String> {
        self.read_log();
        self.starts += 1;
        self.read_to = 0;
        let log = File::create(self.log_path()).map_err(|error| error.to_string())?;
        let mut command = (self.make)(&["run"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(Process::spawn(&mut command).map_err(|error| error.to_string())?);
        self.wanted = true;
        self.ended_at = None;
        Ok(())
    }

    /// Ends it by force; it stays down until [`start`](Self::start).
    pub fn kill9(&mut self) {
        self.wanted = false;
        if let Some(mut process) = self.process.take() {
            process.kill9();
            self.breaks.push(now_ms());
        }
        self.read_log();
    }

    /// Ends it in good order; `false` when it did not end well.
    pub fn stop(&mut self) -> bool {
        self.wanted = false;
        let ended = self.process.take().map(|mut process| process.stop(Duration::from_secs(20)));
        self.read_log();
        ended.is_none_or(|status| status.is_ok_and(|status| status.success()))
    }

    /// Starts it again when it has ended by itself, and reads what it has said. To be called often.
    pub fn tend(&mut self) -> Result<(), String> {
        self.read_log();
        if !self.wanted || self.process.as_mut().is_some_and(Process::is_running) {
            return Ok(());
        }
        match self.ended_at {
            None => {
                let text = fs::read_to_string(self.log_path()).unwrap_or_default();
                let line = text.lines().last().unwrap_or_default().to_owned();
                self.own_ends.push(Cry { at_ms: now_ms(), line });
                self.breaks.push(now_ms());
                self.ended_at = Some(Instant::now());
                Ok(())
            }
            Some(at) if at.elapsed() > RESTART_AFTER => self.start(),
            Some(_) => Ok(()),
        }
    }

    /// A `menshen` subcommand on the box's data, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Output, String> {
        (self.make)(arguments)?.output().map_err(|error| error.to_string())
    }

    fn read_log(&mut self) {
        if self.starts == 0 {
            return;
        }
        let mut text = String::new();
        let Ok(mut file) = File::open(self.log_path()) else { return };
        if file.seek(SeekFrom::Start(self.read_to)).is_err() || file.read_to_string(&mut text).is_err() {
            return;
        }
        // Only whole lines; the rest is read next time.
        let Some(end) = text.rfind('\n') else { return };
        for line in text[..end].lines() {
            if line.contains("LOST") || line.contains("panicked") {
                self.cries.push(Cry { at_ms: now_ms(), line: line.to_owned() });
            }
            if line.as_bytes().get(10) == Some(&b'T') {
                line[..10].clone_into(&mut self.last_date);
            }
        }
        self.read_to += end as u64 + 1;
    }

    pub fn metric(&self, name: &str) -> f64 {
        scrape::sum(&scrape::get(self.port, "/metrics"), name)
    }

    pub fn starts(&self) -> u32 {
        self.starts
    }
}
