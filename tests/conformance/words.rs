//! Section 1: words and identifiers. Section 4: status codes.

use menshen_domain::status::{Language, StatusCode};

use crate::fields::jpeg_size;
use crate::row::{Row, seen, tested};
use crate::testbed::DEV_SNO;

pub const ROWS: &[Row] = &[
    seen("1", "dev_sno is the licence code, in every login and report", |e| {
        assert_eq!(e.login()["dev_sno"], DEV_SNO);
        assert_eq!(e.device_list()["devSno"], DEV_SNO);
        assert_eq!(e.status()["dev_sno"], DEV_SNO);
    }),
    seen("1", "hex_mac is 0x and 12 lower-case hex digits", |e| {
        let mac = e.login()["hex_mac"].as_str().unwrap();
        let digits = mac.strip_prefix("0x").expect("0x");
        assert_eq!(digits.len(), 12);
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{mac}");
    }),
    seen("1", "ep_id is {dev_sno}__{device}", |e| {
        let expected = format!("{DEV_SNO}__lobby");
        assert_eq!(e.device()["epId"], *expected);
        assert_eq!(e.history()["ext_data"]["ep_id"], *expected);
        assert_eq!(e.status()["sub_devices"][0]["ep_id"], *expected);
    }),
    seen("1", "device types are strings: 3 is a network camera", |e| {
        assert_eq!(e.device()["epType"], "3");
        assert_eq!(e.live()["ext_data"]["device_type"], "3");
        assert_eq!(e.status()["sub_devices"][0]["ep_type"], "3");
    }),
    seen("1", "person ids are strings chosen by the platform; a number is read as one", |e| {
        assert_eq!(e.user("add details", "success_users", "1002")["userid"], "1002");
    }),
    seen("1", "person type: 1 when absent, 5 is a VIP", |e| {
        assert_eq!(e.user("add ids", "success_users", "1001")["type"], 1);
        assert_eq!(e.user("add details", "success_users", "1002")["type"], 5);
    }),
    seen("1", "permission group 0 when none is given", |e| {
        assert_eq!(
            e.live()["identity_id"],
            "1001",
            "enrolled without groups, recognised by a device of group 0"
        );
    }),
    seen("1", "times are integer milliseconds, UTC", |e| {
        let at = e.live()["timestamp"].as_u64().expect("an integer");
        assert!(at >= e.walk_began_ms && at < e.walk_began_ms + 60_000, "{at} and {}", e.walk_began_ms);
    }),
    seen("1", "pictures are written as plain base64 JPEG", |e| {
        for picture in ["spot_pic", "recognize_face"] {
            jpeg_size(&e.live()["ext_data"][picture]);
        }
        jpeg_size(&e.live()["reg_pic"]);
    }),
    seen("1", "pictures are read with and without a data: prefix, JPEG and PNG", |e| {
        assert_eq!(e.user("add details", "success_users", "1007")["code"], 0, "data:image/jpeg");
        assert_eq!(
            e.user("add details", "failed_users", "1004")["code"],
            40009,
            "PNG: read, its face is too small"
        );
    }),
    seen("4", "codes are the protocol's, with texts in both languages", |_| {
        let numbers: Vec<_> = StatusCode::ALL.iter().map(|code| code.code()).collect();
        let expected = [
            0, 40071, 50072, 50073, 50074, 40091, 40491, 41591, 40000, 40001, 40002, 40003, 40004, 40005,
            40006, 40007, 40008, 40009, 40010, 40011, 40012, 40013, 40014, 40015, 40400, 40401, 41300, 50100,
        ];
        for code in expected {
            assert!(numbers.contains(&code), "{code} is missing");
        }
        for code in StatusCode::ALL {
            assert_ne!(code.text(Language::Zh), code.text(Language::En));
        }
    }),
    tested(
        "4",
        "each kind of bad input has its code",
        "bad_input::every_bad_command_is_answered_with_its_code",
    ),
];
