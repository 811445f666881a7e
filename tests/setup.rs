//! The set-up script, on a machine that is made to look new.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

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
    let output = Command::new("scripts/setup").arg("--check").env("PATH", path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    let line =
        told.lines().find(|line| line.contains("missing packages")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("rabbitmq-server") && line.contains("libgstreamer1.0-dev"), "{line}");
    assert!(!line.contains(" pkg-config"), "what is there is not missing: {line}");
}
