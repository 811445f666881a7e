//! Cameras that are killed, frozen and started again.

use std::time::{Duration, Instant};

use menshen_testbed::proxy::{Mode, Proxy};
use serde_json::Value;

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, start_camera};

/// Three cameras at once on a small machine; 854 is a width whose rows are padded.
const SMALL: [&str; 2] = ["--size", "854x480"];

/// Waits for somebody recognised at the camera after ledger entry `after`.
fn wait_seen(bed: &TestBed, camera: &str, after: u64) {
    bed.wait(&format!("Obama at {camera}"), |entry| {
        entry.number >= after && entry.kind == "realtime" && entry.body["ext_data"]["device_ip"] == camera
    });
}

#[test]
fn health_knows_when_the_newest_frame_came() {
    let camera = start_camera("steady", &["obama-2.jpg"], &SMALL);
    let mut bed = TestBed::standalone();
    bed.add_camera(&camera);
    bed.start();
    let newest =
        |bed: &TestBed| bed.device.health()["devices"][0]["last_frame_ms"].as_u64().filter(|ms| *ms > 0);
    let first = eventually("a frame came", SOON, || newest(&bed));
    eventually("a newer frame is shown", SOON, || newest(&bed).filter(|ms| *ms > first + 3000));
    bed.stop();
}

#[test]
fn cameras_come_back_by_themselves_and_do_not_disturb_each_other() {
    let mut killed = start_camera("killed", &["obama-2.jpg"], &SMALL);
    let mut frozen = start_camera("frozen", &["obama-2.jpg"], &SMALL);
    let mut steady = start_camera("steady", &["obama-2.jpg"], &SMALL);
    let mut bed = TestBed::with_platform(|_| ());
    for camera in [&killed, &frozen, &steady] {
        bed.add_camera(camera);
    }
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    for camera in [&mut killed, &mut frozen, &mut steady] {
        bed.wait_device(camera.name(), "online", 0);
        camera.go().unwrap();
        wait_seen(&bed, camera.name(), 0);
    }

    let trouble = bed.platform.ledger().len();
    killed.kill9();
    frozen.signal("STOP").unwrap();
    let offline = [("killed", trouble), ("frozen", trouble)]
        .map(|(name, after)| bed.wait_device(name, "offline", after));
    // The third camera goes on seeing while the others are gone.
    wait_seen(&bed, "steady", *offline.iter().max().unwrap());
    let health = menshen_testbed::scrape::get(bed.port, "/healthz");
    assert!(health.contains("offline: "), "the reason is shown: {health}");

    killed.restart().unwrap();
    frozen.signal("CONT").unwrap();
    for (camera, after) in [("killed", offline[0]), ("frozen", offline[1])] {
        let online = bed.wait_device(camera, "online", after);
        wait_seen(&bed, camera, online);
    }
    let steady_down = bed.platform.ledger().since(trouble, |entry| {
        let devices = entry.body["deviceList"].as_array();
        devices.into_iter().flatten().any(|d| d["epIp"] == "steady" && d["epStatus"] == "offline")
    });
    assert!(steady_down.is_empty(), "the steady camera was disturbed");
    assert!(bed.metric("menshen_stream_reconnects_total") >= 2.0);
    bed.stop();
}

#[test]
fn a_wrong_password_is_named_and_never_shown() {
    let camera = start_camera("locked", &["obama-2.jpg"], &["--credentials", "admin:right"]);
    let mut bed = TestBed::standalone();
    bed.add_device("locked", "rtsp", &camera.url().replace("rtsp://", "rtsp://admin:wr0ngpass@"));
    bed.start();
    let health = eventually("the reason", SOON, || {
        let health = menshen_testbed::scrape::get(bed.port, "/healthz");
        health.contains("nauthorized").then_some(health)
    });
    assert!(!(health + &bed.log()).contains("wr0ngpass"), "the password is shown");
    bed.stop();
}

/// A device as the local API shows it.
fn device(bed: &TestBed, name: &str) -> Value {
    let (_, body) = http::get(bed.local_port, &format!("/menshen/api/devices?ip={name}"));
    body["data"]["devices"][0].clone()
}

/// A box that knows Obama, at these cameras.
fn box_with(cameras: &[(&str, String)]) -> TestBed {
    let mut bed = TestBed::standalone();
    for (name, url) in cameras {
        bed.add_device(name, "rtsp", url);
    }
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    crate::photos::enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    for (name, _) in cameras {
        eventually("the camera is online", SOON, || (device(&bed, name)["state"] == "online").then_some(()));
    }
    bed
}

#[test]
fn a_camera_that_comes_back_as_another_one_is_seen_again() {
    let mut camera = start_camera("changed", &["obama-2.jpg"], &SMALL);
    let mut bed = box_with(&[("changed", camera.url())]);
    camera.go().unwrap();
    wait_seen(&bed, "changed", 0);
    assert_eq!(device(&bed, "changed")["codec"], "h264");
    camera.kill9();
    eventually("it is missed", SOON, || (device(&bed, "changed")["state"] == "offline").then_some(()));
    let after = bed.platform.ledger().len();
    camera.change(&[("--codec", "h265"), ("--size", "640x480")]);
    camera.restart().unwrap();
    wait_seen(&bed, "changed", after);
    let now = device(&bed, "changed");
    assert_eq!((&now["state"], &now["codec"]), (&"online".into(), &"h265".into()), "{now}");
    bed.stop();
}

#[test]
fn a_new_size_in_the_middle_and_a_mad_clock_disturb_nothing() {
    let mut resized =
        start_camera("resized", &["obama-2.jpg"], &["--size", "854x480", "--other-size", "640x360"]);
    let mut mad = start_camera("mad", &["obama-2.jpg"], &["--size", "640x360", "--mad-clock"]);
    let mut bed = box_with(&[("resized", resized.url()), ("mad", mad.url())]);
    resized.go().unwrap();
    mad.go().unwrap();
    for camera in [&resized, &mad] {
        // Two whole walks, in both sizes where there are two, whose events came.
        let walked = eventually("two walks", SOON, || {
            Some(camera.reported("walk-ended")).filter(|walks| walks.len() >= 2)
        });
        let began = camera.reported("walk-begins");
        for (begin, end) in began.iter().zip(&walked) {
            let (from, to) = (begin["at_ms"].as_u64().unwrap(), end["at_ms"].as_u64().unwrap() + 3000);
            bed.wait(&format!("the walk at {}", camera.name()), |entry| {
                let seen = entry.body["ext_data"]["in_timestamp"].as_u64().unwrap_or_default();
                entry.kind == "realtime"
                    && entry.body["ext_data"]["device_ip"] == *camera.name()
                    && (from..to).contains(&seen)
            });
        }
        let now = device(&bed, camera.name());
        assert_eq!(
            (&now["state"], &now["reconnects"]),
            (&"online".into(), &0.into()),
            "{now}\n{}",
            bed.log()
        );
    }
    bed.stop();
}

#[test]
fn a_camera_that_flaps_every_second_is_a_nuisance_to_nobody() {
    let mut steady = start_camera("steady", &["obama-2.jpg"], &SMALL);
    let mut flapping = start_camera("flapping", &["obama-2.jpg"], &SMALL);
    let proxy = Proxy::start(flapping.port()).unwrap();
    let url = format!("rtsp://127.0.0.1:{}/flapping", proxy.port());
    let mut bed = box_with(&[("steady", steady.url()), ("flapping", url)]);
    steady.go().unwrap();
    flapping.go().unwrap();
    wait_seen(&bed, "flapping", 0);
    let open_files = |bed: &TestBed| bed.process().open_files().unwrap();
    let (files, began, log) = (open_files(&bed), Instant::now(), bed.log().len());
    let trouble = bed.platform.ledger().len();
    while began.elapsed() < Duration::from_secs(20) {
        proxy.set(Mode::Cut);
        std::thread::sleep(Duration::from_millis(500));
        proxy.set(Mode::Pass);
        std::thread::sleep(Duration::from_millis(500));
    }
    let cut = device(&bed, "flapping");
    assert!(proxy.cuts() >= 4 && cut["reconnects"].as_u64() >= Some(4), "{} cuts: {cut}", proxy.cuts());
    wait_seen(&bed, "steady", trouble);
    let back = Instant::now();
    let after = bed.platform.ledger().len();
    eventually("it is back", SOON, || (device(&bed, "flapping")["state"] == "online").then_some(()));
    assert!(back.elapsed() < Duration::from_secs(10), "back after {:?}", back.elapsed());
    wait_seen(&bed, "flapping", after);
    assert_eq!(device(&bed, "steady")["reconnects"], 0, "the steady camera was disturbed");
    assert!(bed.log().len() - log < 20_000, "the log is flooded");
    eventually("no file stays open", SOON, || (open_files(&bed) <= files + 2).then_some(()));
    bed.stop();
}

#[test]
fn only_what_is_in_view_is_looked_at_and_its_cost_is_told() {
    let mut camera = start_camera("hall", &["obama-2.jpg"], &["--size", "1280x720"]);
    let mut bed = TestBed::standalone();
    for (name, view) in [
        ("whole", ""),
        ("middle", "regions = [[0.3, 0.2, 0.7, 1.0]]"),
        ("ceiling", "regions = [[0.0, 0.0, 1.0, 0.1]]"),
        ("close", "face_min_px = 700"),
    ] {
        bed.add_device(name, "rtsp", &camera.url());
        bed.add_device_config(view);
    }
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    crate::photos::enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    for name in ["whole", "middle", "ceiling", "close"] {
        eventually("the camera is online", SOON, || (device(&bed, name)["state"] == "online").then_some(()));
    }
    camera.go().unwrap();
    for _ in 0..2 {
        let after = bed.platform.ledger().len();
        wait_seen(&bed, "whole", after);
        wait_seen(&bed, "middle", after);
    }
    let seen = |name: &str| {
        bed.platform
            .ledger()
            .since(0, |entry| entry.kind == "realtime" && entry.body["ext_data"]["device_ip"] == name)
    };
    assert!(seen("ceiling").is_empty() && seen("close").is_empty(), "somebody out of view was seen");
    let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
    for stage in ["decode", "glance", "detect", "align", "embed", "search", "encode"] {
        let cost = metrics.lines().find(|line| {
            line.starts_with("menshen_cpu_microseconds_total{")
                && line.contains("\"whole\"")
                && line.contains(&format!("stage=\"{stage}\""))
        });
        let spent = cost.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).unwrap_or_default();
        assert!(spent > 0.0, "{stage} has cost nothing: {cost:?}");
    }
    bed.stop();
}
