//! The capture-device list and the status report.

use std::time::Duration;

use menshen_testbed::platform::behaviour::Fault;

use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually};

#[test]
fn the_list_is_full_and_sent_until_it_is_accepted() {
    let mut stage = TestBed::with_platform(|_| ());
    for device in ["one", "two"] {
        stage.add_device(device, "test", "");
    }
    // Refused in every way there is: an error, a login page, garbage is taken (it is 200 and no page).
    stage.platform.behaviour().fail("device-list", Fault::Status(500), 2);
    stage.start_unlinked();
    stage.wait("a refused list", |entry| entry.kind == "device-list" && entry.status == 500);
    let accepted = stage.wait("an accepted list", |entry| entry.kind == "device-list" && entry.is_accepted());
    assert_eq!(accepted.body["deviceList"].as_array().unwrap().len(), 2);
    for name in ["one", "two"] {
        stage.wait_device(name, "online", 0);
    }
    let lists = stage.platform.ledger().of_kind("device-list");
    assert!(
        lists.iter().all(|entry| entry.body["deviceList"].as_array().unwrap().len() == 2),
        "always the full list"
    );

    stage.platform.behaviour().fail("device-list", Fault::Html, 1);
    let before = stage.platform.ledger().len();
    stage.platform.behaviour().rotate_token();
    eventually("the list again after the login", SOON, || {
        let login = stage.platform.ledger().since(before, |entry| entry.kind == "login").pop()?;
        let since = stage.platform.ledger().since(login.number, |entry| entry.kind == "device-list");
        (since.len() >= 2).then_some(())
    });
    stage.stop();

    let before = stage.platform.ledger().len();
    stage.start_unlinked();
    stage.wait("the list after a restart", |entry| {
        entry.number >= before && entry.kind == "device-list" && entry.is_accepted()
    });
    stage.stop();
}

#[test]
fn status_goes_to_every_monitor_and_a_dead_one_delays_nobody() {
    let hangs = Receiver::new(|_| {
        std::thread::sleep(Duration::from_mins(10));
        200
    });
    let healthy = Receiver::new(|_| 200);
    let mut stage = TestBed::with_platform(|config| config.monitor_period_s = 1);
    stage.set("status.monitor_urls", &format!("[{:?}, {:?}]", hangs.url(), healthy.url()));
    stage.start_unlinked();
    eventually("several reports", SOON, || (healthy.got().len() >= 4).then_some(()));
    let at_platform =
        |entry: &menshen_testbed::platform::ledger::Entry| entry.kind == "status" && entry.is_accepted();
    assert!(stage.platform.ledger().since(0, at_platform).len() >= 2);
    let facts = &healthy.got().pop().unwrap().body["gateway_ext_data"];
    assert!(
        facts["memory_size"].as_f64().unwrap() > 0.1 && facts["disk_size"].as_f64().unwrap() > 0.1,
        "{facts}"
    );
    assert!(healthy.got().iter().all(|got| !got.line.contains("token=")), "the token is the platform's");
    stage.stop();
}
