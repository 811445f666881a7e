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
    assert!(verdict["dialect_changes"].as_u64().unwrap() > 5, "{verdict}");
    let bodies = verdict["events_by_dialect"].as_object().unwrap();
    assert!(["0 in 2.4", "0 in 2.6", "2 in 2.6"].iter().all(|form| bodies.contains_key(*form)), "{verdict}");
}

/// Replies through `notify_path`, and what hurts most there.
#[test]
fn a_short_fault_campaign_without_an_upload_queue_loses_nothing() {
    let kinds = "box-kill,platform-kill,cut-platform,answer-500,answer-401,answer-page";
    let verdict = campaign(&["faults", "--seed", "2", "--faults", "6", "--kinds", kinds]);
    assert!(verdict["walks_judged"].as_u64().is_some(), "{verdict}");
}

/// RabbitMQ 4 gives a command of a quorum queue up after twenty deliveries, unasked.
#[test]
fn a_short_fault_campaign_on_quorum_queues_loses_nothing() {
    for broker in brokers() {
        let kinds = "reply-refused,box-kill,cut-broker,half-open-broker,broker-kill";
        let verdict = campaign(&[
            "faults", "--seed", "1", "--faults", "5", "--queues", "quorum", "--broker", broker, "--kinds",
            kinds,
        ]);
        assert!(verdict["commands"].as_u64().unwrap() > 15, "there was load: {verdict}");
        assert!(
            verdict["handed_over"].as_u64() >= verdict["commands"].as_u64(),
            "all of it was seen: {verdict}"
        );
        assert_eq!(verdict["broker_reordered"], 0, "one node keeps the order: {verdict}");
    }
}

/// Full, not permitted, gone: seed 15 has all three.
#[test]
fn replies_that_the_broker_refuses_are_not_lost() {
    let verdict = campaign(&[
        "faults",
        "--seed",
        "15",
        "--faults",
        "3",
        "--queues",
        "quorum",
        "--kinds",
        "reply-refused",
    ]);
    assert!(verdict["replies_refused"].as_u64().unwrap() >= 2, "{verdict}");
    assert!(verdict["refusals_not_felt"].as_u64().unwrap() <= 1, "{verdict}");
}

/// Three ways for a node to fail on each version, all five on both.
#[test]
fn a_short_fault_campaign_on_a_cluster_loses_nothing() {
    for broker in brokers() {
        let kinds = match broker {
            "4" => "node-kill,node-cut-off,node-drain",
            _ => "leader-kill,node-freeze,node-cut-off",
        };
        let verdict = campaign(&[
            "faults",
            "--seed",
            "1",
            "--faults",
            "3",
            "--cluster",
            "--broker",
            broker,
            "--kinds",
            kinds,
        ]);
        assert_eq!(verdict["faults"].as_object().unwrap().len(), 3, "{verdict}");
        assert_eq!(verdict["overtaken"], 0, "{verdict}");
    }
}

/// RabbitMQ 4 where it is there.
fn brokers() -> Vec<&'static str> {
    let four = menshen_testbed::broker::Version::four().map(|_| "4");
    if four.is_none() {
        #[allow(clippy::print_stderr, reason = "whoever runs the tests should know what was left out")]
        {
            eprintln!("left out: RabbitMQ 4 is not here (scripts/rabbitmq4 --check says why)");
        }
    }
    std::iter::once("packaged").chain(four).collect()
}

#[test]
fn a_killed_box_has_what_the_commands_say() {
    let verdict = campaign(&["kills", "--seed", "1", "--rounds", "8"]);
    assert!(
        verdict["kills"].as_u64().unwrap() >= 8 && verdict["commands"].as_u64().unwrap() >= 20,
        "{verdict}"
    );
}
