//! Snapshot cameras and photo terminals before one box: everything they send is accounted for, and how long it took. Prints one
//! JSON object.

pub mod snapshots;
pub mod terminals;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use menshen_testbed::broker::free_port;
use menshen_testbed::process::{Process, program};
use menshen_testbed::scrape;

const READY_WITHIN: Duration = Duration::from_mins(3);

/// A box of its own, removed at the end when all was well.
struct Box {
    container: Process,
    folder: PathBuf,
    web_port: u16,
    local_port: u16,
}

/// The configuration such a box begins with.
fn config(folder: &Path, web_port: u16, local_port: u16) -> String {
    let absolute =
        |path: &str| std::path::absolute(path).unwrap_or_else(|_| path.into()).display().to_string();
    format!(
        "mode = \"standalone\"\ndata_dir = \"{}\"\nmodels_dir = \"{}\"\npipelines_dir = \"{}\"\n\n\
         [web]\nlisten = \"127.0.0.1:{web_port}\"\n\n[local_api]\nlisten = \"127.0.0.1:{local_port}\"\n",
        folder.join("var").display(),
        absolute("models"),
        absolute("pipelines"),
    )
}

impl Box {
    /// `more` is added to the configuration; `prepare` gets its path before the start.
    fn start(
        name: &str,
        more: &str,
        prepare: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let folder = std::env::temp_dir().join(format!("menshen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(text)?;
        let (web_port, local_port) = (free_port().map_err(text)?, free_port().map_err(text)?);
        let path = folder.join("menshen.toml");
        std::fs::write(&path, config(&folder, web_port, local_port) + more).map_err(text)?;
        prepare(&path)?;
        let log = std::fs::File::create(folder.join("box.log")).map_err(text)?;
        let mut command = Command::new(program("menshen")?);
        command.arg("run").arg("--config").arg(&path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let container = Process::spawn(&mut command).map_err(text)?;
        let mut own = Self { container, folder, web_port, local_port };
        let started = Instant::now();
        while !scrape::get(web_port, "/readyz").contains("\"ready\":true") {
            if started.elapsed() > READY_WITHIN || !own.container.is_running() {
                return Err(format!("the box did not come up; see {}", own.folder.display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(own)
    }

    fn metrics(&self) -> String {
        scrape::get(self.web_port, "/metrics")
    }

    /// Waits until as many devices are listened to.
    fn wait_devices(&self, count: usize) -> Result<(), String> {
        let started = Instant::now();
        while scrape::sum(&self.metrics(), "menshen_device_online") < count as f64 {
            if started.elapsed() > READY_WITHIN {
                return Err(format!("the devices did not come up; see {}", self.folder.display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn enrol(&self, id: &str, photo: &[u8]) -> Result<(), String> {
        let photo = base64::prelude::BASE64_STANDARD.encode(photo);
        let user = json!({ "identity_id": id, "reg_photo": photo, "info": { "name": id } });
        let answer = scrape::post(self.local_port, "/SophonFogSys/api/users", &user);
        if answer.contains("success_users") {
            Ok(())
        } else {
            Err(format!("{id} was not enrolled: {answer}"))
        }
    }

    /// Photos by what became of them.
    fn results(&self) -> Value {
        let mut found = serde_json::Map::new();
        for line in self.metrics().lines().filter(|line| line.starts_with("menshen_photos_total{")) {
            let result = line.split("result=\"").nth(1).and_then(|rest| rest.split('"').next());
            let count = line.rsplit_once(' ').and_then(|(_, count)| count.parse::<f64>().ok());
            if let (Some(result), Some(count)) = (result, count) {
                let so_far = found.get(result).and_then(Value::as_f64).unwrap_or(0.0);
                found.insert(result.to_owned(), json!(so_far + count));
            }
        }
        Value::Object(found)
    }

    /// Ends the box and, when `clean`, removes what it left.
    fn stop(mut self, clean: bool) -> Result<(), String> {
        let status = self.container.stop(Duration::from_secs(20)).map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("the box ended with {status}; see {}", self.folder.display()));
        }
        if clean {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
        Ok(())
    }
}

fn read(folder: &Path, names: &[&str]) -> Result<Vec<Vec<u8>>, String> {
    let one = |name: &&str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}; run scripts/setup", path.display()))
    };
    names.iter().map(one).collect()
}

/// The value at a share of a sorted list.
fn at(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(((sorted.len() as f64 * share) as usize).min(last)).copied()
}

#[allow(clippy::print_stdout, reason = "the figures are the purpose")]
fn tell(figures: &Value) {
    println!("{figures}");
}
