//! The set-up script, on a machine that is made to look new.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// `program`, run from the root of the repository.
fn in_repository(program: &str) -> Command {
    let root = repo_checks::repository();
    let own = root.join(program);
    let mut command = Command::new(if own.is_file() { own } else { program.into() });
    command.current_dir(root);
    command
}

/// Puts a `dpkg-query` before the real one that knows only `known`, and fails for the rest as the real one does.
fn fake_dpkg(folder: &Path, known: &str) {
    let script = folder.join("dpkg-query");
    std::fs::write(&script, format!("#!/bin/sh\nprintf 'ii {known}\\n'\nexit 1\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn packages_a_new_machine_lacks_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fake_dpkg(folder.path(), "pkg-config");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = in_repository("scripts/setup").arg("--check").env("PATH", path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    let line =
        told.lines().find(|line| line.contains("missing packages")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("rabbitmq-server") && line.contains("libgstreamer1.0-dev"), "{line}");
    assert!(!line.contains(" pkg-config"), "what is there is not missing: {line}");
}

/// What the converter of weights says of a file; it must never run what is in there.
fn convert(file: &Path) -> (bool, String) {
    let program = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, 'scripts'); import minifas\n\
                   try:\n    minifas.to_onnx(open(sys.argv[1], 'rb').read())\n\
                   except minifas.Wrong as wrong:\n    sys.exit(f'refused: {wrong}')\n";
    let output = in_repository("python3").args(["-c", program]).arg(file).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_file_of_weights_that_calls_something_is_refused_and_calls_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, proof) = (folder.path().join("evil.pth"), folder.path().join("proof"));
    // A pickle that makes a file when it is loaded.
    let evil = format!("cos\nsystem\n(S'touch {}'\ntR.", proof.display());
    std::fs::write(&file, evil).unwrap();
    let (done, told) = convert(&file);
    assert!(!done && told.contains("refused: it holds a os.system"), "{told}");
    assert!(!proof.exists(), "it was carried out");
    // A pickle of something harmless is no file of weights either.
    std::fs::write(&file, b"I1\n.I1\n.}.").unwrap();
    let (done, told) = convert(&file);
    assert!(!done && told.contains("refused: it is no PyTorch file"), "{told}");
}
