//! Child processes that can be frozen, killed and waited for; none outlives its handle.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Path of a program of this workspace: it lies beside the one that runs, or a folder above it (tests run in `deps`).
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program lies is unknown")?;
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("`{name}` is not beside {}; build it with `cargo build --workspace`", own.display())
    })
}

/// A child in its own process group.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` in a process group of its own, so that a Ctrl-C at the terminal does not reach it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        Ok(Self { child: command.process_group(0).spawn()? })
    }

    /// Its process id, and that of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now, MB; `None` once it is gone.
    pub fn resident_mb(&self) -> Option<f64> {
        memory_mb(self.pid(), "VmRSS:")
    }

    /// The most resident memory it ever had, MB, by the kernel's account.
    pub fn max_resident_mb(&self) -> Option<f64> {
        memory_mb(self.pid(), "VmHWM:")
    }

    /// Processor time used so far, seconds, by the kernel's account.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        // The name may hold spaces and brackets; what follows the last bracket is numbers. utime and stime are fields 14
        // and 15 of proc(5), 11 and 12 after the name.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Open file descriptors now.
    pub fn open_files(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.pid())).ok()?.count())
    }

    /// Its standard input, where that is a pipe.
    pub fn stdin(&mut self) -> Option<&mut std::process::ChildStdin> {
        self.child.stdin.as_mut()
    }

    /// Sends a signal by name (`KILL`, `STOP`, `CONT`, `TERM`) to the whole group.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let group = format!("-{}", self.child.id());
        let status = Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill -s {name} {group}: {status}")))
        }
    }

    /// Once.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        // The group may be gone already; the wait shows it.
        let _ = self.signal("KILL");
        let _ = self.child.wait();
    }

    /// `SIGTERM`, then `SIGKILL` after `limit`.
    ///
    /// # Errors
    /// When its end cannot be waited for.
    pub fn stop(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let _ = self.signal("TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                let _ = self.signal("KILL");
                return self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.signal("CONT");
            self.kill9();
        }
    }
}

/// A line of `/proc/PID/status`, which counts in kB.
fn memory_mb(pid: u32, line: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kb = status.lines().find_map(|text| text.strip_prefix(line))?.trim().strip_suffix("kB")?;
    kb.trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}
