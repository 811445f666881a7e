//! One example of each command of the protocol, to be sent as it is or changed first: `GET /sim/commands/NAME`.

use serde_json::{Value, json};

/// Names of the examples: the method, with a suffix where there are several. Those of generation 2.6 come last.
pub const NAMES: &[&str] = &[
    "add_users_plus",
    "add_users_plus-path",
    "delete_users",
    "sync_permissions",
    "wipe_data",
    "fiqa",
    "control_config",
    "add_users_plus-fiqa_level",
    "add_users_plus-import_mode",
    "control_config-2.6",
    "add_device",
    "add_device-rtsp",
    "update_device",
    "delete_device",
    "download_package",
    "frp_control",
];

const GATE: &str = "5a6c7d1e-0000-4000-8000-000000000001";
const CAMERA: &str = "5a6c7d1e-0000-4000-8000-000000000002";

/// The example of that name. `url` makes an address of this platform: `import_mode` and `download_package` name some that a box
/// must never call, and the ledger shows whether it did.
pub fn example(name: &str, url: &dyn Fn(&str) -> String) -> Option<Value> {
    let device = |id: &str, kind: &str, key: &str| {
        json!({
            "device_id": id, "device_name": "north gate", "group_name": "default_group", "permission_id": "0",
            "device_key": key, "device_type": kind, "netRelay": {}, "is_start_rtmp": false,
        })
    };
    let user = |more: Value| {
        let mut user = json!({
            "identity_id": "1001", "relative_pic_url": "/img/1001.jpg",
            "info": { "name": "Barack Obama", "type": 1, "permission_ids": ["0"] },
        });
        if let (Some(user), Value::Object(more)) = (user.as_object_mut(), more) {
            user.extend(more);
        }
        user
    };
    let mut command = match name {
        "add_users_plus" => json!({ "user_info_list": [user(json!({}))] }),
        "add_users_plus-path" => {
            json!({ "extend_params": { "path": url("/box/users") }, "userid_list": ["1001"] })
        }
        "delete_users" => json!({ "userid_list": ["1001"] }),
        "sync_permissions" => {
            json!({ "permissions_info_list": [{ "id": "7", "info": { "name": "north gate" } }] })
        }
        "wipe_data" => json!({ "wipe_options": { "users": false, "events": false } }),
        "fiqa" => json!({ "info": { "image_base64_str": "", "fiqa_level": "high" } }),
        "control_config" => json!({ "config_field": { "threshold": 82 } }),
        "add_users_plus-fiqa_level" => json!({ "user_info_list": [user(json!({ "fiqa_level": "low" }))] }),
        "add_users_plus-import_mode" => json!({ "user_info_list": [user(json!({
            "identity_id": "1002", "import_mode": true, "get_features_url": url("/box/features"),
        }))] }),
        "control_config-2.6" => json!({ "config_field": {
            "passmode": "normal", "history_upload_need_info": true, "ir_collection": false,
        }}),
        "add_device" => json!({ "device_info": device(GATE, "photo", "192.168.1.31") }),
        "add_device-rtsp" => json!({ "device_info": device(CAMERA, "rtsp", "rtsp://192.168.1.32/ch1") }),
        "update_device" => json!({ "device_info": {
            "device_id": GATE, "device_name": "south gate", "device_type": "photo",
        }}),
        "delete_device" => json!({ "device_info": { "device_id": GATE } }),
        "download_package" => json!({ "download_package_info": {
            "package_name": "update", "package_download_link": url("/packages/update.tar.gz"), "package_size": 1.5,
            "package_md5": "d41d8cd98f00b204e9800998ecf8427e", "package_message": "example",
        }}),
        "frp_control" => json!({ "action": "start", "frp_config_info_list": [{
            "section_name": "common",
            "section_info": { "server_addr": "127.0.0.1", "server_port": "7000", "token": "example" },
        }]}),
        _ => return None,
    };
    command["method"] = name.split('-').next().unwrap_or(name).into();
    Some(command)
}
