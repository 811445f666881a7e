//! Generation 2.6 (V2R6, and V5 where it shares it): logins, and what is written in which dialect.

use crate::row::{Row, tested};

pub const ROWS: &[Row] = &[
    tested(
        "2.6-L1",
        "recordUploadInfo: 0, 1, absent, \"1\" are read",
        "dialects::a_platform_gets_its_dialect_in_every_report",
    ),
    tested(
        "2.6-L2",
        "600000, 600002, 500001 are told in words and tried again",
        "dialects::a_refused_login_is_told_in_an_installers_words",
    ),
    tested(
        "2.6-L3",
        "recordUploadInfo at dialect 2.4 is hinted at once",
        "dialects::a_platform_that_may_expect_the_other_dialect_is_hinted_at_once",
    ),
    tested(
        "2.6-C1",
        "passmode: each value, kept over a restart",
        "pass_mode::the_platform_says_who_may_pass_at_devices_that_send_photos",
    ),
    tested(
        "2.6-C2",
        "an unknown passmode is in faild_field",
        "pass_mode::the_platform_says_who_may_pass_at_devices_that_send_photos",
    ),
    tested(
        "2.6-C3",
        "allforbidden counts before a device's own pass_mode",
        "pass_mode::the_platform_says_who_may_pass_at_devices_that_send_photos",
    ),
    tested(
        "2.6-C4",
        "allpass never opens for the blacklist, nor at avoid",
        "pass_mode::a_gate_with_a_camera_opens_for_anyone_once_a_passage",
    ),
    tested(
        "2.6-C5",
        "ir_collection: true is in faild_field, false in success_field",
        "pass_mode::the_platform_says_who_may_pass_at_devices_that_send_photos",
    ),
    tested(
        "2.6-C6",
        "history_upload_need_info switches what history tells of the face",
        "pass_mode::the_platform_says_whether_history_tells_of_the_face",
    ),
    tested(
        "2.6-C7",
        "all six fields of control_config in one command, each alone",
        "pass_mode::the_platform_says_who_may_pass_at_devices_that_send_photos",
    ),
    tested(
        "2.6-R1",
        "epType: words at 2.6, digits at 2.4",
        "dialects::a_platform_gets_its_dialect_in_every_report",
    ),
    tested(
        "2.6-R2",
        "flat history has exactly the published keys and ours",
        "dialects::two_receivers_read_two_dialects_of_one_event_in_order",
    ),
    tested(
        "2.6-R3",
        "score is 0-100 flat and 0-1 nested, of one event",
        "dialects::two_receivers_read_two_dialects_of_one_event_in_order",
    ),
    tested(
        "2.6-R4",
        "recognize_face_attr has nine keys, feature is empty",
        "dialects::two_receivers_read_two_dialects_of_one_event_in_order",
    ),
    tested(
        "2.6-R5",
        "nested history has ext_data.info where the platform asks for it",
        "dialects::a_platform_gets_its_dialect_in_every_report",
    ),
    tested(
        "2.6-R6",
        "upload switches leave pictures out of the flat form",
        "dialects::two_receivers_read_two_dialects_of_one_event_in_order",
    ),
    tested(
        "2.6-R7",
        "two receivers, two dialects, one event, both in order",
        "dialects::two_receivers_read_two_dialects_of_one_event_in_order",
    ),
    tested(
        "2.6-R8",
        "the dialect changes while a backlog waits: nothing lost or twice",
        "dialects::the_dialect_changes_while_a_backlog_waits_and_nothing_is_lost_or_doubled",
    ),
    tested(
        "2.6-R9",
        "status: all of 2.4 and the objects at 2.6; 2.4 as before",
        "dialects::a_platform_gets_its_dialect_in_every_report",
    ),
    tested("2.6-R10", "real time is nested in both", "dialects::a_platform_gets_its_dialect_in_every_report"),
    tested(
        "2.6-R11",
        "ep_id is the same in device list, status and both histories",
        "dialects::a_platform_gets_its_dialect_in_every_report",
    ),
    tested(
        "5",
        "occlusion: true is a free part, unless platform.occlusion_true says otherwise; covered names the covered ones",
        "fiqa::a_platform_may_read_occlusion_the_other_way_round",
    ),
];
