//! The vision workers: plain threads, each with its own models, that take live frames first, photos of devices next, and
//! photos of the registry last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, tick};
use tokio::sync::oneshot;

use super::camera::CameraSession;
use super::error::EngineError;
use super::intake::{CameraSlot, FrameIntake};
use super::message::{PhotoAnswer, PhotoFace};
use super::photo_form::process_pictures;
use super::photo_pipeline::{FaceAtDoor, ProcessedPhoto, model_failure};
use super::photos::{DevicePhotoJob, PhotoIntake};
use super::report::PassageReport;
use super::request_queue::{PhotoRequest, Question, Queued, RequestQueue};
use super::stage_timer::StageTimer;
use crate::actors::recogniser::{ActiveRecogniser, Recogniser};
use crate::ports::clock::Clock;
use menshen_domain::event::PassageStage;
use menshen_domain::face::Detection;
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_domain::photo::PhotoResult;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_models::ModelError;
use menshen_vision::FaceAnalyzer;
use menshen_vision::inference::InferenceLoader;

/// Called with a face at a device before its event is stored; must not wait. The device's `ip`, and what kind of person,
/// `None` for an unknown one on a photo.
pub type OnFace = Arc<dyn Fn(&str, Option<PersonKind>) + Send + Sync>;

/// What the workers are built from. Cloning shares everything.
#[derive(Clone)]
pub struct WorkerDeps {
    pub recogniser: ActiveRecogniser,
    pub loader: Arc<dyn InferenceLoader>,
    pub intake: Arc<FrameIntake>,
    pub photos: Arc<PhotoIntake>,
    pub clock: Arc<dyn Clock>,
    pub workers: usize,
    /// Called for everyone who is present, the moment their identity is certain.
    pub on_face: OnFace,
}

/// Running workers. Dropping the pool ends them.
pub struct WorkerPool {
    pub photos: RequestQueue<PhotoRequest>,
    /// As `photos`, but taken first: a person at a screen waits for the answer.
    pub judged_first: RequestQueue<PhotoRequest>,
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Live frames come first, but a photo waits for at most this many of them.
const FRAMES_PER_PHOTO: u32 = 4;
/// Photos of devices come before those of the registry, but these wait for at most this many of them.
const PASSAGES_PER_PHOTO: u32 = 4;
/// Photos to be judged come before those to be enrolled, but these wait for at most this many of them.
const JUDGED_PER_ENROLLED: u32 = 4;

impl WorkerPool {
    /// Loads the models once per worker and starts the threads.
    ///
    /// # Errors
    /// A model cannot be loaded, or a thread cannot be started.
    pub fn start(deps: &WorkerDeps, passages: &Sender<PassageReport>) -> Result<Self, EngineError> {
        let (photos, photo_requests) = RequestQueue::new(limits::PHOTO_JOBS_WAITING);
        let (judged_first, judge_requests) = RequestQueue::new(limits::PHOTO_JOBS_WAITING);
        let (stop, stopped) = bounded(0);
        let mut threads = Vec::new();
        for index in 0..deps.workers {
            let recogniser = deps.recogniser.get();
            let worker = Worker {
                analyzer: recogniser.analyzer(deps.loader.as_ref())?,
                recogniser,
                deps: deps.clone(),
                passages: passages.clone(),
                frames_in_a_row: 0,
                passages_in_a_row: 0,
                judged_in_a_row: 0,
            };
            let queues = Queues {
                photos: photo_requests.clone(),
                judged_first: judge_requests.clone(),
                stopped: stopped.clone(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("vision-{index}"))
                .spawn(move || worker.run(&queues))
                .map_err(EngineError::Thread)?;
            threads.push(thread);
        }
        Ok(Self { photos, judged_first, stop, threads })
    }

    /// Stops the workers and waits for them; blocks. Device photos that were taken are processed first.
    pub fn stop(self) {
        let Self { photos, judged_first, stop, threads } = self;
        drop(stop);
        for thread in threads {
            // A worker's own panics are caught; if one got through, the others still end in good order.
            let _ = thread.join();
        }
        photos.close();
        judged_first.close();
    }
}

/// What a worker takes requests from, and the channel whose end stops it.
struct Queues {
    photos: Receiver<Queued<PhotoRequest>>,
    judged_first: Receiver<Queued<PhotoRequest>>,
    stopped: Receiver<()>,
}

struct Worker {
    analyzer: FaceAnalyzer,
    /// What the analyzer belongs to.
    recogniser: Arc<Recogniser>,
    deps: WorkerDeps,
    passages: Sender<PassageReport>,
    frames_in_a_row: u32,
    passages_in_a_row: u32,
    judged_in_a_row: u32,
}

impl Worker {
    fn run(mut self, queues: &Queues) {
        let Queues { photos, judged_first, stopped } = queues;
        let intake = Arc::clone(&self.deps.intake);
        let frames = intake.woken();
        let devices = Arc::clone(&self.deps.photos);
        let passages = devices.woken();
        let ticks = tick(Duration::from_millis(limits::PASSAGE_TICK_MS));
        loop {
            // Live first: `select!` alone would choose by chance.
            if self.frames_in_a_row < FRAMES_PER_PHOTO
                && let Ok(camera) = frames.try_recv()
            {
                self.process_frame(&camera);
            } else if self.passages_in_a_row < PASSAGES_PER_PHOTO && passages.try_recv().is_ok() {
                self.process_next_photo();
            } else if let Some(request) = self.next_request(queues) {
                self.answer(request.take());
            } else {
                (self.frames_in_a_row, self.passages_in_a_row) = (0, 0);
                select! {
                    recv(frames) -> camera => if let Ok(camera) = camera { self.process_frame(&camera) },
                    recv(passages) -> word => if word.is_ok() { self.process_next_photo() },
                    recv(photos) -> request => match request {
                        Ok(request) => self.answer(request.take()),
                        Err(_) => return self.finish_passages(),
                    },
                    recv(judged_first) -> request => match request {
                        Ok(request) => self.answer(request.take()),
                        Err(_) => return self.finish_passages(),
                    },
                    recv(ticks) -> _ => {}
                    recv(stopped) -> _ => return self.finish_passages(),
                }
            }
            self.tend_quiet_cameras();
            if matches!(stopped.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected)) {
                return self.finish_passages();
            }
        }
    }

    /// Photos that were taken are processed before the end.
    fn finish_passages(&mut self) {
        let photos = Arc::clone(&self.deps.photos);
        while let Some(job) = photos.next_job() {
            self.process_photo(job);
        }
    }

    /// Changes over to the active embedder, if it was swapped.
    fn follow_swap(&mut self) {
        let active = self.deps.recogniser.get();
        if Arc::ptr_eq(&active, &self.recogniser) {
            return;
        }
        match active.analyzer(self.deps.loader.as_ref()) {
            Ok(analyzer) => {
                self.analyzer = analyzer;
                self.recogniser = active;
            }
            // The swap loaded and tried them a moment ago; tried again with the next frame.
            Err(error) => {
                metrics::counter!("menshen_vision_errors_total", "kind" => "swap").increment(1);
                tracing::error!(%error, "loading the new models failed; this worker keeps the old ones");
            }
        }
    }

    fn process_frame(&mut self, camera: &Arc<CameraSlot>) {
        self.frames_in_a_row += 1;
        self.follow_swap();
        if let Some(frame) = camera.latest.take() {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let mut session = lock(camera);
                if session.asks_for_liveness() {
                    self.recogniser.models().ready_liveness(&mut self.analyzer, self.deps.loader.as_ref())?;
                }
                let reports = StageTimer::without_device()
                    .run("frame", || session.process_frame(&mut self.analyzer, &self.recogniser, &frame))?;
                let unnamed = session.take_unnamed_passing();
                Ok::<_, ModelError>((reports, unnamed))
            }));
            match outcome {
                Ok(Ok((reports, unnamed))) => {
                    for _ in 0..unnamed {
                        (self.deps.on_face)(&camera.device_id, None);
                    }
                    self.forward(reports);
                }
                Ok(Err(error)) => {
                    metrics::counter!("menshen_vision_errors_total", "kind" => "frame").increment(1);
                    tracing::warn!(device = %camera.device_id, %error, "a frame could not be processed");
                }
                Err(_) => self.recover("frame"),
            }
        }
        if camera.take_detached() {
            let reports = lock(camera).finish();
            self.forward(reports);
        }
        self.deps.intake.release(camera);
    }

    fn next_request(&mut self, queues: &Queues) -> Option<Queued<PhotoRequest>> {
        if self.judged_in_a_row < JUDGED_PER_ENROLLED
            && let Ok(request) = queues.judged_first.try_recv()
        {
            self.judged_in_a_row += 1;
            return Some(request);
        }
        self.judged_in_a_row = 0;
        queues.photos.try_recv().or_else(|_| queues.judged_first.try_recv()).ok()
    }

    fn process_next_photo(&mut self) {
        if let Some(job) = self.deps.photos.next_job() {
            self.process_photo(job);
        }
    }

    /// A photo of a device: the door first, then the answer, then pictures and the disk.
    fn process_photo(&mut self, job: DevicePhotoJob) {
        self.frames_in_a_row = 0;
        self.passages_in_a_row += 1;
        self.follow_swap();
        let processed = self.guarded(|own| {
            if job.device.config.liveness {
                let models = own.recogniser.models();
                let ready = models.ready_liveness(&mut own.analyzer, own.deps.loader.as_ref());
                ready.map_err(|error| model_failure(&error))?;
            }
            StageTimer::without_device().run("photo_passage", || {
                process_pictures(&own.deps.photos, &mut own.analyzer, &own.recogniser, &job)
            })
        });
        let ProcessedPhoto { mut drafts, mut answer, face } = match processed {
            Ok(processed) => processed.in_time(&job, self.deps.clock.monotonic_ms()),
            Err(refusal) => {
                let result = PhotoResult::of_code(refusal.code);
                return job.answer.give(PhotoAnswer::without(result, refusal.detail));
            }
        };
        if let Some(FaceAtDoor { kind }) = face {
            (self.deps.on_face)(&job.device.config.ip, kind);
        }
        for draft in &mut drafts {
            let (stored, is_stored) = oneshot::channel();
            draft.report.stored = Some(stored);
            answer.stored.push(is_stored);
        }
        job.answer.give(answer);
        let rules = &self.deps.photos.rules;
        self.forward(drafts.into_iter().map(|draft| draft.complete(&job.device.config, rules)).collect());
    }

    fn answer(&mut self, PhotoRequest { photo, level, question }: PhotoRequest) {
        (self.frames_in_a_row, self.passages_in_a_row) = (0, 0);
        self.follow_swap();
        let timer = StageTimer::without_device();
        // The asker may have gone; the answer then has no use.
        match question {
            Question::Enrol(answer) => {
                let face = self.guarded(|own| {
                    let face = timer.run("photo", || own.analyzer.analyze_photo(&photo, &level))?;
                    Ok(PhotoFace {
                        embedding: face.embedding,
                        quality: face.judgement.score,
                        face_size_px: face.measurements.face_size_px,
                    })
                });
                let _ = answer.send(face);
            }
            Question::Judge(answer) => {
                let quality = self.guarded(|own| {
                    let attributes = &own.deps.photos.rules.attributes;
                    let estimate = |frame: &Frame, face: &Detection| attributes.of_photo(frame, face);
                    Ok(timer.run("fiqa", || own.analyzer.judge_photo_and(&photo, &level, estimate))?)
                });
                let _ = answer.send(quality);
            }
            Question::Find { most, with_attributes, to } => {
                let faces = self.guarded(|own| {
                    let attributes = &own.deps.photos.rules.attributes;
                    let estimate = |frame: &Frame, face: &Detection| {
                        with_attributes.then(|| attributes.of_face(frame, face)).flatten()
                    };
                    Ok(timer.run("find", || own.analyzer.faces_of_photo(&photo, most, estimate))?)
                });
                let _ = to.send(faces);
            }
        }
    }

    /// A photo that makes the models panic is refused.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<T, ProtocolError> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            self.recover("photo");
            Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the photo upset the face engine"))
        })
    }

    /// After a panic the models may be in any state, so new ones are loaded.
    fn recover(&mut self, kind: &'static str) {
        metrics::counter!("menshen_vision_errors_total", "kind" => kind).increment(1);
        tracing::error!(kind, "a vision worker panicked; its models are loaded again");
        match self.recogniser.models().load(self.deps.loader.as_ref()) {
            Ok(analyzer) => self.analyzer = analyzer,
            Err(error) => {
                tracing::error!(%error, "loading the models again failed; the worker keeps the old ones");
            }
        }
    }

    /// Passages of cameras that send nothing end too.
    fn tend_quiet_cameras(&mut self) {
        let now_ms = self.deps.clock.monotonic_ms();
        let Some(cameras) = self.deps.intake.due_for_tick(now_ms) else { return };
        self.deps.photos.publish_heartbeats(now_ms);
        for camera in cameras {
            // A locked session is processing a frame and needs no tending.
            let reports = camera.session.try_lock().map(|mut session| session.collect()).unwrap_or_default();
            self.forward(reports);
        }
    }

    fn forward(&self, reports: Vec<PassageReport>) {
        for report in reports {
            // The door of a photo was asked to act when the photo was answered.
            if let (PassageStage::Open, true, Some(who)) =
                (report.stage, report.is_present, &report.event.identity)
            {
                (self.deps.on_face)(&report.event.device.ip, Some(who.kind));
            }
            report.send(&self.passages);
        }
    }
}

/// The session of a camera. One whose worker panicked continues with what it knows.
pub fn lock(camera: &CameraSlot) -> MutexGuard<'_, CameraSession> {
    camera.session.lock().unwrap_or_else(PoisonError::into_inner)
}
