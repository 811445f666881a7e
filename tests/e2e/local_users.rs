//! People as the local API is published: one a call, with switches, groups and photos.

use std::net::TcpStream;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::fields::assert_keys;
use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

pub const USERS: &str = "/SophonFogSys/api/users";
const IMAGES: &str = "/SophonFace/api/images";
const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";
const PERMISSIONS: &str = "/SophonFogSys/api/permissions";

pub fn start(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
}

fn started() -> TestBed {
    let mut bed = TestBed::standalone();
    start(&mut bed);
    bed
}

pub fn done((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

/// HTTP status, code and its name.
pub fn refused((status, body): (u16, Value)) -> (u16, i64, String) {
    assert_keys(&body, &["error"]);
    (status, body["error"]["code"].as_i64().unwrap(), body["error"]["status"].as_str().unwrap().to_owned())
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A person whose name is the id, with more keys.
pub fn enrol(bed: &TestBed, id: &str, file: &str, more: Value) -> (u16, Value) {
    let user =
        json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": id, "type": 1 } });
    http::json(bed.local_port, "POST", USERS, &with(user, &more))
}

fn change(bed: &TestBed, body: &Value) -> (u16, Value) {
    http::json(bed.local_port, "PUT", USERS, body)
}

fn found(bed: &TestBed, query: &str) -> Value {
    done(http::get(bed.local_port, &format!("{USERS}?{query}")))["identities_list"].clone()
}

/// Who a device recognises on a photo; empty for a stranger.
pub fn recognised_at(bed: &TestBed, device: &str, file: &str) -> String {
    recognised(bed, &format!("?ip={device}"), file)
}

fn recognised(bed: &TestBed, query: &str, file: &str) -> String {
    let jpeg = [("Content-Type", "image/jpeg")];
    let answer = http::call(bed.local_port, "POST", &format!("{RECOGNIZE}{query}"), &jpeg, &photo(file));
    done(answer)["identity_id"].as_str().unwrap().to_owned()
}

fn image(bed: &TestBed, id: &Value) -> (u16, String, Vec<u8>) {
    let path = format!("{IMAGES}/{}", id.as_str().unwrap());
    let answer = http::bytes(bed.local_port, "GET", &path, &[], b"");
    (answer.status, answer.header("content-type"), answer.body)
}

#[test]
fn a_person_is_added_listed_changed_and_deleted_as_published() {
    let bed = started();
    let ext_info = json!({ "mobile": "13800000000", "floor": "3" });
    let info = json!({ "name": "Barack Obama", "type": 5, "permission_ids": ["0", "7"], "ext_info": ext_info, "user_id": "another" });
    let added =
        done(enrol(&bed, "1001", "obama-1.jpg", json!({ "group_name": "default_group", "info": info })));
    assert_keys(&added, &["identity_id", "reg_photo", "group_name", "info", "success_users", "failed_users"]);
    assert_eq!((&added["identity_id"], &added["group_name"]), (&json!("1001"), &json!("default_group")));
    assert_eq!(added["reg_photo"], photo_base64("obama-1.jpg"));
    let expected = [
        ("name", json!("Barack Obama")),
        ("type", json!(5)),
        ("user_id", json!("1001")),
        ("ext_info", ext_info),
    ];
    for (key, value) in &expected {
        assert_eq!(added["info"][key], *value, "{key}");
    }
    assert_eq!(added["info"]["permission_ids"], json!(["0", "7"]));

    let listed = found(&bed, "identity_id=1001&group_name=none");
    assert_keys(&listed[0], &["identity_id", "reg_photo", "group_name", "info"]);
    assert_eq!((&listed[0]["group_name"], &listed[0]["info"]), (&json!(["default_group"]), &added["info"]));
    let (status, kind, body) = image(&bed, &listed[0]["info"]["image_id"]);
    assert_eq!((status, kind.as_str()), (200, "image/jpeg"));
    assert!(body == photo("obama-1.jpg"), "the photo as it came");

    // An empty photo leaves it alone; what info does not name stays.
    let body = json!({ "identity_id": "1001", "reg_photo": "", "info": { "type": 2, "user_id": "1009" } });
    let changed = done(change(&bed, &body));
    assert_keys(
        &changed,
        &["identity_id", "image_id", "group_name", "info", "success_users", "failed_users"],
    );
    assert_eq!(changed["image_id"], listed[0]["info"]["image_id"]);
    assert_eq!(changed["group_name"], json!(["default_group"]));
    assert_eq!(
        (&changed["info"]["type"], &changed["info"]["name"], &changed["info"]["user_id"]),
        (&json!(2), &json!("Barack Obama"), &json!("1001"))
    );
    let changed = done(change(
        &bed,
        &json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-3.jpg"), "fiqa_level": "low", "info": {} }),
    ));
    assert_ne!(changed["image_id"], listed[0]["info"]["image_id"], "another photo has another id");
    assert_eq!(image(&bed, &listed[0]["info"]["image_id"]).0, 404, "and the old one is gone");

    let gone = done(http::json(bed.local_port, "DELETE", USERS, &json!({ "identity_id": "1001" })));
    assert_keys(&gone, &["identity_id", "group_name", "message", "success_users", "failed_users"]);
    assert_eq!((&gone["identity_id"], &gone["group_name"]), (&json!("1001"), &json!(["default_group"])));
    assert_eq!(image(&bed, &changed["image_id"]).0, 404);
    for path in ["..%2f..%2fvar", "0a.img", "zz", "%00"] {
        assert_eq!(http::get(bed.local_port, &format!("{IMAGES}/{path}")).0, 404, "{path}");
    }
}

#[test]
fn a_person_who_is_there_is_changed_only_where_that_is_asked_for() {
    let bed = started();
    done(http::json(
        bed.local_port,
        "POST",
        "/SophonFogSys/api/groups",
        &json!({ "group_name": "vip", "description": "" }),
    ));
    done(enrol(&bed, "1001", "obama-1.jpg", json!({ "info": { "name": "one", "desk": "7" } })));
    assert_eq!(
        refused(enrol(&bed, "1001", "obama-1.jpg", json!({}))),
        (409, 40011, "IDENTITY_EXSIT_ERROR".to_owned())
    );
    assert_eq!(refused(enrol(&bed, "1001", "obama-1.jpg", json!({ "ignore_exist": false }))).1, 40011);

    // Data updated, photo kept, the group added.
    let again = json!({ "identity_id": "1001", "ignore_exist": true, "group_name": "vip", "info": { "name": "two" } });
    let updated = done(http::json(bed.local_port, "POST", USERS, &again));
    assert_eq!((&updated["info"]["name"], &updated["info"]["desk"]), (&json!("two"), &json!("7")));
    assert_eq!(updated["group_name"], "default_group,vip");
    assert_eq!(updated["reg_photo"], photo_base64("obama-1.jpg"));
    // Somebody who is not there is created.
    done(enrol(&bed, "1002", "biden-1.jpg", json!({ "ignore_exist": "true" })));
    assert_eq!(recognised(&bed, "", "biden-1.jpg"), "1002");

    // Groups that are not there are told before anything is stored.
    for group in ["none", "vip,none"] {
        let got = refused(enrol(&bed, "1003", "biden-1.jpg", json!({ "group_name": group })));
        assert_eq!(got, (400, 40012, "GROUP_NAME_ERROR".to_owned()), "{group}");
    }
    assert_eq!(http::get(bed.local_port, &format!("{USERS}?identity_id=1003")).0, 404);
    for (what, method, body) in [
        ("both ways", "POST", json!({ "identity_id": "5", "user_info_list": [{ "identity_id": "6" }] })),
        ("both ways", "PUT", json!({ "identity_id": "5", "user_info_list": [{ "identity_id": "6" }] })),
        ("both ways", "DELETE", json!({ "identity_id": "1001", "userid_list": ["1002"] })),
        ("both lists", "DELETE", json!({ "identity_ids": ["1001"], "userid_list": ["1002"] })),
        ("no switch", "POST", json!({ "identity_id": "5", "ignore_exist": "perhaps" })),
        ("no level", "POST", json!({ "identity_id": "5", "fiqa_level": "best", "reg_photo": "x" })),
    ] {
        let got = refused(http::json(bed.local_port, method, USERS, &body));
        assert_eq!((got.0, got.1), (400, 40091), "{what}");
    }
    let ids = |query: &str| {
        let listed = done(http::get(bed.local_port, &format!("{USERS}?{query}")));
        let mut ids: Vec<String> = listed["identities_list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["identity_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        (ids.join(" "), listed["total"].as_u64().unwrap())
    };
    assert_eq!(ids(""), ("1001 1002".to_owned(), 2));
    assert_eq!(ids("group_name=vip"), ("1001".to_owned(), 1));
    assert_eq!(ids("group_name=default_group"), ("1001 1002".to_owned(), 2));
    let (first, second) =
        (ids("group_name=default_group&limit=1"), ids("group_name=default_group&limit=1&skip_num=1"));
    assert!(
        first.0 != second.0 && first.1 == 2 && second.1 == 2,
        "skip_num counts people: {first:?} {second:?}"
    );
    assert_eq!(ids("group_name=vip&skip_num=1"), (String::new(), 1));
    assert_eq!(refused(http::get(bed.local_port, &format!("{USERS}?group_name=none"))).1, 40012);

    let gone =
        done(http::json(bed.local_port, "DELETE", USERS, &json!({ "identity_ids": ["1001", "nobody"] })));
    assert_eq!((&gone["identity_ids"], &gone["failed_users"][0]["code"]), (&json!(["1001"]), &json!(40401)));
}

#[test]
fn unknown_permission_groups_are_made_only_where_that_is_asked_for() {
    let bed = started();
    let groups = |bed: &TestBed| {
        let list = done(http::get(bed.local_port, PERMISSIONS))["permissions_list"].clone();
        list.as_array()
            .unwrap()
            .iter()
            .map(|group| group["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let info = |group: &str| json!({ "name": "x", "permission_ids": ["0", group] });
    done(enrol(&bed, "1001", "obama-1.jpg", json!({ "info": info("7") })));
    done(enrol(&bed, "1002", "biden-1.jpg", json!({ "info": info("8"), "create_no_exit_permission": true })));
    let stored = found(&bed, "identity_id=1001")[0]["info"]["permission_ids"].clone();
    assert_eq!(stored, json!(["0", "7"]), "stored with the id all the same");
    done(http::json(bed.local_port, "DELETE", USERS, &json!({ "userid_list": ["1001", "1002"] })));
    assert_eq!(groups(&bed), ["8"], "a record of its own stays when nobody is in it any more");
    let made = done(http::get(bed.local_port, &format!("{PERMISSIONS}?permission_name=8")));
    assert_eq!(
        (&made["permissions_list"][0]["name"], &made["permissions_list"][0]["description"]),
        (&json!("8"), &json!(""))
    );
    // A refused person makes none.
    let got =
        enrol(&bed, "1003", "coffee.png", json!({ "info": info("9"), "create_no_exit_permission": true }));
    assert_eq!((refused(got).1, groups(&bed)), (40004, vec!["8".to_owned()]));
}

#[test]
fn levels_photos_and_features_as_the_call_says() {
    let bed = started();
    // The face is too small for `high`, which is the level unless another is named.
    for (more, code) in [
        (json!({}), 40009),
        (json!({ "fiqa_level": "high" }), 40009),
        (json!({ "fiqa_level": "high", "register_type": 2 }), 40009),
        (json!({ "fiqa_level": "low", "import_mode": true }), 40010),
        (json!({ "fiqa_level": "low", "import_mode": true, "feature": [0.5], "reg_photo": null }), 40010),
    ] {
        assert_eq!(refused(enrol(&bed, "1001", "astronaut.png", more.clone())).1, code, "{more}");
    }
    assert_eq!(refused(enrol(&bed, "1001", "coffee.png", json!({ "fiqa_level": "no" }))).1, 40004);
    for level in ["low", "middle", "no", "custom"] {
        done(enrol(&bed, level, "astronaut.png", json!({ "fiqa_level": level })));
    }

    // Without a photo: kept, and matched nowhere, until one comes.
    assert_eq!(refused(enrol(&bed, "2001", "obama-1.jpg", json!({ "reg_photo": "" }))).1, 40091);
    let added = done(enrol(&bed, "2001", "obama-1.jpg", json!({ "reg_photo": "", "need_bring_pic": false })));
    assert_eq!((&added["reg_photo"], &added["info"]["image_id"]), (&json!(""), &json!("")));
    assert_eq!(recognised(&bed, "", "obama-2.jpg"), "");
    done(change(&bed, &json!({ "identity_id": "2001", "info": { "desk": "9" } })));
    done(change(&bed, &json!({ "identity_id": "2001", "reg_photo": photo_base64("obama-1.jpg") })));
    assert_eq!(recognised(&bed, "", "obama-2.jpg"), "2001");
    assert_eq!(found(&bed, "identity_id=2001")[0]["info"]["desk"], "9");
}

#[test]
fn faces_of_a_person_are_replaced_or_added_as_the_call_says() {
    let mut bed = started();
    let faces = |bed: &TestBed| {
        let info = found(bed, "identity_id=1001")[0]["info"].clone();
        let ids: Vec<String> =
            info["face_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(info["image_id"], ids[0]);
        ids
    };
    done(enrol(&bed, "1001", "obama-1.jpg", json!({})));
    let again = |bed: &TestBed, file: &str, single: Value| {
        done(enrol(
            bed,
            "1001",
            file,
            json!({ "ignore_exist": true, "fiqa_level": "low", "support_single_face": single }),
        ));
        faces(bed)
    };
    let two = again(&bed, "obama-3.jpg", json!(false));
    assert_eq!(two.len(), 2, "beside the first");
    assert_eq!(again(&bed, "obama-1.jpg", json!(false)).len(), 2, "one that is known already");
    // An update of the data alone leaves the faces.
    done(change(&bed, &json!({ "identity_id": "1001", "info": { "desk": "1" } })));
    assert_eq!(faces(&bed).len(), 2);
    bed.stop();
    std::fs::remove_file(bed.data_dir().join("registry.redb")).unwrap();
    start(&mut bed);
    assert_eq!(faces(&bed).len(), 2, "both come back from their photos");
    assert_eq!(found(&bed, "identity_id=1001")[0]["info"]["desk"], "1");
    for id in faces(&bed) {
        assert_eq!(image(&bed, &json!(id)).0, 200);
    }
    assert_eq!(again(&bed, "obama-2.jpg", json!(null)).len(), 1, "without the switch it takes their place");
    assert_eq!(image(&bed, &json!(two[0])).0, 404);
    let (_, _, body) = image(&bed, &json!(faces(&bed)[0]));
    assert!(body == photo("obama-2.jpg"));
}

#[test]
fn photos_are_not_given_out_where_that_is_configured() {
    let mut bed = TestBed::standalone();
    bed.set("local_api.photos", "false");
    start(&mut bed);
    let added = done(enrol(&bed, "1001", "obama-1.jpg", json!({})));
    let listed = found(&bed, "identity_id=1001");
    assert_eq!((&added["reg_photo"], &listed[0]["reg_photo"]), (&json!(""), &json!("")));
    let id = &listed[0]["info"]["image_id"];
    assert!(!id.as_str().unwrap().is_empty(), "the id is there all the same");
    assert_eq!(image(&bed, id).0, 404);
    bed.stop();
    bed.set("local_api.photos", "true");
    start(&mut bed);
    let shown = found(&bed, "identity_id=1001")[0]["reg_photo"].clone();
    assert!(
        base64::prelude::BASE64_STANDARD.decode(shown.as_str().unwrap()).unwrap() == photo("obama-1.jpg")
    );
}

#[test]
fn a_list_of_people_takes_its_switches_from_the_call_or_from_each() {
    let bed = started();
    let user = |id: &str, file: &str, more: Value| {
        with(json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": id } }), &more)
    };
    done(enrol(&bed, "1001", "obama-1.jpg", json!({})));
    let body = json!({ "ignore_exist": true, "fiqa_level": "low", "user_info_list": [
        user("1001", "obama-1.jpg", json!({})),
        user("1001", "obama-1.jpg", json!({ "ignore_exist": false })),
        user("1002", "astronaut.png", json!({})),
        user("1003", "astronaut.png", json!({ "fiqa_level": "high" })),
        user("1004", "biden-1.jpg", json!({ "group_name": "none" })),
    ] });
    let answer = done(http::json(bed.local_port, "POST", USERS, &body));
    assert_keys(&answer, &["success_users", "failed_users"]);
    let ids = |list: &str| {
        let list = answer[list].as_array().unwrap();
        list.iter()
            .map(|one| (one["userid"].as_str().unwrap(), one["code"].as_i64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("success_users"), [("1001", 0), ("1002", 0)]);
    assert_eq!(ids("failed_users"), [("1001", 40011), ("1004", 40012), ("1003", 40009)]);
}
