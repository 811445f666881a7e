//! The actor in front of the vision workers.

use std::time::Duration;

use actix::prelude::{Actor, Context, Handler, ResponseFuture};
use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::oneshot;

use super::message::{AnalysePhoto, Drain, JudgePhoto, PhotoFace};
use super::report::PassageReport;
use super::workers::{PhotoJob, Question, WorkerDeps, WorkerPool, lock};
use menshen_domain::event::ShotQuality;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::VisionError;

/// Wait between tries to hand a photo to busy workers; a photo takes 20–50 ms.
const PHOTO_RETRY: Duration = Duration::from_millis(10);

pub struct FaceEngineActor {
    parts: WorkerDeps,
    running: Option<Running>,
}

struct Running {
    pool: WorkerPool,
    passages: Sender<PassageReport>,
}

impl FaceEngineActor {
    /// Loads the models and starts the threads.
    pub fn start_workers(parts: WorkerDeps, passages: Sender<PassageReport>) -> Result<Self, VisionError> {
        let pool = WorkerPool::start(&parts, &passages)?;
        Ok(Self { parts, running: Some(Running { pool, passages }) })
    }
}

impl Actor for FaceEngineActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::FACE_ENGINE_MAILBOX);
    }
}

/// Hands a photo to the workers as soon as there is a place, and waits for the answer.
async fn ask<T>(
    photos: Option<Sender<PhotoJob>>,
    make: impl FnOnce(oneshot::Sender<Result<T, ProtocolError>>) -> PhotoJob,
) -> Result<T, ProtocolError> {
    let gone = || ProtocolError::new(StatusCode::ServerProcessFailed, "the face engine is shutting down");
    let photos = photos.ok_or_else(gone)?;
    let (answer, answered) = oneshot::channel();
    let mut job = make(answer);
    loop {
        match photos.try_send(job) {
            Ok(()) => break,
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
            Err(TrySendError::Full(back)) => {
                job = back;
                tokio::time::sleep(PHOTO_RETRY).await;
            }
        }
    }
    // The senders of this future keep the channel open; they must go before the answer is waited for.
    drop(photos);
    answered.await.map_err(|_| gone())?
}

impl Handler<AnalysePhoto> for FaceEngineActor {
    type Result = ResponseFuture<Result<PhotoFace, ProtocolError>>;

    fn handle(&mut self, AnalysePhoto { photo, level }: AnalysePhoto, _: &mut Self::Context) -> Self::Result {
        let photos = self.running.as_ref().map(|running| running.pool.photos.clone());
        let job = |answer| PhotoJob { photo, level, question: Question::Enrol(answer) };
        Box::pin(ask(photos, job))
    }
}

impl Handler<JudgePhoto> for FaceEngineActor {
    type Result = ResponseFuture<Result<ShotQuality, ProtocolError>>;

    fn handle(&mut self, JudgePhoto { photo, level }: JudgePhoto, _: &mut Self::Context) -> Self::Result {
        let photos = self.running.as_ref().map(|running| running.pool.judged_first.clone());
        let job = |answer| PhotoJob { photo, level, question: Question::Judge(answer) };
        Box::pin(ask(photos, job))
    }
}

impl Handler<Drain> for FaceEngineActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let Some(running) = self.running.take() else { return Box::pin(async {}) };
        let intake = self.parts.intake.clone();
        self.parts.photos.close();
        let stop = move || {
            let Running { pool, passages } = running;
            drop((pool.stop, pool.photos, pool.judged_first));
            for thread in pool.threads {
                // A worker's own panics are caught; if one got through, the others still end in good order.
                let _ = thread.join();
            }
            for lane in intake.lanes() {
                for report in lock(&lane).finish() {
                    let _ = passages.send(report);
                }
            }
        };
        Box::pin(async move {
            if let Err(panic) = tokio::task::spawn_blocking(stop).await {
                tracing::error!(%panic, "stopping the vision workers");
            }
        })
    }
}
