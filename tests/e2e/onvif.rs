//! `menshen devices discover` and `streams`: an installer finds cameras and their RTSP addresses.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::onvif_camera::{Login, OnvifCamera, PASSWORD, Trouble, USER, Ways, answer_probes, probe_match};
use crate::testbed::menshen;

/// A box's configuration, for commands that need no running box.
struct Config {
    folder: TempDir,
    /// Of the command line.
    language: String,
}

impl Config {
    fn new(language: &str, devices: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let var = folder.path().join("var");
        let text = format!("mode = \"standalone\"\ndata_dir = \"{}\"\n\n{devices}", var.display());
        std::fs::write(folder.path().join("menshen.toml"), text).unwrap();
        Self { folder, language: language.to_owned() }
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = menshen(&["devices"]);
        command
            .args(["--lang", &self.language])
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("menshen.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that does not read its input has ended it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn json(&self, arguments: &[&str], stdin: &str) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), stdin);
        let told = text_of(&output);
        assert!(!told.contains(PASSWORD) && !told.contains("wr0ng") && !told.contains("k3y"), "{told}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"))
    }

    /// Of a camera, with its right password.
    fn streams(&self, camera: &OnvifCamera) -> Value {
        let target = camera.target();
        self.json(&["streams", &target, "--user", USER, "--password-stdin"], &format!("{PASSWORD}\n"))
    }
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const DISCOVER: &[&str] = &["discover", "--seconds", "3", "--interface", "127.0.0.1"];

#[test]
fn cameras_on_the_network_are_found_once_each_and_known_ones_are_told() {
    // Other tests' stand-ins hear these questions too: only what has this test's own mark counts.
    answer_probes(|question| {
        let mut answers = Vec::new();
        if question.contains("NetworkVideoTransmitter") {
            let mine = "http://127.0.0.1:18064/onvif/device_service http://[fe80::1]/onvif/device_service";
            answers.push(probe_match("0b0e-known", "Known%20door", mine));
            answers.push(b"\x00\xffnonsense".to_vec());
            answers.push(vec![b'<'; 40_000]);
            // Makes up an endpoint for each answer.
            let id = uuid::Uuid::now_v7().to_string();
            answers.push(probe_match(&id, "Restless%1b%5b2J", "http://127.0.0.1:18065/onvif/device_service"));
        } else if !question.contains("Types") {
            answers.push(include_bytes!("../fuzz/seeds/onvif/probe-printer.xml").to_vec());
            answers.push(probe_match("0b0e-shy", "%E9%97%A8", "http://127.0.0.9/onvif/device_service"));
        }
        answers
    });
    let config = Config::new(
        "en",
        "[[devices]]\nip = \"gate\"\ntype = \"network-camera\"\nurl = \"rtsp://u:p@127.0.0.9/x\"\n",
    );
    let told = config.json(DISCOVER, "");
    let cameras: Vec<&Value> = told["cameras"].as_array().unwrap().iter().collect();
    let of = |name: &str| cameras.iter().filter(|camera| camera["name"] == name).collect::<Vec<_>>();
    let (known, restless, shy) = (of("Known door"), of("Restless [2J"), of("门"));
    assert_eq!((known.len(), restless.len(), shy.len()), (1, 1, 1), "{told}");
    assert_eq!((&known[0]["ip"], &known[0]["hardware"]), (&json!("127.0.0.1"), &json!("STAND-1N")));
    assert_eq!(known[0]["endpoint"], "urn:uuid:0b0e-known");
    assert_eq!(known[0]["xaddrs"].as_array().unwrap().len(), 2);
    // One is a device of this box by its stream's address, and no other is.
    assert_eq!((&shy[0]["device"], &known[0]["device"]), (&json!("gate"), &Value::Null));
    assert!(told["unreadable"].as_u64().unwrap() >= 2, "{told}");
    assert_eq!((&told["failed"], &told["cut_short"]), (&json!([]), &json!(false)));

    let output = config.run(DISCOVER, "");
    let (table, progress) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{progress}");
    let line = table.lines().find(|line| line.contains("门")).unwrap();
    assert!(
        line.starts_with("127.0.0.1 ") && line.contains(" gate ") && line.contains("STAND-1N"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
    assert!(progress.contains("127.0.0.1 (lo)") && progress.contains("+ 127.0.0.1 Known door"), "{progress}");
    assert!(progress.contains("menshen devices streams"), "{progress}");
}

#[test]
fn a_search_says_what_it_cannot_do() {
    let config = Config::new("en", "");
    for (arguments, expected) in [
        (vec!["--interface", "192.0.2.77"], "192.0.2.77 is no address of this machine"),
        (vec!["--seconds", "0"], "--seconds"),
        (vec!["--interface", "eth0"], "--interface"),
    ] {
        let output = config.run(&[&["discover"], &arguments[..]].concat(), "");
        let told = text_of(&output);
        assert!(!output.status.success() && told.contains(expected), "{told}");
    }
}

#[test]
fn a_camera_tells_its_streams_to_whoever_has_its_password() {
    let camera = OnvifCamera::new(Ways::default());
    let config = Config::new("en", "");
    let told = config.streams(&camera);
    let stream = |at: usize| {
        let stream = &told["streams"][at];
        (&stream["name"], &stream["codec"], &stream["width"], &stream["height"], &stream["frames_per_s"])
    };
    let expected = [json!("mainStream"), json!("H264"), json!(2688), json!(1520), json!(25.0)];
    assert_eq!(stream(0), (&expected[0], &expected[1], &expected[2], &expected[3], &expected[4]), "{told}");
    assert_eq!(stream(1).0, "subStream");
    assert_eq!(told["streams"][0]["url"], "rtsp://127.0.0.1:554/Streaming/Profile_1?a=1&password=***");
    let suggested = "menshen devices add 127.0.0.1 type=network-camera \
                     'url=rtsp://admin:PASSWORD@127.0.0.1:554/Streaming/Profile_1?a=1&password=PASSWORD'";
    assert_eq!((&told["suggested"], &told["replaced_hosts"]), (&json!([suggested]), &json!([])), "{told}");
    let main_url = "rtsp://admin:PASSWORD@127.0.0.1:554/Streaming/Profile_1?a=1&password=PASSWORD";
    let lighter = format!(
        "menshen devices add 127.0.0.1 type=network-camera \
         'url=rtsp://admin:PASSWORD@127.0.0.1:554/Streaming/Profile_2?a=1&password=PASSWORD' \
         'parameters={{ main_url = \"{main_url}\" }}'"
    );
    assert_eq!(told["suggested_lighter"], json!([lighter]), "{told}");
    // What is suggested is taken.
    let url = main_url.replace("Profile_1", "Profile_2");
    let keys = [format!("url={url}"), format!("parameters={{ main_url = \"{main_url}\" }}")];
    let added = config.run(&["add", "127.0.0.1", "type=network-camera", &keys[0], &keys[1]], "");
    assert!(added.status.success(), "{}", text_of(&added));
    let listed = text_of(&config.run(&["list"], ""));
    assert!(listed.contains("Profile_2?a=1&password=***") && !listed.contains("PASSWORD"), "{listed}");
    let behind_ms = told["clock_ahead_ms"].as_i64().unwrap();
    assert!((-10_860_000..=-10_740_000).contains(&behind_ms), "{told}");
    assert_eq!(camera.refused.load(Ordering::SeqCst), 0);

    // The same for eyes, in both languages.
    for (language, expected) in [("en", "the camera's clock is 108"), ("zh", "摄像机时钟慢 108")] {
        let url = format!("http://{}/onvif/device_service", camera.target());
        let output =
            Config::new(language, "").run(&["streams", &url, "--user", USER, "--password", PASSWORD], "");
        let told = text_of(&output);
        assert!(output.status.success() && told.contains(expected) && told.contains(suggested), "{told}");
        assert!(!told.contains(PASSWORD) && !told.contains("k3y"), "{told}");
        let main = told.lines().find(|line| line.starts_with("mainStream ")).unwrap();
        assert!(main.contains(" H264 ") && main.contains(" 2688x1520 ") && main.contains(" 25/s "), "{main}");
    }
}

#[test]
fn logins_work_as_each_camera_wants_them() {
    let config = Config::new("en", "");
    for (login, refused) in [(Login::HttpDigest, 1), (Login::TokenAlways, 1), (Login::Token, 0)] {
        let camera = OnvifCamera::new(Ways { login, ..Ways::default() });
        let told = config.streams(&camera);
        assert_eq!(told["streams"].as_array().map(Vec::len), Some(2), "{told}");
        // What HTTP asked for once is not asked for again, or the camera would count wrong logins.
        assert_eq!(camera.refused.load(Ordering::SeqCst), refused);
    }
    let camera = OnvifCamera::new(Ways { login: Login::Nobody, ..Ways::default() });
    let told = config.json(&["streams", &camera.target()], "");
    let suggested = told["suggested"][0].as_str().unwrap();
    assert!(
        suggested.contains("'url=rtsp://127.0.0.1:554/Streaming/Profile_1?a=1&password=PASSWORD'"),
        "{told}"
    );
}

#[test]
fn wrong_passwords_are_told_as_such_and_not_tried_often() {
    let config = Config::new("en", "");
    for login in [Login::Token, Login::HttpDigest, Login::TokenAlways] {
        let camera = OnvifCamera::new(Ways { login, ..Ways::default() });
        let target = camera.target();
        let told = config.json(&["streams", &target, "--user", USER, "--password", "wr0ng"], "");
        assert_eq!((&told["ok"], &told["fault"]), (&json!(false), &json!("unauthorized")), "{told}");
        assert!(told["message"].as_str().unwrap().contains("password is wrong"), "{told}");
        assert!(camera.refused.load(Ordering::SeqCst) <= 2);
        let told = config.json(&["streams", &target], "");
        assert_eq!(told["fault"], "unauthorized", "{told}");
        assert!(told["message"].as_str().unwrap().contains("--password-stdin"), "{told}");
    }
    for (arguments, expected) in [
        (vec!["--user", "a"], "--password-stdin"),
        (vec!["--password", "wr0ng"], "--user"),
        (vec!["--user", "a", "--password-stdin"], "no password on standard input"),
    ] {
        let output = config.run(&[&["streams", "127.0.0.1:9"], &arguments[..]].concat(), "");
        let told = text_of(&output);
        assert!(!output.status.success() && told.contains(expected), "{told}");
    }
}

#[test]
fn odd_cameras_are_understood() {
    let config = Config::new("en", "");
    let with = |ways: Ways| config.streams(&OnvifCamera::new(ways));
    let told = with(Ways { trouble: Trouble::Old, ..Ways::default() });
    assert_eq!((&told["media"], &told["streams"][0]["codec"]), (&json!(1), &json!("H264")), "{told}");
    // Version 2 is asked first, since version 1 has no word for H.265.
    let told = with(Ways { media_2: true, ..Ways::default() });
    assert_eq!((&told["media"], &told["streams"][0]["codec"]), (&json!(2), &json!("H265")), "{told}");
    let told = with(Ways { media_2: true, trouble: Trouble::BrokenMedia2, ..Ways::default() });
    assert_eq!((&told["media"], &told["streams"][0]["codec"]), (&json!(1), &json!("H264")), "{told}");
    // Behind a router it tells an address that leads nowhere from here.
    let told = with(Ways { host: Some("10.255.255.1:8000".to_owned()), media_2: true, ..Ways::default() });
    assert_eq!(told["replaced_hosts"], json!(["10.255.255.1"]), "{told}");
    let url = told["streams"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("rtsp://127.0.0.1:554/Streaming/profile_1"), "{told}");
    // One profile that fails does not hide the other.
    let told = with(Ways { trouble: Trouble::OneStream, ..Ways::default() });
    assert!(told["streams"][0]["url"].is_string() && told["streams"][1]["url"].is_null(), "{told}");
    assert_eq!(told["streams"][1]["fault"], "fault", "{told}");
    assert!(told["streams"][1]["message"].as_str().unwrap().contains("NoProfile"), "{told}");
}

#[test]
fn every_failure_has_a_name_and_none_takes_long() {
    let config = Config::new("en", "");
    let camera =
        |trouble| OnvifCamera::new(Ways { trouble, login: Login::Nobody, ..Ways::default() }).target();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let garbage = TcpListener::bind("127.0.0.1:0").unwrap();
    let not_http = garbage.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut peer in garbage.incoming().flatten() {
            let _ = peer.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    for (target, fault, expected) in [
        (closed, "refused", "refuses"),
        ("no-such-camera.invalid".to_owned(), "dns", "no-such-camera.invalid"),
        (not_http, "broken-off", "HTTP"),
        (camera(Trouble::Page), "not-onvif", "a web page"),
        (camera(Trouble::NotFound), "not-onvif", "HTTP 404"),
        (camera(Trouble::Cut), "xml", "GetProfiles"),
        (camera(Trouble::NoProfiles), "no-profiles", "main stream"),
        (camera(Trouble::Elsewhere), "redirected", "https://***:***@127.0.0.1/x"),
        (camera(Trouble::Huge), "too-large", "GetSystemDateAndTime"),
        (camera(Trouble::Frozen), "timeout", "GetSystemDateAndTime"),
    ] {
        let began = Instant::now();
        let told = config.json(&["streams", &target], "");
        assert_eq!((&told["ok"], &told["fault"]), (&json!(false), &json!(fault)), "{target}: {told}");
        assert!(told["message"].as_str().unwrap().contains(expected), "{told}");
        assert!(!told.to_string().contains("s3cret"), "{told}");
        // Ten seconds for the camera; a loaded machine needs a few to start and to end the process.
        assert!(began.elapsed() < Duration::from_secs(25), "{target}: {:?}", began.elapsed());
    }
    let output = config.run(&["streams", "rtsp://u:s3cret@127.0.0.1/x"], "");
    let told = text_of(&output);
    assert!(!output.status.success() && told.contains("HOST:PORT") && !told.contains("s3cret"), "{told}");
}
