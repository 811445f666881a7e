//! The link to broker and platform: what is declared, what changes under way, what is slow, short or gone.

use std::time::{Duration, Instant};

use lapin::ExchangeKind;
use menshen_testbed::broker::PrivateBroker;
use menshen_testbed::platform::behaviour::Fault;
use menshen_testbed::platform::ledger::Entry;
use serde_json::{Value, json};

use crate::amqp::Hand;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

/// A command without an effect.
fn harmless(id: &str) -> Value {
    json!({ "method": "delete_users", "messageId": id, "userid_list": ["nobody"] })
}

fn has_reply(bed: &TestBed, id: &str) -> bool {
    !bed.platform.ledger().since(0, |entry| entry.is_reply() && entry.body["messageId"] == id).is_empty()
}

/// The platform hands out other parameters from now on, and no longer takes the old token.
fn rotate(bed: &TestBed, rabbitmq: Value) {
    bed.platform.patch_login(json!({ "rabbitmq": rabbitmq }));
    bed.platform.behaviour().rotate_token();
}

/// Publishes until the box has found its way there: what comes before its queue is bound is lost.
fn reaches_the_box(bed: &TestBed, hand: &Hand, what: &str, exchange: &str, key: &str) {
    let began = Instant::now();
    while !has_reply(bed, what) {
        assert!(began.elapsed() < SOON, "{what}: no reply; the box says:\n{}", bed.log());
        hand.publish(exchange, key, &harmless(what));
        bed.platform.ledger().wait(Duration::from_secs(1), |entry| entry.body["messageId"] == what);
    }
}

/// Every row is handed out by a new login while the box runs.
#[test]
fn every_kind_of_exchange_and_queue_is_taken_without_a_restart() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let hand = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    hand.exchange("x.there", ExchangeKind::Direct);
    hand.exchange("x.other", ExchangeKind::Fanout);
    hand.exchange("x.alternate", ExchangeKind::Fanout);
    hand.queue("q.other");
    hand.queue("q.as-it-is");
    let exchange = |name: &str, kind: &str, more: Value| {
        let mut exchange =
            json!({ "name": name, "type": kind, "durable": true, "passive": false, "routingKey": null });
        exchange.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        exchange
    };
    let rows = [
        (
            "topic",
            "q.topic",
            exchange("x.topic", "topic", json!({ "routingKey": "box.*.down" })),
            "x.topic",
            "box.7.down",
        ),
        ("fanout", "q.fanout", exchange("x.fanout", "fanout", json!({})), "x.fanout", "whatever"),
        (
            "headers",
            "q.headers",
            exchange("x.headers", "headers", json!({ "arguments": { "alternate-exchange": "x.alternate" } })),
            "x.headers",
            "",
        ),
        ("no routing key", "q.direct", exchange("x.direct", "direct", json!({})), "x.direct", "q.direct"),
        (
            "passive",
            "q.there",
            exchange("x.there", "direct", json!({ "passive": true })),
            "x.there",
            "q.there",
        ),
        (
            "of another type",
            "q.type",
            exchange("x.other", "direct", json!({ "durable": false })),
            "x.other",
            "k",
        ),
        ("of other arguments", "q.other", exchange("x.there", "direct", json!({})), "x.there", "q.other"),
        ("default", "q.default", exchange("", "direct", json!({})), "", "q.default"),
    ];
    for (what, queue, exchange, to, key) in rows {
        rotate(&bed, json!({ "queue": queue, "exchange": exchange }));
        reaches_the_box(&bed, &hand, what, to, key);
    }
    rotate(&bed, json!({ "queue": "q.as-it-is", "unNeedBindExchange": true, "exchange": null }));
    reaches_the_box(&bed, &hand, "as it is", "", "q.as-it-is");

    // Not there: told, and tried until it is.
    rotate(&bed, json!({ "queue": "q.later", "unNeedBindExchange": true, "exchange": null }));
    eventually("the missing queue is told of", SOON, || {
        (bed.metric("menshen_link_up") == 0.0 && bed.log().contains("q.later")).then_some(())
    });
    hand.queue("q.later");
    reaches_the_box(&bed, &hand, "later", "", "q.later");
    bed.stop();
}

#[test]
fn commands_and_replies_may_have_virtual_hosts_of_their_own() {
    let mut bed = TestBed::with_platform(|_| ());
    let broker = bed.broker.as_ref().unwrap();
    for vhost in ["down", "up"] {
        broker.control(&["add_vhost", vhost]).unwrap();
        broker.control(&["set_permissions", "-p", vhost, "guest", ".*", ".*", ".*"]).unwrap();
    }
    let port = broker.port();
    bed.platform.patch_login(json!({ "rabbitmq": { "vHost": "down", "uploadVHost": "up" } }));
    bed.start();
    Hand::new(port, "down").publish("menshen.sim", "box.commands", &harmless("two hosts"));
    let reply = Hand::new(port, "up").get("box.up", SOON).expect("a reply on the other virtual host");
    assert_eq!(reply["messageId"], "two hosts");
    bed.stop();
}

/// The token expires in the middle: a new login, and the broker connection stays.
#[test]
fn a_new_token_costs_no_connection_and_no_user() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.platform.people().add("1001", "Barack Obama", photo("obama-1.jpg"));
    let logins = bed.platform.ledger().of_kind("login").len();
    bed.platform.behaviour().rotate_token();
    let reply = bed.command(json!({
        "method": "add_users_plus", "userid_list": ["1001"], "extend_params": { "path": "/box/users" },
    }));
    assert_eq!(reply["result"]["success_users"][0]["userid"], "1001", "{reply}");
    assert!(bed.platform.ledger().of_kind("login").len() > logins);
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    assert_eq!(
        bed.log().matches("to=\"up\"").count() + bed.log().matches("to=up").count(),
        1,
        "{}",
        bed.log()
    );
    // Who rejects every token means something else by it: an answer, not an endless login.
    bed.platform.behaviour().fail("users", Fault::Status(403), u32::MAX);
    let reply = bed.command(json!({
        "method": "add_users_plus", "userid_list": ["1001"], "extend_params": { "path": "/box/users" },
    }));
    assert_eq!(reply["result"]["failed_users"][0]["code"], 50073, "{reply}");
    bed.stop();
}

#[test]
fn a_rotated_password_is_asked_for() {
    let mut bed = TestBed::with_platform(|_| ());
    let control = |arguments: &[&str]| bed.broker.as_ref().unwrap().control(arguments).unwrap();
    control(&["add_user", "box", "one"]);
    control(&["set_permissions", "box", ".*", ".*", ".*"]);
    let credentials = |password: &str| json!({ "rabbitmq": { "login": "box", "password": password } });
    bed.platform.patch_login(credentials("one"));
    bed.start();
    let control = |arguments: &[&str]| bed.broker.as_ref().unwrap().control(arguments).unwrap();
    control(&["change_password", "box", "two"]);
    bed.platform.patch_login(credentials("two"));
    control(&["close_all_user_connections", "box", "rotated"]);
    bed.platform.publish(&harmless("after the rotation")).unwrap();
    bed.wait("a reply after the rotation", |entry| {
        entry.is_reply() && entry.body["messageId"] == "after the rotation"
    });
    assert!(bed.platform.ledger().of_kind("login").len() >= 2);
    assert!(!bed.log().contains("two"), "a password in the log");
    bed.stop();
}

/// A broker short of memory takes no replies: they wait, it is shown, nothing is lost or done twice.
#[test]
fn replies_wait_while_the_broker_is_blocked() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.platform.people().add("1001", "Barack Obama", photo("obama-1.jpg"));
    let control = |arguments: &[&str]| bed.broker.as_ref().unwrap().control(arguments).unwrap();
    // A broker tells whoever publishes that it is blocked: one of the replies comes after the alarm, however long that takes
    // to be raised on a busy machine.
    let commands = ["blocked-1", "blocked-2"];
    bed.platform.behaviour().fail("users", Fault::Slow(Duration::from_secs(16)), commands.len() as u32);
    for id in commands {
        let command = json!({
            "method": "add_users_plus", "messageId": id, "userid_list": ["1001"],
            "extend_params": { "path": "/box/users" },
        });
        bed.platform.publish(&command).unwrap();
    }
    control(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    eventually("the box is blocked", SOON, || (bed.metric("menshen_link_blocked") == 1.0).then_some(()));
    assert!(menshen_testbed::scrape::get(bed.port, "/healthz").contains("link_blocked"));
    // Longer than a confirm may take otherwise.
    std::thread::sleep(Duration::from_secs(17));
    assert!(!has_reply(&bed, commands[1]));
    assert_eq!(bed.metric("menshen_link_up"), 1.0);
    control(&["set_vm_memory_high_watermark", "0.6"]);
    for id in commands {
        let reply = bed.wait("the reply", |entry| entry.is_reply() && entry.body["messageId"] == id);
        assert_eq!(reply.body["result"]["success_users"][0]["userid"], "1001");
    }
    assert_eq!(bed.metric("menshen_link_blocked"), 0.0);
    assert_eq!(bed.metric("menshen_broker_reconnects_total"), 0.0);
    assert_eq!(bed.platform.ledger().of_kind("users").len(), commands.len(), "each done once");
    bed.stop();
}

/// RabbitMQ closes the channel of a delivery that is not acknowledged in time (30 minutes, here 4 s). The command
/// goes on, comes again, and only its answer is sent.
#[test]
fn a_command_longer_than_the_brokers_patience_is_done_once() {
    let mut bed = TestBed::with_broker(
        |folder| {
            PrivateBroker::start_with(
                folder,
                "",
                "-rabbit consumer_timeout 4000 -rabbit channel_tick_interval 1000",
            )
        },
        |_| (),
    );
    bed.start();
    bed.platform.people().add("1001", "Barack Obama", photo("obama-1.jpg"));
    bed.platform.behaviour().fail("users", Fault::Slow(Duration::from_secs(15)), 1);
    let command = json!({
        "method": "add_users_plus", "messageId": "long", "userid_list": ["1001"],
        "extend_params": { "path": "/box/users" },
    });
    bed.platform.publish(&command).unwrap();
    bed.platform.publish(&harmless("behind it")).unwrap();
    let long = bed.wait("the long one", |entry| entry.is_reply() && entry.body["messageId"] == "long");
    assert_eq!(long.body["result"]["success_users"][0]["userid"], "1001", "{}", long.body);
    let behind = bed.wait("the one behind it", |entry| entry.body["messageId"] == "behind it");
    assert!(behind.number > long.number);
    assert!(bed.metric("menshen_broker_reconnects_total") >= 1.0, "the broker lost its patience");
    assert_eq!(bed.platform.ledger().of_kind("users").len(), 1, "done once");
    bed.stop();
}

/// Without an uploadQueue a reply that is not taken holds up what follows: order is kept.
#[test]
fn replies_that_are_not_taken_keep_the_order() {
    let mut bed = TestBed::with_platform(|config| config.upload_queue = false);
    bed.start();
    bed.platform.behaviour().fail("notify", Fault::Status(500), 2);
    let notify = json!({ "notify_path": "/box/notify" });
    let add = json!({
        "method": "add_users_plus", "messageId": "add", "extend_params": notify,
        "user_info_list": [{ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg") }],
    });
    bed.platform.publish(&add).unwrap();
    let delete = json!({
        "method": "delete_users", "messageId": "delete", "extend_params": notify, "userid_list": ["1001"],
    });
    bed.platform.publish(&delete).unwrap();
    bed.wait("the last reply", |entry| {
        entry.kind == "notify" && entry.is_accepted() && entry.body["messageId"] == "delete"
    });
    let accepted = |entry: &Entry| entry.kind == "notify" && entry.is_accepted();
    let ids: Vec<_> = bed
        .platform
        .ledger()
        .since(0, accepted)
        .iter()
        .map(|entry| entry.body["messageId"].clone())
        .collect();
    assert_eq!(ids, ["add", "delete"]);
    assert_eq!(bed.metric("menshen_registry_people"), 0.0);
    bed.stop();
}

/// What the broker delivered to a connection it has not missed yet comes before what was sent later.
#[test]
fn commands_of_an_old_connection_are_not_overtaken() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let old = Hand::new(bed.broker.as_ref().unwrap().port(), "/");
    bed.stop();
    let add = json!({
        "method": "add_users_plus", "messageId": "add",
        "user_info_list": [{ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg") }],
    });
    bed.platform.publish(&add).unwrap();
    let held = old.hold("box.down");
    bed.start_unlinked();
    eventually("the box waits for the old consumer", SOON, || {
        bed.log().contains("has another consumer").then_some(())
    });
    let delete = json!({ "method": "delete_users", "messageId": "delete", "userid_list": ["1001"] });
    bed.platform.publish(&delete).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(!has_reply(&bed, "delete"), "overtaken");
    drop((held, old));
    let deleted = bed.wait("the later one", |entry| entry.is_reply() && entry.body["messageId"] == "delete");
    let added = bed.wait("the earlier one", |entry| entry.is_reply() && entry.body["messageId"] == "add");
    assert!(added.number < deleted.number);
    assert_eq!(bed.metric("menshen_registry_people"), 0.0);
    bed.stop();
}

/// 50 000 ids in one message: asked for in chunks, each answered, memory bounded.
#[test]
fn fifty_thousand_ids_in_one_message() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let ids: Vec<String> = (0..50_000).map(|number| format!("p{number}")).collect();
    for id in &ids {
        // Without a photo each fails alone, and quickly.
        bed.platform.people().add_raw(id, json!({ "identity_id": id, "info": { "name": "x" } }));
    }
    bed.platform.people().add("p7", "Barack Obama", photo("obama-1.jpg"));
    bed.platform.people().add("p49999", "Joe Biden", photo("biden-1.jpg"));
    let before = bed.resident_mb();
    let command = json!({
        "method": "add_users_plus", "messageId": "all", "userid_list": ids,
        "extend_params": { "path": "/box/users" },
    });
    bed.platform.publish(&command).unwrap();
    let all = Duration::from_mins(3);
    let reply =
        bed.platform.ledger().wait(all, |entry| entry.body["messageId"] == "all").expect("the reply").body;
    let count = |list: &str| reply["result"][list].as_array().unwrap().len();
    assert_eq!((count("success_users"), count("failed_users")), (2, 49_998));
    let asked = bed.platform.ledger().of_kind("users");
    assert_eq!(asked.len(), 500);
    assert!(asked.iter().all(|call| call.body["userid_list"].as_array().unwrap().len() == 100));
    assert_eq!(bed.metric("menshen_command_progress_ratio"), 1.0);
    let grown = bed.resident_mb() - before;
    assert!(grown < 250.0, "{grown:.0} MB more");

    // Once more: photos are fetched again, and not computed again.
    let computed = bed.metric("menshen_inference_seconds_count");
    let again = json!({
        "method": "add_users_plus", "userid_list": ["p7", "p49999"], "extend_params": { "path": "/box/users" },
    });
    assert_eq!(bed.command(again)["result"]["success_users"].as_array().unwrap().len(), 2);
    assert_eq!(bed.metric("menshen_inference_seconds_count"), computed);
    bed.stop();
}
