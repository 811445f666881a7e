//! What the box writes, where nobody reads it, and what it does on signals.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use menshen_testbed::process::Process;
use menshen_testbed::scrape;

use crate::testbed::{SOON, TestBed, eventually, start_camera};

const FULL_DISK: &str = "/dev/full";

fn run(bed: &TestBed) -> Command {
    let mut command = bed.device.command(&["run"]).unwrap();
    command.env("MALLOC_ARENA_MAX", "2").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn wait_ready(bed: &TestBed) {
    eventually("the box is ready", Duration::from_mins(1), || bed.device.is_ready().then_some(()));
}

/// A box whose standard error is a pipe that nobody reads, one whose reader is gone, and one on a full disk: each goes on, answers
/// and stops in good order.
#[test]
fn a_log_that_nobody_takes_costs_lines_and_nothing_else() {
    for (what, expects_loss) in [("unread", true), ("closed", false), ("full", false)] {
        let mut bed = TestBed::standalone();
        bed.set("log.level", "\"trace\"");
        let mut command = run(&bed);
        let (reader, writer) = std::io::pipe().unwrap();
        match what {
            "full" => command.stderr(OpenOptions::new().write(true).open(FULL_DISK).unwrap()),
            _ => command.stderr(writer),
        };
        let mut process = Process::spawn(&mut command).unwrap();
        drop(command);
        let reader = (what == "unread").then_some(reader);
        wait_ready(&bed);
        // Each answer logs lines at this level: enough to fill the pipe and what waits before it.
        if expects_loss {
            eventually("lines are dropped", Duration::from_mins(2), || {
                for _ in 0..200 {
                    assert!(scrape::get(bed.port, "/healthz").contains('{'), "{what}: it answers");
                }
                (bed.metric("menshen_log_lines_dropped_total") > 0.0).then_some(())
            });
        }
        assert!(process.is_running(), "{what}");
        let status = process.stop(SOON).unwrap();
        assert!(status.success(), "{what}: {status}");
        drop(reader);
    }
}

#[test]
fn commands_survive_a_reader_that_has_read_enough_and_name_a_full_disk() {
    let bed = TestBed::standalone();
    for arguments in [&["devices", "list"][..], &["users", "list"], &["models", "list"], &["check"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            bed.device.command(arguments).unwrap().stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.signal().is_none() && !told.contains("panicked"), "{arguments:?}: {told}");
    }
    let full = OpenOptions::new().write(true).open(FULL_DISK).unwrap();
    let output = bed.device.command(&["models", "list"]).unwrap().stdout(full).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("cannot be written"), "{told}");
}

#[test]
fn signals_without_a_meaning_are_ignored_and_quit_drains() {
    let mut bed = TestBed::standalone();
    bed.start();
    for signal in ["USR1", "USR2"] {
        bed.process().signal(signal).unwrap();
        eventually(signal, SOON, || bed.log().contains(&format!("SIG{signal}")).then_some(()));
    }
    wait_ready(&bed);
    bed.process().signal("QUIT").unwrap();
    eventually("it stops in good order", SOON, || bed.log().contains("stopped in good order").then_some(()));
}

#[test]
fn a_hang_up_has_the_configuration_read_again() {
    let camera = start_camera("lobby", &["obama-2.jpg"], &["--size", "854x480"]);
    let mut bed = TestBed::standalone();
    bed.start();
    let (path, before) = (bed.config_path(), std::fs::read_to_string(bed.config_path()).unwrap());
    std::fs::write(&path, format!("{before}\n[recognition]\nworkers = \"many\"\n")).unwrap();
    bed.process().signal("HUP").unwrap();
    eventually("the error is told", SOON, || bed.log().contains("the running one is kept").then_some(()));
    wait_ready(&bed);
    let device = format!("\n[[devices]]\nip = \"lobby\"\npipeline = \"rtsp\"\nurl = \"{}\"\n", camera.url());
    std::fs::write(&path, before.replace("devices = []", "") + &device).unwrap();
    bed.process().signal("HUP").unwrap();
    eventually("the new camera is there", Duration::from_mins(1), || {
        scrape::get(bed.port, "/metrics").contains("menshen_device_online{device=\"").then_some(())
    });
    bed.stop();
}
