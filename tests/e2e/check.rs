//! `menshen check` on the command line.

use crate::testbed::{menshen, picture};

fn check(config: &str) -> (bool, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("menshen.toml");
    std::fs::write(&file, config).unwrap();
    let output = menshen(&["check", "--config"]).arg(&file).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_sample_is_right() {
    let output = menshen(&["check"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("ok: "));
}

#[test]
fn mistakes_in_settings_pipelines_and_models_are_told_at_once() {
    let (success, told) = check(
        "mode = \"platform\"\n[platform]\nlogin_url = \"ftp://x\"\ndev_sno = \"U\"\n\
         [recognition]\nembedder = \"sfase\"\ntreshold = 80.0\n\
         [[devices]]\nip = \"1.2.3.4\"\ntype = \"camera\"\npipeline = \"rtps\"\n[web]\nlisten = \"nowhere\"\n",
    );
    assert!(!success);
    for part in [
        "menshen.toml:3: `platform.login_url`: `ftp` is not http or https",
        "menshen.toml:7: `recognition.treshold`: unknown key; did you mean `threshold`?",
        "menshen.toml:10: `devices.0.type`: unknown variant `camera`, expected one of `turnstile`",
        "menshen.toml:13: `web.listen`: `nowhere` is no address",
        "pipeline `rtps`: there is no such template; there is file, file-fast, ftp, mjpeg, post, rtsp, snapshot, test, usb",
        "no model `sfase` in models; there is age-v1, fr_feature, gender-v1, minifasnet-v1se, minifasnet-v2, sface, yunet",
        "6 problems",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

/// Also what the start costs is measured on the real box, with everything of it sealed on disk.
#[test]
fn the_start_of_a_full_box_is_measured() {
    let photo = picture("obama-1.jpg").display().to_string();
    let output =
        menshen(&["bench", "start", "--people", "50", "--starts", "1", "--photo", &photo]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!((&line["people"], output.status.success()), (&serde_json::json!(50), true), "{told}");
    assert!(
        line["first_recognition_ms"].as_u64().unwrap() > 0 && line["resident_mb"].as_f64().unwrap() > 10.0
    );
}
