//! Running a box: start, watch, and shut down within a deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::app::App;
use super::devices::Reread;
use super::handles::Handles;
use super::listeners::Listeners;
use super::problems::{Problem, Problems};
use super::signals::{Ended, Signals};
use super::supervise::{Part, watch};
use crate::actors::passages::PassageForwarder;
use crate::actors::{devices, face_engine, mq_link, registry, reporter};
use crate::adapters::ftp::FtpServer;
use crate::config::Settings;
use crate::telemetry::{self, Exporter};
use crate::web;
use crate::web::listener::Listener;
use menshen_domain::limits;
use menshen_domain::text::spoken;
use menshen_domain::tr;

/// Recorded histogram samples are folded into buckets this often.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// The web side has no address to listen on.
#[derive(Debug)]
struct ListenError {
    listen: SocketAddr,
    reason: std::io::Error,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { listen, reason } = self;
        f.write_str(&tr!(
            spoken(),
            "cannot listen on web.listen {listen}: {reason}; choose another address",
            "无法监听 web.listen {listen}：{reason}；请更换地址"
        ))
    }
}

impl std::error::Error for ListenError {}

/// A part does not start.
#[derive(Debug, thiserror::Error)]
#[error("{part}: {reason}")]
pub struct PartError {
    part: &'static str,
    reason: Problem,
}

impl PartError {
    pub fn new(part: &'static str, reason: Problem) -> Self {
        Self { part, reason }
    }
}

/// Builds the app off the actors' threads: it reads everything that is on disk.
///
/// # Errors
/// Everything that was found wrong.
pub async fn build(settings: Settings, reread: Reread) -> Result<App, Problems> {
    tokio::task::spawn_blocking(move || App::build(settings, reread)).await.map_err(Problems::one)?
}

/// Runs until a signal or a change asks for the end.
///
/// # Errors
/// Everything that keeps the box from starting, or the part that cannot be kept alive.
pub async fn run(settings: Settings, reread: Reread) -> Result<Ended, Problems> {
    let signals = Signals::new();
    let metrics = telemetry::install().map_err(Problems::one)?;
    let deadline = Duration::from_millis(settings.shutdown_deadline_ms);
    let listen = settings.web_listen;
    let app = build(settings, Arc::clone(&reread)).await?;
    let listeners = Listeners::new(app.settings()).map_err(Problems::one)?;
    let web = web::serve(listeners.web, Arc::clone(&app.health), metrics.clone())
        .map_err(|reason| Problems::one(ListenError { listen, reason }))?;
    let passages = app.start_passages().map_err(Problems::one)?;
    let parts = start(&app, &passages)?;
    let local_apis = serve_local_apis(&app, listeners.local_api, listeners.stream);
    let ftp = app.ftp_server(listeners.ftp_sessions, listeners.ftp_tls)?;
    tracing::info!(%listen, devices = app.device_count(), "menshen is running");
    let ended = tokio::select! {
        reason = watch(parts, &app.health, app.clock.as_ref()) => Err(Problems::one(reason)),
        ended = signals.end(&reread) => Ok(ended),
        () = app.restart.notified() => {
            tracing::info!("a change asked for a restart, shutting down");
            Ok(Ended::Restart)
        }
        () = upkeep(metrics) => Ok(Ended::Stopped),
        () = watch_clock(&app) => Ok(Ended::Stopped),
    };
    app.health.set_draining();
    stop_ftp(ftp).await;
    drain(&app.handles, passages, deadline).await;
    for local_api in local_apis {
        local_api.abort();
    }
    stop_web(web).await;
    if ended.is_ok() {
        tracing::info!("stopped in good order");
    }
    ended
}

/// The local API and its live stream, as far as they are on.
fn serve_local_apis(app: &App, local_api: Option<Listener>, stream: Option<Listener>) -> Vec<JoinHandle<()>> {
    if local_api.is_none() && stream.is_none() {
        return Vec::new();
    }
    let deps = app.local_api();
    let (health, of_stream) = (Arc::clone(&app.health), (Arc::clone(&deps), Arc::clone(&app.health)));
    let local_api = local_api.map(|listener| actix_rt::spawn(web::local::serve(listener, deps, health)));
    let stream =
        stream.map(|listener| actix_rt::spawn(web::local::serve_stream(listener, of_stream.0, of_stream.1)));
    local_api.into_iter().chain(stream).collect()
}

/// Sinks first, sources last.
fn start(app: &App, passages: &PassageForwarder) -> Result<Vec<Box<dyn Part>>, Problems> {
    let mut parts = vec![app.reporter_part(), app.engine_part(passages.sender()), app.registry_part()];
    parts.extend(app.link_part());
    parts.push(app.devices_part()?);
    for part in &mut parts {
        part.start().map_err(|reason| Problems::one(PartError::new(part.name(), reason)))?;
        app.health.set_part(part.name(), true);
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
        Ok(Ok(())) => tracing::debug!(part, "a part was drained"),
        // Not running: there is nothing to drain.
        Ok(Err(_)) => {}
        Err(_) => {
            tracing::warn!(
                part,
                "a part did not finish within runtime.shutdown_deadline_s; what is on disk is safe"
            );
        }
    }
}

/// Its sessions end at once; photos that were taken are analysed all the same.
async fn stop_ftp(ftp: Option<FtpServer>) {
    if let Err(panic) = tokio::task::spawn_blocking(move || drop(ftp)).await {
        tracing::error!(%panic, "the FTP server panicked while it was stopped");
    }
}

async fn stop_web(web: ServerHandle) {
    // Health checks need no farewell.
    let _ = tokio::time::timeout(Duration::from_secs(1), web.stop(false)).await;
}

async fn watch_clock(app: &App) {
    loop {
        tokio::time::sleep(Duration::from_millis(limits::CLOCK_WATCH_MS)).await;
        app.health.clock.watch(app.clock.wall_ms());
    }
}

async fn upkeep(metrics: Exporter) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        metrics.run_upkeep();
    }
}
