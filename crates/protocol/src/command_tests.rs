//! Commands as platforms write them.

use super::*;

fn check(body: &str, expect_code: Option<StatusCode>, expect_text: &str) {
    match Envelope::parse(body.as_bytes()) {
        Err(unreadable) => {
            assert_eq!(Some(unreadable.refusal.code), expect_code, "{body}");
            assert!(unreadable.refusal.detail.contains(expect_text), "{body}: {}", unreadable.refusal);
        }
        Ok(envelope) => match (envelope.command, expect_code) {
            (Ok(_), None) => {}
            (Err(refusal), Some(code)) => {
                assert_eq!(refusal.code, code, "{body}");
                assert!(refusal.detail.contains(expect_text), "{body}: {refusal}");
            }
            (command, expect) => panic!("{body}: {:?}, expected {expect:?}", command.map(|_| ())),
        },
    }
}

#[test]
fn bad_commands_get_their_code_and_a_reason() {
    use StatusCode::{NotImplemented, ParamError};
    check("{", Some(ParamError), "not JSON");
    check("[]", Some(ParamError), "a list");
    check("{}", Some(ParamError), "`method` is missing");
    check(r#"{"method":5}"#, Some(ParamError), "a number");
    check(r#"{"method":"fly"}"#, Some(NotImplemented), "fly");
    check(r#"{"method":"delete_users"}"#, Some(ParamError), "userid_list");
    check(r#"{"method":"delete_users","userid_list":"a"}"#, Some(ParamError), "must be a list");
    check(r#"{"method":"delete_users","userid_list":[{}]}"#, Some(ParamError), "an object");
    check(r#"{"method":"delete_users","userid_list":["1"],"erase":"all"}"#, Some(ParamError), "`erase`");
    check(r#"{"method":"delete_users","userid_list":["1"],"erase":{}}"#, Some(ParamError), "`erase`");
    check(r#"{"method":"add_users_plus"}"#, Some(ParamError), "user_info_list");
    check(r#"{"method":"add_users_plus","userid_list":["1"]}"#, Some(ParamError), "extend_params.path");
    check(
        r#"{"method":"add_users_plus","extend_params":5,"user_info_list":[]}"#,
        Some(ParamError),
        "extend_params",
    );
    check(r#"{"method":"add_users_plus","user_info_list":{}}"#, Some(ParamError), "an object");
    check(r#"{"method":"wipe_data","wipe_options":[true,true]}"#, Some(ParamError), "must be an object");
    check(r#"{"method":"wipe_data","wipe_options":{},"extend_params":[1]}"#, Some(ParamError), "must be an");
    check(
        r#"{"method":"sync_permissions","permissions_info_list":[["1"]]}"#,
        Some(ParamError),
        "must be an object",
    );
    check(r#"{"method":"wipe_data","wipe_options":{"users":"yes"}}"#, Some(ParamError), "wipe_options");
    check(r#"{"method":"fiqa"}"#, Some(ParamError), "`info` is missing");
    check(r#"{"method":"fiqa","info":{}}"#, Some(ParamError), "`image_base64_str` is missing");
    check(
        r#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":"best"}}"#,
        Some(ParamError),
        "best",
    );
    check(r#"{"method":"control_config","config_field":[1]}"#, Some(ParamError), "must be an object");
}

#[test]
fn erasure_is_asked_for_in_every_spelling_of_a_switch() {
    for (erase, expected) in [
        ("true", true),
        ("1", true),
        ("\"true\"", true),
        ("\"1\"", true),
        ("false", false),
        ("0", false),
        ("null", false),
        ("\"\"", false),
        ("[]", false),
    ] {
        let body = format!(r#"{{"method":"delete_users","userid_list":["1"],"erase":{erase}}}"#);
        match Envelope::parse(body.as_bytes()).unwrap().command {
            Ok(Command::DeleteUsers { erase, .. }) => assert_eq!(erase, expected, "{body}"),
            other => panic!("{body}: {:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn liberal_reading() {
    check(r#"{"method":"delete_users","userid_list":[1,"2"],"new_field":1}"#, None, "");
    check(r#"{"method":"add_users_plus","user_info_list":[],"extend_params":null}"#, None, "");
    let envelope =
        Envelope::parse(br#"{"method":"delete_users","userid_list":[1,"1"],"messageId":7}"#).unwrap();
    assert_eq!(envelope.message_id, Some(Value::from(7)));
    assert!(matches!(envelope.command, Ok(Command::DeleteUsers { ids, .. }) if ids == ["1"]));
    let envelope =
        Envelope::parse(br#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":null}}"#).unwrap();
    assert!(matches!(envelope.command, Ok(Command::Fiqa { level: LevelName::High, .. })));
}

fn wiped(options: &str) -> Option<(bool, bool)> {
    let body = format!(r#"{{"method":"wipe_data","wipe_options":{options}}}"#);
    match Envelope::parse(body.as_bytes()).unwrap().command {
        Ok(Command::WipeData { options }) => Some((options.users, options.events)),
        _ => None,
    }
}

#[test]
fn whatever_does_not_mean_wipe_means_keep() {
    for keep in ["0", "\"false\"", "null", "false", "\"0\"", "\"\"", "[]", "0.0"] {
        assert_eq!(wiped(&format!(r#"{{"users":{keep},"events":true}}"#)), Some((false, true)), "{keep}");
        assert_eq!(wiped(&format!(r#"{{"users":"1","events":{keep}}}"#)), Some((true, false)), "{keep}");
    }
    assert_eq!(wiped(r#"{"users":true}"#), Some((true, false)));
    assert_eq!(wiped("{}"), Some((false, false)));
    for doubtful in
        [r#"{"users":"yes","events":true}"#, r#"{"users":2}"#, r#"{"users":{}}"#, "[]", "\"\"", "null"]
    {
        assert_eq!(wiped(doubtful), None, "{doubtful}: nothing is wiped where it is not clear what");
    }
}

#[test]
fn empty_values_of_php_and_java_are_absent() {
    for nothing in ["[]", "\"\"", "null"] {
        let parse = |fields: &str| Envelope::parse(fields.replace('?', nothing).as_bytes()).unwrap();
        let envelope = parse(r#"{"method":"delete_users","userid_list":["1"],"extend_params":?}"#);
        assert!(envelope.command.is_ok() && envelope.extend_params == ExtendParams::default(), "{nothing}");
        let envelope = parse(
            r#"{"method":"delete_users","userid_list":["1",?,2],"extend_params":{"notify_path":?,"path":?}}"#,
        );
        assert!(matches!(envelope.command, Ok(Command::DeleteUsers { ids, .. }) if ids == ["1", "2"]));
        let envelope = parse(
            r#"{"method":"sync_permissions","permissions_info_list":[{"id":1,"info":?},
                {"id":"2","info":{"name":?,"description":?}}]}"#,
        );
        let Ok(Command::SyncPermissions { groups }) = envelope.command else { panic!("{nothing}") };
        assert_eq!((groups[0].id.as_str(), groups[1].info.name.as_str()), ("1", ""));
        let envelope = parse(r#"{"method":"fiqa","info":{"image_base64_str":"a","fiqa_level":?}}"#);
        assert!(matches!(envelope.command, Ok(Command::Fiqa { level: LevelName::High, .. })), "{nothing}");
        let envelope = parse(
            r#"{"method":"add_users_plus","user_info_list":?,"userid_list":["1"],"extend_params":{"path":"p"}}"#,
        );
        assert!(matches!(envelope.command, Ok(Command::AddUsersById { .. })), "{nothing}");
        let envelope = parse(r#"{"method":"add_users_plus","user_info_list":[{}],"userid_list":?}"#);
        assert!(matches!(envelope.command, Ok(Command::AddUsers { .. })), "{nothing}");
        for (fields, missing) in [
            (r#"{"method":"fiqa","info":?}"#, "`info` is missing"),
            (r#"{"method":"control_config","config_field":?}"#, "`config_field` is missing"),
        ] {
            let refusal = parse(fields).command.err().unwrap();
            assert!(refusal.detail.contains(missing), "{nothing}: {refusal}");
        }
    }
}

#[test]
fn a_byte_order_mark_and_long_ids_are_read() {
    let body = "\u{feff}{\"method\":\"delete_users\",\"messageId\":1234567890123456789012,\"userid_list\":[12345678901234567890,123456789012345678901234567890,1001.0,\"1001\"]}";
    let envelope = Envelope::parse(body.as_bytes()).unwrap();
    assert_eq!(envelope.message_id, Some(Value::from("1234567890123456789012")));
    let Ok(Command::DeleteUsers { ids, .. }) = envelope.command else { panic!("no command") };
    assert_eq!(ids, ["12345678901234567890", "123456789012345678901234567890", "1001"]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_can_upset_the_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = Envelope::parse(&bytes);
    }
}
