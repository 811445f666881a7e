//! A clock that is plainly wrong, and limits in time that nobody can read: nobody passes because of them.

use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use menshen_testbed::wall_clock::WallClock;
use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

const USERS: &str = "/SophonFogSys/api/users";
const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";

/// A running box with a terminal, and its wall clock.
fn started() -> (TestBed, WallClock) {
    let mut bed = TestBed::standalone();
    let clock = WallClock::find(bed.folder.path()).unwrap().expect("libfaketime is there: run scripts/setup");
    for (name, value) in clock.environment() {
        bed.device.set_environment(name, &value);
    }
    bed.add_config("\n[[devices]]\nip = \"gate\"\ntype = \"door-terminal\"\npipeline = \"post\"\n");
    start(&mut bed);
    (bed, clock)
}

fn start(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    eventually("the terminal listens", SOON, || (bed.metric("menshen_device_online") >= 1.0).then_some(()));
}

/// Sets the clock of the running box, and waits until it says so.
fn set_clock(bed: &TestBed, clock: &WallClock, offset_s: i64, is_plausible: bool) {
    clock.set(offset_s).unwrap();
    eventually("the box notices", SOON, || (clock_of(bed)["ok"] == is_plausible).then_some(()));
}

fn enrol(bed: &TestBed, id: &str, file: &str, end_time: Value) -> Value {
    let info = json!({ "name": id, "end_time": end_time });
    let user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": info });
    http::json(bed.local_port, "POST", USERS, &user).1
}

fn who(bed: &TestBed, path: &str, file: &str) -> Value {
    let (status, body) =
        http::call(bed.local_port, "POST", path, &[("Content-Type", "image/jpeg")], &photo(file));
    assert_eq!(status, 200, "{body}");
    if body["data"]["result"] == 0 { Value::Null } else { body["data"]["identity_id"].clone() }
}

fn clock_of(bed: &TestBed) -> Value {
    http::get(bed.port, "/healthz").1["clock"].clone()
}

#[test]
fn by_a_wrong_clock_nobody_passes_whose_enrolment_ends() {
    const YEAR_S: i64 = 366 * 86_400;
    let (mut bed, clock) = started();
    let enrolled = enrol(&bed, "visitor", "obama-1.jpg", json!("2099-12-31 18:00"));
    assert_eq!(enrolled["data"]["success_users"][0]["userid"], "visitor", "{enrolled}");
    enrol(&bed, "resident", "biden-1.jpg", Value::Null);
    let nobody = |found: Value| found.is_null() || found == "";
    let gate = "/SophonFogSys/api/Recognize/gate";
    assert_eq!(clock_of(&bed), json!({ "ok": true }));
    assert_eq!(who(&bed, RECOGNIZE, "obama-2.jpg"), "visitor");

    // A flat battery: a day of 1970; and the date of an old firmware.
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    for offset_s in [86_400 - since_1970, -12 * YEAR_S] {
        set_clock(&bed, &clock, offset_s, false);
        assert!(nobody(who(&bed, RECOGNIZE, "obama-2.jpg")), "{offset_s}");
        assert!(nobody(who(&bed, gate, "obama-2.jpg")), "{offset_s}");
        assert_eq!(who(&bed, RECOGNIZE, "biden-1.jpg"), "resident", "{offset_s}");
        let shown = clock_of(&bed);
        assert!(shown["fault"].as_str().unwrap().contains("before this program was built"), "{shown}");
        assert!(bed.log().contains("THE CLOCK IS WRONG"));
        assert_eq!(bed.metric("menshen_clock_plausible"), 0.0);
    }
    bed.stop();
    start(&mut bed);
    assert!(nobody(who(&bed, RECOGNIZE, "obama-2.jpg")), "it is wrong from the start");

    // Years ahead nothing tells that it is wrong. When it is set right, the events of that time do.
    set_clock(&bed, &clock, 5 * YEAR_S, true);
    let before = bed.metric("menshen_events_total");
    assert_eq!(who(&bed, gate, "biden-1.jpg"), "resident");
    eventually("the passage is stored", SOON, || (bed.metric("menshen_events_total") > before).then_some(()));
    set_clock(&bed, &clock, 0, false);
    assert!(nobody(who(&bed, RECOGNIZE, "obama-2.jpg")));
    bed.stop();
    start(&mut bed);
    assert!(nobody(who(&bed, RECOGNIZE, "obama-2.jpg")), "it is known after a start");
    let shown = bed.run(&["clock", "show"]);
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(!shown.status.success() && told.contains("menshen clock confirm"), "{told}");
    let confirmed = bed.run(&["clock", "confirm"]);
    assert!(confirmed.status.success(), "{}", String::from_utf8_lossy(&confirmed.stderr));
    assert_eq!(who(&bed, RECOGNIZE, "obama-2.jpg"), "visitor");
    assert_eq!(clock_of(&bed), json!({ "ok": true }));
    bed.stop();
    assert!(bed.run(&["clock", "show"]).status.success(), "a confirmation is kept");
}

#[test]
fn an_enrolment_with_a_limit_nobody_can_read_is_refused() {
    let (bed, _) = started();
    for wrong in [json!("soon"), json!("2026-02-30"), json!("31/12/2026"), json!(-1), json!({ "at": 1 })] {
        let answer = enrol(&bed, "visitor", "obama-1.jpg", wrong.clone());
        let told = answer.to_string();
        assert!(told.contains("40091") && told.contains("info.end_time"), "{wrong}: {told}");
    }
    assert!(!http::get(bed.local_port, USERS).1.to_string().contains("visitor"));
}
