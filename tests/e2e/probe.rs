//! `menshen devices probe`: what an installer on a ladder is told.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::testbed::{SOON, TestBed, eventually, menshen, picture, start_camera};

fn probe(arguments: &[&str]) -> (bool, Value, Duration) {
    let began = Instant::now();
    let output = menshen(&["devices", "probe", "--json"]).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = serde_json::from_str(&told)
        .unwrap_or_else(|_| panic!("{told}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), answer, began.elapsed())
}

#[test]
fn a_good_stream_is_described() {
    let mut camera = start_camera("good", &["obama-2.jpg"], &["--size", "854x480"]);
    camera.go().unwrap();
    // Somebody is there half of the time.
    let answer = eventually("a face is seen", SOON, || {
        let (ok, answer, _) = probe(&[&camera.url()]);
        assert!(ok, "{answer}");
        (answer["pictures_with_faces"] != 0).then_some(answer)
    });
    assert_eq!(
        (&answer["codec"], &answer["width"], &answer["height"]),
        (&"h264".into(), &854.into(), &480.into())
    );
    // A loaded machine gives fewer, no machine more.
    assert!((5.0..17.0).contains(&answer["frames_per_s"].as_f64().unwrap()), "{answer}");
    assert!(answer["face_px"].as_f64().unwrap() > 60.0, "{answer}");
}

/// A camera that was hung upside down, or on its side: the installer is told what to set.
#[test]
fn faces_that_are_not_upright_are_noticed() {
    let folder = tempfile::TempDir::new().unwrap();
    let upright = image::open(picture("obama-2.jpg")).unwrap();
    let turned = folder.path().join("turned.png");
    upright.rotate180().save(&turned).unwrap();
    let mut camera = start_camera("turned", &[turned.to_str().unwrap()], &["--size", "854x480"]);
    camera.go().unwrap();
    let answer = eventually("a face is seen", Duration::from_mins(2), || {
        let (ok, answer, _) = probe(&[&camera.url()]);
        assert!(ok, "{answer}");
        (answer["pictures_with_faces"].as_u64().unwrap() > 1).then_some(answer)
    });
    assert_eq!((&answer["rotation"], &answer["pixel_aspect"]), (&180.into(), &"1:1".into()), "{answer}");
}

/// What the device's keys say of its pictures counts, and is not asked for again.
#[test]
fn a_configured_device_is_probed_as_it_will_be_seen() {
    let folder = tempfile::TempDir::new().unwrap();
    let turned = folder.path().join("turned.png");
    image::open(picture("obama-2.jpg")).unwrap().rotate180().save(&turned).unwrap();
    let mut camera = start_camera("ceiling", &[turned.to_str().unwrap()], &["--size", "854x480"]);
    camera.go().unwrap();
    let mut bed = TestBed::standalone();
    bed.add_device("as-hung", "rtsp", &camera.url());
    bed.add_device_config("rotation = 180");
    bed.add_device("wide", "rtsp", &camera.url());
    bed.add_device_config("rotation = 180\npixel_aspect = \"4:3\"");
    let seen = |ip: &str| {
        eventually("a face is seen", Duration::from_mins(2), || {
            let output = bed.run(&["devices", "probe", "--json", ip]);
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let answer: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{output:?}"));
            assert!(output.status.success(), "{answer}");
            (answer["pictures_with_faces"].as_u64().unwrap() > 1).then_some(answer)
        })
    };
    let answer = seen("as-hung");
    assert_eq!((&answer["rotation"], &answer["pixel_aspect"]), (&180.into(), &"1:1".into()), "{answer}");
    // Spread over the time the stream is watched, whatever the models take to load.
    assert!((4..=11).contains(&answer["pictures_looked_at"].as_u64().unwrap()), "{answer}");
    assert_eq!(seen("wide")["pixel_aspect"], "4:3");
    let output = bed.run(&["devices", "probe", "as-hung"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !told.contains("rotation ="), "{told}");
}

#[test]
fn every_fault_has_a_name_and_none_takes_long() {
    let camera =
        start_camera("locked", &["obama-2.jpg"], &["--size", "640x360", "--credentials", "admin:r1ght"]);
    let open = start_camera("open", &["obama-2.jpg"], &["--size", "640x360"]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("rtsp://admin:s3cret@{}/x", silent.local_addr().unwrap());
    let garbage = TcpListener::bind("127.0.0.1:0").unwrap();
    let garbage_url = format!("rtsp://{}/x", garbage.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut peer in garbage.incoming().flatten() {
            let _ = peer.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let locked = camera.url().replace("rtsp://", "rtsp://admin:wr0ng@");
    let elsewhere = open.url().replace("/open", "/elsewhere");
    for (url, expected) in [
        ("rtsp://no-such-host.invalid/x", vec!["dns"]),
        (&format!("rtsp://{closed}/x"), vec!["refused"]),
        (&locked, vec!["unauthorized"]),
        (&elsewhere, vec!["not-found"]),
        (&silent_url, vec!["no-pictures"]),
        (&garbage_url, vec!["stream", "unreachable"]),
        ("rtsp://", vec!["address"]),
    ] {
        let (ok, answer, took) = probe(&[url]);
        let fault = answer["fault"].as_str().unwrap_or_default();
        assert!(!ok && expected.contains(&fault), "{url}: {answer}");
        assert!(!answer.to_string().contains("wr0ng") && !answer.to_string().contains("s3cret"), "{answer}");
        assert!(answer["message"].as_str().unwrap().len() > 10, "{answer}");
        // Ten seconds for the stream; a loaded machine needs a few to start and to end the process.
        assert!(took < Duration::from_secs(25), "{url}: {took:?}");
    }
    let right = camera.url().replace("rtsp://", "rtsp://admin:r1ght@");
    assert!(probe(&[&right]).0);
}
