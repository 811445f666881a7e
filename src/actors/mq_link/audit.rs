//! What the platform changed, for the audit log.

use serde_json::Value;

use super::deps::LinkDeps;
use crate::ports::audit::AuditEntry;
use crate::telemetry::log_line::log_name;
use menshen_domain::change_result::ChangeParts;
use menshen_domain::status::StatusCode;
use menshen_protocol::command::Command;
use menshen_protocol::device::DeviceCommand;
use menshen_protocol::lenient;
use menshen_protocol::refused::RefusedCommand;
use menshen_protocol::reply::Reply;

/// What a command is about: no ids or names of people, no secrets.
pub fn about(command: &Command) -> String {
    let people = |count: usize, first: Option<String>| match (count, first) {
        (1, Some(id)) => log_name(&id),
        (count, _) => format!("{count} people"),
    };
    match command {
        Command::AddUsersById { ids, .. } | Command::DeleteUsers { ids, .. } => {
            people(ids.len(), ids.first().cloned())
        }
        Command::AddUsers { users, .. } => {
            let first = users.first().and_then(|user| user.get("identity_id")).and_then(lenient::id_of);
            people(users.len(), first)
        }
        Command::SyncPermissions { groups } => match &groups[..] {
            [group] => format!("group {}", group.id),
            groups => format!("{} groups", groups.len()),
        },
        Command::WipeData { options } => {
            let what = [("users", options.users), ("events", options.events)];
            let what: Vec<_> = what.iter().filter(|(_, is_meant)| *is_meant).map(|(name, _)| *name).collect();
            what.join(", ")
        }
        Command::Fiqa { .. } => String::new(),
        Command::Devices(DeviceCommand::Put { wishes, .. }) => match &wishes[..] {
            [wish] => format!("device {}", wish.device_id.as_deref().unwrap_or("-")),
            wishes => format!("{} devices", wishes.len()),
        },
        Command::Devices(DeviceCommand::Delete { ids, .. }) => match &ids[..] {
            [id] => format!("device {id}"),
            ids => format!("{} devices", ids.len()),
        },
        Command::Refused(RefusedCommand::DownloadPackage { host, .. }) => host.clone(),
        Command::Refused(RefusedCommand::FrpControl { action }) => action.clone(),
        Command::ControlConfig { fields } => fields.keys().cloned().collect::<Vec<_>>().join(", "),
    }
}

/// The parts of a reply that succeeded or failed alone.
fn parts_of(result: &Value) -> ChangeParts {
    let mut parts = ChangeParts::default();
    for key in ["success_users", "failed_users"] {
        for user in result[key].as_array().into_iter().flatten() {
            parts.count(user["code"].as_i64().unwrap_or_default());
        }
    }
    let fields = |key: &str| result[key].as_object().map_or(0, serde_json::Map::len);
    parts.count_all(fields("success_field"), fields("faild_field"));
    parts
}

/// A line of the audit log; the command does not wait for the disk.
pub fn write_down(deps: &LinkDeps, method: &'static str, on: String, reply: &Reply) {
    let broker = deps.sessions.current().map(|session| {
        let addresses = session.rabbitmq.addresses();
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    });
    let (parts, refusal) =
        (parts_of(&reply.result), Some(reply.code).filter(|code| *code != StatusCode::Success.code()));
    let entry = AuditEntry {
        at_ms: deps.clock.wall_ms(),
        who: "platform".to_owned(),
        from: broker.unwrap_or_default(),
        what: method.to_owned(),
        on,
        result: parts.text(refusal),
        refused: parts.changed_nothing(refusal),
        more: None,
    };
    drop(deps.audit.record(entry));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_is_told_by_its_parts() {
        for (result, text) in [
            (json!({}), "ok"),
            (json!({ "success_users": [{ "code": 0 }], "failed_users": [] }), "ok"),
            (json!({ "success_users": [], "failed_users": [{ "code": 40401 }] }), "failed: 1 of 1 (40401)"),
            (
                json!({ "success_users": [{ "code": 0 }], "failed_users": [{ "code": 40006 }, { "code": 40004 }] }),
                "partial: 2 of 3 failed (40006)",
            ),
            (json!({ "success_field": { "a": 1 }, "faild_field": { "b": 2 } }), "partial: 1 of 2 failed"),
            (json!({ "success_field": {}, "faild_field": { "b": 2 } }), "failed: 1 of 1"),
        ] {
            assert_eq!(parts_of(&result).text(None), text, "{result}");
        }
    }

    #[test]
    fn a_command_is_named_without_ids_of_people() {
        let delete = |ids: &[&str]| Command::DeleteUsers {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            erase: false,
        };
        assert!(!about(&delete(&["110101199003077215"])).contains("1101"));
        assert_eq!(about(&delete(&["1", "2"])), "2 people");
        let users = vec![json!({ "identity_id": "110101199003077215" })];
        let add = Command::AddUsers { users, import_mode: false };
        assert!(!about(&add).is_empty() && !about(&add).contains("1101"));
    }
}
