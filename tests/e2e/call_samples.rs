//! A sample of every call of the local API, as it is meant. Addresses in them are of this machine, where nobody listens.

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{photo, photo_base64};

/// What comes with a call.
pub enum Body {
    None,
    Json(Value),
    Photo,
}

/// A call as it is meant.
pub struct Sample {
    pub method: &'static str,
    /// As the box lists it.
    pub path: &'static str,
    /// With its question mark.
    query: &'static str,
    pub body: Body,
    pub takes_forms: bool,
    /// Once it is taken, the box starts again.
    pub restarts: bool,
}

impl Sample {
    /// Path and query of a call.
    pub fn called(&self) -> String {
        let path = self.path.replace("{device}", "gate-1");
        let path = path
            .replace("{name}", "THRESHOLD")
            .replace("{image_id}", "no-such-photo")
            .replace("{picture}", "no-such-picture");
        path + self.query
    }

    pub fn headers(&self) -> Vec<(&'static str, &'static str)> {
        match self.body {
            Body::None => Vec::new(),
            Body::Json(_) => vec![("Content-Type", http::JSON)],
            Body::Photo => vec![("Content-Type", "image/jpeg")],
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Json(value) => value.to_string().into_bytes(),
            Body::Photo => photo("obama-1.jpg"),
        }
    }

    fn form(self) -> Self {
        Self { takes_forms: true, ..self }
    }

    fn restarts(self) -> Self {
        Self { restarts: true, ..self }
    }
}

fn bare(method: &'static str, path: &'static str, query: &'static str) -> Sample {
    Sample { method, path, query, body: Body::None, takes_forms: false, restarts: false }
}

fn get(path: &'static str, query: &'static str) -> Sample {
    bare("GET", path, query)
}

fn with(method: &'static str, path: &'static str, body: Value) -> Sample {
    Sample { body: Body::Json(body), ..bare(method, path, "") }
}

/// All of them.
pub fn samples() -> Vec<Sample> {
    [
        identity(),
        people(),
        groups(),
        recognition(),
        events(),
        receivers(),
        doors(),
        configs(),
        devices(),
        own(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn identity() -> Vec<Sample> {
    const DEV_SNO: &str = "/SophonMQ/api/DevSno";
    const LOGIN_URL: &str = "/SophonMQ/api/LoginUrl";
    vec![
        get(DEV_SNO, ""),
        with("PUT", DEV_SNO, json!({ "dev_sno": "UMOTRU000120190909103019" })).restarts(),
        get(LOGIN_URL, ""),
        with("PUT", LOGIN_URL, json!({ "login_url": "http://127.0.0.1:9/api/gateway/login" })).restarts(),
    ]
}

fn people() -> Vec<Sample> {
    const USERS: &str = "/SophonFogSys/api/users";
    let person = json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg"), "group_name": "default_group",
        "ignore_exist": true, "create_no_exit_permission": false, "support_single_face": true, "need_bring_pic": true,
        "import_mode": false, "fiqa_level": "no", "info": { "name": "Obama", "type": 1, "permission_ids": ["0"],
        "ext_info": { "mobile": "1", "gender": "male" } } });
    let change = json!({ "identity_id": "1001", "reg_photo": "", "info": { "name": "Barack", "permission_ids": ["0", "7"] },
        "create_no_exit_permission": true });
    vec![
        get(USERS, "?group_name=default_group&limit=10&skip_num=0&identity_id=1001"),
        with("POST", USERS, person),
        with("PUT", USERS, change),
        with("DELETE", USERS, json!({ "identity_ids": ["1001"], "erase": false })),
        get("/SophonFace/api/images/{image_id}", ""),
        with(
            "POST",
            "/SophonFogSys/api/WipeData",
            json!({ "wipe_options": { "users": false, "events": false } }),
        ),
    ]
}

fn groups() -> Vec<Sample> {
    const GROUPS: &str = "/SophonFogSys/api/groups";
    const MEMBERS: &str = "/SophonFogSys/api/GroupUsers";
    const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
    let group = json!({ "group_name": "night shift", "description": "", "info": { "floor": 3 } });
    let permission = json!({ "permission_name": "night", "description": "", "info": { "floor": 3 } });
    let members = json!({ "group_name": "default_group", "identity_id": ["1001"], "with_identity_id": true });
    vec![
        get(GROUPS, "?group_name=default_group&limit=10&skip_num=0"),
        with("POST", GROUPS, group.clone()),
        with("PUT", GROUPS, group),
        with("DELETE", GROUPS, json!({ "group_name": "night shift", "user_recursive_delete": false })),
        with("PUT", MEMBERS, members.clone()),
        with("DELETE", MEMBERS, members),
        get("/SophonFace/api/groups", "?info.name=default_group&exact=true"),
        get(PERMISSIONS, "?permission_name=night"),
        with("POST", PERMISSIONS, permission.clone()),
        with("PUT", PERMISSIONS, permission),
        with("DELETE", PERMISSIONS, json!({ "permission_name": "night", "user_recursive_delete": false })),
        get("/SophonFace/api/permissions", "?info.name=night&exact=true"),
    ]
}

fn recognition() -> Vec<Sample> {
    // Small, so that all of it is looked at quickly.
    let face = photo_base64("obama-1.jpg");
    let detect = json!({ "image_base64_str": face, "with_attribute": false, "with_landmark": true, "max_num_faces": 10 });
    let matched = json!({ "rgb_image_base64": face, "device_ip": "gate-1", "need_register_photo": false,
        "compare_time": 1_795_000_000 });
    let compared = json!({ "card_image_base64": face, "face_image_base64": face, "threshold": "middle", "fiqa_level": "no",
        "identity_info": { "user_name": "x", "user_idcard": "1" } });
    let searched = json!({ "face_image_base64": face, "fiqa_level": "no", "starttime": 1_795_000_000, "endtime": 1_795_000_100,
        "last_end_timestamp": 1_795_000_050, "threshold": 82, "device_id_list": ["gate-1"], "reverse": true,
        "with_debug_info": true });
    vec![
        Sample { body: Body::Photo, ..bare("POST", "/SophonFogSys/api/Recognize", "?permission_ids=0") },
        Sample { body: Body::Photo, ..bare("POST", "/SophonFogSys/api/Recognize/{device}", "") },
        with("POST", "/SophonMatch/api/PictureMatch", matched),
        with("POST", "/SophonFace/api/detect", detect),
        with("POST", "/SophonFace/api/FIQA", json!({ "image_base64_str": face, "fiqa_level": "high" })),
        with("POST", "/SophonMatch/api/compare", compared),
        with("POST", "/SophonMatch/api/picturesearch", searched),
    ]
}

fn events() -> Vec<Sample> {
    vec![
        get(
            "/SophonFace/api/events",
            "?per_page=10&page=0&top_k=5&datetime_gte=1&datetime_lte=9999999999&name=O&identity_id=1001&score_min=0\
             &score_max=100&userType=1&groups=a&streams=b",
        ),
        bare("DELETE", "/SophonFace/api/events", "?event_id_list=a,b"),
        get("/SophonFace/api/event_images/{picture}", "?datetime=1795000000.5"),
        bare("DELETE", "/SophonFace/api/event_images", "?image_id_list=a,b&datetime_list=1,2"),
    ]
}

fn receivers() -> Vec<Sample> {
    const REAL_TIME: &str = "/SophonFogSys/api/EventServerUrl";
    const HISTORY: &str = "/SophonFogSys/api/HistoryEventUrl";
    const MONITOR: &str = "/SophonFogSys/api/MonitorServerUrl";
    let real_time = json!({ "event_server_url": ["http://127.0.0.1:9/live"], "real_need_reg_pic": true,
        "real_need_spot_pic": true, "real_need_recognize_face": false, "real_need_send_all_person_type": false,
        "content-type": "json" });
    let history = json!({ "history_upload_event_url": ["http://127.0.0.1:9/history"], "history_need_reg_pic": true,
        "history_need_spot_pic": false, "history_need_recognize_face": true, "content-type": "form-data",
        "reported_peroid": 3600 });
    let monitor = json!({ "monitor_server_url": "http://127.0.0.1:9/status", "content-type": "json", "reported_peroid": 3600 });
    let mut all = Vec::new();
    for (path, body) in [(REAL_TIME, real_time), (HISTORY, history), (MONITOR, monitor)] {
        let changes = ["POST", "PUT"].map(|method| with(method, path, body.clone()).form());
        all.push(get(path, ""));
        all.extend(changes);
    }
    all
}

fn doors() -> Vec<Sample> {
    const MODE: &str = "/SophonFogSys/api/GateControllerMode";
    const SCORE: &str = "/SophonFogSys/api/PrettyScore";
    let action = json!({ "action": [{ "action_ip": "gate-1", "action_port": "80", "action_mode": "opendoor",
        "action_duration": 5, "logic_port": 0, "id": "one" }] });
    vec![
        get(MODE, ""),
        with("POST", MODE, json!({ "controller_mode": "opendoor" })).form(),
        with("PUT", "/SophonFogSys/api/EventAction", action),
        get(SCORE, ""),
        with("PUT", SCORE, json!({ "threshold_range": [0, 82, 100] })),
    ]
}

fn configs() -> Vec<Sample> {
    const CONFIGS: &str = "/SophonConfig/api/Configs";
    let values = json!({ "config_dict": { "THRESHOLD": 82, "THRESHOLD_RANGE": "0.0,82.0,100.0", "PASSMODE": "normal",
        "SUPPORT_STRANGER_GROUP": false, "HISTORY_UPLOAD_NEED_INFO": false, "IR_COLLECTION": false, "WORK_MODE": "local" } });
    let user = json!({ "username": "admin", "password": "admin" });
    vec![
        get(CONFIGS, ""),
        get("/SophonConfig/api/Configs/{name}", ""),
        with("PUT", CONFIGS, values),
        with("POST", "/SophonConfig/api/login", user.clone()),
        with("POST", "/SophonConfig/api/password", user),
        with("POST", "/SophonFogSys/api/ImagePathStatusQuery", json!({ "image_path": "/data/x.jpg" })),
    ]
}

fn devices() -> Vec<Sample> {
    const PUBLISHED: &str = "/SophonDevice/api/Devices";
    const OWN: &str = "/menshen/api/devices";
    let device = json!({ "devices_list": [{ "device_id": "7b0f4ad2-3b0e-4a39-9f7c-3f9b1a4f4c11", "device_name": "gate",
        "device_key": "127.0.0.9", "device_type": "photo", "group_id": "default_group", "permission_id": ["0"],
        "netRelay": { "ip": "127.0.0.1", "net_port": 9, "door_port": 1, "delay_time": 5 }, "is_start_rtmp": false,
        "device_attr": { "actions": { "do_match": true } }, "menshen_type": "turnstile" }] });
    let own = json!({ "ip": "gate-7", "type": "turnstile", "pipeline": "post", "name": "gate" });
    vec![
        get(PUBLISHED, "?device_id=a&need_preview_list=true"),
        with("POST", PUBLISHED, device.clone()),
        with("PUT", PUBLISHED, device),
        with(
            "DELETE",
            PUBLISHED,
            json!({ "clear_all": false, "devices_list": [{ "device_id": "7b0f4ad2" }] }),
        ),
        get(OWN, "?ip=gate-1&limit=64&skip_num=0&lang=zh"),
        with("POST", OWN, own.clone()),
        with("PUT", OWN, own),
        bare("DELETE", OWN, "?ip=gate-7"),
        with("POST", "/menshen/api/devices/reset", json!({ "ip": "gate-1" })),
        bare("POST", "/menshen/api/devices/reload", ""),
    ]
}

fn own() -> Vec<Sample> {
    const DIALECT: &str = "/menshen/api/dialect";
    let dialect = json!({ "platform": "2.6", "history": "2.4", "receivers": [{ "url": "http://127.0.0.1:9/history",
        "dialect": "2.4" }] });
    vec![
        get("/menshen/api/calls", ""),
        get("/menshen/api/clock", ""),
        bare("POST", "/menshen/api/clock/confirm", ""),
        get(DIALECT, ""),
        with("PUT", DIALECT, dialect),
        get("/menshen/api/models", ""),
        with("POST", "/menshen/api/models/use", json!({ "name": "no-such-model" })),
        bare("POST", "/menshen/api/models/cancel", ""),
        with("POST", "/menshen/api/settings/reset", json!({ "key": "recognition.threshold" })),
        get("/menshen/api/set-aside", "?limit=10&skip_num=0"),
        with(
            "POST",
            "/menshen/api/set-aside/retry",
            json!({ "receiver": "http://127.0.0.1:9/history", "sequence": 1 }),
        ),
    ]
}
