//! The published calls of the local API, field by field: every published field is sent to a real box and taken, and
//! every published field of an answer is there with its type. What a field does is proven by the named test of
//! `tests/e2e`, whose file must speak of the field.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

/// A published call.
struct Call {
    /// Page of the published documents.
    section: &'static str,
    name: &'static str,
    /// Fields of its body or query.
    asks: &'static str,
    /// `module::test` that proves what they do.
    proof: &'static str,
    /// Where in the answer which field is: `data.info.name:str`.
    answers: &'static str,
}

const fn call(
    section: &'static str,
    name: &'static str,
    asks: &'static str,
    proof: &'static str,
    answers: &'static str,
) -> Call {
    Call { section, name, asks, proof, answers }
}

const IDENTITY: &str = "local_api::addresses_change_at_once_and_for_good";
const PERMISSIONS: &str = "local_permissions::groups_are_kept_by_name";
const LEAVING: &str = "local_permissions::people_leave_with_their_only_group_where_that_is_asked_for";
const GROUPS: &str = "local_groups::groups_are_kept_by_name_and_the_default_one_always";
const GROUP_PEOPLE: &str = "local_groups::people_leave_with_their_only_group_where_that_is_asked_for";
const MEMBERS: &str = "local_groups::a_device_recognises_the_people_of_its_registry_group";
const PERSON: &str = "local_users::a_person_is_added_listed_changed_and_deleted_as_published";
const AGAIN: &str = "local_users::a_person_who_is_there_is_changed_only_where_that_is_asked_for";
const LEVELS: &str = "local_users::levels_photos_and_features_as_the_call_says";
const FACES_OF: &str = "local_users::faces_of_a_person_are_replaced_or_added_as_the_call_says";
const UNKNOWN_GROUPS: &str = "local_users::unknown_permission_groups_are_made_only_where_that_is_asked_for";
const REAL_TIME: &str = "local_receivers::event_servers_get_strangers_and_forms_where_they_ask_for_them";
const HISTORY: &str = "local_receivers::history_is_sent_as_the_published_call_says_and_keeps_its_cursor";
const MONITOR: &str = "local_receivers::own_status_receivers_have_a_period_of_their_own";
const DOORS: &str = "local_api::doors_are_opened_by_command_and_by_a_match";
const SCALE: &str = "local_api::the_score_scale_is_read_and_set_as_published";
const DEVICES: &str = "local_devices::devices_come_change_and_go_under_their_ids";
const ENTRIES: &str = "local_devices::one_wrong_entry_changes_nothing_and_is_named";
const RELAY: &str = "local_devices::a_network_relay_opens_by_the_operators_template";
const MATCH: &str = "picture_match::a_picture_is_a_passage_and_answered_at_the_top_level";
const MATCH_REFUSED: &str = "picture_match::what_cannot_be_answered_has_its_code";
const LOOKS: &str = "local_faces::faces_of_a_picture_are_found_and_judged";
const GUESSES: &str = "attributes::a_device_that_asks_has_guesses_in_its_events_and_no_other_has";
const COMPARED: &str = "local_faces::two_pictures_are_compared";
const SEARCHED: &str = "picture_search::passages_are_found_by_another_photo_of_the_person";
const SEARCH_REFUSED: &str = "picture_search::a_search_that_makes_no_sense_is_refused_in_words";
const EVENTS: &str = "local_faces::stored_events_are_found_newest_first";
const EVENT_PICTURES: &str = "local_faces::pictures_of_events_are_shown_and_taken_away_with_them";

#[rustfmt::skip]
const CALLS: &[Call] = &[
    call("8.1.1", "GET DevSno", "", IDENTITY, "data.response:str data.dev_sno:str"),
    call("8.1.2", "PUT DevSno", "dev_sno", IDENTITY, "data.response:str data.dev_sno:str"),
    call("8.2.1", "GET LoginUrl", "", IDENTITY, "data.response:str data.login_url:str"),
    call("8.2.2", "PUT LoginUrl", "login_url", IDENTITY, "data.response:str data.login_url:str"),
    call("4.1-1", "POST permissions", "permission_name description info", PERMISSIONS,
        "data.info.name:str data.info.description:str"),
    call("4.1-2", "GET permissions", "permission_name", PERMISSIONS,
        "data.permissions_list.0.name:str data.permissions_list.0.description:str"),
    call("4.1-3", "PUT permissions", "permission_name description", PERMISSIONS,
        "data.info.name:str data.info.description:str"),
    call("4.1-4", "DELETE permissions", "permission_name user_recursive_delete", LEAVING,
        "data.permission_name:str data.message:str"),
    call("4.2-1", "POST groups", "group_name description info", GROUPS, "data.info.name:str data.info.description:str"),
    call("4.2-2", "GET groups", "group_name", GROUPS, "data.groups_list.0.name:str data.groups_list.0.description:str"),
    call("5.2-2", "GET groups by page", "skip_num limit", GROUPS,
        "data.pagination.skip_num:int data.pagination.limit:int data.pagination.num_pages:int \
         data.pagination.total_count:int data.groups_list.0.group_id:str data.groups_list.0.groupname:str \
         data.groups_list.0.name:str"),
    call("4.2-3", "PUT groups", "group_name description info", GROUPS, "data.info.name:str data.info.description:str"),
    call("4.2-4", "DELETE groups", "group_name user_recursive_delete", GROUP_PEOPLE, "data.group_name:str data.message:str"),
    call("4.2-5", "PUT GroupUsers", "group_name identity_id with_identity_id", MEMBERS,
        "data.group_name:str data.message:str data.identity_id:list"),
    call("4.2-6", "DELETE GroupUsers", "group_name identity_id with_identity_id", MEMBERS,
        "data.group_name:str data.message:str data.identity_id:list"),
    call("4.3-1", "POST users", "identity_id reg_photo group_name ignore_exist info name type permission_ids", PERSON,
        "data.identity_id:str data.reg_photo:str data.group_name:str data.info.name:str data.info.type:int \
         data.info.permission_ids:list data.info.user_id:str"),
    call("4.3-1", "POST users", "create_no_exit_permission", UNKNOWN_GROUPS, ""),
    call("5.3-1", "POST users", "support_single_face", FACES_OF, ""),
    call("5.3-1", "POST users", "need_bring_pic import_mode fiqa_level", LEVELS, ""),
    call("5.3-1", "POST users", "ext_info", PERSON, "data.info.ext_info.gender:str"),
    call("4.3-2", "GET users", "group_name limit skip_num", AGAIN,
        "data.identities_list.0.identity_id:str data.identities_list.0.reg_photo:str \
         data.identities_list.0.group_name:list data.identities_list.0.info.name:str \
         data.identities_list.0.info.type:int data.identities_list.0.info.permission_ids:list \
         data.identities_list.0.info.user_id:str data.identities_list.0.info.image_id:str"),
    call("4.3-2", "GET users by id", "identity_id", AGAIN, "data.identities_list.0.identity_id:str"),
    call("4.3-3", "PUT users", "identity_id reg_photo info name type permission_ids", PERSON,
        "data.identity_id:str data.image_id:str data.group_name:list data.info.name:str"),
    call("5.3-3", "PUT users", "create_no_exit_permission", UNKNOWN_GROUPS, ""),
    call("4.3-4", "DELETE users", "identity_id", PERSON, "data.identity_id:str data.group_name:list data.message:str"),
    call("5.3-4", "DELETE users by list", "identity_ids", AGAIN, "data.identity_ids:list"),
    call("4.4-5", "GET EventServerUrl", "", REAL_TIME,
        "data.event_server_url:list data.real_need_reg_pic:bool data.real_need_spot_pic:bool \
         data.real_need_recognize_face:bool data.real_need_send_all_person_type:bool data.content-type:str"),
    call("4.4-4", "POST EventServerUrl", "event_server_url real_need_reg_pic real_need_spot_pic real_need_recognize_face \
        real_need_send_all_person_type content-type", REAL_TIME,
        "data.event_server_url.0:str data.real_need_reg_pic:bool data.real_need_spot_pic:bool \
         data.real_need_recognize_face:bool data.real_need_send_all_person_type:bool data.content-type:str"),
    call("4.4-8", "GET HistoryEventUrl", "", HISTORY,
        "data.history_upload_event_url:list data.history_need_reg_pic:bool data.history_need_spot_pic:bool \
         data.history_need_recognize_face:bool data.content-type:str data.reported_peroid:int"),
    call("4.4-7", "POST HistoryEventUrl", "history_upload_event_url history_need_reg_pic history_need_spot_pic \
        history_need_recognize_face content-type reported_peroid", HISTORY,
        "data.message:str data.history_upload_event_url.0:str data.history_need_reg_pic:bool \
         data.history_need_spot_pic:bool data.history_need_recognize_face:bool data.content-type:str \
         data.reported_peroid:int"),
    call("4.5-2", "GET MonitorServerUrl", "", MONITOR, "data.monitor_server_url:str data.reported_peroid:int"),
    call("4.5-1", "POST MonitorServerUrl", "monitor_server_url content-type reported_peroid", MONITOR,
        "data.message:str data.monitor_server_url:str data.reported_peroid:int"),
    call("4.4-1", "POST GateControllerMode", "controller_mode", DOORS, "data.controller_mode:str"),
    call("4.4-2", "GET GateControllerMode", "", DOORS, "data.controller_mode:str"),
    call("4.4-3", "PUT EventAction", "action action_ip action_port action_mode action_duration logic_port", DOORS,
        "data.message:str data.action_mode:str"),
    call("4.5-4", "POST WipeData", "wipe_options users events", SCALE,
        "data.wipe_options.users:bool data.wipe_options.events:bool"),
    call("5.5-10", "GET PrettyScore", "", SCALE, "data.threshold_range.0:num data.threshold_range.1:num data.threshold_range.2:num"),
    call("5.5-11", "PUT PrettyScore", "threshold_range", SCALE, "data.threshold_range.2:num"),
    call("5.4-1", "POST detect", "with_attribute", GUESSES, ""),
    call("5.4-1", "POST detect", "image_base64_str with_feature with_headpose with_landmark max_num_faces", LOOKS,
        "data.0.bbox.3:num data.0.landmark.9:num data.0.feature:list data.0.attribute:obj data.0.headpose:obj"),
    call("5.4-2", "POST FIQA", "image_base64_str fiqa_level", LOOKS,
        "data.0.bbox.3:num data.0.fails:any data.0.fiqa_result:any data.0.info.clarity:num data.0.info.face_angle:list \
         data.0.info.face_color:any data.0.info.face_location:any data.0.info.face_size:any \
         data.0.info.image_quality:any data.0.score:num data.0.success:any"),
    call("5.4-3", "POST compare", "card_image_base64 face_image_base64 fiqa_level threshold identity_info need_save", COMPARED,
        "retcode:str score:num identity_id:str name:str"),
    call("5.5-16", "POST picturesearch", "face_image_base64 starttime endtime last_end_timestamp threshold device_id_list reverse \
        with_debug_info", SEARCHED,
        "retcode:str ret_code:int have_more:bool total_time:int endtimestamp:int total_count:int \
         event_list.0.compare_score:num event_list.0.identity_id:str event_list.0.identity_name:str \
         event_list.0.identity_info:obj event_list.0.timestamp:int event_list.0.out_timestamp:int event_list.0.score:num \
         event_list.0.want_action:str event_list.0.person_type:int event_list.0.ep_info.device_id:str \
         event_list.0.dev_sno:str event_list.0.recognize_face_attr.feature:list event_list.0.api_version:str"),
    call("5.5-16", "POST picturesearch", "fiqa_level", SEARCH_REFUSED, ""),
    call("5.7-1", "POST Devices", "devices_list device_id device_name group_id permission_id device_key device_type device_attr",
        DEVICES, "data.success_devices.0.device_id:str data.success_devices.0.device_name:str"),
    call("5.7-1", "POST Devices", "netRelay net_port door_port delay_time", RELAY, ""),
    call("5.7-1", "POST Devices", "is_start_rtmp", ENTRIES, ""),
    call("5.7-2", "GET Devices", "device_id need_preview_list", ENTRIES,
        "data.devices_list.0.device_id:str data.devices_list.0.device_name:str data.devices_list.0.group_id:str \
         data.devices_list.0.permission_id:any data.devices_list.0.device_key:str data.devices_list.0.device_type:str \
         data.devices_list.0.device_ip:str"),
    call("5.7-3", "PUT Devices", "devices_list", DEVICES, "data.success_devices.0.device_id:str"),
    call("5.7-4", "DELETE Devices", "clear_all devices_list", DEVICES, "data.success_devices:list"),
    call("5.4-5", "POST PictureMatch", "rgb_image_base64 device_ip need_register_photo", MATCH,
        "retcode:str score:num identity_id:str identity_info:obj reg_pic:str name:str"),
    call("5.4-5", "POST PictureMatch", "compare_time ir_image_base64", MATCH_REFUSED, ""),
    call("5.5-12", "GET events", "per_page page top_k datetime_gte datetime_lte name identity_id score_min score_max userType \
        groups streams", EVENTS,
        "pagination.num_pages:int pagination.page:int pagination.per_page:int pagination.total_count:int"),
    call("5.5-13", "GET events", "", EVENTS,
        "data.0._id:str data.0.timestamp:num data.0.common.identity_id:str data.0.common.identity_info:obj \
         data.0.common.identity_name:str data.0.common.recognize_face_pic_id:str data.0.common.spot_pic_id:str \
         data.0.common.group_id:str data.0.common.group_name:str data.0.common.permission_id:any \
         data.0.common.permission_name:any data.0.common.person_type:any data.0.common.score:num \
         data.0.common.ep_info.ep_id:str data.0.common.ep_info.ep_type:str data.0.common.ep_info.ep_ip:str \
         data.0.common.ep_info.ep_name:str data.0.common.ep_info.device_id:str data.0.common.want_action:any \
         data.0.common.frame_id:any data.0.common.recognize_face_attr.point:any \
         data.0.common.recognize_face_attr.box:any data.0.common.recognize_face_attr.mask:any \
         data.0.common.recognize_face_attr.gender:any data.0.common.recognize_face_attr.hat:any \
         data.0.common.recognize_face_attr.age:any data.0.common.recognize_face_attr.glasses:any \
         data.0.common.recognize_face_attr.feature:list data.0.common.recognize_face_attr.expression:any \
         data.0.common.is_send:int data.0.common.card_id:any data.0.gate_data:obj data.0.grab_data:obj \
         data.0.video_data:obj"),
    call("5.5-14", "GET event_images", "datetime", EVENT_PICTURES, ""),
    call("5.5-15", "DELETE event_images", "image_id_list datetime_list", EVENT_PICTURES, "data:obj"),
    call("5.5-17", "DELETE events", "event_id_list", EVENT_PICTURES, "data:obj"),
    call("SAMPLE", "GET SophonFace permissions", "info.name exact", PERMISSIONS, "data.0._id:str data.0.info.name:str"),
    call("SAMPLE", "GET SophonFace groups", "info.name exact", GROUPS, "data.0._id:str data.0.info.name:str"),
];

/// What was sent and answered.
struct Said {
    sent: String,
    status: u16,
    answer: Value,
}

/// A box that is told everything once.
struct Player {
    bed: TestBed,
    said: BTreeMap<&'static str, Said>,
}

impl Player {
    fn call(&mut self, name: &'static str, path: &str, body: &Value) -> Value {
        let method = name.split_whitespace().next().unwrap();
        let (status, answer) = if body.is_null() {
            http::call(self.bed.local_port, method, path, &[], b"")
        } else {
            http::json(self.bed.local_port, method, path, body)
        };
        let sent = if body.is_null() { path.to_owned() } else { body.to_string() };
        self.said.insert(name, Said { sent, status, answer: answer.clone() });
        answer
    }
}

fn play() -> BTreeMap<&'static str, Said> {
    let mut bed = TestBed::with_platform(|_| ());
    let door = bed.platform.url("/events?mode={mode}");
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"door\"\ntype = \"turnstile\"\npipeline = \"post\"\naction_url = {door:?}\n"
    ));
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let mut player = Player { bed, said: BTreeMap::new() };
    groups(&mut player);
    people(&mut player);
    passages(&mut player);
    settings(&mut player);
    player.bed.stop();
    player.said
}

fn groups(player: &mut Player) {
    const GROUPS: &str = "/SophonFogSys/api/groups";
    const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
    let group = json!({ "group_name": "night shift", "description": "", "info": { "floor": 3 } });
    let permission = json!({ "permission_name": "night", "description": "", "info": { "floor": 3 } });
    player.call("POST groups", GROUPS, &group);
    player.call("GET groups", &format!("{GROUPS}?group_name=night%20shift"), &Value::Null);
    player.call("GET groups by page", &format!("{GROUPS}?skip_num=0&limit=10"), &Value::Null);
    player.call("PUT groups", GROUPS, &group);
    player.call(
        "GET SophonFace groups",
        "/SophonFace/api/groups?info.name=night%20shift&exact=true",
        &Value::Null,
    );
    player.call("POST permissions", PERMISSIONS, &permission);
    player.call("GET permissions", &format!("{PERMISSIONS}?permission_name=night"), &Value::Null);
    player.call("PUT permissions", PERMISSIONS, &json!({ "permission_name": "night", "description": "x" }));
    player.call(
        "GET SophonFace permissions",
        "/SophonFace/api/permissions?info.name=night&exact=true",
        &Value::Null,
    );
}

fn people(player: &mut Player) {
    const USERS: &str = "/SophonFogSys/api/users";
    const MEMBERS: &str = "/SophonFogSys/api/GroupUsers";
    let info =
        json!({ "name": "Obama", "type": 1, "permission_ids": ["0"], "ext_info": { "gender": "male" } });
    let person = json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg"), "group_name": "default_group",
        "ignore_exist": false, "create_no_exit_permission": false, "support_single_face": true, "need_bring_pic": true,
        "import_mode": false, "fiqa_level": "custom", "info": info });
    player.call("POST users", USERS, &person);
    player.call("GET users", &format!("{USERS}?group_name=default_group&limit=10&skip_num=0"), &Value::Null);
    player.call("GET users by id", &format!("{USERS}?identity_id=1001"), &Value::Null);
    let change = json!({ "identity_id": "1001", "reg_photo": "", "create_no_exit_permission": false,
        "info": { "name": "Barack", "type": 1, "permission_ids": ["0"] } });
    player.call("PUT users", USERS, &change);
    let members = json!({ "group_name": "night shift", "identity_id": ["1001"], "with_identity_id": true });
    player.call("PUT GroupUsers", MEMBERS, &members);
    player.call("DELETE GroupUsers", MEMBERS, &members);
}

fn passages(player: &mut Player) {
    const DEVICES: &str = "/SophonDevice/api/Devices";
    const EVENTS: &str = "/SophonFace/api/events";
    let id = "7b0f4ad2-3b0e-4a39-9f7c-3f9b1a4f4c11";
    let device = json!({ "devices_list": [{ "device_id": id, "device_name": "gate", "device_key": "127.0.0.9",
        "device_type": "photo", "group_id": "default_group", "permission_id": "0", "is_start_rtmp": false,
        "netRelay": { "ip": "127.0.0.1", "net_port": 9, "door_port": 1, "delay_time": 5 },
        "device_attr": { "actions": { "do_match": true } } }] });
    player.call("POST Devices", DEVICES, &device);
    player.call("GET Devices", &format!("{DEVICES}?device_id={id}&need_preview_list=true"), &Value::Null);
    player.call(
        "PUT Devices",
        DEVICES,
        &json!({ "devices_list": [{ "device_id": id, "device_name": "door" }] }),
    );
    let face = photo_base64("obama-2.jpg");
    let matched = json!({ "rgb_image_base64": face, "device_ip": "127.0.0.9", "need_register_photo": true,
        "compare_time": 1_795_000_000, "ir_image_base64": "" });
    player.call("POST PictureMatch", "/SophonMatch/api/PictureMatch", &matched);
    let query = "?per_page=10&page=0&top_k=5&datetime_gte=1&datetime_lte=9999999999&name=Barack&identity_id=1001\
                 &score_min=0&score_max=100&userType=1&groups=default_group&streams=127.0.0.9";
    let events = eventually("the passage is over", SOON, || {
        let events = player.call("GET events", &format!("{EVENTS}{query}"), &Value::Null);
        (events["data"][0]["common"]["is_send"] == 1).then_some(events)
    });
    let event = &events["data"][0];
    search(player, &face, event["timestamp"].as_f64().unwrap_or_default());
    let picture = event["common"]["spot_pic_id"].as_str().unwrap_or_default();
    let images =
        format!("/SophonFace/api/event_images?image_id_list={picture}&datetime_list={}", event["timestamp"]);
    player.call(
        "GET event_images",
        &format!("/SophonFace/api/event_images/{picture}?datetime=1"),
        &Value::Null,
    );
    player.call("DELETE event_images", &images, &Value::Null);
    let list = format!("{EVENTS}?event_id_list={}", event["_id"].as_str().unwrap_or_default());
    player.call("DELETE events", &list, &Value::Null);
    let detect = json!({ "image_base64_str": face, "with_feature": true, "with_attribute": true, "with_headpose": true,
        "with_landmark": true, "max_num_faces": 10 });
    player.call("POST detect", "/SophonFace/api/detect", &detect);
    player.call(
        "POST FIQA",
        "/SophonFace/api/FIQA",
        &json!({ "image_base64_str": face, "fiqa_level": "high" }),
    );
    let compared = json!({ "card_image_base64": face, "face_image_base64": face, "fiqa_level": "no", "threshold": "middle",
        "need_save": false, "identity_info": { "user_idcard": "1", "user_name": "x" } });
    player.call("POST compare", "/SophonMatch/api/compare", &compared);
    let action = json!({ "action": [{ "action_ip": "door", "action_port": "80", "action_mode": "opendoor",
        "action_duration": 5, "logic_port": 0 }] });
    player.call("PUT EventAction", "/SophonFogSys/api/EventAction", &action);
    player.call("DELETE Devices", DEVICES, &json!({ "clear_all": true, "devices_list": [] }));
}

/// While the event is there.
fn search(player: &mut Player, face: &str, at_s: f64) {
    let asked = json!({ "face_image_base64": face, "fiqa_level": "no", "threshold": 82, "device_id_list": ["127.0.0.9"],
        "starttime": at_s - 60.0, "endtime": at_s + 60.0, "last_end_timestamp": at_s + 50.0, "reverse": true,
        "with_debug_info": false });
    player.call("POST picturesearch", "/SophonMatch/api/picturesearch", &asked);
}

fn settings(player: &mut Player) {
    let fog = |name: &str| format!("/SophonFogSys/api/{name}");
    player.call("GET EventServerUrl", &fog("EventServerUrl"), &Value::Null);
    let real_time = json!({ "event_server_url": ["http://127.0.0.1:9/live"], "real_need_reg_pic": true,
        "real_need_spot_pic": false, "real_need_recognize_face": true, "real_need_send_all_person_type": true,
        "content-type": "json" });
    player.call("POST EventServerUrl", &fog("EventServerUrl"), &real_time);
    player.call("GET HistoryEventUrl", &fog("HistoryEventUrl"), &Value::Null);
    let history = json!({ "history_upload_event_url": ["http://127.0.0.1:9/history"], "history_need_reg_pic": true,
        "history_need_spot_pic": false, "history_need_recognize_face": true, "content-type": "form-data",
        "reported_peroid": 60 });
    player.call("POST HistoryEventUrl", &fog("HistoryEventUrl"), &history);
    player.call("GET MonitorServerUrl", &fog("MonitorServerUrl"), &Value::Null);
    let monitor = json!({ "monitor_server_url": "http://127.0.0.1:9/status", "content-type": "json", "reported_peroid": 60 });
    player.call("POST MonitorServerUrl", &fog("MonitorServerUrl"), &monitor);
    player.call(
        "POST GateControllerMode",
        &fog("GateControllerMode"),
        &json!({ "controller_mode": "opendoor" }),
    );
    player.call("GET GateControllerMode", &fog("GateControllerMode"), &Value::Null);
    player.call("GET PrettyScore", &fog("PrettyScore"), &Value::Null);
    player.call("PUT PrettyScore", &fog("PrettyScore"), &json!({ "threshold_range": [0, 82, 100] }));
    player.call("DELETE users", &fog("users"), &json!({ "identity_id": "1001" }));
    player.call("DELETE users by list", &fog("users"), &json!({ "identity_ids": ["1001"] }));
    let group = json!({ "group_name": "night shift", "user_recursive_delete": false });
    player.call("DELETE groups", &fog("groups"), &group);
    let permission = json!({ "permission_name": "night", "user_recursive_delete": false });
    player.call("DELETE permissions", &fog("permissions"), &permission);
    player.call(
        "POST WipeData",
        &fog("WipeData"),
        &json!({ "wipe_options": { "users": true, "events": true } }),
    );
    player.call("GET DevSno", "/SophonMQ/api/DevSno", &Value::Null);
    player.call("GET LoginUrl", "/SophonMQ/api/LoginUrl", &Value::Null);
    let dev_sno = player.said["GET DevSno"].answer["data"]["dev_sno"].clone();
    player.call("PUT DevSno", "/SophonMQ/api/DevSno", &json!({ "dev_sno": dev_sno }));
    let login_url = player.said["GET LoginUrl"].answer["data"]["login_url"].clone();
    player.call("PUT LoginUrl", "/SophonMQ/api/LoginUrl", &json!({ "login_url": login_url }));
}

/// A row by its section and words, and what is wrong with it.
pub struct Proven {
    pub section: &'static str,
    pub rule: String,
    pub fault: Option<String>,
}

/// Every field of every call.
pub fn prove(find_test: impl Fn(&str) -> Result<(), String>) -> Vec<Proven> {
    let said = play();
    let mut rows = Vec::new();
    for call in CALLS {
        let said = &said[call.name];
        let taken = (said.status != 200).then(|| format!("{}: {}", said.status, said.answer));
        for field in call.asks.split_whitespace() {
            let fault = taken.clone().or_else(|| asked(field, said, call.proof, &find_test).err());
            rows.push(Proven { section: call.section, rule: format!("{}: {field}", call.name), fault });
        }
        for answer in call.answers.split_whitespace() {
            let fault = taken.clone().or_else(|| answered(answer, &said.answer).err());
            rows.push(Proven { section: call.section, rule: format!("{} -> {answer}", call.name), fault });
        }
    }
    rows
}

fn asked(
    field: &str,
    said: &Said,
    proof: &str,
    find_test: impl Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    if !said.sent.contains(field) {
        return Err("the scenario does not send it".to_owned());
    }
    find_test(proof)?;
    let file = format!("tests/e2e/{}.rs", proof.split("::").next().unwrap_or_default());
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    if text.contains(field) { Ok(()) } else { Err(format!("{file} does not speak of it")) }
}

fn answered(answer: &str, body: &Value) -> Result<(), String> {
    let (path, kind) = answer.split_once(':').ok_or("no kind")?;
    let mut value = body;
    for part in path.split('.') {
        let next = match part.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(part),
        };
        value = next.ok_or_else(|| format!("it is not in {body}"))?;
    }
    let is_it = match kind {
        "str" => value.is_string(),
        "int" => value.is_i64() || value.is_u64(),
        "num" => value.is_number(),
        "bool" => value.is_boolean(),
        "list" => value.is_array(),
        "obj" => value.is_object(),
        "any" => true,
        _ => return Err(format!("there is no kind {kind}")),
    };
    if is_it { Ok(()) } else { Err(format!("it is {value}")) }
}
