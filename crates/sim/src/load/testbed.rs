//! A box between a broker and a platform, with two cameras.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use menshen_testbed::box_config::{BoxConfig, Device, Listen};
use menshen_testbed::box_process::TestBox;
use menshen_testbed::broker::PrivateBroker;
use menshen_testbed::camera_process::TestCamera;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::scrape;
use menshen_testbed::statistics::rounded;
use serde_json::{Value, json};

use super::args::LoadArgs;
use super::fiqa::{FiqaLoad, FiqaTimes};

const DEV_SNO: &str = "MENSHENLOAD";
const READY_WITHIN: Duration = Duration::from_mins(2);
/// What the cameras show; nobody of it is among the enrolled.
const WALKS: [(&str, &str); 2] = [("lobby", "obama-2.jpg"), ("gate", "biden-1.jpg")];

/// Everything that runs; dropped in this order: sources first.
pub struct TestBed {
    pub device: TestBox,
    _cameras: Vec<TestCamera>,
    pub platform: SimPlatform,
    pub broker: PrivateBroker,
}

impl TestBed {
    /// Returns when the link is up and both cameras are online.
    pub fn set_up(arguments: &LoadArgs, folder: &Path) -> Result<Self> {
        let broker = PrivateBroker::start(&folder.join("rabbitmq"))?;
        let platform = SimPlatform::start(PlatformConfig {
            dev_sno: DEV_SNO.to_owned(),
            broker_port: broker.port(),
            fiqa: true,
            ..PlatformConfig::default()
        })?;
        let mut config = BoxConfig::managed(folder, &platform)?;
        config.events.realtime_urls.clear();
        config.local_api = Listen(None);
        let mut cameras = Vec::new();
        for (name, walk) in WALKS {
            let mut camera = TestCamera::new(name, &arguments.pictures, &[walk], &[])?;
            camera.start()?;
            config.devices.push(Device::camera(name, &camera.url()));
            cameras.push(camera);
        }
        for camera in &mut cameras {
            camera.wait_ready()?;
            camera.go()?;
        }
        let mut device = TestBox::new(folder, config)?;
        device.start()?;
        device.wait_online(cameras.len(), READY_WITHIN)?;
        Ok(Self { device, _cameras: cameras, platform, broker })
    }

    /// FIQA alone, for comparison.
    pub fn fiqa_for(&self, arguments: &LoadArgs, photos: &[Vec<u8>], time: Duration) -> Result<FiqaTimes> {
        let load = FiqaLoad::start(self.broker.port(), arguments.fiqa_per_s, photos)?;
        std::thread::sleep(time);
        load.stop(self.platform.ledger())
    }

    /// What each camera did between the metrics `before` and now.
    pub fn camera_figures(&self, before: &str, began_ms: u64, seconds: f64) -> Vec<Value> {
        let after = self.device.metrics();
        let figures = |name: &str| {
            let grown = |metric: &str| {
                let series = format!("{metric}{{device=\"{name}\"}}");
                let value = |metrics: &str| scrape::value(metrics, &series).unwrap_or_default();
                value(&after) - value(before)
            };
            let events = self.platform.ledger().since(0, |entry: &Entry| {
                entry.kind == "history"
                    && entry.at_ms >= began_ms
                    && entry.body["ext_data"]["device_ip"] == name
            });
            let (frames, dropped) = (grown("menshen_frames_total"), grown("menshen_frames_dropped_total"));
            json!({
                "measure": "camera", "device": name, "frames": frames, "frames_dropped": dropped,
                "looked_at_per_s": rounded((frames - dropped) / seconds, 2), "events": events.len(),
            })
        };
        WALKS.iter().map(|(name, _)| figures(name)).collect()
    }
}
