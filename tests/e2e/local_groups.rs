//! Registry groups over the local API: the list, who is in which, and what that decides.

use serde_json::{Value, json};

use crate::http;
use crate::local_users::{USERS, done, enrol, recognised_at, refused, start};
use crate::testbed::TestBed;

const GROUPS: &str = "/SophonFogSys/api/groups";
const MEMBERS: &str = "/SophonFogSys/api/GroupUsers";
const LOOKUP: &str = "/SophonFace/api/groups";

fn call(bed: &TestBed, method: &str, body: &Value) -> (u16, Value) {
    // The vendor's own tools end the address in a bare question mark.
    http::json(bed.local_port, method, &format!("{GROUPS}?"), body)
}

fn members(bed: &TestBed, method: &str, group: &str, ids: &[&str]) -> (u16, Value) {
    let body = json!({ "group_name": group, "identity_id": ids, "with_identity_id": true });
    http::json(bed.local_port, method, MEMBERS, &body)
}

fn named(name: &str) -> Value {
    json!({ "group_name": name, "description": "" })
}

fn names(bed: &TestBed) -> Vec<String> {
    let list = done(http::get(bed.local_port, GROUPS))["groups_list"].clone();
    list.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn groups_are_kept_by_name_and_the_default_one_always() {
    let mut bed = TestBed::standalone();
    start(&mut bed);
    assert_eq!(names(&bed), ["default_group"]);
    let vip =
        json!({ "group_name": "贵宾", "description": "三楼", "info": { "floor": 3, "name": "not this" } });
    let made = done(call(&bed, "POST", &vip))["info"].clone();
    assert_eq!(json!([made["name"], made["description"], made["floor"]]), json!(["贵宾", "三楼", 3]));
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36, "made by the box");
    done(call(&bed, "POST", &named("night shift")));
    assert_eq!(names(&bed), ["default_group", "贵宾", "night shift"]);

    // The vendor's tools look ids up.
    let found = done(http::get(bed.local_port, &format!("{LOOKUP}?info.name=default_group&exact=true")));
    assert_eq!(found[0]["info"]["name"], "default_group");
    assert!(!found[0]["_id"].as_str().unwrap().is_empty() && found.as_array().unwrap().len() == 1, "{found}");
    let found = done(http::get(bed.local_port, &format!("{LOOKUP}?info.name=%E8%B4%B5")));
    assert_eq!(
        found,
        json!([{ "_id": id, "info": { "name": "贵宾", "description": "三楼", "floor": 3 } }]),
        "a part of the name"
    );
    let looked_up = |query: &str| done(http::get(bed.local_port, &format!("{LOOKUP}{query}")));
    assert_eq!(looked_up("?info.name=none&exact=true"), json!([]));
    assert_eq!(looked_up("").as_array().unwrap().len(), 3);

    // One is described and no other; pages are those of the later generation.
    done(call(&bed, "PUT", &json!({ "group_name": "贵宾", "description": "四楼" })));
    done(call(&bed, "PUT", &json!({ "group_name": "default_group", "description": "everyone" })));
    let list = done(http::get(bed.local_port, GROUPS))["groups_list"].clone();
    let texts: Vec<_> = list.as_array().unwrap().iter().map(|group| &group["description"]).collect();
    assert_eq!(texts, ["everyone", "四楼", ""]);
    let one = done(http::get(bed.local_port, &format!("{GROUPS}?group_name={id}")));
    assert_eq!(
        (&one["groups_list"][0]["group_id"], &one["groups_list"][0]["floor"]),
        (&json!(id), &json!(3))
    );
    let page = done(http::get(bed.local_port, &format!("{GROUPS}?skip_num=1&limit=1")));
    assert_eq!(page["groups_list"][0]["name"], "贵宾");
    assert_eq!(page["pagination"], json!({ "skip_num": 1, "limit": 1, "num_pages": 3, "total_count": 3 }));

    for (what, got, expected) in [
        ("taken", call(&bed, "POST", &named("贵宾")), (400, 40012, "GROUP_NAME_ERROR")),
        ("taken", call(&bed, "POST", &named("default_group")), (400, 40012, "GROUP_NAME_ERROR")),
        ("empty", call(&bed, "POST", &named("")), (400, 40012, "GROUP_NAME_ERROR")),
        ("a comma", call(&bed, "POST", &named("a,b")), (400, 40012, "GROUP_NAME_ERROR")),
        ("no name", call(&bed, "POST", &json!({ "description": "x" })), (400, 40091, "PARAM_ERROR")),
        (
            "no object",
            call(&bed, "POST", &json!({ "group_name": "x", "info": [1] })),
            (400, 40091, "PARAM_ERROR"),
        ),
        ("too long", call(&bed, "POST", &named(&"n".repeat(1025))), (400, 40091, "PARAM_ERROR")),
        ("unknown", call(&bed, "PUT", &named("none")), (404, 40491, "NOT_FOUND")),
        ("unknown", call(&bed, "DELETE", &named("none")), (404, 40491, "NOT_FOUND")),
        (
            "unknown",
            http::get(bed.local_port, &format!("{GROUPS}?group_name=none")),
            (404, 40491, "NOT_FOUND"),
        ),
        ("the default", call(&bed, "DELETE", &named("default_group")), (400, 40012, "GROUP_NAME_ERROR")),
        (
            "no switch",
            call(&bed, "DELETE", &json!({ "group_name": "贵宾", "user_recursive_delete": "perhaps" })),
            (400, 40091, "PARAM_ERROR"),
        ),
        ("nobody", members(&bed, "PUT", "贵宾", &[]), (400, 40091, "PARAM_ERROR")),
        ("no group", members(&bed, "PUT", "none", &["1"]), (400, 40012, "GROUP_NAME_ERROR")),
        ("no group", members(&bed, "DELETE", "none", &["1"]), (400, 40012, "GROUP_NAME_ERROR")),
        ("no person", members(&bed, "PUT", "贵宾", &["1"]), (404, 40401, "ID_NOT_FOUND")),
    ] {
        let got = refused(got);
        assert_eq!((got.0, got.1, got.2.as_str()), expected, "{what}");
    }
    let gone = done(call(&bed, "DELETE", &named("night shift")));
    assert_eq!((&gone["group_name"], gone["message"].is_string()), (&json!("night shift"), true));
    bed.stop();
    start(&mut bed);
    assert_eq!(names(&bed), ["default_group", "贵宾"]);
    let one = done(http::get(bed.local_port, &format!("{GROUPS}?group_name=%E8%B4%B5%E5%AE%BE")));
    assert_eq!(
        (&one["groups_list"][0]["id"], &one["groups_list"][0]["description"]),
        (&json!(id), &json!("四楼"))
    );
}

fn bed_with_two_doors() -> TestBed {
    let mut bed = TestBed::standalone();
    bed.add_config(
        "\n[[devices]]\nip = \"hall\"\ntype = \"turnstile\"\npipeline = \"post\"\ndedup_s = 0\n\
         [[devices]]\nip = \"lounge\"\ntype = \"turnstile\"\npipeline = \"post\"\ndedup_s = 0\n\
         registry_group = \"vip\"\n",
    );
    start(&mut bed);
    crate::testbed::eventually("both listen", crate::testbed::SOON, || {
        (bed.metric("menshen_device_online") >= 2.0).then_some(())
    });
    bed
}

#[test]
fn a_device_recognises_the_people_of_its_registry_group() {
    let mut bed = bed_with_two_doors();
    done(call(&bed, "POST", &named("vip")));
    done(enrol(&bed, "1001", "obama-1.jpg", json!({ "group_name": "vip" })));
    done(enrol(&bed, "1002", "biden-1.jpg", json!({})));
    let seen =
        |bed: &TestBed, file: &str| (recognised_at(bed, "hall", file), recognised_at(bed, "lounge", file));
    assert_eq!(seen(&bed, "obama-2.jpg"), (String::new(), "1001".to_owned()));
    assert_eq!(seen(&bed, "biden-1.jpg"), ("1002".to_owned(), String::new()));
    let told = |id: &'static str| {
        bed.wait("the event", move |entry| entry.kind == "realtime" && entry.body["identity_id"] == id)
    };
    assert_eq!(told("1001").body["group_name"], "vip", "the group of the device");
    assert_eq!(told("1002").body["group_name"], "default_group");

    // Into a group, and out of one; unknown people fail the whole call.
    assert_eq!(refused(members(&bed, "PUT", "default_group", &["1001", "nobody"])).1, 40401);
    assert_eq!(recognised_at(&bed, "hall", "obama-2.jpg"), "", "nothing was changed");
    let joined = done(members(&bed, "PUT", "default_group", &["1001"]));
    assert_eq!(
        (&joined["group_name"], &joined["identity_id"]),
        (&json!("default_group"), &json!(["1001", "1002"]))
    );
    assert!(joined["message"].is_string(), "{joined}");
    assert_eq!(seen(&bed, "obama-2.jpg"), ("1001".to_owned(), "1001".to_owned()));
    let left = done(members(&bed, "DELETE", "vip", &["1001", "1002", "nobody"]));
    assert_eq!(left["identity_id"], json!([]));
    assert_eq!(seen(&bed, "obama-2.jpg"), ("1001".to_owned(), String::new()));

    // Out of the last one: stored, and matched nowhere, after a restart too and without the database too.
    done(members(&bed, "DELETE", "default_group", &["1001"]));
    assert_eq!(seen(&bed, "obama-2.jpg"), (String::new(), String::new()));
    bed.stop();
    std::fs::remove_file(bed.data_dir().join("registry.redb")).unwrap();
    start(&mut bed);
    crate::testbed::eventually("both listen", crate::testbed::SOON, || {
        (bed.metric("menshen_device_online") >= 2.0).then_some(())
    });
    assert_eq!(seen(&bed, "obama-2.jpg"), (String::new(), String::new()));
    assert_eq!(seen(&bed, "biden-1.jpg"), ("1002".to_owned(), String::new()));
    let one = done(http::get(bed.local_port, &format!("{USERS}?identity_id=1001")));
    assert_eq!(one["identities_list"][0]["group_name"], json!([]));
}

#[test]
fn people_leave_with_their_only_group_where_that_is_asked_for() {
    let bed = bed_with_two_doors();
    done(call(&bed, "POST", &named("vip")));
    done(enrol(&bed, "1001", "obama-1.jpg", json!({ "group_name": "vip,default_group" })));
    done(enrol(&bed, "1002", "biden-1.jpg", json!({ "group_name": ["vip"] })));
    let found = |id: &str| http::get(bed.local_port, &format!("{USERS}?identity_id={id}"));
    // Without the switch people stay, without the group.
    let gone = done(call(&bed, "DELETE", &named("vip")));
    assert_eq!((&gone["people_deleted"], &gone["devices"]), (&json!(0), &json!(["lounge"])), "{gone}");
    assert_eq!(done(found("1002"))["identities_list"][0]["group_name"], json!([]));
    assert!(bed.log().contains("its registry group was deleted"), "the installer is told");
    assert_eq!(names(&bed), ["default_group"]);

    // A new group of that name has nobody in it.
    done(call(&bed, "POST", &named("vip")));
    assert_eq!(done(http::get(bed.local_port, &format!("{USERS}?group_name=vip")))["total"], 0);
    done(members(&bed, "PUT", "vip", &["1001", "1002"]));
    let gone = done(call(&bed, "DELETE", &json!({ "group_name": "vip", "user_recursive_delete": true })));
    assert_eq!(gone["people_deleted"], 1, "{gone}");
    assert_eq!((found("1001").0, found("1002").0), (200, 404));
    assert_eq!(recognised_at(&bed, "hall", "obama-2.jpg"), "1001");
}
