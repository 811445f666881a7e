//! Carrying one command out: parse, do, answer, and only then let go of the delivery.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::parts::{Interrupted, LinkParts};
use super::users::{add_users, add_users_by_id};
use crate::actors::registry::message::{DeletePeople, SyncPermissions, WipePeople};
use crate::actors::reporter::message::WipeEvents;
use crate::core::limits;
use crate::core::person::PermissionGroup;
use crate::core::status::{Refusal, StatusCode};
use crate::ports::broker::{BrokerConnection, Delivery};
use crate::ports::platform::PostPurpose;
use crate::wire::command::{Command, Envelope, WipeOptions, WirePermission};
use crate::wire::login::Session;
use crate::wire::reply::{DeleteUsersResult, DeletedUser, Reply, SyncPermissionsResult, SyncedPermission};

/// Carries a delivery out and acknowledges it. `Err` says what made it go back.
pub async fn carry_out(
    parts: &LinkParts,
    session: &Session,
    connection: &Arc<dyn BrokerConnection>,
    delivery: Delivery,
) -> Result<(), Interrupted> {
    let outcome = answer(parts, session, connection, &delivery).await;
    let handed = if let Ok(()) = outcome {
        connection.ack(delivery.tag).await
    } else {
        tokio::time::sleep(Duration::from_millis(limits::REQUEUE_DELAY_MS)).await;
        connection.requeue(delivery.tag).await
    };
    if let Err(error) = handed {
        // The broker delivers it again on the next connection; commands are idempotent.
        tracing::info!(%error, "a command will be delivered again");
    }
    outcome
}

async fn answer(
    parts: &LinkParts,
    session: &Session,
    connection: &Arc<dyn BrokerConnection>,
    delivery: &Delivery,
) -> Result<(), Interrupted> {
    let (reply, notify_path) = match Envelope::parse(&delivery.body) {
        Err(unreadable) => {
            keep_dead_letter(parts, &unreadable.refusal, delivery);
            (parts.head.refused("", None, &unreadable.refusal), None)
        }
        Ok(envelope) => {
            let (method, id) = (envelope.method, envelope.message_id);
            tracing::info!(
                method,
                redelivered = delivery.redelivered,
                bytes = delivery.body.len(),
                "command"
            );
            let result = match envelope.command {
                Ok(command) => execute(parts, session, command).await?,
                Err(refusal) => {
                    keep_dead_letter(parts, &refusal, delivery);
                    Err(refusal)
                }
            };
            let reply = match result {
                Ok(result) => parts.head.success(&method, id, result),
                Err(refusal) => parts.head.refused(&method, id, &refusal),
            };
            (reply, envelope.extend_params.notify_path)
        }
    };
    metrics::counter!("menshen_commands_total", "method" => known_method(&reply.message_key), "code" => reply.code.to_string())
        .increment(1);
    hand_over(parts, session, connection, &reply, notify_path.as_deref()).await
}

/// Foreign method names must not make metric labels without end.
fn known_method(method: &str) -> &'static str {
    ["add_users_plus", "delete_users", "sync_permissions", "wipe_data", "fiqa", "control_config"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

fn keep_dead_letter(parts: &LinkParts, refusal: &Refusal, delivery: &Delivery) {
    metrics::counter!("menshen_dead_letters_total").increment(1);
    tracing::warn!(code = refusal.code.code(), reason = %refusal.detail, "a command that can never succeed was set aside");
    parts.dead_letters.keep(parts.clock.wall_ms(), refusal.code.code(), &refusal.detail, &delivery.body);
}

async fn execute(
    parts: &LinkParts,
    session: &Session,
    command: Command,
) -> Result<Result<Value, Refusal>, Interrupted> {
    Ok(match command {
        Command::AddUsers { users } => Ok(to_value(&add_users(parts, session, users).await)),
        Command::AddUsersById { ids, path } => match session.platform_url(&path) {
            Ok(url) => Ok(to_value(&add_users_by_id(parts, session, ids, &url).await?)),
            Err(reason) => Err(Refusal::new(StatusCode::ParamError, format!("extend_params.path: {reason}"))),
        },
        Command::DeleteUsers { ids } => Ok(to_value(&delete_users(parts, ids).await)),
        Command::SyncPermissions { groups } => sync_permissions(parts, groups).await,
        Command::WipeData { options } => wipe_data(parts, options).await,
    })
}

fn to_value(result: &impl Serialize) -> Value {
    serde_json::to_value(result).unwrap_or_default()
}

async fn delete_users(parts: &LinkParts, ids: Vec<String>) -> DeleteUsersResult {
    let language = parts.head.language;
    let mut result = DeleteUsersResult::default();
    for outcome in parts.registry.send_until_answered(|| DeletePeople { ids: ids.clone() }).await {
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

async fn sync_permissions(parts: &LinkParts, groups: Vec<WirePermission>) -> Result<Value, Refusal> {
    let known: Vec<_> = groups
        .into_iter()
        .map(|group| PermissionGroup {
            id: group.id,
            name: group.info.name,
            description: group.info.description,
        })
        .collect();
    parts.registry.send_until_answered(|| SyncPermissions { groups: known.clone() }).await?;
    let success_permission = known
        .into_iter()
        .map(|group| SyncedPermission {
            permission_id: group.id,
            permission_name: group.name,
            permission_description: group.description,
            message: StatusCode::Success.text(parts.head.language).to_owned(),
            code: StatusCode::Success.code(),
        })
        .collect();
    Ok(to_value(&SyncPermissionsResult { success_permission, failed_permission: Vec::new() }))
}

async fn wipe_data(parts: &LinkParts, options: WipeOptions) -> Result<Value, Refusal> {
    if options.users {
        let count = parts.registry.send_until_answered(|| WipePeople).await?;
        tracing::warn!(count, "everyone was deleted, as the platform asked");
    }
    if options.events {
        parts.reporter.send_until_answered(|| WipeEvents).await?;
        tracing::warn!("all events were deleted, as the platform asked");
    }
    Ok(json!({ "wipe_options": options }))
}

async fn hand_over(
    parts: &LinkParts,
    session: &Session,
    connection: &Arc<dyn BrokerConnection>,
    reply: &Reply,
    notify_path: Option<&str>,
) -> Result<(), Interrupted> {
    let body = serde_json::to_vec(reply).unwrap_or_default();
    if session.rabbitmq.upload_queue().is_some() {
        return connection.reply(body).await.map_err(|error| {
            tracing::warn!(%error, "a reply could not be handed over, the command is carried out again");
            Interrupted::ReplyNotDelivered
        });
    }
    let Some(path) = notify_path.filter(|path| !path.trim().is_empty()) else { return Ok(()) };
    let lost = |reason: String| {
        metrics::counter!("menshen_replies_undeliverable_total").increment(1);
        tracing::error!(reason, "REPLY LOST: notify_path can never take it");
    };
    let url = match session.platform_url(path) {
        Ok(url) => url,
        Err(reason) => {
            lost(reason);
            return Ok(());
        }
    };
    match parts.platform.post(Some(session), &url, body, PostPurpose::Report).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_session_rejected() => Err(Interrupted::SessionRejected),
        Err(error) if error.is_permanent() => {
            lost(error.to_string());
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, "a reply could not be handed over, the command is carried out again");
            Err(Interrupted::ReplyNotDelivered)
        }
    }
}
