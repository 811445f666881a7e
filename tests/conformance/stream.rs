//! The live stream of generation 2.6, and `Configs` of V5R7.

use crate::row::{Row, tested};

const ASKED: &str = "stream::a_client_gets_the_events_of_the_devices_it_names_and_nothing_before";
const CAMERA: &str = "stream::whoever_is_seen_by_a_camera_is_told_once";
const CLOSED: &str = "stream::what_is_no_configuration_closes_the_conversation";
const SLOW: &str = "stream::a_slow_client_loses_the_oldest_and_holds_nobody_up";
const GUARD: &str = "stream::the_stream_is_guarded_as_the_local_api_is";
const PING: &str = "stream::a_client_that_is_told_nothing_is_asked_whether_it_is_there";
const OFF: &str = "stream::clients_are_bounded_and_the_stream_is_off_until_it_is_asked_for";
const SHOWN: &str = "configs::values_are_shown_by_name_and_no_secret_among_them";
const SET: &str = "configs::what_control_config_sets_is_set_and_the_rest_is_named";
const LOGIN: &str = "configs::a_login_is_shown_with_its_outcome";

pub const ROWS: &[Row] = &[
    tested("2.6-W1", "stream: nothing before a configuration", ASKED),
    tested("2.6-W2", "stream: only events of listed device_ids; unknown ids are ignored", ASKED),
    tested("2.6-W3", "stream: strangers included", ASKED),
    tested("2.6-W4", "stream: need_face, need_register; never spot_pic", ASKED),
    tested("2.6-W5", "stream: video_id and event_id are there, video_id is device_id", ASKED),
    tested("2.6-W6", "stream: a slow client loses the oldest and holds nobody up; 32 wait", SLOW),
    tested("2.6-W7", "stream: token, allowed networks, Host and Origin as the local API", GUARD),
    tested("5.5-6", "stream: the real-time body, device_id, identity_info ({} for a stranger)", ASKED),
    tested("5.5-6", "stream: both FIQA objects in ext_data", ASKED),
    tested("5.5-6", "stream: an empty event_list sends nothing; a new configuration replaces the old", ASKED),
    tested("5.5-6", "stream: what is no such object closes with 1008", CLOSED),
    tested("5.5-6", "stream: a passage before a camera is one message", CAMERA),
    tested("5.5-6", "stream: a ping every 20 s", PING),
    tested("5.5-6", "stream: off by default, clients are bounded", OFF),
    tested("5.11", "GET Configs, Configs/NAME -> data of names and values", SHOWN),
    tested("5.11", "GET Configs: no LOGIN_TOKEN, no MQ_PASSWORD, no password in an address", SHOWN),
    tested("5.11", "PUT Configs: config_dict -> success_configs, failed_configs; each alone", SET),
    tested("5.11", "PUT Configs: takes what control_config takes, kept over a restart", SET),
    tested("5.11-3", "LOGIN_STATUS: code, message, chinese_message", LOGIN),
    tested("5.9", "ImagePathStatusQuery is 50100", SET),
    tested("5.10", "SophonConfig login, password are 50100", SET),
];
