//! `menshen-bench snapshots`: cameras that upload a photo each second by FTP, with a client that is not the product's.

use std::io::Cursor;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use menshen::cli::language::help;
use serde_json::json;
use suppaftp::FtpStream;

use super::photo_box::{PhotoBox, config, folder, read};
use menshen_sim::figures::print_figures;
use menshen_testbed::box_config::Device;
use menshen_testbed::broker::free_port;
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::statistics::percentile;

#[derive(Args, Debug, Clone)]
pub struct SnapshotsArgs {
    #[arg(long, default_value_t = 10, help = help("Cameras", "抓拍机数量"))]
    pub cameras: usize,
    #[arg(long, default_value_t = 300, help = help("How long they upload, s", "上传时长（秒）"))]
    pub seconds: u64,
    #[arg(long, default_value_t = 1000, help = help("From one photo of a camera to its next, ms", "拍照间隔（毫秒）"))]
    pub every_ms: u64,
    #[arg(long, default_value_t = 6, help = help("De-duplication time, s; 0 makes each photo with a face an event", "去重时间（秒）"))]
    pub dedup_s: u64,
    #[arg(long, default_value = ".setup/pictures", help = help("Pictures of scripts/setup", "素材目录"))]
    pub pictures: PathBuf,
}

/// What the cameras see in turn: two who are known, a stranger, and nobody.
const SHOWN: [&str; 6] =
    ["obama-2.jpg", "biden-1.jpg", "astronaut.png", "obama-3.jpg", "coffee.png", "obama-1.jpg"];
const TAIL: Duration = Duration::from_secs(3);
const PASSIVE_PORTS: u16 = 200;

/// One upload: when it began, how long until the reply, and whether it was taken.
struct Upload {
    began_ms: u64,
    took_ms: u64,
    taken: bool,
}

/// Runs the campaign; it fails when a photo is not accounted for.
pub fn run(asked: &SnapshotsArgs) -> Result<ExitCode> {
    let photos = Arc::new(read(&asked.pictures, &SHOWN)?);
    let receiver = SimPlatform::start(PlatformConfig { broker_port: 0, ..PlatformConfig::default() })?;
    let (port, passive) = (free_port()?, free_port()?);
    let folder = folder("snapshots");
    let mut config = config(&folder)?;
    config.events.realtime_urls.push(receiver.url("/events"));
    config.add(&format!(
        "[ftp]\nlisten = \"127.0.0.1:{port}\"\npassive_ports = [{passive}, {}]\n",
        passive.saturating_add(PASSIVE_PORTS),
    ))?;
    for camera in 0..asked.cameras {
        let name = format!("cam{camera}");
        let device = Device::new(&name, "snapshot-camera").with("pipeline", "ftp");
        let device = device.with("dedup_s", i64::try_from(asked.dedup_s)?).with("ftp_user", name);
        config.devices.push(device.with("ftp_password", format!("password{camera}")));
    }
    let own = PhotoBox::start(&folder, config, |_| Ok(()))?;
    own.wait_devices(asked.cameras)?;
    for (id, photo) in [("obama", &photos[3]), ("biden", &photos[1])] {
        own.enrol(id, photo)?;
    }
    let until = Instant::now() + Duration::from_secs(asked.seconds);
    let every = Duration::from_millis(asked.every_ms);
    let cameras: Vec<_> = (0..asked.cameras)
        .map(|camera| {
            let photos = Arc::clone(&photos);
            std::thread::spawn(move || upload(port, camera, every, until, &photos))
        })
        .collect();
    let mut uploads = Vec::new();
    for camera in cameras {
        uploads.push(camera.join().ok().context("a camera's thread panicked")??);
    }
    std::thread::sleep(TAIL);
    let is_whole = report(asked, &own, &receiver, &uploads);
    own.stop(is_whole)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One camera: a session, a photo each `every`.
fn upload(
    port: u16,
    camera: usize,
    every: Duration,
    until: Instant,
    photos: &[Vec<u8>],
) -> Result<Vec<Upload>> {
    let name = || format!("cam{camera}");
    // Not all in the same moment, but not far apart.
    std::thread::sleep(every / 10 * (camera % 10) as u32);
    let mut session = FtpStream::connect(("127.0.0.1", port)).with_context(name)?;
    session.login(name(), format!("password{camera}")).with_context(name)?;
    session.transfer_type(suppaftp::types::FileType::Binary).with_context(name)?;
    let mut uploads = Vec::new();
    let mut next = Instant::now();
    while Instant::now() < until {
        let photo = &photos[(uploads.len() + camera) % photos.len()];
        let (began, began_ms) = (Instant::now(), now_ms());
        let done = session.put_file(format!("{}.jpg", uploads.len()), &mut Cursor::new(photo));
        let taken = match done {
            Ok(_) => true,
            Err(suppaftp::FtpError::UnexpectedResponse(_)) => false,
            Err(error) => return Err(error).with_context(name),
        };
        uploads.push(Upload { began_ms, took_ms: began.elapsed().as_millis() as u64, taken });
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let _ = session.quit();
    Ok(uploads)
}

/// True when every photo ended in an event or in a counted reason.
fn report(asked: &SnapshotsArgs, own: &PhotoBox, receiver: &SimPlatform, uploads: &[Vec<Upload>]) -> bool {
    let mut replies: Vec<u64> = uploads.iter().flatten().map(|upload| upload.took_ms).collect();
    replies.sort_unstable();
    let mut pushes: Vec<u64> = Vec::new();
    for event in receiver.ledger().of_kind("realtime") {
        let camera = event.body["ext_data"]["device_ip"].as_str().and_then(|ip| ip.strip_prefix("cam"));
        let camera = camera.and_then(|number| number.parse::<usize>().ok());
        let received_ms = event.body["timestamp"].as_u64().unwrap_or_default();
        let began = camera.and_then(|camera| {
            uploads.get(camera)?.iter().rev().find(|upload| upload.began_ms <= received_ms)
        });
        pushes.extend(began.map(|upload| event.at_ms.saturating_sub(upload.began_ms)));
    }
    pushes.sort_unstable();
    let results = own.results();
    let counted: f64 =
        results.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_f64()).sum();
    let of = |kinds: &[&str]| kinds.iter().filter_map(|kind| results[*kind].as_f64()).sum::<f64>();
    let events = own.metric("menshen_events_total");
    // A photo with two people is one photo and two events.
    let is_whole = counted as usize == replies.len() && events >= of(&["recognised", "stranger"]);
    print_figures(&json!({
        "measure": "snapshots", "cameras": asked.cameras, "seconds": asked.seconds, "every_ms": asked.every_ms,
        "photos": replies.len(), "taken": uploads.iter().flatten().filter(|upload| upload.taken).count(),
        "events": events, "counted": results,
        "reply_p50_ms": percentile(&replies, 50), "reply_p95_ms": percentile(&replies, 95), "reply_max_ms": replies.last(),
        "pushed": pushes.len(), "upload_to_push_p50_ms": percentile(&pushes, 50),
        "upload_to_push_p95_ms": percentile(&pushes, 95), "upload_to_push_max_ms": pushes.last(),
        "resident_mb": own.resident_mb(), "whole": is_whole, "optimised": !cfg!(debug_assertions),
    }));
    is_whole
}
