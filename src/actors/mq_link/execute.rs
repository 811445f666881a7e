//! Processing one command: parse, execute, reply, and only then acknowledge the delivery.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::audit::{about, write_down};
use super::control::control_config;
use super::deps::LinkDeps;
use super::devices::{change_devices, refuse};
use super::fiqa::judge_photo;
use super::job::{CommandOutput, CommandReply, Job, PendingReply, Source};
use super::reply::ReplyWay;
use super::users::{add_users, add_users_by_id, import_users};
use crate::actors::blocking::run_blocking;
use crate::actors::registry::message::{DeletePeople, EditPermissions, WipePeople};
use crate::actors::reporter::message::WipeEvents;
use crate::ports::broker::QueuePair;
use menshen_domain::erasure::ErasureReceipt;
use menshen_domain::permission_groups::GroupEdit;
use menshen_domain::person::PermissionGroup;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::command::{Command, Envelope, WipeOptions, WirePermission};
use menshen_protocol::reply::{
    DeleteUsersResult, DeletedUser, Reply, SyncPermissionsResult, SyncedPermission,
};

/// Processes a job, delivers its reply and acknowledges it; answers whether the broker has the acknowledgement. `kept` are
/// replies to commands whose connection broke: if `job` is one of these commands, only its reply is sent; the others go
/// before it. `Err`: the connection broke before these replies were taken.
pub async fn process(
    mut way: ReplyWay<'_>,
    job: Job,
    kept: Vec<PendingReply>,
) -> Result<bool, Vec<PendingReply>> {
    let (deps, digest) = (way.deps, <[u8; 32]>::from(Sha256::digest(&job.body)));
    let (mut own, mut others) = (Vec::new(), VecDeque::new());
    for pending in kept {
        let is_own = own.is_empty() && job.is_again() && pending.digest == digest;
        if is_own { own.push(pending) } else { others.push_back(pending) }
    }
    while let Some(pending) = others.pop_front() {
        tracing::warn!(
            reply = pending.reply.label,
            "handing over a reply that was kept when its connection broke"
        );
        if let Err(error) = way.deliver(job.pair(), &pending.reply).await {
            tracing::warn!(%error, reply = pending.reply.label, "delivering a kept reply failed, it is kept");
            others.push_front(pending);
            own.extend(others);
            return Err(own);
        }
    }
    let reply = match own.pop() {
        Some(own) => {
            tracing::info!("command was processed before its connection broke, only its reply is sent");
            own.reply
        }
        None => answer(deps, &job).await,
    };
    if let Err(error) = way.deliver(job.pair(), &reply).await {
        tracing::warn!(%error, "delivering a reply failed, the command will be delivered again");
        return Err(vec![PendingReply { digest, reply }]);
    }
    match job.source {
        Source::Broker { from, tag, .. } => {
            let acknowledged = way.connection.ack(from, tag).await;
            if let Err(error) = &acknowledged {
                // The broker delivers it again on the next connection; commands are idempotent.
                tracing::info!(%error, "acknowledging a command failed, it will be delivered again");
            }
            Ok(acknowledged.is_ok())
        }
        Source::Replay { id } => {
            let (letters, at_ms) = (Arc::clone(&deps.dead_letters), deps.clock.wall_ms());
            tracing::info!(id, code = reply.code, "dead letter was processed again");
            // An error is in the log; the letter is then processed once more.
            let _ = run_blocking(move || letters.replayed(&id, at_ms, reply.code)).await;
            Ok(false)
        }
    }
}

async fn answer(deps: &LinkDeps, job: &Job) -> CommandReply {
    let began = Instant::now();
    let mut on = String::new();
    let (reply, notify_path) = match Envelope::parse(&job.body) {
        Err(unreadable) => {
            keep_dead_letter(deps, &unreadable.refusal, job).await;
            (deps.head.refused("", None, &unreadable.refusal), None)
        }
        Ok(envelope) => {
            let (method, id) = (envelope.method, envelope.message_id);
            tracing::info!(
                method = known_method(&method),
                again = job.is_again(),
                bytes = job.body.len(),
                "command received"
            );
            if let Ok(command) = &envelope.command {
                on = about(command);
            }
            // Ends in a receipt, where the platform finds its command again.
            let asked_by = match (&job.source, &id) {
                (Source::Replay { .. }, _) => "platform, a dead letter carried out again".to_owned(),
                (_, Some(Value::String(id))) => format!("platform, {method} {id}"),
                (_, Some(id)) => format!("platform, {method} {id}"),
                (_, None) => format!("platform, {method}"),
            };
            let reply = match attempt(deps, envelope.command, job, &asked_by).await {
                Ok(done) => Reply {
                    message: done.message.unwrap_or_else(|| success_text(deps)),
                    ..deps.head.success(&method, id, done.result)
                },
                Err(refusal) => deps.head.refused(&method, id, &refusal),
            };
            (reply, envelope.extend_params.notify_path)
        }
    };
    let method = known_method(&reply.message_key);
    if method != "fiqa" {
        write_down(deps, method, on, &reply);
    }
    metrics::counter!("menshen_commands_total", "method" => method, "code" => reply.code.to_string())
        .increment(1);
    metrics::histogram!("menshen_command_seconds", "method" => method).record(began.elapsed().as_secs_f64());
    let id = reply.message_id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
    CommandReply {
        code: reply.code,
        label: format!("{method}{id}").chars().take(100).collect(),
        reply: serde_json::to_vec(&reply).unwrap_or_default().into(),
        notify_path,
    }
}

/// What can never succeed is kept; work that panics is taken for that, so that it does not come again for ever.
async fn attempt(
    deps: &LinkDeps,
    command: Result<Command, ProtocolError>,
    job: &Job,
    asked_by: &str,
) -> Result<CommandOutput, ProtocolError> {
    let hopeless = match command.and_then(|command| fits_lane(command, job.pair())) {
        Ok(command) => match AssertUnwindSafe(execute(deps, command, asked_by)).catch_unwind().await {
            Ok(result) => return result,
            Err(_) => {
                ProtocolError::new(StatusCode::ServerProcessFailed, "internal error, see the box's log")
            }
        },
        Err(refusal) => refusal,
    };
    keep_dead_letter(deps, &hopeless, job).await;
    Err(hopeless)
}

/// The FIQA queues may be shared by boxes and have a lane beside the commands: nothing that changes the registry
/// may come this way, where its order would be lost.
fn fits_lane(command: Command, pair: QueuePair) -> Result<Command, ProtocolError> {
    match (pair, &command) {
        (QueuePair::Commands, _) | (QueuePair::Fiqa, Command::Fiqa { .. }) => Ok(command),
        (QueuePair::Fiqa, _) => {
            Err(ProtocolError::new(StatusCode::NotImplemented, "the fiqaDownQueue takes `fiqa` only"))
        }
    }
}

/// Foreign method names must not make metric labels without end.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "add_users_plus",
        "delete_users",
        "sync_permissions",
        "wipe_data",
        "fiqa",
        "control_config",
        "add_device",
        "update_device",
        "delete_device",
        "download_package",
        "frp_control",
    ];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

async fn keep_dead_letter(deps: &LinkDeps, refusal: &ProtocolError, job: &Job) {
    if let Source::Replay { id } = &job.source {
        tracing::warn!(id, reason = %refusal.detail, "dead letter failed again");
        return;
    }
    metrics::counter!("menshen_dead_letters_total").increment(1);
    tracing::warn!(code = refusal.code.code(), reason = %refusal.detail, "command that can never succeed was kept as a dead letter");
    let (letters, at_ms) = (Arc::clone(&deps.dead_letters), deps.clock.wall_ms());
    let (refusal, body) = (refusal.clone(), job.body.clone());
    let _ = run_blocking(move || {
        letters.keep(at_ms, refusal.code.code(), &refusal.detail, &body);
        Ok(())
    })
    .await;
}

async fn execute(deps: &LinkDeps, command: Command, asked_by: &str) -> Result<CommandOutput, ProtocolError> {
    Ok(match command {
        Command::AddUsers { users, import_mode } => {
            to_value(&add_users(deps, users, import_mode).await?).into()
        }
        Command::AddUsersById { ids, import_mode: true, .. } => to_value(&import_users(deps, &ids)).into(),
        Command::AddUsersById { ids, path, .. } => to_value(&add_users_by_id(deps, ids, &path).await?).into(),
        Command::DeleteUsers { ids, erase: false } => to_value(&delete_users(deps, ids).await).into(),
        Command::DeleteUsers { ids, erase: true } => to_value(&erase_users(deps, ids, asked_by).await).into(),
        Command::SyncPermissions { groups } => sync_permissions(deps, groups).await?.into(),
        Command::WipeData { options } => wipe_data(deps, options).await?.into(),
        Command::Fiqa { picture, level } => judge_photo(deps, &picture, level).await?.into(),
        Command::Devices(command) => change_devices(deps, command).await?.into(),
        Command::Refused(command) => return Err(refuse(&command)),
        Command::ControlConfig { fields } => control_config(deps, fields).await?,
    })
}

fn success_text(deps: &LinkDeps) -> String {
    StatusCode::Success.text(deps.head.language).to_owned()
}

fn to_value(result: &impl Serialize) -> Value {
    serde_json::to_value(result).unwrap_or_default()
}

async fn delete_users(deps: &LinkDeps, ids: Vec<String>) -> DeleteUsersResult {
    let outcomes = deps.registry.send_until_answered(|| DeletePeople { ids: ids.clone() }).await;
    deleted(deps, outcomes.into_iter().map(|outcome| (outcome.id, outcome.result.map(|()| None))))
}

async fn erase_users(deps: &LinkDeps, ids: Vec<String>, asked_by: &str) -> DeleteUsersResult {
    let outcomes = deps.eraser.erase(ids, asked_by).await;
    deleted(deps, outcomes.into_iter().map(|outcome| (outcome.id, outcome.result.map(Some))))
}

/// The result for each person, with the receipt of who was erased.
fn deleted(
    deps: &LinkDeps,
    outcomes: impl Iterator<Item = (String, Result<Option<ErasureReceipt>, ProtocolError>)>,
) -> DeleteUsersResult {
    let language = deps.head.language;
    let mut result = DeleteUsersResult::default();
    for (userid, outcome) in outcomes {
        match outcome {
            Ok(erased) => result.success_users.push(DeletedUser {
                userid,
                message: StatusCode::Success.text(language).to_owned(),
                code: StatusCode::Success.code(),
                erased,
            }),
            Err(refusal) => result.failed_users.push(DeletedUser {
                userid,
                message: refusal.message(language),
                code: refusal.code.code(),
                erased: None,
            }),
        }
    }
    result
}

async fn sync_permissions(deps: &LinkDeps, groups: Vec<WirePermission>) -> Result<Value, ProtocolError> {
    let known: Vec<_> = groups
        .into_iter()
        .map(|group| PermissionGroup {
            id: group.id,
            name: group.info.name,
            description: group.info.description,
            info: serde_json::Map::new(),
        })
        .collect();
    // The protocol says nothing of groups that are not named: a platform that sends one new group must not make the box
    // forget the others.
    let merge = || EditPermissions::new(GroupEdit::Merge(known.clone()));
    deps.registry.send_until_answered(merge).await?;
    let success_permission = known
        .into_iter()
        .map(|group| SyncedPermission {
            permission_id: group.id,
            permission_name: group.name,
            permission_description: group.description,
            message: StatusCode::Success.text(deps.head.language).to_owned(),
            code: StatusCode::Success.code(),
        })
        .collect();
    Ok(to_value(&SyncPermissionsResult { success_permission, failed_permission: Vec::new() }))
}

async fn wipe_data(deps: &LinkDeps, options: WipeOptions) -> Result<Value, ProtocolError> {
    if options.users {
        let count = deps.registry.send_until_answered(|| WipePeople).await?;
        tracing::warn!(count, "all people were deleted on request of the platform");
    }
    if options.events {
        deps.reporter.send_until_answered(|| WipeEvents).await?;
        tracing::warn!("all events were deleted on request of the platform");
    }
    Ok(json!({ "wipe_options": options }))
}
