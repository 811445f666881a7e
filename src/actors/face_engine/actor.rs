//! The actor in front of the vision workers.

use actix::prelude::{Actor, Context, Handler, ResponseFuture};
use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use super::error::EngineError;
use super::message::{AnalysePhoto, Drain, FindFaces, JudgePhoto, PhotoFace};
use super::report::PassageReport;
use super::request_queue::{PhotoRequest, Question, RequestQueue, WorkersGone};
use super::workers::{WorkerDeps, WorkerPool, lock};
use menshen_domain::event::ShotQuality;
use menshen_domain::limits;
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::SeenFace;

pub struct FaceEngineActor {
    deps: WorkerDeps,
    running: Option<Running>,
}

struct Running {
    pool: WorkerPool,
    passages: Sender<PassageReport>,
}

impl FaceEngineActor {
    /// Loads the models and starts the workers; what becomes certain is sent to `passages`.
    ///
    /// # Errors
    /// A model cannot be loaded, or a thread cannot be started.
    pub fn start_workers(deps: WorkerDeps, passages: Sender<PassageReport>) -> Result<Self, EngineError> {
        let pool = WorkerPool::start(&deps, &passages)?;
        Ok(Self { deps, running: Some(Running { pool, passages }) })
    }
}

impl Actor for FaceEngineActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::FACE_ENGINE_MAILBOX);
    }
}

fn shutting_down(gone: WorkersGone) -> ProtocolError {
    ProtocolError::new(StatusCode::ServerProcessFailed, gone.to_string())
}

/// Hands a photo to the workers as soon as there is a place, and waits for the answer.
async fn ask<T>(
    queue: Option<RequestQueue<PhotoRequest>>,
    make: impl FnOnce(oneshot::Sender<Result<T, ProtocolError>>) -> PhotoRequest,
) -> Result<T, ProtocolError> {
    let queue = queue.ok_or_else(|| shutting_down(WorkersGone))?;
    let (answer, answered) = oneshot::channel();
    queue.put(make(answer)).await.map_err(shutting_down)?;
    answered.await.map_err(|_| shutting_down(WorkersGone))?
}

impl Handler<AnalysePhoto> for FaceEngineActor {
    type Result = ResponseFuture<Result<PhotoFace, ProtocolError>>;

    fn handle(&mut self, AnalysePhoto { photo, level }: AnalysePhoto, _: &mut Self::Context) -> Self::Result {
        let queue = self.running.as_ref().map(|running| running.pool.photos.clone());
        let request = |answer| PhotoRequest { photo, level, question: Question::Enrol(answer) };
        Box::pin(ask(queue, request))
    }
}

impl Handler<JudgePhoto> for FaceEngineActor {
    type Result = ResponseFuture<Result<ShotQuality, ProtocolError>>;

    fn handle(&mut self, JudgePhoto { photo, level }: JudgePhoto, _: &mut Self::Context) -> Self::Result {
        let queue = self.running.as_ref().map(|running| running.pool.judged_first.clone());
        let request = |answer| PhotoRequest { photo, level, question: Question::Judge(answer) };
        Box::pin(ask(queue, request))
    }
}

impl Handler<FindFaces> for FaceEngineActor {
    type Result = ResponseFuture<Result<Vec<SeenFace>, ProtocolError>>;

    fn handle(&mut self, message: FindFaces, _: &mut Self::Context) -> Self::Result {
        let FindFaces { photo, most, with_attributes } = message;
        let queue = self.running.as_ref().map(|running| running.pool.judged_first.clone());
        let request = move |to| PhotoRequest {
            photo,
            level: QualityLevel::No,
            question: Question::Find { most, with_attributes, to },
        };
        Box::pin(ask(queue, request))
    }
}

impl Handler<Drain> for FaceEngineActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let Some(running) = self.running.take() else { return Box::pin(async {}) };
        let intake = self.deps.intake.clone();
        self.deps.photos.close();
        let stop = move || {
            let Running { pool, passages } = running;
            pool.stop();
            for camera in intake.cameras() {
                for report in lock(&camera).finish() {
                    report.send(&passages);
                }
            }
        };
        Box::pin(async move {
            if let Err(panic) = tokio::task::spawn_blocking(stop).await {
                tracing::error!(%panic, "stopping the vision workers panicked");
            }
        })
    }
}
