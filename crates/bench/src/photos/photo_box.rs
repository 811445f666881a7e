//! A box of its own that takes photos.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use base64::Engine as _;
use menshen_testbed::box_config::BoxConfig;
use menshen_testbed::box_process::TestBox;
use menshen_testbed::scrape;
use serde_json::{Value, json};

const READY_WITHIN: Duration = Duration::from_mins(3);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A box of its own, whose folder is removed at the end when all was well.
pub struct PhotoBox {
    device: TestBox,
}

/// A folder for one run.
pub fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("menshen-{name}-{}", std::process::id()))
}

/// The configuration such a box begins with.
pub fn config(folder: &Path) -> Result<BoxConfig> {
    let mut config = BoxConfig::standalone(folder)?;
    config.models_dir = Some(std::path::absolute("models")?);
    config.pipelines_dir = Some(std::path::absolute("pipelines")?);
    Ok(config)
}

impl PhotoBox {
    /// `prepare` gets the path of the configuration before the start.
    pub fn start(
        folder: &Path,
        config: BoxConfig,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let mut device = TestBox::new(folder, config)?;
        prepare(&device.write_config()?)?;
        device.start()?;
        device.wait_ready(READY_WITHIN)?;
        Ok(Self { device })
    }

    pub fn local_port(&self) -> u16 {
        self.device.local_port()
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.device.metric(name)
    }

    pub fn resident_mb(&self) -> Option<f64> {
        self.device.process().ok()?.resident_mb()
    }

    /// Waits until as many devices are listened to.
    pub fn wait_devices(&self, count: usize) -> Result<()> {
        let started = Instant::now();
        while self.device.metric("menshen_device_online") < count as f64 {
            if started.elapsed() > READY_WITHIN {
                bail!("the devices did not come up; see {}", self.device.folder().display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub fn enrol(&self, id: &str, photo: &[u8]) -> Result<()> {
        let photo = base64::prelude::BASE64_STANDARD.encode(photo);
        let user = json!({ "identity_id": id, "reg_photo": photo, "info": { "name": id } });
        let answer = scrape::post(self.local_port(), "/SophonFogSys/api/users", &user);
        if answer.contains("success_users") { Ok(()) } else { bail!("{id} was not enrolled: {answer}") }
    }

    /// Photos by what became of them.
    pub fn results(&self) -> Value {
        let mut found = serde_json::Map::new();
        for line in self.device.metrics().lines().filter(|line| line.starts_with("menshen_photos_total{")) {
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
    pub fn stop(mut self, clean: bool) -> Result<()> {
        self.device.stop_in_good_order(STOP_WITHIN)?;
        if clean {
            let _ = std::fs::remove_dir_all(self.device.folder());
        }
        Ok(())
    }
}

/// Pictures of a folder.
pub fn read(folder: &Path, names: &[&str]) -> Result<Vec<Vec<u8>>> {
    let one = |name: &&str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| anyhow!("{}: {error}; run scripts/setup", path.display()))
    };
    names.iter().map(one).collect()
}
