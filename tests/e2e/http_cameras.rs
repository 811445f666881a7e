//! Cameras that are asked over HTTP: moving pictures (MJPEG) and single ones, from stand-ins that stop, freeze and answer
//! nonsense; and a USB camera that is not there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::photos::enrol;
use crate::testbed::{SOON, TestBed, eventually, photo, start_camera};

/// What the stand-in does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mood {
    Well,
    /// Takes the request and says nothing, or no more.
    Frozen,
    Unauthorized,
    Broken,
    Page,
    Hangup,
    /// Half of each picture.
    Torn,
}

const MOODS: [Mood; 7] =
    [Mood::Well, Mood::Frozen, Mood::Unauthorized, Mood::Broken, Mood::Page, Mood::Hangup, Mood::Torn];

/// An HTTP camera: `/video` moves, `/snap` stands still. Asks for a user `admin` with `s3cret`, by digest on `/digest/...`.
struct HttpCamera {
    port: u16,
    mood: Arc<AtomicU8>,
}

impl HttpCamera {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let camera = Self { port: listener.local_addr().unwrap().port(), mood: Arc::new(AtomicU8::new(0)) };
        let mood = Arc::clone(&camera.mood);
        let picture = photo("obama-2.jpg");
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, picture) = (Arc::clone(&mood), picture.clone());
                // Whoever is asked goes away in the middle: that is the client's affair.
                std::thread::spawn(move || drop(serve(&stream, &mood, &picture)));
            }
        });
        camera
    }

    fn be(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn url(&self, path: &str) -> String {
        format!("http://admin:s3cret@127.0.0.1:{}/{path}", self.port)
    }
}

fn now(mood: &AtomicU8) -> Mood {
    MOODS[usize::from(mood.load(Ordering::SeqCst))]
}

fn serve(stream: &TcpStream, mood: &AtomicU8, picture: &[u8]) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    loop {
        let (mut request, mut authorization) = (String::new(), String::new());
        for line in lines.by_ref() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if request.is_empty() {
                request.clone_from(&line);
            }
            if line.to_ascii_lowercase().starts_with("authorization:") {
                authorization = line;
            }
        }
        if request.is_empty() {
            return Ok(());
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_digest = path.starts_with("/digest");
        let is_known = if is_digest {
            authorization.contains("Digest")
                && authorization.contains("username=\"admin\"")
                && authorization.contains("nc=")
        } else {
            authorization.ends_with("Basic YWRtaW46czNjcmV0")
        };
        match now(mood) {
            Mood::Hangup => return Ok(()),
            Mood::Frozen => {
                std::thread::sleep(Duration::from_mins(2));
                return Ok(());
            }
            Mood::Broken => {
                write!(out, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                return Ok(());
            }
            Mood::Page => {
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 18\r\nConnection: close\r\n\r\n<html>login</html>"
                )?;
                return Ok(());
            }
            mood if mood == Mood::Unauthorized || !is_known => {
                let scheme = if is_digest {
                    "Digest realm=\"cam\", nonce=\"abc\", qop=\"auth\""
                } else {
                    "Basic realm=\"cam\""
                };
                write!(
                    out,
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme}\r\nContent-Length: 0\r\n\r\n"
                )?;
            }
            _ if path.ends_with("/video") => return stream_video(&mut out, mood, picture),
            kind => {
                let shown = if kind == Mood::Torn { &picture[..picture.len() / 2] } else { picture };
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    shown.len()
                )?;
                out.write_all(shown)?;
            }
        }
    }
}

fn stream_video(out: &mut TcpStream, mood: &AtomicU8, picture: &[u8]) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=--frame\r\n\r\n")?;
    loop {
        match now(mood) {
            Mood::Well => {
                write!(
                    out,
                    "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    picture.len()
                )?;
                out.write_all(picture)?;
                write!(out, "\r\n")?;
            }
            Mood::Frozen => {}
            _ => return Ok(()),
        }
        std::thread::sleep(Duration::from_millis(150));
    }
}

const ONLINE: &str = "\"state\":\"online\"";

/// How the device stands, as health shows it.
fn state(bed: &TestBed, device: &str) -> String {
    let health = menshen_testbed::scrape::get(bed.port, "/healthz");
    let health: serde_json::Value = serde_json::from_str(&health).unwrap_or_default();
    let devices = health["devices"].as_array().cloned().unwrap_or_default();
    let found = devices.iter().find(|one| one.to_string().contains(&format!("\"{device}\"")));
    found.map(ToString::to_string).unwrap_or_default()
}

fn wait_state(bed: &TestBed, device: &str, wanted: &str) {
    eventually(&format!("{device} {wanted}: {}", state(bed, device)), SOON, || {
        state(bed, device).contains(wanted).then_some(())
    });
}

fn wait_seen(bed: &TestBed, device: &str, after: u64) {
    bed.wait(&format!("Obama at {device}"), |entry| {
        entry.number >= after && entry.kind == "realtime" && entry.body["ext_data"]["device_ip"] == device
    });
}

fn bed_with(camera: &HttpCamera, devices: &[(&str, &str, &str)]) -> TestBed {
    let mut bed = TestBed::standalone();
    for (name, pipeline, path) in devices {
        bed.add_device(name, pipeline, &camera.url(path));
    }
    bed.start();
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", bed.local_port)).ok());
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    bed
}

#[test]
fn http_cameras_are_seen_and_come_back_from_whatever_befalls_them() {
    let camera = HttpCamera::new();
    let devices = [("moving", "mjpeg", "video"), ("still", "snapshot", "snap")];
    let mut bed = bed_with(&camera, &devices);
    for (device, _, _) in devices {
        wait_seen(&bed, device, 0);
    }
    for mood in [Mood::Frozen, Mood::Broken, Mood::Hangup, Mood::Page] {
        camera.be(mood);
        for (device, _, _) in devices {
            wait_state(&bed, device, "offline");
        }
        camera.be(Mood::Well);
        for (device, _, _) in devices {
            wait_state(&bed, device, ONLINE);
        }
    }
    camera.be(Mood::Torn);
    wait_state(&bed, "still", "cut off");
    // Longer than `passages.gap_ms`: whoever is seen then is somebody new.
    std::thread::sleep(Duration::from_secs(4));
    camera.be(Mood::Well);
    let after = bed.platform.ledger().len();
    for (device, _, _) in devices {
        wait_seen(&bed, device, after);
    }
    bed.stop();
}

#[test]
fn a_camera_that_refuses_the_password_says_so_and_nobody_shows_it() {
    let camera = HttpCamera::new();
    camera.be(Mood::Unauthorized);
    let devices = [("moving", "mjpeg", "video"), ("still", "snapshot", "snap")];
    let mut bed = bed_with(&camera, &devices);
    for (device, _, _) in devices {
        wait_state(&bed, device, "nauthorized");
    }
    let shown = bed.log()
        + &menshen_testbed::scrape::get(bed.port, "/metrics")
        + &menshen_testbed::scrape::get(bed.port, "/healthz");
    assert!(!shown.contains("s3cret"), "the password is shown");
    bed.stop();
}

#[test]
fn cameras_that_ask_for_a_digest_get_one() {
    let camera = HttpCamera::new();
    let devices = [("moving", "mjpeg", "digest/video"), ("still", "snapshot", "digest/snap?c=1")];
    let mut bed = bed_with(&camera, &devices);
    for (device, _, _) in devices {
        wait_seen(&bed, device, 0);
    }
    bed.stop();
}

#[test]
fn a_missing_usb_camera_is_a_clean_error_and_disturbs_nobody() {
    let mut bed = TestBed::standalone();
    bed.add_device("usb", "usb", "/dev/video99");
    bed.add_device("pattern", "test", "");
    bed.start();
    wait_state(&bed, "usb", "there is no device `/dev/video99`");
    wait_state(&bed, "pattern", ONLINE);
    let check = bed.run(&["check"]);
    let told = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(!check.status.success() && told.contains("there is no device `/dev/video99`"), "{told}");
    bed.stop();
}

/// RTSP over UDP, with digest authentication.
#[test]
fn rtsp_goes_over_udp_where_asked() {
    let mut camera = start_camera("radio", &["obama-2.jpg"], &["--credentials", "admin:s3cret"]);
    let mut bed = TestBed::standalone();
    bed.add_device("radio", "rtsp", &camera.url().replace("rtsp://", "rtsp://admin:s3cret@"));
    bed.add_device_config("parameters = { transport = \"udp\" }\n");
    bed.start();
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", bed.local_port)).ok());
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    wait_state(&bed, "radio", ONLINE);
    camera.go().unwrap();
    wait_seen(&bed, "radio", 0);
    bed.stop();
}
