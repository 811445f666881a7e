//! Quorum queues, and replies that a broker does not take: no command is lost, no answer, and no connection.

use std::time::Duration;

use menshen_testbed::broker::{PrivateBroker, Version};
use menshen_testbed::platform::behaviour::Fault;
use serde_json::{Value, json};

use crate::amqp::Hand;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

pub const COMMANDS: &str = "q.commands";
const REPLIES: &str = "q.replies";

/// The same on every RabbitMQ that is there: 4 has quorum queues with a limit of deliveries that nobody asked for, and
/// answers in other words.
fn on_each(test: impl Fn(Version)) {
    for version in Version::all() {
        test(version);
    }
}

fn bed_on(version: Version, more_config: &str) -> TestBed {
    let start = |folder: &std::path::Path| PrivateBroker::start_version(version, folder, more_config, "");
    TestBed::with_broker(start, |_| ())
}

/// A box of user `box`, with a quorum queue that gives a command up after `limit` failed deliveries; not started.
pub fn bed(version: Version, limit: u32, replies: &Value) -> (TestBed, Hand) {
    let bed = bed_on(version, "");
    let hand = queues(&bed, limit, replies);
    (bed, hand)
}

fn queues(bed: &TestBed, limit: u32, replies: &Value) -> Hand {
    control(bed, &["add_user", "box", "one"]);
    control(bed, &["set_permissions", "box", ".*", ".*", ".*"]);
    let hand = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    hand.queue_with(COMMANDS, &json!({ "x-queue-type": "quorum", "x-delivery-limit": limit }));
    hand.queue_with(REPLIES, replies);
    bed.platform.patch_login(json!({
        "rabbitmq": { "login": "box", "password": "one", "queue": COMMANDS, "uploadQueue": REPLIES },
    }));
    hand
}

fn control(bed: &TestBed, arguments: &[&str]) {
    bed.broker.as_ref().unwrap().control(arguments).unwrap();
}

/// Commands without an effect.
fn send(hand: &Hand, ids: &[&str]) {
    for id in ids {
        let command = json!({ "method": "delete_users", "messageId": id, "userid_list": ["nobody"] });
        hand.publish("", COMMANDS, &command);
    }
}

/// The next answers, in the order in which they come.
pub fn answers(bed: &TestBed, hand: &Hand, count: usize) -> Vec<Value> {
    let next = |number| {
        hand.get(REPLIES, SOON).unwrap_or_else(|| panic!("answer {number} did not come:\n{}", bed.log()))
    };
    (0..count).map(next).collect()
}

fn ids(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["messageId"].as_str().unwrap_or_default()).collect()
}

const SIX: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

#[test]
fn a_full_reply_queue_costs_no_command_no_answer_and_no_connection() {
    on_each(a_full_reply_queue_costs_no_command_no_answer_and_no_connection_on);
}

fn a_full_reply_queue_costs_no_command_no_answer_and_no_connection_on(version: Version) {
    let (mut bed, hand) = bed(version, 3, &json!({ "x-max-length": 1, "x-overflow": "reject-publish" }));
    hand.publish("", REPLIES, &json!({ "messageId": "full" }));
    bed.start();
    send(&hand, &SIX);
    std::thread::sleep(Duration::from_secs(15));
    assert!(bed.log().contains("is full"), "the reason is told:\n{}", bed.log());
    let got = answers(&bed, &hand, 7);
    assert_eq!(ids(&got)[1..], SIX, "all of them, in order");
    assert_eq!(bed.metric("menshen_commands_total"), 6.0, "each once");
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    // A box that stops while a reply waits ends in good order, and the next start answers.
    hand.publish("", REPLIES, &json!({ "messageId": "full" }));
    send(&hand, &["last"]);
    eventually("the last one is carried out", SOON, || {
        (bed.metric("menshen_commands_total") == 7.0).then_some(())
    });
    bed.stop();
    bed.start();
    assert_eq!(ids(&answers(&bed, &hand, 2)), ["full", "last"]);
    bed.stop();
}

/// On RabbitMQ 3.10 a quorum queue does not tell those whom it told that it was full when its limit is lifted.
#[test]
fn a_limit_of_the_reply_queue_that_is_lifted_is_noticed() {
    on_each(a_limit_of_the_reply_queue_that_is_lifted_is_noticed_on);
}

fn a_limit_of_the_reply_queue_that_is_lifted_is_noticed_on(version: Version) {
    let (mut bed, hand) = bed(version, 3, &json!({ "x-queue-type": "quorum" }));
    let full = r#"{"max-length":1,"overflow":"reject-publish"}"#;
    control(&bed, &["set_policy", "--apply-to", "queues", "full", "^q\\.replies$", full]);
    bed.start();
    send(&hand, &SIX);
    eventually("the reason is told", SOON, || bed.log().contains("is full").then_some(()));
    control(&bed, &["clear_policy", "full"]);
    assert_eq!(ids(&answers(&bed, &hand, 6)), SIX, "all of them, in order");
    assert_eq!(bed.metric("menshen_commands_total"), 6.0, "each once");
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    bed.stop();
}

#[test]
fn a_missing_permission_concerns_the_replies_only() {
    on_each(a_missing_permission_concerns_the_replies_only_on);
}

fn a_missing_permission_concerns_the_replies_only_on(version: Version) {
    let (mut bed, hand) = bed(version, 3, &json!({}));
    bed.start();
    control(&bed, &["set_permissions", "box", ".*", "^nothing$", ".*"]);
    send(&hand, &SIX);
    eventually("the reason is told", SOON, || bed.log().contains("ACCESS_REFUSED").then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    control(&bed, &["set_permissions", "box", ".*", ".*", ".*"]);
    assert_eq!(ids(&answers(&bed, &hand, 6)), SIX);
    assert_eq!(bed.metric("menshen_commands_total"), 6.0, "each once");
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    bed.stop();
}

#[test]
fn a_reply_queue_that_is_gone_is_waited_for() {
    on_each(a_reply_queue_that_is_gone_is_waited_for_on);
}

fn a_reply_queue_that_is_gone_is_waited_for_on(version: Version) {
    let (mut bed, hand) = bed(version, 3, &json!({}));
    bed.start();
    hand.delete(REPLIES);
    send(&hand, &SIX);
    eventually("the reason is told", SOON, || bed.log().contains("is not there").then_some(()));
    std::thread::sleep(Duration::from_secs(5));
    hand.queue_with(REPLIES, &json!({ "x-queue-type": "quorum" }));
    assert_eq!(ids(&answers(&bed, &hand, 6)), SIX);
    assert_eq!(bed.metric("menshen_commands_total"), 6.0, "each once");
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    bed.stop();
}

#[test]
fn a_reply_that_is_too_long_is_sent_shortened_and_blocks_nothing() {
    on_each(a_reply_that_is_too_long_is_sent_shortened_and_blocks_nothing_on);
}

fn a_reply_that_is_too_long_is_sent_shortened_and_blocks_nothing_on(version: Version) {
    let mut bed = bed_on(version, "max_message_size = 65536\n");
    let hand = queues(&bed, 3, &json!({}));
    bed.start();
    let nobodies: Vec<String> = (0..3_000).map(|number| format!("n{number}")).collect();
    hand.publish(
        "",
        COMMANDS,
        &json!({ "method": "delete_users", "messageId": "long", "userid_list": nobodies }),
    );
    send(&hand, &["behind"]);
    let got = answers(&bed, &hand, 2);
    assert_eq!(ids(&got), ["long", "behind"]);
    let long = &got[0];
    assert!(long.to_string().len() <= 65_536 && long["success"] == true, "{}", long["message"]);
    assert!(long["message"].as_str().unwrap().contains("3000"), "{}", long["message"]);
    assert!(bed.log().contains("too long and is sent shortened"), "{}", bed.log());
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    bed.stop();
}

/// The queue gives the first command up when its connection breaks. It was carried out: its answer goes out before the
/// next command is begun.
#[test]
fn a_kept_answer_goes_out_before_the_next_command() {
    on_each(a_kept_answer_goes_out_before_the_next_command_on);
}

fn a_kept_answer_goes_out_before_the_next_command_on(version: Version) {
    let (mut bed, hand) = bed(version, 0, &json!({}));
    bed.start();
    bed.platform.people().add("1001", "Barack Obama", photo("obama-1.jpg"));
    bed.platform.behaviour().fail("users", Fault::Slow(Duration::from_secs(6)), 1);
    hand.publish(
        "",
        COMMANDS,
        &json!({
            "method": "add_users_plus", "messageId": "kept", "userid_list": ["1001"],
            "extend_params": { "path": "/box/users" },
        }),
    );
    eventually("it is under way", SOON, || (bed.log().contains("command received")).then_some(()));
    control(&bed, &["close_all_user_connections", "box", "by hand"]);
    send(&hand, &["next"]);
    let got = answers(&bed, &hand, 2);
    assert_eq!(ids(&got), ["kept", "next"]);
    assert_eq!(got[0]["result"]["success_users"][0]["userid"], "1001", "{}", got[0]);
    bed.stop();
}

/// Quorum queues do not refuse a second consumer that asks to be the only one.
#[test]
fn commands_of_an_old_connection_are_not_overtaken_on_a_quorum_queue() {
    on_each(commands_of_an_old_connection_are_not_overtaken_on_a_quorum_queue_on);
}

fn commands_of_an_old_connection_are_not_overtaken_on_a_quorum_queue_on(version: Version) {
    let (mut bed, hand) = bed(version, 20, &json!({}));
    hand.publish(
        "",
        COMMANDS,
        &json!({
            "method": "add_users_plus", "messageId": "add",
            "user_info_list": [{ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg") }],
        }),
    );
    let old = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    let held = old.hold(COMMANDS);
    bed.start_unlinked();
    eventually("the box waits for the old consumer", SOON, || {
        bed.log().contains("has another consumer").then_some(())
    });
    hand.publish(
        "",
        COMMANDS,
        &json!({ "method": "delete_users", "messageId": "delete", "userid_list": ["1001"] }),
    );
    assert!(hand.get(REPLIES, Duration::from_secs(4)).is_none(), "overtaken");
    drop((held, old));
    assert_eq!(ids(&answers(&bed, &hand, 2)), ["add", "delete"]);
    assert_eq!(bed.metric("menshen_registry_people"), 0.0);
    bed.stop();
}

/// A classic queue with a single active consumer never is exclusive: nothing to wait for, and nothing to warn of.
#[test]
fn a_single_active_consumer_is_no_other_consumer() {
    on_each(a_single_active_consumer_is_no_other_consumer_on);
}

fn a_single_active_consumer_is_no_other_consumer_on(version: Version) {
    let mut bed = bed_on(version, "");
    let hand = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    hand.queue_with("q.single", &json!({ "x-single-active-consumer": true }));
    bed.platform.patch_login(json!({ "rabbitmq": { "queue": "q.single", "uploadQueue": "q.own" } }));
    bed.start();
    assert!(!bed.log().contains("another consumer"), "{}", bed.log());
    hand.publish(
        "",
        "q.single",
        &json!({ "method": "delete_users", "messageId": "7", "userid_list": ["x"] }),
    );
    assert_eq!(hand.get("q.own", SOON).expect("an answer")["messageId"], "7");
    bed.stop();
}

/// Nothing in a login tells which node of a cluster lives.
#[test]
fn a_node_that_cannot_be_reached_is_passed_over() {
    on_each(a_node_that_cannot_be_reached_is_passed_over_on);
}

fn a_node_that_cannot_be_reached_is_passed_over_on(version: Version) {
    let (mut bed, hand) = bed(version, 20, &json!({}));
    let live = bed.broker.as_ref().unwrap().port();
    let dead = menshen_testbed::broker::free_port().unwrap();
    let node = |port: u16| format!("127.0.0.1:{port}");
    for host in [json!([node(dead), node(live)]), json!(format!("{}, {}", node(live), node(dead)))] {
        bed.platform.patch_login(json!({ "rabbitmq": {
            "host": host, "port": 1, "login": "box", "password": "one", "queue": COMMANDS, "uploadQueue": REPLIES,
        } }));
        bed.start();
        send(&hand, &["1"]);
        assert_eq!(ids(&answers(&bed, &hand, 1)), ["1"], "{host}");
        bed.stop();
    }
    bed.platform.patch_login(json!({ "rabbitmq": { "host": [node(dead), "no-such-host.invalid"] } }));
    bed.start_unlinked();
    eventually("both are named", SOON, || {
        (bed.log().contains(&node(dead)) && bed.log().contains("no-such-host.invalid")).then_some(())
    });
    bed.stop();
}

/// Version 4 answers a type it does not know as it answers other arguments.
#[test]
fn an_exchange_that_cannot_be_made_is_refused_with_the_reason() {
    on_each(an_exchange_that_cannot_be_made_is_refused_with_the_reason_on);
}

fn an_exchange_that_cannot_be_made_is_refused_with_the_reason_on(version: Version) {
    let mut bed = bed_on(version, "");
    let exchange = json!({ "name": "e.delayed", "type": "x-delayed-message", "durable": true });
    bed.platform.patch_login(json!({ "rabbitmq": { "exchange": exchange } }));
    bed.start_unlinked();
    let told = eventually("the link says why", SOON, || {
        let log = bed.log();
        log.lines().find(|line| line.contains("broker connection failed")).map(str::to_owned)
    });
    assert!(told.contains("x-delayed-message") && !told.contains("no exchange"), "{told}");
    bed.stop();
}

/// Connections break more often than a quorum queue of version 4 bears, and version 3.10 has another idea of "no limit".
#[test]
fn a_queue_of_the_boxs_own_gives_no_command_up() {
    on_each(a_queue_of_the_boxs_own_gives_no_command_up_on);
}

fn a_queue_of_the_boxs_own_gives_no_command_up_on(version: Version) {
    let mut bed = bed_on(version, "");
    let hand = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    bed.platform.patch_login(json!({ "rabbitmq": { "queue": COMMANDS, "uploadQueue": REPLIES } }));
    bed.start();
    bed.stop();
    send(&hand, &["1"]);
    for _ in 0..25 {
        // Whoever holds it goes away without a word.
        let other = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
        let held = other.hold(COMMANDS);
        std::thread::sleep(Duration::from_millis(100));
        drop((held, other));
    }
    bed.start_unlinked();
    assert_eq!(ids(&answers(&bed, &hand, 1)), ["1"]);
    bed.stop();
}
