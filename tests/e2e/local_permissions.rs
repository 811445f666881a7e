//! Permission groups as the local API is published: by name. And beside the platform's list of ids.

use serde_json::{Value, json};

use crate::http::{self, JSON};
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const LOOKUP: &str = "/SophonFace/api/permissions";
const USERS: &str = "/SophonFogSys/api/users";

fn started(mut bed: TestBed) -> TestBed {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    bed
}

fn done((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn refused((status, body): (u16, Value)) -> (u16, i64, String) {
    (status, body["error"]["code"].as_i64().unwrap(), body["error"]["status"].as_str().unwrap().to_owned())
}

fn call(bed: &TestBed, method: &str, body: &Value) -> (u16, Value) {
    // The vendor's own tools end the address in a bare question mark.
    http::json(bed.local_port, method, &format!("{PERMISSIONS}?"), body)
}

fn names(bed: &TestBed) -> Vec<String> {
    let list = done(http::get(bed.local_port, PERMISSIONS))["permissions_list"].clone();
    list.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
}

fn enrol(bed: &TestBed, id: &str, file: &str, groups: &[&str]) {
    let info = json!({ "name": id, "permission_ids": groups });
    let user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": info });
    done(http::json(bed.local_port, "POST", USERS, &user));
}

#[test]
fn groups_are_kept_by_name() {
    let bed = started(TestBed::standalone());
    let lab = json!({ "permission_name": "研发部", "description": "三楼", "info": { "floor": 3, "name": "not this" } });
    let made = done(call(&bed, "POST", &lab))["info"].clone();
    assert_eq!(
        (&made["name"], &made["description"], &made["floor"]),
        (&json!("研发部"), &json!("三楼"), &json!(3))
    );
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(
        id.len() == 36 && done(call(&bed, "POST", &json!({ "permission_name": "门卫" })))["info"]["id"] != id
    );
    assert_eq!(names(&bed), ["研发部", "门卫"]);

    // The vendor's tools look the id up.
    let query = "?info.name=%E7%A0%94%E5%8F%91%E9%83%A8&exact=true";
    let found = done(http::get(bed.local_port, &format!("{LOOKUP}{query}")));
    assert_eq!(
        found,
        json!([{ "_id": id, "info": { "name": "研发部", "description": "三楼", "floor": 3 } }])
    );
    let found = done(http::get(bed.local_port, &format!("{LOOKUP}?info.name=%E5%8F%91")));
    assert_eq!(found[0]["_id"], *id, "a part of the name");
    assert_eq!(done(http::get(bed.local_port, &format!("{LOOKUP}?info.name=none&exact=true"))), json!([]));
    assert_eq!(done(http::get(bed.local_port, LOOKUP)).as_array().unwrap().len(), 2);

    // One is described, by its name or as a bare group of the platform's form, and no other.
    done(call(&bed, "PUT", &json!({ "permission_name": "研发部", "description": "四楼" })));
    done(call(&bed, "PUT", &json!({ "id": id, "info": { "name": "实验室", "description": "五楼" } })));
    assert_eq!(names(&bed), ["实验室", "门卫"], "nobody wiped the others");
    let one = done(http::get(bed.local_port, &format!("{PERMISSIONS}?permission_name={id}")));
    assert_eq!(one["permissions_list"][0]["description"], "五楼");

    let wrong = |method: &str, body: Value| refused(call(&bed, method, &body));
    let named = |name: &str| json!({ "permission_name": name, "description": "" });
    for (what, got, expected) in [
        ("taken", wrong("POST", named("门卫")), (400, 40012, "GROUP_NAME_ERROR")),
        ("empty", wrong("POST", named("")), (400, 40091, "PARAM_ERROR")),
        ("a comma", wrong("POST", named("a,b")), (400, 40091, "PARAM_ERROR")),
        (
            "no object",
            wrong("POST", json!({ "permission_name": "x", "info": [1] })),
            (400, 40091, "PARAM_ERROR"),
        ),
        (
            "both ways",
            wrong("POST", json!({ "permission_name": "x", "id": "1" })),
            (400, 40091, "PARAM_ERROR"),
        ),
        ("unknown", wrong("PUT", named("none")), (404, 40491, "NOT_FOUND")),
        ("unknown", wrong("DELETE", named("none")), (404, 40491, "NOT_FOUND")),
        ("nothing", wrong("DELETE", json!({})), (400, 40091, "PARAM_ERROR")),
        (
            "no switch",
            wrong("DELETE", json!({ "permission_name": "门卫", "user_recursive_delete": "perhaps" })),
            (400, 40091, "PARAM_ERROR"),
        ),
    ] {
        assert_eq!((got.0, got.1, got.2.as_str()), expected, "{what}");
    }
    let gone = done(call(&bed, "DELETE", &json!({ "permission_name": "门卫" })));
    assert_eq!((&gone["permission_name"], gone["message"].is_string()), (&json!("门卫"), true));
    assert_eq!(names(&bed), ["实验室"]);
}

#[test]
fn people_leave_with_their_only_group_where_that_is_asked_for() {
    let mut bed = started(TestBed::standalone());
    let id =
        done(call(&bed, "POST", &json!({ "permission_name": "shift", "description": "" })))["info"]["id"]
            .clone();
    let id = id.as_str().unwrap();
    enrol(&bed, "1001", "obama-1.jpg", &[id]);
    enrol(&bed, "1002", "biden-1.jpg", &[id, "0"]);
    let groups_of = |bed: &TestBed, id: &str| {
        let (status, body) = http::get(bed.local_port, &format!("{USERS}?identity_id={id}"));
        (status, body["data"]["users"][0]["info"]["permission_ids"].clone())
    };
    // Without the switch people stay as they are, and their group is listed by its id.
    done(call(&bed, "DELETE", &json!({ "permission_name": "shift" })));
    assert_eq!((groups_of(&bed, "1001").1, names(&bed)), (json!([id]), vec!["0".to_owned(), id.to_owned()]));
    assert_eq!(refused(call(&bed, "DELETE", &json!({ "permission_name": "0" }))).1, 40091);
    let gone = done(call(&bed, "DELETE", &json!({ "permission_name": id, "user_recursive_delete": true })));
    assert_eq!(gone["people_deleted"], 1, "{gone}");
    assert_eq!((groups_of(&bed, "1001").0, groups_of(&bed, "1002").1), (404, json!(["0"])));
    bed.stop();
    start_again(&mut bed);
    assert_eq!((groups_of(&bed, "1001").0, groups_of(&bed, "1002").1), (404, json!(["0"])));
}

fn start_again(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

#[test]
fn one_group_of_the_platform_does_not_make_the_box_forget_the_others() {
    let bed = started(TestBed::with_platform(|_| ()));
    for (id, name) in [("1", "研发部"), ("2", "门卫"), ("1", "实验室")] {
        let group = json!({ "id": id, "info": { "name": name, "description": "" } });
        bed.platform
            .publish(
                &json!({ "method": "sync_permissions", "messageId": name, "permissions_info_list": [group] }),
            )
            .unwrap();
        bed.wait("the answer", |entry| entry.is_reply() && entry.body["messageId"] == name);
    }
    assert_eq!(names(&bed), ["实验室", "门卫"]);
    let (status, _) = http::call(bed.local_port, "GET", PERMISSIONS, &[("Content-Type", JSON)], b"");
    assert_eq!(status, 200);
}
