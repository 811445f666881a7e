//! The reporter actor: keeps events, and keeps one task per way of telling them.

use std::collections::HashMap;

use actix::prelude::{Actor, AsyncContext as _, Context, Handler, ResponseFuture};
use tokio::sync::watch;
use url::Url;

use super::message::{DevicesChanged, Drain, RecordPassage, SessionChanged, WipeEvents};
use super::realtime::{RealTime, push_body};
use super::record::store_blocking;
use super::{ReporterParts, devices, history, status};
use crate::actors::blocking::on_thread;
use crate::actors::task::Task;
use crate::core::device::DeviceStatus;
use crate::core::limits;
use crate::core::status::{Refusal, StatusCode};
use crate::ports::store::Shelf;

pub struct ReporterActor {
    parts: ReporterParts,
    real_time: RealTime,
    devices: watch::Sender<Vec<DeviceStatus>>,
    tasks: Vec<Task>,
    /// One task a history receiver, with its stop switch.
    history: HashMap<Url, (Task, watch::Sender<bool>)>,
    draining: bool,
}

impl ReporterActor {
    /// `devices` outlives an incarnation, so that a restarted reporter still knows the list.
    pub fn new(parts: ReporterParts, devices: watch::Sender<Vec<DeviceStatus>>) -> Self {
        Self {
            parts,
            real_time: RealTime::default(),
            devices,
            tasks: Vec::new(),
            history: HashMap::new(),
            draining: false,
        }
    }

    /// Starts tasks for receivers that are new and stops those that are gone.
    fn follow_session(&mut self) {
        let Some(session) = self.parts.session.load_full() else { return };
        if self.draining {
            return;
        }
        self.history.retain(|url, (_, stop)| {
            let kept = session.record_urls.contains(url);
            if !kept {
                tracing::info!(receiver = %url, "history receiver is no longer named by the platform");
                stop.send_replace(true);
            }
            kept
        });
        for url in &session.record_urls {
            self.history.entry(url.clone()).or_insert_with(|| {
                let (stop, stopped) = watch::channel(false);
                let (parts, url) = (self.parts.clone(), url.clone());
                let task =
                    Task::spawn("history", move || history::run(parts.clone(), url.clone(), stopped.clone()));
                (task, stop)
            });
        }
    }
}

impl Actor for ReporterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REPORTER_MAILBOX);
        let (parts, list) = (self.parts.clone(), self.devices.subscribe());
        self.tasks.push(Task::spawn("device-list", move || devices::run(parts.clone(), list.clone())));
        let (parts, list) = (self.parts.clone(), self.devices.subscribe());
        self.tasks.push(Task::spawn("status", move || status::run(parts.clone(), list.clone())));
        ctx.notify(SessionChanged);
    }
}

impl Handler<RecordPassage> for ReporterActor {
    type Result = ResponseFuture<Result<(), Refusal>>;

    fn handle(&mut self, message: RecordPassage, _: &mut Self::Context) -> Self::Result {
        let (parts, real_time) = (self.parts.clone(), self.real_time.clone());
        Box::pin(async move {
            let to_push = {
                let parts = parts.clone();
                let work = move || {
                    store_blocking(&parts, &message)?;
                    Ok(push_body(&parts, &message))
                };
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|error| Refusal::new(StatusCode::ServerProcessFailed, error.to_string()))?
            };
            if let Some(body) = to_push? {
                real_time.push(&parts, body);
            }
            Ok(())
        })
    }
}

impl Handler<SessionChanged> for ReporterActor {
    type Result = ();

    fn handle(&mut self, _: SessionChanged, _: &mut Self::Context) {
        self.follow_session();
        // After a login the platform wants the full list again.
        self.devices.send_modify(|_| {});
    }
}

impl Handler<DevicesChanged> for ReporterActor {
    type Result = ();

    fn handle(&mut self, DevicesChanged(list): DevicesChanged, _: &mut Self::Context) {
        self.devices.send_replace(list);
    }
}

impl Handler<WipeEvents> for ReporterActor {
    type Result = ResponseFuture<Result<(), Refusal>>;

    fn handle(&mut self, _: WipeEvents, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        Box::pin(on_thread(move || {
            for name in parts.store.wipe()? {
                parts.pictures.remove(Shelf::Events, &name)?;
            }
            Ok(())
        }))
    }
}

impl Handler<Drain> for ReporterActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        self.tasks.clear();
        let history: Vec<_> = self.history.drain().map(|(_, task)| task).collect();
        Box::pin(async move {
            for (_, stop) in &history {
                stop.send_replace(true);
            }
            for (task, _) in history {
                task.finished().await;
            }
        })
    }
}
