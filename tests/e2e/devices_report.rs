//! The capture-device list and the status report.

use std::time::Duration;

use menshen_testbed::platform::behaviour::Fault;

use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually};

#[test]
fn the_list_is_full_and_sent_until_it_is_accepted() {
    let mut bed = TestBed::with_platform(|_| ());
    for device in ["one", "two"] {
        bed.add_device(device, "test", "");
    }
    // Refused in every way there is: an error, a login page, garbage is taken (it is 200 and no page).
    bed.platform.behaviour().fail("device-list", Fault::Status(500), 2);
    bed.start_unlinked();
    bed.wait("a refused list", |entry| entry.kind == "device-list" && entry.status == 500);
    let accepted = bed.wait("an accepted list", |entry| entry.kind == "device-list" && entry.is_accepted());
    assert_eq!(accepted.body["deviceList"].as_array().unwrap().len(), 2);
    for name in ["one", "two"] {
        bed.wait_device(name, "online", 0);
    }
    let lists = bed.platform.ledger().of_kind("device-list");
    assert!(
        lists.iter().all(|entry| entry.body["deviceList"].as_array().unwrap().len() == 2),
        "always the full list"
    );

    bed.platform.behaviour().fail("device-list", Fault::Html, 1);
    let before = bed.platform.ledger().len();
    bed.platform.behaviour().rotate_token();
    eventually("the list again after the login", SOON, || {
        let login = bed.platform.ledger().since(before, |entry| entry.kind == "login").pop()?;
        let since = bed.platform.ledger().since(login.number, |entry| entry.kind == "device-list");
        (since.len() >= 2).then_some(())
    });
    bed.stop();

    let before = bed.platform.ledger().len();
    bed.start_unlinked();
    bed.wait("the list after a restart", |entry| {
        entry.number >= before && entry.kind == "device-list" && entry.is_accepted()
    });
    bed.stop();
}

#[test]
fn status_goes_to_every_monitor_and_a_dead_one_delays_nobody() {
    let hangs = Receiver::new(|_| {
        std::thread::sleep(Duration::from_mins(10));
        200
    });
    let healthy = Receiver::new(|_| 200);
    let mut bed = TestBed::with_platform(|config| config.monitor_period_s = 1);
    bed.set("status.monitor_urls", &format!("[{:?}, {:?}]", hangs.url(), healthy.url()));
    bed.start_unlinked();
    eventually("several reports", SOON, || (healthy.got().len() >= 4).then_some(()));
    let at_platform =
        |entry: &menshen_testbed::platform::ledger::Entry| entry.kind == "status" && entry.is_accepted();
    assert!(bed.platform.ledger().since(0, at_platform).len() >= 2);
    let facts = &healthy.got().pop().unwrap().body["gateway_ext_data"];
    assert!(
        facts["memory_size"].as_f64().unwrap() > 0.1 && facts["disk_size"].as_f64().unwrap() > 0.1,
        "{facts}"
    );
    assert!(healthy.got().iter().all(|got| !got.line.contains("token=")), "the token is the platform's");
    bed.stop();
}
