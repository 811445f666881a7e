//! The fault and kill campaigns with a few fixed seeds; the long ones are run by command (see docs/measurements/fault-campaigns.md).
//! Needs `scripts/setup` to have run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::process::Command;

use serde_json::Value;

/// Runs a campaign to its end and returns its verdict.
fn campaign(arguments: &[&str]) -> Value {
    let output = Command::new(menshen_testbed::process::program("menshen-sim").unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{told}\n{errors}");
    let last = told.lines().last().unwrap();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
}

/// One deck: every kind once, replies through the queue.
#[test]
fn a_short_fault_campaign_loses_nothing() {
    let verdict = campaign(&["faults", "--seed", "1", "--faults", "12"]);
    let injected: u64 = verdict["faults"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(injected, 12, "{verdict}");
    assert!(verdict["commands"].as_u64().unwrap() > 30, "there was load: {verdict}");
    assert!(verdict["events_stored"].as_u64().unwrap() > 3, "people walked: {verdict}");
}

/// Replies through `notify_path`, and what hurts most there.
#[test]
fn a_short_fault_campaign_without_an_upload_queue_loses_nothing() {
    let kinds = "box-kill,platform-kill,cut-platform,answer-500,answer-401,answer-page";
    let verdict = campaign(&["faults", "--seed", "2", "--faults", "6", "--kinds", kinds]);
    assert!(verdict["walks_judged"].as_u64().is_some(), "{verdict}");
}

#[test]
fn a_killed_box_has_what_the_commands_say() {
    let verdict = campaign(&["kills", "--seed", "1", "--rounds", "8"]);
    assert!(
        verdict["kills"].as_u64().unwrap() >= 8 && verdict["commands"].as_u64().unwrap() >= 20,
        "{verdict}"
    );
}
