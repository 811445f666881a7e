//! A box with no platform and no broker.

use crate::testbed::{TestBed, photo, picture, simulator, start_camera};

/// H.265 with digest authentication and a video file, side by side.
#[test]
fn people_of_a_folder_are_recognised_without_a_platform() {
    let mut camera =
        start_camera("lobby", &["obama-2.jpg"], &["--codec", "h265", "--credentials", "admin:s3cret"]);
    let mut bed = TestBed::standalone();
    let folder = bed.folder.path().join("photos");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Barack Obama-1001-staff.jpg"), photo("obama-1.jpg")).unwrap();
    std::fs::write(folder.join("No Face-1002-staff.png"), photo("coffee.png")).unwrap();
    bed.add_device("lobby", "rtsp", &camera.url().replace("rtsp://", "rtsp://admin:s3cret@"));
    let clip = record(&bed);
    bed.add_device("recording", "file", &clip);

    let import = bed.run(&["users", "import", folder.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&import.stdout).into_owned();
    assert!(
        told.contains("1001 Barack Obama added") && told.contains("1002 No Face refused 40004"),
        "{told}"
    );
    assert!(!import.status.success(), "one of two was refused");
    let list = bed.run(&["users", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("Barack Obama"));

    bed.start();
    camera.go().unwrap();
    for device in ["lobby", "recording"] {
        bed.wait(device, |entry| {
            entry.kind == "realtime"
                && entry.body["identity_id"] == "1001"
                && entry.body["ext_data"]["device_ip"] == device
        });
    }
    let kinds = ["login", "history", "status", "device-list"];
    assert!(bed.platform.ledger().since(0, |entry| kinds.contains(&entry.kind)).is_empty());
    let everything_shown = bed.log()
        + &menshen_testbed::scrape::get(bed.port, "/metrics")
        + &menshen_testbed::scrape::get(bed.port, "/healthz");
    assert!(!everything_shown.contains("s3cret"), "the camera's password is shown");
    bed.stop();
}

/// A short video of one walker.
fn record(bed: &TestBed) -> String {
    let file = bed.folder.path().join("walk.mkv").display().to_string();
    let walker = picture("obama-3.jpg");
    let output = simulator(&["camera", "--walk-ms", "3000", "--gap-ms", "1000", "--record", &file, "--walk"])
        .arg(walker)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

/// A graphics processor no machine has: the CPU does its work, and everybody is told.
#[test]
fn an_accelerator_that_is_of_no_use_costs_nothing_but_speed() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &["--size", "854x480"]);
    let mut bed = TestBed::standalone();
    let folder = bed.folder.path().join("photos");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Barack Obama-1001-staff.jpg"), photo("obama-1.jpg")).unwrap();
    bed.add_camera(&camera);
    bed.set("runtime.accelerator", "\"openvino:GPU.9\"");
    let import = bed.run(&["users", "import", folder.to_str().unwrap()]);
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let check = bed.run(&["check"]);
    let told = String::from_utf8_lossy(&check.stderr);
    assert!(!check.status.success() && told.contains("runtime.accelerator"), "{told}");
    let optimize = bed.run(&["models", "optimize", "sface", "--int8", "--images", folder.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&optimize.stderr);
    assert!(
        !optimize.status.success() && told.contains("sface: "),
        "8-bit integers cannot be tried there: {told}"
    );

    bed.start();
    camera.go().unwrap();
    bed.wait("Obama", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    let page = menshen_testbed::scrape::get(bed.port, "/healthz");
    let health: serde_json::Value = serde_json::from_str(&page[page.find('{').unwrap()..]).unwrap();
    assert_eq!(health["models"]["accelerator"], "openvino:GPU.9");
    assert!(health["models"]["accelerator_fault"].as_str().is_some_and(|fault| fault.len() > 10), "{page}");
    assert!(bed.log().contains("the CPU embeds"), "it is in the log");
    bed.stop();
}
