//! Cameras that are killed, frozen and started again.

use crate::stage::{Camera, SOON, Stage, eventually};

/// Three cameras at once on a small machine; 854 is a width whose rows are padded.
const SMALL: [&str; 2] = ["--size", "854x480"];

/// Waits for somebody recognised at the camera after ledger entry `after`.
fn wait_seen(stage: &Stage, camera: &str, after: u64) {
    stage.wait(&format!("Obama at {camera}"), |entry| {
        entry.number >= after && entry.kind == "realtime" && entry.body["ext_data"]["device_ip"] == camera
    });
}

#[test]
fn cameras_come_back_by_themselves_and_do_not_disturb_each_other() {
    let mut killed = Camera::new("killed", &["obama-2.jpg"], &SMALL);
    let mut frozen = Camera::new("frozen", &["obama-2.jpg"], &SMALL);
    let mut steady = Camera::new("steady", &["obama-2.jpg"], &SMALL);
    let mut stage = Stage::with_platform(|_| ());
    for camera in [&killed, &frozen, &steady] {
        stage.add_camera(camera);
    }
    stage.start();
    stage.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    for camera in [&mut killed, &mut frozen, &mut steady] {
        stage.wait_device(&camera.name, "online", 0);
        camera.go();
        wait_seen(&stage, &camera.name, 0);
    }

    let trouble = stage.platform.ledger().len();
    killed.kill9();
    frozen.signal("STOP");
    let offline = [("killed", trouble), ("frozen", trouble)]
        .map(|(name, after)| stage.wait_device(name, "offline", after));
    // The third camera goes on seeing while the others are gone.
    wait_seen(&stage, "steady", *offline.iter().max().unwrap());
    let health = menshen::sim::scrape::get(stage.port, "/healthz");
    assert!(health.contains("offline: "), "the reason is shown: {health}");

    killed.start();
    killed.go();
    frozen.signal("CONT");
    for (camera, after) in [("killed", offline[0]), ("frozen", offline[1])] {
        let online = stage.wait_device(camera, "online", after);
        wait_seen(&stage, camera, online);
    }
    let steady_down = stage.platform.ledger().since(trouble, |entry| {
        let devices = entry.body["deviceList"].as_array();
        devices.into_iter().flatten().any(|d| d["epIp"] == "steady" && d["epStatus"] == "offline")
    });
    assert!(steady_down.is_empty(), "the steady camera was disturbed");
    assert!(stage.metric("menshen_stream_reconnects_total") >= 2.0);
    stage.stop();
}

#[test]
fn a_wrong_password_is_named_and_never_shown() {
    let camera = Camera::new("locked", &["obama-2.jpg"], &["--credentials", "admin:right"]);
    let mut stage = Stage::standalone();
    stage.add_device("locked", "rtsp", &camera.url().replace("rtsp://", "rtsp://admin:wr0ngpass@"));
    stage.start();
    let health = eventually("the reason", SOON, || {
        let health = menshen::sim::scrape::get(stage.port, "/healthz");
        health.contains("nauthorized").then_some(health)
    });
    assert!(!(health + &stage.log()).contains("wr0ngpass"), "the password is shown");
    stage.stop();
}
