//! How an event came about, told by the box that made it; and people who may not come, or look like others.

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64, start_camera};

const USERS: &str = "/SophonFogSys/api/users";

fn add(port: u16, id: &str, file: &str, info: Value) -> Value {
    let user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": info });
    let (status, body) = http::json(port, "POST", USERS, &user);
    assert_eq!(status, 200, "{body}");
    body["data"]["success_users"][0].clone()
}

fn events(bed: &TestBed) -> Vec<Value> {
    let listed = bed.run(&["events", "list"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn why(bed: &TestBed, id: &Value) -> String {
    let output = bed.run(&["why", id.as_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn the_chain_of_an_event_is_told_from_detection_to_receiver() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::standalone();
    bed.add_camera(&camera);
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    // The visit is over: he is as somebody who is in no group of this camera.
    add(port, "1001", "obama-1.jpg", json!({ "name": "Barack Obama", "end_time": "2020-01-01 00:00:00" }));
    add(port, "1002", "biden-1.jpg", json!({ "name": "Joe Biden" }));
    camera.go().unwrap();
    eventually("the passage is over", SOON, || (bed.metric("menshen_events_total") >= 1.0).then_some(()));
    assert!(bed.metric("menshen_unrecognised_total") >= 1.0);
    // A name he may come under.
    add(port, "1003", "obama-3.jpg", json!({ "name": "Barack Obama", "start_time": 1 }));
    let known = bed.wait("recognised", |entry| entry.kind == "realtime");
    assert_eq!(known.body["identity_id"], "1003");
    assert!(known.body.get("why").is_none() && known.body["ext_data"].get("why").is_none());
    let busy = bed.run(&["why", "x"]);
    assert!(!busy.status.success() && String::from_utf8_lossy(&busy.stderr).contains("the box is running"));
    bed.stop();

    let events = events(&bed);
    let stranger = events.iter().find(|event| event["stranger"] == true).expect("an event of a stranger");
    let told = why(&bed, &stranger["event_id"]);
    assert!(told.contains("outside the time they may come") && told.contains(": 1001 0."), "{told}");
    let told = why(&bed, &known.body["ext_data"]["event_id"]);
    for part in [
        "detected",
        "headpose",
        "shots",
        "1003 0.",
        "1002 ",
        "threshold",
        "groups",
        "1003, score",
        "reported",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    assert!(!told.contains("1001"), "who may not come is in no ranking:\n{told}");
    let unknown = bed.run(&["why", "no-such-event"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no event `no-such-event`"));
}

#[test]
fn an_enrolment_says_when_the_face_could_be_taken_for_somebody_elses() {
    let mut bed = TestBed::standalone();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let first = add(port, "1001", "obama-1.jpg", json!({ "name": "Barack Obama" }));
    assert!(first.get("looks_like").is_none(), "{first}");
    let other = add(port, "1002", "biden-1.jpg", json!({ "name": "Joe Biden" }));
    assert!(other.get("looks_like").is_none(), "{other}");
    let again = add(port, "1009", "obama-2.jpg", json!({ "name": "B. Obama" }));
    assert_eq!((&again["looks_like"], &again["code"]), (&json!("1001"), &json!(0)), "{again}");
    assert!(again["message"].as_str().unwrap().contains("1001"), "{again}");
    assert_eq!(bed.metric("menshen_enrolments_lookalike_total"), 1.0);
    // An update of one's own record is no lookalike of oneself.
    let body =
        json!({ "identity_id": "1002", "reg_photo": photo_base64("biden-1.jpg"), "info": { "name": "Joe" } });
    let (_, updated) = http::json(port, "PUT", USERS, &body);
    assert!(updated["data"]["success_users"][0].get("looks_like").is_none(), "{updated}");
    bed.stop();

    // From a folder as well.
    let folder = bed.folder.path().join("photos");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Twin-1010-staff.jpg"), photo("obama-3.jpg")).unwrap();
    let import = bed.run(&["users", "import", folder.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&import.stdout).into_owned();
    assert!(told.contains("1010 Twin added, looks like 100"), "{told}");
}
