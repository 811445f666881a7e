//! The plain way beside it: Python and OpenCV on the same cameras.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::asked::Walker;
use super::stats::Seen;
use menshen_testbed::camera_process::TestCamera;
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::process::Process;

pub struct Peer {
    pub from_ms: u64,
    pub to_ms: u64,
    pub seen: Vec<Seen>,
    pub figures: Value,
}

const STOP_WITHIN: Duration = Duration::from_secs(30);

pub fn run(python: &Path, walkers: &[Walker], cameras: &[TestCamera], seconds: u64) -> Result<Peer> {
    let mut command = Command::new(python);
    command.args(["benches/peer/peer.py", "cameras", "--seconds", &seconds.to_string()]);
    for walker in walkers {
        command.arg("--known").arg(format!("{}={}", walker.person, walker.photo.display()));
    }
    for camera in cameras {
        command.arg("--camera").arg(format!("{}={}", camera.name(), camera.url()));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut process = Process::spawn(&mut command).with_context(|| python.display().to_string())?;
    let output = process.stdout().context("a peer without output")?;
    let (mut from_ms, mut seen, mut figures) = (None, Vec::new(), Value::Null);
    for line in BufReader::new(output).lines() {
        let line = line?;
        let fact: Value =
            serde_json::from_str(&line).ok().with_context(|| format!("the peer says: {line}"))?;
        match fact["event"].as_str() {
            Some("ready") => from_ms = Some(now_ms()),
            Some("seen") => {
                let text = |key: &str| fact[key].as_str().unwrap_or_default().to_owned();
                let reported_ms = now_ms();
                let passage = seen.len().to_string();
                seen.push(Seen {
                    camera: text("camera"),
                    person: text("person"),
                    passage,
                    in_ms: reported_ms,
                    reported_ms,
                });
            }
            _ => figures = fact,
        }
    }
    let status = process.stop(STOP_WITHIN)?;
    let from_ms = from_ms.filter(|_| status.success() && !figures.is_null());
    let from_ms = from_ms.with_context(|| format!("the peer ended with {status}"))?;
    Ok(Peer { from_ms, to_ms: now_ms(), seen, figures })
}
