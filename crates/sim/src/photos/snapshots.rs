//! `menshen sim snapshots`: cameras that upload a photo each second by FTP, with a client that is not the product's.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use suppaftp::FtpStream;

use super::{Box, at, read, tell};
use menshen_testbed::broker::free_port;
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use menshen_testbed::scrape;

#[derive(Args, Debug, Clone)]
pub struct SnapshotsArgs {
    /// Cameras
    #[arg(long, default_value_t = 10)]
    pub cameras: usize,
    /// How long they upload
    #[arg(long, default_value_t = 300)]
    pub seconds: u64,
    /// From one photo of a camera to its next
    #[arg(long, default_value_t = 1000)]
    pub every_ms: u64,
    /// De-duplication time; 0 makes each photo with a face an event
    #[arg(long, default_value_t = 6)]
    pub dedup_s: u64,
    /// Pictures of scripts/setup
    #[arg(long, default_value = ".setup/pictures")]
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

pub fn run(arguments: &SnapshotsArgs) -> Result<ExitCode, Vec<String>> {
    campaign(arguments).map_err(|error| vec![error])
}

fn campaign(asked: &SnapshotsArgs) -> Result<ExitCode, String> {
    let text = |error: std::io::Error| error.to_string();
    let photos = Arc::new(read(&asked.pictures, &SHOWN)?);
    let config = PlatformConfig { broker_port: 0, ..PlatformConfig::default() };
    let receiver = SimPlatform::start(config)?;
    let (port, passive) = (free_port().map_err(text)?, free_port().map_err(text)?);
    let mut more = format!(
        "\n[events]\nrealtime_urls = [\"{}\"]\n\n[ftp]\nlisten = \"127.0.0.1:{port}\"\npassive_ports = [{passive}, {}]\n",
        receiver.url("/events"),
        passive.saturating_add(PASSIVE_PORTS),
    );
    for camera in 0..asked.cameras {
        let _ = write!(
            more,
            "\n[[devices]]\nip = \"cam{camera}\"\ntype = \"snapshot-camera\"\npipeline = \"ftp\"\ndedup_s = {}\n\
             ftp_user = \"cam{camera}\"\nftp_password = \"password{camera}\"\n",
            asked.dedup_s
        );
    }
    let own = Box::start("snapshots", &more, |_| Ok(()))?;
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
        uploads.push(camera.join().map_err(|_| "a camera's thread panicked".to_owned())??);
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
) -> Result<Vec<Upload>, String> {
    let text = |error: suppaftp::FtpError| format!("cam{camera}: {error}");
    // Not all in the same moment, but not far apart.
    std::thread::sleep(every / 10 * (camera % 10) as u32);
    let mut session = FtpStream::connect(("127.0.0.1", port)).map_err(text)?;
    session.login(format!("cam{camera}"), format!("password{camera}")).map_err(text)?;
    session.transfer_type(suppaftp::types::FileType::Binary).map_err(text)?;
    let mut uploads = Vec::new();
    let mut next = Instant::now();
    while Instant::now() < until {
        let photo = &photos[(uploads.len() + camera) % photos.len()];
        let (began, began_ms) = (Instant::now(), now_ms());
        let done = session.put_file(format!("{}.jpg", uploads.len()), &mut Cursor::new(photo));
        let taken = match done {
            Ok(_) => true,
            Err(suppaftp::FtpError::UnexpectedResponse(_)) => false,
            Err(error) => return Err(text(error)),
        };
        uploads.push(Upload { began_ms, took_ms: began.elapsed().as_millis() as u64, taken });
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let _ = session.quit();
    Ok(uploads)
}

/// True when every photo ended in an event or in a counted reason.
fn report(asked: &SnapshotsArgs, own: &Box, receiver: &SimPlatform, uploads: &[Vec<Upload>]) -> bool {
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
    let events = scrape::sum(&own.metrics(), "menshen_events_total");
    // A photo with two people is one photo and two events.
    let is_whole = counted as usize == replies.len() && events >= of(&["recognised", "stranger"]);
    tell(&json!({
        "measure": "snapshots", "cameras": asked.cameras, "seconds": asked.seconds, "every_ms": asked.every_ms,
        "photos": replies.len(), "taken": uploads.iter().flatten().filter(|upload| upload.taken).count(),
        "events": events, "counted": results,
        "reply_p50_ms": at(&replies, 0.5), "reply_p95_ms": at(&replies, 0.95), "reply_max_ms": replies.last(),
        "pushed": pushes.len(), "upload_to_push_p50_ms": at(&pushes, 0.5),
        "upload_to_push_p95_ms": at(&pushes, 0.95), "upload_to_push_max_ms": pushes.last(),
        "resident_mb": own.container.resident_mb(), "whole": is_whole, "optimised": !cfg!(debug_assertions),
    }));
    is_whole
}
