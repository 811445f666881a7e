//! History lines: order, cursors, receivers that refuse, hang, come and go.

use std::time::Duration;

use serde_json::Value;

use crate::backlog::{fill, ids};
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually};

fn named(body: &Value, id: &str) -> bool {
    body["ext_data"]["event_id"] == id
}

fn to(receivers: &[&Receiver]) -> String {
    let urls: Vec<_> = receivers.iter().map(|receiver| receiver.url()).collect();
    format!("{urls:?}")
}

fn health(bed: &TestBed) -> Value {
    serde_json::from_str(&menshen_testbed::scrape::get(bed.port, "/healthz")).unwrap_or_default()
}

#[test]
fn a_poison_record_is_set_aside_and_its_neighbours_are_not() {
    let (picky, healthy) =
        (Receiver::new(|body| if named(body, "event-00003") { 400 } else { 200 }), Receiver::new(|_| 200));
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &to(&[&picky, &healthy]));
    fill(&bed, &ids(0..6));
    bed.start();
    eventually("the healthy receiver has all", SOON, || (healthy.taken() == ids(0..6)).then_some(()));
    let mut expected = ids(0..6);
    let poison = expected.remove(3);
    eventually("the picky one has the others", SOON, || (picky.taken() == expected).then_some(()));
    let tries = picky.got().iter().filter(|got| named(&got.body, &poison)).count();
    assert!(tries > 5, "{tries} tries before it was given up");
    eventually("it is shown", SOON, || (bed.metric("menshen_events_set_aside") == 1.0).then_some(()));
    let shown = health(&bed);
    let shown = shown["history"].as_array().unwrap().iter().find(|one| one["receiver"] == picky.url());
    assert_eq!(shown.unwrap()["set_aside"], 1, "{shown:?}");
    let (_, listed) = crate::http::get(bed.local_port, "/menshen/api/set-aside");
    let row = &listed["data"]["events"][0];
    assert_eq!((&row["receiver"], &row["sequence"]), (&picky.url().into(), &4.into()), "{listed}");
    let retried = crate::http::json(
        bed.local_port,
        "POST",
        "/menshen/api/set-aside/retry",
        &serde_json::json!({ "receiver": picky.url(), "sequence": 4 }),
    );
    assert_eq!(retried.1["data"]["retried"], 1, "{retried:?}");
    eventually("tried once more, and refused again", SOON, || {
        let again = picky.got().iter().filter(|got| named(&got.body, &poison)).count();
        (again == tries + 1).then_some(())
    });
    let locked = bed.run(&["events", "set-aside", "list"]);
    assert!(String::from_utf8_lossy(&locked.stderr).contains("local API"), "{locked:?}");
    bed.stop();

    let list = bed.run(&["events", "set-aside", "list"]);
    let told = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(told.contains(&picky.url()) && told.contains("answered 400"), "{told}");
    picky.answer(|_| 200);
    let nobody = bed.run(&["events", "set-aside", "retry", "--receiver", "http://elsewhere/"]);
    assert!(String::from_utf8_lossy(&nobody.stdout).starts_with('0'), "{nobody:?}");
    let retry = bed.run(&["events", "set-aside", "retry", "--receiver", &picky.url()]);
    assert!(String::from_utf8_lossy(&retry.stdout).starts_with('1'), "{retry:?}");
    bed.start();
    eventually("the set-aside event", SOON, || picky.taken().contains(&poison).then_some(()));
    eventually("nothing is set aside", SOON, || {
        (health(&bed)["history"].as_array()?.iter().all(|one| one["set_aside"] == 0)).then_some(())
    });
    assert_eq!(healthy.taken(), ids(0..6), "nobody got anything twice");
    bed.stop();
}

#[test]
fn a_receiver_that_refuses_everything_is_broken_and_loses_nothing() {
    let receiver = Receiver::new(|_| 404);
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &to(&[&receiver]));
    fill(&bed, &ids(0..4));
    bed.start();
    eventually("an event behind the first was tried as proof", SOON, || {
        receiver.got().iter().any(|got| named(&got.body, "event-00001")).then_some(())
    });
    let shown = health(&bed);
    assert!(shown["history"][0]["trouble"].as_str().unwrap().contains("answered 404"), "{shown}");
    assert_eq!((&shown["history"][0]["waiting"], &shown["history"][0]["set_aside"]), (&4.into(), &0.into()));
    receiver.answer(|_| 200);
    eventually("all of them, in order", SOON, || (receiver.taken() == ids(0..4)).then_some(()));
    assert_eq!(bed.metric("menshen_events_set_aside_total"), 0.0);
    bed.stop();
}

#[test]
fn a_receiver_that_hangs_or_fails_delays_nobody_and_is_never_given_up() {
    let hangs = Receiver::new(|_| {
        std::thread::sleep(Duration::from_mins(10));
        200
    });
    let fails = Receiver::new(|body| if named(body, "event-00001") { 503 } else { 200 });
    let healthy = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &to(&[&hangs, &fails, &healthy]));
    fill(&bed, &ids(0..250));
    bed.start();
    eventually("the healthy receiver has all", SOON, || (healthy.taken() == ids(0..250)).then_some(()));
    eventually("more tries than a poison record gets", SOON, || (fails.got().len() > 6).then_some(()));
    assert_eq!(fails.taken(), ids(0..1), "order is kept");
    assert_eq!(bed.metric("menshen_events_set_aside_total"), 0.0);
    fails.answer(|_| 200);
    // By now it is asked once a minute.
    eventually("all of them", SOON * 2, || (fails.taken() == ids(0..250)).then_some(()));
    bed.stop();
}

#[test]
fn a_receiver_that_comes_back_goes_on_where_it_was() {
    let receiver = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &to(&[&receiver]));
    fill(&bed, &ids(0..3));
    bed.start();
    eventually("the first three", SOON, || (receiver.taken() == ids(0..3)).then_some(()));
    bed.stop();
    bed.set("events.history_urls", "[]");
    bed.start();
    bed.stop();
    fill(&bed, &ids(3..5));
    let late = Receiver::new(|_| 200);
    bed.set("events.history_urls", &to(&[&receiver, &late]));
    bed.start();
    eventually("the new ones, and none twice", SOON, || (receiver.taken() == ids(0..5)).then_some(()));
    eventually("a new receiver gets what is kept", SOON, || (late.taken() == ids(0..5)).then_some(()));
    bed.stop();
}

#[test]
fn a_rejected_token_leads_to_a_login_and_the_same_event_again() {
    let mut bed = TestBed::with_platform(|config| config.record_pictures = [false, true, false]);
    fill(&bed, &ids(0..300));
    bed.start_unlinked();
    bed.wait("some history", |entry| entry.kind == "history" && entry.is_accepted());
    bed.platform.behaviour().rotate_token();
    let accepted = || {
        let entries = bed.platform.ledger().since(0, |entry| entry.kind == "history" && entry.is_accepted());
        entries.into_iter().map(|entry| entry.body).collect::<Vec<_>>()
    };
    eventually("all of it", SOON, || (accepted().len() >= 300).then_some(()));
    let got: Vec<_> =
        accepted().iter().map(|body| body["ext_data"]["event_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(got, ids(0..300), "in order, none lost, none twice");
    let logins = bed.platform.ledger().of_kind("login").len();
    assert!((2..=3).contains(&logins), "{logins} logins");
    for body in accepted() {
        let data = &body["ext_data"];
        assert!(
            body.get("reg_pic").is_none() && data.get("recognize_face").is_none(),
            "the login wants neither"
        );
        assert!(data["spot_pic"].is_string());
    }
    bed.stop();
}

#[test]
fn a_receiver_that_rejects_every_token_gets_no_login_after_the_other() {
    let mut bed = TestBed::with_platform(|_| ());
    fill(&bed, &ids(0..3));
    bed.platform.behaviour().fail(
        "history",
        menshen_testbed::platform::behaviour::Fault::Status(403),
        1_000_000,
    );
    bed.start_unlinked();
    let rejected =
        || bed.platform.ledger().since(0, |entry| entry.kind == "history" && entry.status == 403).len();
    eventually("it is tried again and again", SOON, || (rejected() >= 5).then_some(()));
    let logins = bed.platform.ledger().of_kind("login").len();
    assert!((2..=3).contains(&logins), "{logins} logins for {} rejections", rejected());
    assert_eq!(bed.metric("menshen_events_set_aside_total"), 0.0, "403 is no poison");
    bed.platform.behaviour().heal();
    for id in ids(0..3) {
        bed.wait(&id, |entry| entry.kind == "history" && entry.is_accepted() && named(&entry.body, &id));
    }
    bed.stop();
}
