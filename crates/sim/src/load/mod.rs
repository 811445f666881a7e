//! A load of commands: thousands of people in one message, while two cameras run and photos are checked at a
//! steady rate. Prints one JSON object a line.

mod args;
mod fiqa;
pub mod photos;
mod testbed;

pub use args::LoadArgs;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::statistics::rounded;
use serde_json::{Value, json};

use crate::figures::print_figures;
use fiqa::FiqaLoad;
use testbed::TestBed;

/// At two people a second something is wrong.
const PER_USER_MAX: Duration = Duration::from_millis(500);
const STOP_WITHIN: Duration = Duration::from_secs(20);
const MESSAGE: &str = "load";

/// Runs the load; an error when the box does not answer or does not end in good order.
pub fn run(arguments: &LoadArgs) -> Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("menshen-load-{}", std::process::id()));
    let photo_folder = folder.join("photos");
    let wanted = photos::Wanted {
        photos: &arguments.photos,
        max: arguments.photos_max.min(arguments.users),
        enlarge: arguments.enlarge,
    };
    let photos = photos::prepare(&wanted, &photo_folder)?;
    let mut bed = TestBed::set_up(arguments, &folder)?;
    let ids: Vec<String> = (0..arguments.users).map(|number| format!("u{number}")).collect();
    for (id, photo) in ids.iter().zip(photos.iter().cycle()) {
        bed.platform.people().add(id, id, photo.clone());
    }
    let quiet = bed.fiqa_for(arguments, &photos, Duration::from_secs(10))?;
    print_figures(&quiet.figures("fiqa-before"));
    let before = bed.device.metrics();
    let command = json!({
        "method": "add_users_plus", "messageId": MESSAGE, "userid_list": ids,
        "extend_params": { "path": "/box/users" },
    });
    let began = Instant::now();
    let began_ms = now_ms();
    bed.platform.publish(&command)?;
    let load = FiqaLoad::start(bed.broker.port(), arguments.fiqa_per_s, &photos)?;
    let limit = PER_USER_MAX * arguments.users as u32;
    let reply = bed.platform.ledger().wait(limit, |entry| entry.body["messageId"] == MESSAGE);
    let seconds = began.elapsed().as_secs_f64();
    let times = load.stop(bed.platform.ledger())?;
    let reply = reply.with_context(|| format!("no reply within {limit:?}; see {}", folder.display()))?;
    let count = |list: &str| reply.body["result"][list].as_array().map_or(0, Vec::len);
    print_figures(&json!({
        "measure": "load", "users": arguments.users, "different_photos": photos.len(),
        "enrolled": count("success_users"), "refused": count("failed_users"),
        "seconds": rounded(seconds, 2), "users_per_s": rounded(arguments.users as f64 / seconds, 2),
    }));
    print_figures(&times.figures("fiqa-during"));
    bed.camera_figures(&before, began_ms, seconds).iter().for_each(print_figures);
    let max_resident_mb = bed.device.process()?.max_resident_mb().map(|megabytes| rounded(megabytes, 2));
    print_figures(&json!({ "measure": "memory", "max_resident_mb": max_resident_mb }));
    bed.device.stop_in_good_order(STOP_WITHIN)?;
    drop(bed);
    if let Some(python) = &arguments.peer {
        print_figures(&peer_figures(python, arguments, &photo_folder)?);
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(ExitCode::SUCCESS)
}

/// The same photos by the peer.
fn peer_figures(python: &Path, arguments: &LoadArgs, photos: &Path) -> Result<Value> {
    let output = Command::new(python)
        .args(["benches/peer/enrol.py", "--photos"])
        .arg(photos)
        .arg("--models")
        .arg(&arguments.models)
        .output()
        .with_context(|| python.display().to_string())?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(printed.trim())
        .ok()
        .with_context(|| format!("the peer says: {printed}{}", String::from_utf8_lossy(&output.stderr)))
}
