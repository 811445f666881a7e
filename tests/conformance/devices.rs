//! Devices, passages, faces and stored events as the local API is published (generation 2.6), the platform's commands for devices,
//! and those that are refused. Sections of the local API are those of its published pages.

use crate::row::{Row, tested};

pub const ROWS: &[Row] = &[
    tested(
        "5.7-1",
        "POST Devices: device_id, device_name, group_id, permission_id, device_key, device_type, device_attr.actions → success_devices",
        "local_devices::devices_come_change_and_go_under_their_ids",
    ),
    tested(
        "5.7-1",
        "POST Devices: one wrong entry fails the call; file, gb28181, is_start_rtmp are refused",
        "local_devices::one_wrong_entry_changes_nothing_and_is_named",
    ),
    tested(
        "5.7-1",
        "POST Devices: netRelay ip, net_port, door_port, delay_time",
        "local_devices::a_network_relay_opens_by_the_operators_template",
    ),
    tested(
        "5.7-2",
        "GET Devices: devices_list with device_ip; device_id and need_preview_list",
        "local_devices::one_wrong_entry_changes_nothing_and_is_named",
    ),
    tested(
        "5.7-2",
        "GET Devices: passwords of device_key are masked",
        "local_devices::a_stream_is_named_by_its_url_and_shows_no_password",
    ),
    tested(
        "5.7-3",
        "PUT Devices: only what is given changes; preview_list is refused",
        "local_devices::devices_come_change_and_go_under_their_ids",
    ),
    tested(
        "5.7-4",
        "DELETE Devices: clear_all, devices_list",
        "local_devices::devices_come_change_and_go_under_their_ids",
    ),
    tested(
        "5.4-5",
        "PictureMatch: rgb_image_base64, device_ip, need_register_photo → retcode, score, identity_id, identity_info, reg_pic, name",
        "picture_match::a_picture_is_a_passage_and_answered_at_the_top_level",
    ),
    tested("5.4-5", "PictureMatch: compare_time", "picture_match::a_time_near_by_is_the_events"),
    tested(
        "5.4-5",
        "PictureMatch: image_file_path, ir_image_base64, liveness_mode; no face, unknown device",
        "picture_match::what_cannot_be_answered_has_its_code",
    ),
    tested(
        "5.4-1",
        "detect: with_feature, with_landmark, with_headpose, max_num_faces → bbox, landmark, headpose, feature",
        "local_faces::faces_of_a_picture_are_found_and_judged",
    ),
    tested(
        "5.4-2",
        "FIQA: image_base64_str, fiqa_level → bbox, fails, fiqa_result, info, score, success",
        "local_faces::faces_of_a_picture_are_found_and_judged",
    ),
    tested(
        "5.4-3",
        "compare: card_image_base64, face_image_base64, threshold, fiqa_level, need_save → retcode, score, identity_id, name",
        "local_faces::two_pictures_are_compared",
    ),
    tested(
        "5.5-16",
        "picturesearch: face_image_base64, starttime, endtime, threshold, device_id_list, reverse, with_debug_info → flat events with compare_score",
        "picture_search::passages_are_found_by_another_photo_of_the_person",
    ),
    tested(
        "5.5-16",
        "picturesearch: retcode, ret_code, have_more, total_time, endtimestamp, total_count; last_end_timestamp",
        "picture_search::passages_are_found_by_another_photo_of_the_person",
    ),
    tested(
        "5.5-16",
        "picturesearch: fiqa_level, no face, times that make no sense",
        "picture_search::a_search_that_makes_no_sense_is_refused_in_words",
    ),
    tested(
        "5.5-16",
        "picturesearch: what a wipe took is not found",
        "picture_search::features_outlive_a_kill_and_go_with_a_wipe",
    ),
    tested(
        "5.5-12",
        "GET events: per_page, page, top_k, datetime_gte, datetime_lte, name, identity_id, score_min, score_max, userType, groups, streams",
        "local_faces::stored_events_are_found_newest_first",
    ),
    tested(
        "5.5-14",
        "GET event_images/{pic_id}: the picture",
        "local_faces::pictures_of_events_are_shown_and_taken_away_with_them",
    ),
    tested(
        "5.5-15",
        "DELETE event_images: image_id_list, datetime_list",
        "local_faces::pictures_of_events_are_shown_and_taken_away_with_them",
    ),
    tested(
        "5.5-17",
        "DELETE events: event_id_list; what a receiver lacks stays",
        "local_faces::pictures_of_events_are_shown_and_taken_away_with_them",
    ),
    tested(
        "2.6-D1",
        "add_device photo, then a photo posted by it is recognised",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D2",
        "add_device rtsp shows up online",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D3",
        "device_info as a list",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D4",
        "add_device of a known device changes it",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D5",
        "update_device of an unknown id: 40401",
        "platform_devices::a_device_that_cannot_be_fails_the_command_and_changes_nothing",
    ),
    tested(
        "2.6-D6",
        "delete_device twice succeeds",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D7",
        "gb28181, file: 50100, the devices unchanged",
        "platform_devices::a_device_that_cannot_be_fails_the_command_and_changes_nothing",
    ),
    tested(
        "2.6-D8",
        "the device list follows each change",
        "platform_devices::the_platform_adds_changes_and_removes_devices",
    ),
    tested(
        "2.6-D9",
        "platform.manages_devices = false: 50100",
        "platform_devices::a_device_that_cannot_be_fails_the_command_and_changes_nothing",
    ),
    tested(
        "2.6-D10",
        "a redelivery after a kill leaves one device",
        "platform_devices::devices_that_are_added_again_after_a_kill_are_there_once",
    ),
    tested(
        "2.6-X1",
        "download_package: 50100, no connection to the link, result {}",
        "platform_devices::packages_and_tunnels_are_refused_without_a_request",
    ),
    tested(
        "2.6-X2",
        "the same with package_size 0",
        "platform_devices::packages_and_tunnels_are_refused_without_a_request",
    ),
    tested(
        "2.6-X3",
        "frp_control start, stop, enable, disable: 50100",
        "platform_devices::packages_and_tunnels_are_refused_without_a_request",
    ),
    tested(
        "2.6-X4",
        "the token of section_info is in no log",
        "platform_devices::packages_and_tunnels_are_refused_without_a_request",
    ),
    tested(
        "2.6-X5",
        "both are acknowledged, and answered over notify_path too",
        "platform_devices::refusals_go_to_notify_path_too",
    ),
];
