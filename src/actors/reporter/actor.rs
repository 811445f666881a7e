//! The reporter actor: stores events, and runs one task for each way of reporting them.

use std::collections::HashMap;

use actix::prelude::{Actor, AsyncContext as _, Context, Handler, ResponseFuture};
use tokio::sync::watch;
use url::Url;

use super::deps::ReporterDeps;
use super::live::Live;
use super::message::{
    ConfirmClock, DevicesChanged, Drain, ListQuarantined, ReceiversChanged, RecordPassage, ReportDevices,
    RetryQuarantined, SessionChanged, WipeEvents,
};
use super::realtime::RealTime;
use super::{devices, history, record, status};
use crate::actors::blocking::{run_blocking, spawn_blocking};
use crate::actors::task::Task;
use crate::actors::wipe;
use crate::ports::outbox::QuarantinedEvent;
use crate::ports::store::Namespace;
use menshen_domain::device::DeviceStatus;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::status::ProtocolError;

pub struct ReporterActor {
    deps: ReporterDeps,
    real_time: RealTime,
    live: Live,
    devices: watch::Sender<Vec<DeviceStatus>>,
    tasks: Vec<Task>,
    /// One task a history receiver, with its stop switch.
    history: HashMap<Url, (Task, watch::Sender<bool>)>,
    /// Counts logins and changes of receivers, for tasks that wait for another token or another period.
    logins: watch::Sender<u64>,
    draining: bool,
}

impl ReporterActor {
    /// `devices` outlives an incarnation, so that a restarted reporter still knows the list.
    pub fn new(deps: ReporterDeps, devices: watch::Sender<Vec<DeviceStatus>>) -> Self {
        Self {
            deps,
            real_time: RealTime::default(),
            live: Live::default(),
            devices,
            tasks: Vec::new(),
            history: HashMap::new(),
            logins: watch::channel(0).0,
            draining: false,
        }
    }

    pub(super) fn deps(&self) -> &ReporterDeps {
        &self.deps
    }

    /// Starts tasks for receivers that are new and stops those that are gone. A receiver that comes back
    /// continues where it was: its cursor stays in the store.
    fn follow_receivers(&mut self) {
        if self.draining {
            return;
        }
        let receivers = self.deps.receivers();
        self.history.retain(|url, (_, stop)| {
            let kept = receivers.contains(url);
            if !kept {
                tracing::info!(receiver = shown(url), "history receiver was removed");
                stop.send_replace(true);
            }
            kept
        });
        self.deps.delivery.receivers.retain(|key| receivers.iter().any(|url| url.as_str() == key));
        for url in receivers {
            let (deps, logins) = (&self.deps, &self.logins);
            self.history.entry(url.clone()).or_insert_with(|| {
                let (stop, stopped) = watch::channel(false);
                let (deps, logins) = (deps.clone(), logins.subscribe());
                let make = move || history::run(deps.clone(), url.clone(), stopped.clone(), logins.clone());
                (Task::spawn("history", make), stop)
            });
        }
    }
}

impl Actor for ReporterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REPORTER_MAILBOX);
        let (deps, list) = (self.deps.clone(), self.devices.subscribe());
        self.tasks.push(Task::spawn("device-list", move || devices::run(deps.clone(), list.clone())));
        let (deps, list) = (self.deps.clone(), self.devices.subscribe());
        let logins = self.logins.subscribe();
        self.tasks
            .push(Task::spawn("status", move || status::run(deps.clone(), list.clone(), logins.clone())));
        let deps = self.deps.clone();
        self.tasks.push(Task::spawn("waiting-events", move || record::retry(deps.clone())));
        let (deps, live) = (self.deps.clone(), self.live.clone());
        self.tasks.push(Task::spawn("live-stream", move || live.clone().run(deps.clone())));
        if let Some(keep_days) = self.deps.config.keep_days {
            let deps = self.deps.clone();
            self.tasks.push(Task::spawn("old-events", move || record::expire(deps.clone(), keep_days)));
        }
        ctx.notify(SessionChanged);
    }
}

impl Handler<RecordPassage> for ReporterActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, message: RecordPassage, _: &mut Self::Context) -> Self::Result {
        let (deps, real_time, live) = (self.deps.clone(), self.real_time.clone(), self.live.clone());
        Box::pin(async move {
            let message = {
                let deps = deps.clone();
                let work = move || {
                    record::keep_blocking(&deps, message.clone());
                    message
                };
                spawn_blocking(work).await?
            };
            live.offer(&deps, &message);
            real_time.push(&deps, message);
            Ok(())
        })
    }
}

impl Handler<SessionChanged> for ReporterActor {
    type Result = ();

    fn handle(&mut self, _: SessionChanged, _: &mut Self::Context) {
        self.logins.send_modify(|count| *count += 1);
        self.follow_receivers();
        // After a login the platform wants the full list again.
        self.devices.send_modify(|_| {});
    }
}

impl Handler<ReceiversChanged> for ReporterActor {
    type Result = ();

    fn handle(&mut self, _: ReceiversChanged, _: &mut Self::Context) {
        self.logins.send_modify(|count| *count += 1);
        self.follow_receivers();
    }
}

impl Handler<ReportDevices> for ReporterActor {
    type Result = ();

    fn handle(&mut self, _: ReportDevices, _: &mut Self::Context) {
        self.devices.send_modify(|_| {});
    }
}

impl Handler<ListQuarantined> for ReporterActor {
    type Result = ResponseFuture<Result<Vec<QuarantinedEvent>, ProtocolError>>;

    fn handle(
        &mut self,
        ListQuarantined { skip, limit }: ListQuarantined,
        _: &mut Self::Context,
    ) -> Self::Result {
        let outbox = self.deps.storage.outbox.clone();
        Box::pin(run_blocking(move || outbox.set_asides(skip, limit)))
    }
}

impl Handler<RetryQuarantined> for ReporterActor {
    type Result = ResponseFuture<Result<u64, ProtocolError>>;

    fn handle(&mut self, message: RetryQuarantined, _: &mut Self::Context) -> Self::Result {
        let outbox = self.deps.storage.outbox.clone();
        Box::pin(run_blocking(move || outbox.retry_set_aside(message.receiver.as_deref(), message.sequence)))
    }
}

impl Handler<ConfirmClock> for ReporterActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, _: ConfirmClock, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        Box::pin(run_blocking(move || {
            let now_ms = deps.clock.wall_ms();
            deps.storage.events.confirm_clock(now_ms)?;
            deps.clock_status.confirm(now_ms);
            deps.clock_status.watch(now_ms);
            Ok(())
        }))
    }
}

impl Handler<DevicesChanged> for ReporterActor {
    type Result = ();

    fn handle(&mut self, DevicesChanged(list): DevicesChanged, _: &mut Self::Context) {
        self.devices.send_replace(list);
    }
}

impl Handler<WipeEvents> for ReporterActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, _: WipeEvents, _: &mut Self::Context) -> Self::Result {
        let (deps, live) = (self.deps.clone(), self.live.clone());
        Box::pin(run_blocking(move || {
            deps.storage.keys.destroy(Namespace::Events)?;
            record::forget(&deps);
            live.forget();
            deps.live.forget();
            wipe::finish_events(&*deps.storage.keys, &*deps.storage.events, &*deps.storage.pictures).map(drop)
        }))
    }
}

impl Handler<Drain> for ReporterActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        self.tasks.clear();
        let history: Vec<_> = self.history.drain().map(|(_, task)| task).collect();
        let deps = self.deps.clone();
        Box::pin(async move {
            let kept = run_blocking(move || {
                record::keep_or_lose(&deps);
                Ok(())
            });
            if let Err(refusal) = kept.await {
                tracing::error!(%refusal, "storing waiting events failed");
            }
            for (_, stop) in &history {
                stop.send_replace(true);
            }
            for (task, _) in history {
                task.finished().await;
            }
        })
    }
}
