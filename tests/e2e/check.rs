//! `menshen check` on the command line.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::testbed::{TestBed, menshen, picture, start_camera};

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
        "menshen.toml:10: `devices.0.type`: is the text \"camera\"; wanted is one of \"turnstile\"",
        "menshen.toml:13: `web.listen`: `nowhere` is no address",
        "pipeline `rtps`: there is no such template; there is file, file-fast, ftp, mjpeg, post, rtsp, snapshot, test, usb",
        "no model `sfase` in models; there is age-v1, fr_feature, gender-v1, minifasnet-v1se, minifasnet-v2, sface, yunet",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

/// Missing, of another checksum, of another shape: each of the models is looked at by itself.
#[test]
fn every_wrong_model_is_named() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut bed = TestBed::standalone();
    let own = bed.folder.path().join("models");
    for name in ["yunet", "sface", "minifasnet-v2", "minifasnet-v1se"] {
        std::fs::create_dir_all(own.join(name)).unwrap();
        for entry in std::fs::read_dir(models.join(name)).unwrap().flatten() {
            std::fs::copy(entry.path(), own.join(name).join(entry.file_name())).unwrap();
        }
    }
    let description = |name: &str| own.join(name).join("model.toml");
    let change = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(description(name)).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        std::fs::write(description(name), text.replace(from, to)).unwrap();
    };
    change("sface", "dimension = 128", "dimension = 512");
    change("sface", "[population]", "[population_]");
    bed.set("models_dir", &format!("\"{}\"", own.display()));
    bed.add_config("\n[[devices]]\nip = \"a\"\ntype = \"turnstile\"\npipeline = \"test\"\nliveness = true\n");
    let (_, told) = all(&bed, &["check"]);
    assert!(told.contains("unknown key `population_`"), "{told}");
    let text = std::fs::read_to_string(description("sface")).unwrap();
    let without: String =
        text.split("[population_]").next().unwrap().to_owned() + "[optimize]\nfree_batch = true\n";
    std::fs::write(description("sface"), without).unwrap();
    let onnx = |name: &str| {
        let files = std::fs::read_dir(own.join(name)).unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|ending| ending == "onnx")).collect::<Vec<_>>()
    };
    for path in onnx("minifasnet-v2") {
        std::fs::write(path, "x").unwrap();
    }
    for path in onnx("minifasnet-v1se") {
        std::fs::remove_file(path).unwrap();
    }
    let (success, told) = all(&bed, &["check"]);
    assert!(!success);
    for part in [
        "model `sface` is not what its model.toml says: its output has 128 values, its model.toml says 512",
        "has sha256",
        "is missing; fetch it with `menshen models fetch minifasnet-v1se`",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

fn all(bed: &TestBed, arguments: &[&str]) -> (bool, String) {
    let output = bed.run(arguments);
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

#[test]
fn what_run_would_meet_is_told_with_the_mend() {
    let mut bed = TestBed::standalone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    bed.add_config(&format!(
        "\n[ftp]\nlisten = \"127.0.0.1:{port}\"\n[storage]\nkeep_free_mb = 1000000\n\
         [recognition]\nliveness_models = [\"no-such-liveness\"]\ngender_model = \"sface\"\nattributes_in_fiqa = true\n\
         [[devices]]\nip = \"hall\"\ntype = \"turnstile\"\nurl = \"rtsp://hall.invalid/x\"\n"
    ));
    // Written by hand, or by an older version: what is wrong with it is told like the file's.
    let changes = r#"{ "devices": { "yard": { "ip": "yard", "type": "turnstile", "url": "rtsp://yard.invalid/x", "liveness": true },
                                    "gate": { "ip": "gate", "type": "turnstile", "pipeline": "rtps", "url": "x" },
                                    "shed": { "ip": "shed", "type": "kettle" } } }"#;
    std::fs::create_dir_all(bed.data_dir()).unwrap();
    std::fs::write(bed.data_dir().join("changes.json"), changes).unwrap();
    let (success, told) = all(&bed, &["check"]);
    assert!(!success);
    for part in [
        &format!("port {port} is taken"),
        "keep_free_mb keeps 1000000 MB",
        "the name `hall.invalid` is not known",
        "the name `yard.invalid` is not known",
        "no model `no-such-liveness`",
        "model `sface` is of role embedder; one of role gender is needed",
        "`gate`",
        "no such template",
        "device `shed` is passed over",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let (_, chinese) = all(&bed, &["check", "--lang", "zh"]);
    assert!(chinese.contains("已被其他程序占用") && chinese.contains("无法解析"), "{chinese}");
}

/// A pipe would be waited for, for ever.
#[test]
fn odd_files_are_named_and_not_waited_for() {
    let mut bed = TestBed::standalone();
    let folder = bed.folder.path().to_owned();
    let pipe = folder.join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").args(["-m", "600", &pipe]).status().unwrap().success());
    let quick = |bed: &TestBed, arguments: &[&str]| {
        let (begun, (success, told)) = (Instant::now(), all(bed, arguments));
        assert!(begun.elapsed() < Duration::from_secs(20) && !success, "{told}");
        told
    };
    let keys = [
        "platform.ca_file",
        "local_api.token_file",
        "local_api.tls_cert",
        "local_api.tls_key",
        "tls.cert",
        "tls.key",
        "storage.key_file",
        "devices.0.password_file",
        "devices.0.url_file",
    ];
    bed.add_config("\n[[devices]]\nip = \"a\"\ntype = \"turnstile\"\npipeline = \"post\"\n");
    for key in keys {
        for (path, what) in [
            (pipe.as_str(), "a named pipe (FIFO)"),
            (folder.to_str().unwrap(), "a folder"),
            ("/dev/zero", "a device"),
        ] {
            let set = format!("{key}={path}");
            let told = quick(&bed, &["check", "--set", &set]);
            assert!(told.contains(&format!("{path} is {what}; give a regular file")), "{key}: {told}");
        }
        let told = quick(&bed, &["run", "--set", &format!("{key}={pipe}")]);
        assert!(told.contains("is a named pipe"), "{key}: {told}");
    }
    let told = quick(&bed, &["check", "--lang", "zh", "--set", &format!("local_api.token_file={pipe}")]);
    assert!(told.contains("是命名管道（FIFO），请指定普通文件"), "{told}");

    // A key of TLS that everyone may read is told of, wherever it is.
    let own = menshen::adapters::tls::make_own(&folder).unwrap();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&own.key, open).unwrap();
    bed.set("local_api.tls_cert", &format!("{:?}", own.cert.display().to_string()));
    bed.set("local_api.tls_key", &format!("{:?}", own.key.display().to_string()));
    let (success, told) = all(&bed, &["check"]);
    assert!(success && told.contains(&format!("chmod o-rwx {}", own.key.display())), "{told}");
    bed.start();
    assert!(bed.log().contains("run chmod o-rwx") && bed.log().contains("key.pem"), "{}", bed.log());
    bed.stop();
}

#[test]
fn connections_are_tried_when_asked() {
    let camera = start_camera("lobby", &["obama-2.jpg"], &["--size", "640x360"]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"lobby\"\ntype = \"turnstile\"\nurl = \"{}\"\n",
        camera.url()
    ));
    let (success, told) = all(&bed, &["check", "--online"]);
    assert!(success, "{told}");
    for part in ["login at", "broker at", "camera `lobby`", "640x360", "connection(s) tried"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"off\"\ntype = \"turnstile\"\nurl = \"rtsp://{closed}/x\"\n\
         action_url = \"tcp://{closed}?opendoor=01\"\n"
    ));
    let (success, told) = all(&bed, &["check", "--online"]);
    assert!(
        !success && told.contains("camera `off` (off): ") && told.contains("door of device `off`"),
        "{told}"
    );
    let (success, told) =
        all(&bed, &["check", "--online", "--set", &format!("platform.login_url=http://{closed}/login")]);
    assert!(
        !success && told.contains("cannot be reached") && told.contains("check platform.login_url"),
        "{told}"
    );
    let (_, told) = all(&bed, &["check"]);
    assert!(told.contains("check --online"), "{told}");
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
