//! The published calls of the local API: name, path, and the fields each takes.

/// Where the fields of a call go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the query.
    Query,
    /// Into a JSON body.
    Body,
}

/// One published call. A field whose name stands in the path in braces goes there.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name on the command line.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// Where its other fields go.
    pub place: Place,
    /// Fields that must be there.
    pub must: &'static [&'static str],
    /// Fields that may be there.
    pub may: &'static [&'static str],
}

const fn get(name: &'static str, path: &'static str, may: &'static [&'static str]) -> Published {
    Published { name, method: "GET", path, place: Place::Query, must: &[], may }
}

const fn body(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
) -> Published {
    Published { name, method, path, place: Place::Body, must, may }
}

const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const GROUPS: &str = "/SophonFogSys/api/groups";
const GROUP_USERS: &str = "/SophonFogSys/api/GroupUsers";
const USERS: &str = "/SophonFogSys/api/users";
const DEVICES: &str = "/SophonDevice/api/Devices";
const EVENTS: &str = "/SophonFace/api/events";

/// Every published call that a box answers over HTTP.
pub const CALLS: &[Published] = &[
    get("dev-sno", "/SophonMQ/api/DevSno", &[]),
    body("dev-sno-set", "PUT", "/SophonMQ/api/DevSno", &["dev_sno"], &[]),
    get("login-url", "/SophonMQ/api/LoginUrl", &[]),
    body("login-url-set", "PUT", "/SophonMQ/api/LoginUrl", &["login_url"], &[]),
    get("permissions", PERMISSIONS, &["permission_name"]),
    body("permission-add", "POST", PERMISSIONS, &["permission_name"], &["description", "info"]),
    body("permission-change", "PUT", PERMISSIONS, &["permission_name"], &["description", "info"]),
    body("permission-remove", "DELETE", PERMISSIONS, &["permission_name"], &["user_recursive_delete"]),
    get("permission-find", "/SophonFace/api/permissions", &["info.name", "exact"]),
    get("groups", GROUPS, &["group_name", "skip_num", "limit"]),
    body("group-add", "POST", GROUPS, &["group_name"], &["description", "info"]),
    body("group-change", "PUT", GROUPS, &["group_name"], &["description", "info"]),
    body("group-remove", "DELETE", GROUPS, &["group_name"], &["user_recursive_delete"]),
    get("group-find", "/SophonFace/api/groups", &["info.name", "exact"]),
    body("group-join", "PUT", GROUP_USERS, &["group_name", "identity_id"], &["with_identity_id"]),
    body("group-leave", "DELETE", GROUP_USERS, &["group_name", "identity_id"], &["with_identity_id"]),
    get("users", USERS, &["identity_id", "group_name", "limit", "skip_num"]),
    body(
        "user-add",
        "POST",
        USERS,
        &["identity_id", "info"],
        &[
            "reg_photo",
            "group_name",
            "ignore_exist",
            "create_no_exit_permission",
            "support_single_face",
            "need_bring_pic",
            "fiqa_level",
        ],
    ),
    body(
        "user-change",
        "PUT",
        USERS,
        &["identity_id", "info"],
        &["reg_photo", "create_no_exit_permission", "fiqa_level"],
    ),
    body("user-remove", "DELETE", USERS, &[], &["identity_id", "identity_ids"]),
    get("user-photo", "/SophonFace/api/images/{image_id}", &[]),
    get("event-receiver", "/SophonFogSys/api/EventServerUrl", &[]),
    body(
        "event-receiver-set",
        "POST",
        "/SophonFogSys/api/EventServerUrl",
        &["event_server_url"],
        &[
            "content-type",
            "real_need_reg_pic",
            "real_need_spot_pic",
            "real_need_recognize_face",
            "real_need_send_all_person_type",
        ],
    ),
    get("history-receiver", "/SophonFogSys/api/HistoryEventUrl", &[]),
    body(
        "history-receiver-set",
        "POST",
        "/SophonFogSys/api/HistoryEventUrl",
        &["history_upload_event_url"],
        &[
            "content-type",
            "reported_peroid",
            "history_need_reg_pic",
            "history_need_spot_pic",
            "history_need_recognize_face",
        ],
    ),
    get("monitor-receiver", "/SophonFogSys/api/MonitorServerUrl", &[]),
    body(
        "monitor-receiver-set",
        "POST",
        "/SophonFogSys/api/MonitorServerUrl",
        &["monitor_server_url"],
        &["content-type", "reported_peroid"],
    ),
    get("door-mode", "/SophonFogSys/api/GateControllerMode", &[]),
    body("door-mode-set", "POST", "/SophonFogSys/api/GateControllerMode", &["controller_mode"], &[]),
    body("door-act", "PUT", "/SophonFogSys/api/EventAction", &["action"], &[]),
    get("score-range", "/SophonFogSys/api/PrettyScore", &[]),
    body("score-range-set", "PUT", "/SophonFogSys/api/PrettyScore", &["threshold_range"], &[]),
    body("wipe", "POST", "/SophonFogSys/api/WipeData", &["wipe_options"], &[]),
    get("devices", DEVICES, &["device_id", "need_preview_list"]),
    body("device-add", "POST", DEVICES, &["devices_list"], &[]),
    body("device-change", "PUT", DEVICES, &["devices_list"], &[]),
    body("device-remove", "DELETE", DEVICES, &[], &["devices_list", "clear_all"]),
    body(
        "match",
        "POST",
        "/SophonMatch/api/PictureMatch",
        &["rgb_image_base64", "device_ip"],
        &["compare_time", "need_register_photo", "liveness_mode"],
    ),
    body(
        "compare",
        "POST",
        "/SophonMatch/api/compare",
        &["card_image_base64", "face_image_base64"],
        &["threshold", "fiqa_level", "need_save", "compare_time", "identity_info", "with_debug_info"],
    ),
    body(
        "picture-search",
        "POST",
        "/SophonMatch/api/picturesearch",
        &["face_image_base64"],
        &[
            "fiqa_level",
            "starttime",
            "endtime",
            "last_end_timestamp",
            "threshold",
            "device_id_list",
            "reverse",
            "with_debug_info",
        ],
    ),
    body(
        "detect",
        "POST",
        "/SophonFace/api/detect",
        &[],
        &[
            "image_base64_str",
            "image_url",
            "with_feature",
            "with_attribute",
            "with_headpose",
            "with_landmark",
            "max_num_faces",
        ],
    ),
    body("fiqa", "POST", "/SophonFace/api/FIQA", &["image_base64_str"], &["fiqa_level"]),
    get(
        "events",
        EVENTS,
        &[
            "per_page",
            "page",
            "top_k",
            "datetime_gte",
            "datetime_lte",
            "name",
            "identity_id",
            "score_min",
            "score_max",
            "userType",
            "groups",
            "streams",
        ],
    ),
    Published {
        name: "event-remove",
        method: "DELETE",
        path: EVENTS,
        place: Place::Query,
        must: &["event_id_list"],
        may: &[],
    },
    get("event-photo", "/SophonFace/api/event_images/{pic_id}", &["datetime"]),
    Published {
        name: "event-photo-remove",
        method: "DELETE",
        path: "/SophonFace/api/event_images",
        place: Place::Query,
        must: &["image_id_list"],
        may: &["datetime_list"],
    },
    get("config", "/SophonConfig/api/Configs/{name}", &[]),
    get("configs", "/SophonConfig/api/Configs", &[]),
    body("configs-set", "PUT", "/SophonConfig/api/Configs", &["config_dict"], &[]),
];

/// The call of that name.
pub fn find(name: &str) -> Option<&'static Published> {
    CALLS.iter().find(|call| call.name == name)
}

impl Published {
    /// The field that stands in the path.
    pub fn field_of_path(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        rest.split_once('}').map(|(name, _)| name)
    }

    /// Every field, those first that must be there.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.field_of_path().into_iter().chain(self.must.iter().chain(self.may).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_call_has_a_name_of_its_own_and_no_field_twice() {
        let names: BTreeSet<_> = CALLS.iter().map(|call| call.name).collect();
        assert_eq!(names.len(), CALLS.len());
        let ways: BTreeSet<_> = CALLS.iter().map(|call| (call.method, call.path)).collect();
        assert_eq!(ways.len(), CALLS.len());
        for call in CALLS {
            let fields: BTreeSet<_> = call.fields().collect();
            assert_eq!(fields.len(), call.fields().count(), "{}", call.name);
        }
        assert_eq!(find("event-photo").unwrap().field_of_path(), Some("pic_id"));
        assert!(find("nothing").is_none());
    }
}
