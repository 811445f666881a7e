//! A platform whose login goes wrong in every way.

use std::time::Duration;

use menshen_testbed::platform::behaviour::Fault;

use crate::testbed::{SOON, TestBed, eventually};

#[test]
fn every_kind_of_failed_login_is_tried_again() {
    let mut bed = TestBed::with_platform(|_| ());
    for (fault, told) in [
        (Fault::Status(500), "answered 500"),
        (Fault::Status(401), "answered 401"),
        (Fault::Html, "answered a web page"),
        (Fault::Garbage, "answered something unusable"),
        (Fault::Slow(Duration::from_millis(300)), ""),
    ] {
        let before = bed.platform.ledger().len();
        bed.platform.behaviour().fail("login", fault.clone(), 1);
        bed.start_unlinked();
        let logins = || bed.platform.ledger().since(before, |entry| entry.kind == "login").len();
        let needed = if told.is_empty() { 1 } else { 2 };
        eventually("a login that is right", SOON, || (logins() >= needed).then_some(()));
        bed.wait_link();
        let log = bed.log();
        assert!(log.contains(told), "{fault:?}: the reason `{told}` is not in:\n{log}");
        assert!(!log.contains("sim-token"), "no token in the log");
        bed.stop();
    }
}
