//! People as a platform of generation 2.6 sends them: a level for each, no photo, features of another model.

use serde_json::{Value, json};

use crate::http;
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";

fn started() -> TestBed {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    bed
}

fn user(id: &str, file: &str, more: &Value) -> Value {
    let mut user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": id } });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

/// Ids of those who were added, and ids and codes of those who were not.
fn outcome(reply: &Value) -> (Vec<String>, Vec<(String, i64)>) {
    let list = |name: &str| reply["result"][name].as_array().unwrap_or_else(|| panic!("{reply}")).clone();
    let id = |one: &Value| one["userid"].as_str().unwrap().to_owned();
    let added = list("success_users").iter().map(id).collect();
    (added, list("failed_users").iter().map(|one| (id(one), one["code"].as_i64().unwrap())).collect())
}

fn add(bed: &TestBed, users: &[Value]) -> (Vec<String>, Vec<(String, i64)>) {
    outcome(&bed.command(json!({ "method": "add_users_plus", "user_info_list": users })))
}

/// `ids` with their codes.
fn codes(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|(id, code)| ((*id).to_owned(), *code)).collect()
}

#[test]
fn a_level_of_its_own_replaces_that_of_the_register_type() {
    let bed = started();
    // The face is too small for `high`, and good enough for `custom`.
    let small = |id: &str, more: Value| user(id, "astronaut.png", &more);
    let users = [
        small("type 1", json!({ "register_type": 1 })),
        small("type 2", json!({ "register_type": 2 })),
        small("no", json!({ "register_type": 1, "fiqa_level": "no" })),
        small("low", json!({ "fiqa_level": "low" })),
        small("high", json!({ "register_type": 2, "fiqa_level": "HIGH" })),
        small("unknown", json!({ "fiqa_level": "best" })),
        user("no face", "coffee.png", &json!({ "fiqa_level": "no" })),
    ];
    let (added, refused) = add(&bed, &users);
    assert_eq!(added, ["type 2", "no", "low"]);
    let mut expected = codes(&[("unknown", 40071), ("type 1", 40009), ("high", 40009), ("no face", 40004)]);
    expected.sort();
    let mut refused = refused;
    refused.sort();
    assert_eq!(refused, expected);

    // The same from the address the platform gives.
    let people = bed.platform.people();
    for one in ["no", "high", "best"] {
        people.add_raw(one, small(one, json!({ "register_type": 2, "fiqa_level": one })));
    }
    let by_id = json!({
        "method": "add_users_plus", "userid_list": ["no", "high", "best"], "extend_params": { "path": "/box/users" },
    });
    // Somebody whose photo is known already is not judged again.
    bed.command(json!({ "method": "delete_users", "userid_list": ["no", "high"] }));
    let (added, mut refused) = outcome(&bed.command(by_id));
    refused.sort();
    assert_eq!((added, refused), (vec!["no".to_owned()], codes(&[("best", 40071), ("high", 40009)])));
}

#[test]
fn features_of_another_model_are_refused_and_never_fetched() {
    let bed = started();
    let features = Receiver::new(|_| 200);
    let wanted = json!({ "import_mode": true, "get_features_url": features.url() });
    let no_photo = json!({ "import_mode": "true", "get_features_url": features.url(), "reg_photo": "" });
    let users = [
        user("1001", "obama-1.jpg", &json!({ "import_mode": false })),
        user("1002", "biden-1.jpg", &wanted),
        user("1003", "biden-1.jpg", &no_photo),
        user("1004", "astronaut.png", &json!({ "fiqa_level": "low" })),
    ];
    let (added, refused) = add(&bed, &users);
    assert_eq!(added, ["1001", "1004"], "the photo users go on");
    assert_eq!(refused, codes(&[("1002", 40010), ("1003", 40010)]), "also where a photo is beside it");

    let both = [user("1005", "biden-1.jpg", &json!({})), user("1006", "biden-1.jpg", &json!({}))];
    let expected = (Vec::new(), codes(&[("1005", 40010), ("1006", 40010)]));
    let top = json!({
        "method": "add_users_plus", "user_info_list": both, "import_mode": 1, "get_features_url": features.url(),
    });
    let reply = bed.command(top);
    assert!(
        reply["result"]["failed_users"][0]["message"].as_str().unwrap().contains("another model"),
        "{reply}"
    );
    assert_eq!(outcome(&reply), expected);
    let extend = json!({ "import_mode": true, "get_features_url": features.url(), "path": "/box/users" });
    let beside = json!({ "method": "add_users_plus", "user_info_list": both, "extend_params": extend });
    assert_eq!(outcome(&bed.command(beside)), expected);
    let asked = bed.platform.ledger().len();
    let by_id =
        json!({ "method": "add_users_plus", "userid_list": ["1005", "1006"], "extend_params": extend });
    assert_eq!(outcome(&bed.command(by_id)), expected);
    let fetched = bed.platform.ledger().since(asked, |entry| entry.path.starts_with("/box/users"));
    assert!(fetched.is_empty(), "nor are their details");

    // As details that the platform gives.
    bed.platform.people().add_raw("1005", user("1005", "biden-1.jpg", &wanted));
    bed.platform.people().add_raw("1006", user("1006", "biden-1.jpg", &json!({})));
    let by_id = json!({
        "method": "add_users_plus", "userid_list": ["1005", "1006"], "extend_params": { "path": "/box/users" },
    });
    assert_eq!(outcome(&bed.command(by_id)), (vec!["1006".to_owned()], codes(&[("1005", 40010)])));
    assert!(features.got().is_empty(), "{:?}", features.got());
    let unclear = json!({ "method": "add_users_plus", "user_info_list": both, "import_mode": "perhaps" });
    assert_eq!(bed.command(unclear)["code"], 40071);
}

#[test]
fn people_without_a_photo_are_kept_and_all_of_info_comes_back() {
    let bed = started();
    let recognised = || {
        let jpeg = [("Content-Type", "image/jpeg")];
        let (_, body) = http::call(bed.local_port, "POST", RECOGNIZE, &jpeg, &photo("obama-2.jpg"));
        body["data"]["identity_id"].as_str().unwrap().to_owned()
    };
    let stored = |id: &str| {
        let query = format!("/SophonFogSys/api/users?identity_id={id}");
        http::get(bed.local_port, &query).1["data"]["identities_list"][0].clone()
    };
    let ext_info = json!({
        "mobile": "13800000000", "email": "", "gender": "男", "visit_card_number": 7, "floor": null,
        "comeFrom": "总部", "deep": { "list": [1, 2.5, null, "x"] },
    });
    let nobody = json!({ "identity_id": "1001", "need_bring_pic": false, "info": { "name": "Obama", "ext_info": ext_info } });
    assert_eq!(add(&bed, std::slice::from_ref(&nobody)), (vec!["1001".to_owned()], Vec::new()));
    let one = stored("1001");
    assert_eq!((&one["reg_photo"], &one["info"]["name"]), (&json!(""), &json!("Obama")));
    assert_eq!(one["info"]["ext_info"], ext_info, "as it came");
    assert_eq!(recognised(), "", "matched nowhere");
    // Asked for, and not there.
    let asked = json!({ "identity_id": "1002", "need_bring_pic": true, "info": { "name": "x" } });
    assert_eq!(add(&bed, &[asked]), (Vec::new(), codes(&[("1002", 40071)])));

    // A photo that comes later makes them known, and stays when the next message brings none.
    let brought = user("1001", "obama-1.jpg", &json!({ "info": { "name": "Obama", "ext_info": ext_info } }));
    assert_eq!(add(&bed, &[brought]).0, ["1001"]);
    assert_eq!(recognised(), "1001");
    assert_eq!(add(&bed, &[nobody]).0, ["1001"]);
    assert_eq!((recognised(), &stored("1001")["info"]["ext_info"]), ("1001".to_owned(), &ext_info));
    assert_eq!(stored("1001")["group_name"], json!(["default_group"]));
}
