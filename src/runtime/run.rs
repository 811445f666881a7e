//! Running a box: start, watch, and shut down within a deadline.

use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;

use super::app::{App, Handles};
use super::devices::Reread;
use super::supervise::{Part, watch};
use crate::actors::passages::PassageForwarder;
use crate::actors::{devices, face_engine, mq_link, registry, reporter};
use crate::adapters::ftp::FtpServer;
use crate::config::Settings;
use crate::telemetry::{self, Exporter};
use crate::web;

/// Recorded histogram samples are folded into buckets this often.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How a run ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked for it.
    Stopped,
    /// A change asked for a fresh start: this box has a new name or a new platform.
    Restart,
}

/// Runs until a signal or a restart is asked for, or until a part cannot be kept alive (`Err`, with what to tell
/// the operator).
pub async fn run(settings: Settings, reread: Reread) -> Result<Ended, Vec<String>> {
    let metrics = telemetry::install().map_err(|error| vec![error.to_string()])?;
    let deadline = Duration::from_millis(settings.shutdown_deadline_ms);
    let listen = settings.web_listen;
    let house = tokio::task::spawn_blocking(move || App::build(settings, reread))
        .await
        .map_err(|panic| vec![panic.to_string()])??;
    let web = web::serve(listen, std::sync::Arc::clone(&house.health), metrics.clone()).map_err(|error| {
        vec![format!("cannot listen on web.listen {listen}: {error}; choose another address")]
    })?;
    let passages = house.start_passages()?;
    let parts = start(&house, &passages)?;
    let local_api = house.local_api().map(|(listen, parts)| {
        actix_rt::spawn(web::local::serve(listen, parts, std::sync::Arc::clone(&house.health)))
    });
    let ftp = house.ftp_server()?;
    tracing::info!(%listen, devices = house.device_count(), "menshen is running");
    let ended = tokio::select! {
        reason = watch(parts, &house.health, house.clock.as_ref()) => Err(vec![reason]),
        name = signal() => {
            tracing::info!(signal = name, "shutting down");
            Ok(Ended::Stopped)
        }
        () = house.restart.notified() => {
            tracing::info!("starting afresh, as a change asked for");
            Ok(Ended::Restart)
        }
        () = upkeep(metrics) => Ok(Ended::Stopped),
    };
    house.health.set_draining();
    stop_ftp(ftp).await;
    drain(&house.handles, passages, deadline).await;
    if let Some(local_api) = local_api {
        local_api.abort();
    }
    stop_web(web).await;
    if ended.is_ok() {
        tracing::info!("stopped in good order");
    }
    ended
}

/// Sinks first, sources last.
fn start(house: &App, passages: &PassageForwarder) -> Result<Vec<Box<dyn Part>>, Vec<String>> {
    let mut parts = vec![house.reporter_part(), house.engine_part(passages.sender()), house.registry_part()];
    parts.extend(house.link_part());
    parts.push(house.devices_part()?);
    for part in &mut parts {
        part.start().map_err(|error| vec![format!("{}: {error}", part.name())])?;
        house.health.set_part(part.name(), true);
    }
    Ok(parts)
}

/// Sources first, sinks last; the link before the engine, since the command it is at may need a photo judged.
async fn drain(handles: &Handles, passages: PassageForwarder, deadline: Duration) {
    let started = Instant::now();
    let left = || deadline.saturating_sub(started.elapsed());
    bounded("devices", left(), handles.devices.send(devices::message::Drain)).await;
    bounded("mq-link", left(), handles.link.send(mq_link::message::Drain)).await;
    bounded("face-engine", left(), handles.engine.send(face_engine::message::Drain)).await;
    bounded("passages", left(), passages.finish()).await;
    bounded("registry", left(), handles.registry.send(registry::message::Drain)).await;
    bounded("reporter", left(), handles.reporter.send(reporter::message::Drain)).await;
}

async fn bounded<E>(part: &'static str, limit: Duration, work: impl Future<Output = Result<(), E>>) {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(())) => tracing::debug!(part, "drained"),
        // Not running: there is nothing to drain.
        Ok(Err(_)) => {}
        Err(_) => {
            tracing::warn!(
                part,
                "did not finish within runtime.shutdown_deadline_s; what is on disk is safe"
            );
        }
    }
}

/// Its sessions end at once; photos that were taken are looked at all the same.
async fn stop_ftp(ftp: Option<FtpServer>) {
    if let Err(panic) = tokio::task::spawn_blocking(move || drop(ftp)).await {
        tracing::error!(%panic, "stopping the FTP server");
    }
}

async fn stop_web(web: ServerHandle) {
    // Health checks need no farewell.
    let _ = tokio::time::timeout(Duration::from_secs(1), web.stop(false)).await;
}

async fn upkeep(metrics: Exporter) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// The first signal that asks for the end.
async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be watched; end the process by force");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
