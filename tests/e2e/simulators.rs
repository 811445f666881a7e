//! What integrators try their own side with: `menshen-sim client` against a box, and the commands of `menshen-sim platform`.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;

use menshen_testbed::local_api::LocalClient;
use menshen_testbed::local_api::calls::CALLS;
use menshen_testbed::platform::commands;
use serde_json::{Value, json};

use crate::testbed::{SOON, TestBed, eventually, picture, simulator};

fn client(bed: &TestBed, arguments: &[&str]) -> Output {
    let server = format!("127.0.0.1:{}", bed.local_port);
    simulator(&[&["client", "--server", &server][..], arguments].concat()).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The one line of a call that the box answered.
fn called(bed: &TestBed, arguments: &[&str]) -> Value {
    let output = client(bed, &[&["call"][..], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said} {:?}", lines(&output));
    lines(&output).pop().unwrap()
}

fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "{:?}", lines(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(name: &str) -> String {
    picture(name).display().to_string()
}

#[test]
fn the_client_registers_a_person_and_finds_the_passage() {
    let mut bed = TestBed::standalone();
    bed.start();
    let server = SocketAddr::from(([127, 0, 0, 1], bed.local_port));
    eventually("the local API answers", SOON, || TcpStream::connect(server).ok());
    let receive = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (photo, passage) = (file("obama-1.jpg"), file("obama-2.jpg"));
    let output = client(&bed, &["register", "--photo", &photo, "--passage", &passage, "--receive", &receive]);
    let steps = lines(&output);
    assert!(output.status.success(), "{}: {steps:?}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<_> = steps.iter().map(|step| step["step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(steps[8]["event"]["identity_id"], "10086", "{}", steps[8]);

    // Each call by itself; pictures are shown by their length.
    let user = called(&bed, &["users", "identity_id=10086"]);
    let shown = user["answer"]["data"]["identities_list"][0].clone();
    assert!(shown["reg_photo"].as_str().unwrap().ends_with("characters)"), "{user}");
    let image = shown["info"]["image_id"].as_str().unwrap();
    let out = bed.folder.path().join("photo.jpg").display().to_string();
    let saved = called(&bed, &["user-photo", &format!("image_id={image}"), "--out", &out]);
    assert_eq!(
        (&saved["content_type"], std::fs::metadata(&out).unwrap().len()),
        (&json!("image/jpeg"), saved["bytes"].as_u64().unwrap())
    );
    let search = format!("face_image_base64=@{}", file("obama-3.jpg"));
    let found = called(&bed, &["picture-search", &search, "reverse:=false"]);
    assert_eq!(found["answer"]["total_count"], 1, "{found}");
    assert_eq!(found["answer"]["event_list"][0]["identity_id"], "10086");
    let (card, face) = (format!("card_image_base64=@{photo}"), format!("face_image_base64=@{passage}"));
    assert_eq!(called(&bed, &["compare", &card, &face])["answer"]["retcode"], "1");
    called(&bed, &["group-add", "group_name=访客", "description="]);
    called(&bed, &["group-join", "group_name=访客", "identity_id:=[\"10086\"]"]);
    let lookup = called(&bed, &["group-find", "info.name=访客", "exact=true"]);
    assert_eq!(lookup["answer"]["data"][0]["info"]["name"], "访客", "{lookup}");

    // What goes wrong is said in words, and is a failure to a script.
    let output = client(&bed, &["call", "users", "identity_id=nobody"]);
    assert!(!output.status.success() && lines(&output)[0]["answer"]["error"]["code"] == 40401);
    assert!(failed(&client(&bed, &["call", "fiqa"])).contains("`image_base64_str`"));
    assert!(failed(&client(&bed, &["call", "user"])).contains("user-add"));
    let faceless = file("coffee.png");
    let output =
        client(&bed, &["register", "--photo", &faceless, "--passage", &passage, "--identity-id", "2"]);
    assert!(failed(&output).contains("step 3") && failed(&output).contains("40004"), "{}", failed(&output));
    bed.stop();
    let output = client(&bed, &["call", "events"]);
    assert!(failed(&output).contains("Is the box running"), "{}", failed(&output));
}

/// Calls that are answered with 50100 only.
const REFUSED: [&str; 3] =
    ["/SophonConfig/api/login", "/SophonConfig/api/password", "/SophonFogSys/api/ImagePathStatusQuery"];

/// Method and path, with parts in braces alike.
fn way(method: &str, path: &str) -> (String, String) {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    (method.to_owned(), parts.collect::<Vec<_>>().join("/"))
}

/// The client has the published calls that the box lists, and no others.
#[test]
fn the_client_has_every_published_call_of_the_box() {
    let mut bed = TestBed::standalone();
    bed.start();
    let client = LocalClient::new(format!("127.0.0.1:{}", bed.local_port));
    let index = eventually("the local API answers", SOON, || {
        client.send("GET", "/menshen/api/calls", None, SOON).ok().map(|answer| answer.json())
    });
    let mut listed = BTreeSet::new();
    for call in index["data"]["calls"].as_array().unwrap() {
        for method in call["methods"].as_array().unwrap() {
            listed.insert(way(method.as_str().unwrap(), call["path"].as_str().unwrap()));
        }
    }
    // `Recognize` and `PUT` of receivers are the box's own; HEAD comes with GET.
    listed.retain(|(method, path)| {
        let is_own = path.starts_with("/menshen/")
            || path.contains("/Recognize")
            || method == "PUT"
                && (path.ends_with("EventServerUrl")
                    || path.ends_with("HistoryEventUrl")
                    || path.ends_with("MonitorServerUrl"));
        method != "HEAD" && !is_own && !REFUSED.contains(&path.as_str())
    });
    let known: BTreeSet<_> = CALLS.iter().map(|call| way(call.method, call.path)).collect();
    assert_eq!(known, listed);
    bed.stop();
}

#[test]
fn the_platform_sends_each_command_and_shows_the_reply() {
    let mut bed = TestBed::with_platform(|config| {
        config.fiqa = true;
        config.upload_info = Some(true);
    });
    bed.start();
    let login = bed.wait("a login", |entry| entry.kind == "login");
    assert!(login.is_accepted());
    let platform = LocalClient::new(format!("127.0.0.1:{}", bed.platform.port()));
    let names = platform.send("GET", "/sim/commands", None, SOON).unwrap().json();
    assert_eq!(names["commands"], json!(commands::NAMES));
    for name in commands::NAMES {
        let example = platform.send("GET", &format!("/sim/commands/{name}"), None, SOON).unwrap();
        assert!(example.is_success(), "{name}");
        let answer =
            platform.send("POST", "/sim/command?wait_s=40", Some(&example.json()), SOON).unwrap().json();
        let reply = &answer["reply"];
        assert_eq!(reply["messageKey"], example.json()["method"], "{name}: {answer}");
        let expected = match *name {
            "download_package" | "frp_control" => 50100,
            // There is no picture in the example.
            "fiqa" => 40003,
            _ => 0,
        };
        assert_eq!(reply["code"], expected, "{name}: {reply}");
        if *name == "add_users_plus-import_mode" {
            assert_eq!(reply["result"]["failed_users"][0]["code"], 40010, "{reply}");
        }
    }
    let other = bed.platform.ledger().of_kind("other");
    assert!(other.is_empty(), "no command makes the box call a foreign address: {other:?}");
    let nobody = platform.send("POST", "/sim/command?wait_s=1", Some(&json!([1])), SOON).unwrap();
    assert_eq!(nobody.status, 400);
    assert_eq!(platform.send("GET", "/sim/commands/nothing", None, SOON).unwrap().status, 404);
    bed.stop();
}
