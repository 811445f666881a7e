//! A box kept running as a service manager would, and its log read along the way.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::Result;
use menshen_testbed::box_process::TestBox;
use menshen_testbed::platform::ledger::now_ms;

/// A service manager waits a little before it starts a process again.
const RESTART_AFTER: Duration = Duration::from_millis(500);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How the box says that a reply was not taken.
const REPLY_REFUSED: &str = "delivering a reply failed, it will be tried again";

/// A log line that must not be.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub at_ms: u64,
    pub line: String,
}

pub struct Supervisor {
    device: TestBox,
    wanted: bool,
    read_to: u64,
    ended_at: Option<Instant>,
    /// Date at the beginning of the last log line.
    pub last_date: String,
    /// Times at which the box was killed or had ended by itself.
    pub breaks: Vec<u64>,
    /// Ends that nobody asked for, with the last line of the log.
    pub own_ends: Vec<Alarm>,
    /// Log lines that report a loss or a panic.
    pub alarms: Vec<Alarm>,
    /// Log lines that report a reply the broker did not take.
    pub refusals: usize,
}

impl Supervisor {
    pub fn new(device: TestBox) -> Self {
        Self {
            device,
            wanted: false,
            read_to: 0,
            ended_at: None,
            last_date: String::new(),
            breaks: Vec::new(),
            own_ends: Vec::new(),
            alarms: Vec::new(),
            refusals: 0,
        }
    }

    /// Port of the box's local API.
    pub fn local_port(&self) -> u16 {
        self.device.local_port()
    }

    /// Starts the box and returns at once.
    pub fn start(&mut self) -> Result<()> {
        self.read_log();
        self.read_to = 0;
        self.device.start()?;
        self.wanted = true;
        self.ended_at = None;
        Ok(())
    }

    /// Ends it by force; it stays down until [`start`](Self::start).
    pub fn kill9(&mut self) {
        self.wanted = false;
        if self.device.kill9() {
            self.breaks.push(now_ms());
        }
        self.read_log();
    }

    /// Sends it a signal by name, if it is running.
    pub fn signal(&self, name: &str) {
        if let Ok(process) = self.device.process() {
            // It may have ended by itself.
            let _ = process.signal(name);
        }
    }

    /// Ends it in good order; `false` when it did not end well.
    pub fn stop(&mut self) -> bool {
        self.wanted = false;
        // One that is down already has been stopped before.
        let is_down = self.device.process().is_err();
        let is_clean = is_down || self.device.stop(STOP_WITHIN).is_ok_and(|status| status.success());
        self.read_log();
        is_clean
    }

    /// Starts it again when it has ended by itself, and reads its log. To be called often.
    pub fn tend(&mut self) -> Result<()> {
        self.read_log();
        if !self.wanted || self.device.is_running() {
            return Ok(());
        }
        match self.ended_at {
            None => {
                let line = self.device.log().lines().last().unwrap_or_default().to_owned();
                self.own_ends.push(Alarm { at_ms: now_ms(), line });
                self.breaks.push(now_ms());
                self.ended_at = Some(Instant::now());
                Ok(())
            }
            Some(at) if at.elapsed() > RESTART_AFTER => self.start(),
            Some(_) => Ok(()),
        }
    }

    /// A `menshen` subcommand on the box's data, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.device.run(arguments)
    }

    fn read_log(&mut self) {
        if self.device.starts() == 0 {
            return;
        }
        let mut text = String::new();
        let Ok(mut file) = File::open(self.device.log_path()) else { return };
        if file.seek(SeekFrom::Start(self.read_to)).is_err() || file.read_to_string(&mut text).is_err() {
            return;
        }
        // Only whole lines; the rest is read next time.
        let Some(end) = text.rfind('\n') else { return };
        for line in text[..end].lines() {
            if line.contains("LOST") || line.contains("panicked") {
                self.alarms.push(Alarm { at_ms: now_ms(), line: line.to_owned() });
            }
            self.refusals += usize::from(line.contains(REPLY_REFUSED));
            if line.as_bytes().get(10) == Some(&b'T') {
                line[..10].clone_into(&mut self.last_date);
            }
        }
        self.read_to += end as u64 + 1;
    }

    /// Sum over the labels of a metric; 0 where there is none yet.
    pub fn metric(&self, name: &str) -> f64 {
        self.device.metric(name)
    }

    pub fn starts(&self) -> u32 {
        self.device.starts()
    }
}
