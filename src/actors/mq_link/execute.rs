//! Processing one command: parse, execute, reply, and only then acknowledge the delivery.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::control::control_config;
use super::deps::LinkDeps;
use super::fiqa::judge_photo;
use super::job::{CommandOutput, CommandReply, Job, PendingReply, Source};
use super::users::{add_users, add_users_by_id};
use crate::actors::blocking::run_blocking;
use crate::actors::registry::message::{DeletePeople, SyncPermissions, WipePeople};
use crate::actors::reporter::message::WipeEvents;
use crate::ports::broker::{BrokerConnection, BrokerError, QueuePair};
use crate::ports::platform::PostPurpose;
use menshen_domain::backoff::Backoff;
use menshen_domain::limits;
use menshen_domain::person::PermissionGroup;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::command::{Command, Envelope, WipeOptions, WirePermission};
use menshen_protocol::login::Session;
use menshen_protocol::reply::{
    DeleteUsersResult, DeletedUser, Reply, SyncPermissionsResult, SyncedPermission,
};

/// Processes a job, delivers its reply and acknowledges it. `unsent` is the reply to a command whose connection
/// broke; if `job` is the same command, only that reply is sent. `Err`: the broker did not take the reply, and the
/// connection is to be given up.
pub async fn process(
    deps: &LinkDeps,
    connection: &Arc<dyn BrokerConnection>,
    job: Job,
    unsent: Option<PendingReply>,
) -> Result<(), PendingReply> {
    let digest: [u8; 32] = Sha256::digest(&job.body).into();
    let reply = match unsent.filter(|unsent| job.is_again() && unsent.digest == digest) {
        Some(unsent) => {
            tracing::info!("command was processed before its connection broke, only its reply is sent");
            unsent.reply
        }
        None => answer(deps, &job).await,
    };
    if let Err(error) = deliver_reply(deps, connection, job.pair(), &reply).await {
        tracing::warn!(%error, "delivering a reply failed, the command will be delivered again");
        return Err(PendingReply { digest, reply });
    }
    match job.source {
        Source::Broker { from, tag, .. } => {
            if let Err(error) = connection.ack(from, tag).await {
                // The broker delivers it again on the next connection; commands are idempotent.
                tracing::info!(%error, "acknowledging a command failed, it will be delivered again");
            }
        }
        Source::Replay { id } => {
            let (letters, at_ms) = (Arc::clone(&deps.dead_letters), deps.clock.wall_ms());
            tracing::info!(id, code = reply.code, "dead letter was processed again");
            // An error is in the log; the letter is then processed once more.
            let _ = run_blocking(move || letters.replayed(&id, at_ms, reply.code)).await;
        }
    }
    Ok(())
}

async fn answer(deps: &LinkDeps, job: &Job) -> CommandReply {
    let began = Instant::now();
    let (reply, notify_path) = match Envelope::parse(&job.body) {
        Err(unreadable) => {
            keep_dead_letter(deps, &unreadable.refusal, job).await;
            (deps.head.refused("", None, &unreadable.refusal), None)
        }
        Ok(envelope) => {
            let (method, id) = (envelope.method, envelope.message_id);
            tracing::info!(method, again = job.is_again(), bytes = job.body.len(), "command received");
            let reply = match attempt(deps, envelope.command, job).await {
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
    metrics::counter!("menshen_commands_total", "method" => method, "code" => reply.code.to_string())
        .increment(1);
    metrics::histogram!("menshen_command_seconds", "method" => method).record(began.elapsed().as_secs_f64());
    CommandReply {
        code: reply.code,
        reply: serde_json::to_vec(&reply).unwrap_or_default().into(),
        notify_path,
    }
}

/// What can never succeed is kept; work that panics is taken for that, so that it does not come again for ever.
async fn attempt(
    deps: &LinkDeps,
    command: Result<Command, ProtocolError>,
    job: &Job,
) -> Result<CommandOutput, ProtocolError> {
    let hopeless = match command.and_then(|command| fits_lane(command, job.pair())) {
        Ok(command) => match AssertUnwindSafe(execute(deps, command)).catch_unwind().await {
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
    ["add_users_plus", "delete_users", "sync_permissions", "wipe_data", "fiqa", "control_config"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
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

async fn execute(deps: &LinkDeps, command: Command) -> Result<CommandOutput, ProtocolError> {
    Ok(match command {
        Command::AddUsers { users } => to_value(&add_users(deps, users).await?).into(),
        Command::AddUsersById { ids, path } => to_value(&add_users_by_id(deps, ids, &path).await?).into(),
        Command::DeleteUsers { ids } => to_value(&delete_users(deps, ids).await).into(),
        Command::SyncPermissions { groups } => sync_permissions(deps, groups).await?.into(),
        Command::WipeData { options } => wipe_data(deps, options).await?.into(),
        Command::Fiqa { picture, level } => judge_photo(deps, &picture, level).await?.into(),
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
    let language = deps.head.language;
    let mut result = DeleteUsersResult::default();
    for outcome in deps.registry.send_until_answered(|| DeletePeople { ids: ids.clone() }).await {
        match outcome.result {
            Ok(()) => result.success_users.push(DeletedUser {
                userid: outcome.id,
                message: StatusCode::Success.text(language).to_owned(),
                code: StatusCode::Success.code(),
            }),
            Err(refusal) => result.failed_users.push(DeletedUser {
                userid: outcome.id,
                message: refusal.message(language),
                code: refusal.code.code(),
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
        })
        .collect();
    deps.registry.send_until_answered(|| SyncPermissions { groups: known.clone() }).await?;
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

async fn deliver_reply(
    deps: &LinkDeps,
    connection: &Arc<dyn BrokerConnection>,
    pair: QueuePair,
    command: &CommandReply,
) -> Result<(), BrokerError> {
    if connection.takes_replies(pair) {
        return connection.reply(pair, command.reply.clone()).await;
    }
    if let Some(path) = command.notify_path.as_deref().filter(|path| !path.trim().is_empty()) {
        notify(deps, path, &command.reply).await;
    }
    Ok(())
}

/// Posts a reply until it is taken or can never be. The lane waits meanwhile: a command that went back to the queue
/// would be processed again behind the ones that followed it.
async fn notify(deps: &LinkDeps, path: &str, reply: &Bytes) {
    let (first_ms, cap_ms) = limits::REPORT_BACKOFF_MS;
    let mut backoff = Backoff::new(first_ms, cap_ms);
    let lost = |reason: &dyn std::fmt::Display| {
        metrics::counter!("menshen_replies_undeliverable_total").increment(1);
        tracing::error!(%reason, "REPLY LOST: notify_path can never take it");
    };
    let Some(session) = deps.sessions.current() else { return lost(&"not logged in") };
    let url = match session.platform_url(path) {
        Ok(url) => url,
        Err(reason) => return lost(&reason),
    };
    loop {
        let post = |session: Arc<Session>| {
            let url = &url;
            async move {
                let body = reply.to_vec();
                deps.platform.post(Some(&session), url, body, PostPurpose::Report).await
            }
        };
        match deps.sessions.call(post).await {
            Ok(()) => return,
            Err(error) if error.is_permanent() => return lost(&error),
            Err(error) => {
                let delay_ms = backoff.next_ms(rand::random());
                tracing::warn!(%error, delay_ms, "posting a reply failed, it will be tried again");
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            }
        }
    }
}
