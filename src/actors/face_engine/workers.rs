//! The vision workers: plain threads, each with its own models, that take live frames first, photos of devices next, and
//! photos of the registry last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, select, tick};
use tokio::sync::oneshot;

use super::intake::{CameraSlot, FrameIntake};
use super::message::{PhotoAnswer, PhotoFace};
use super::photo_pipeline::{self, Looked};
use super::photos::{self, PhotoIntake};
use super::report::PassageReport;
use super::stage_timer::StageTimer;
use crate::actors::recogniser::{ActiveRecogniser, Recogniser};
use crate::ports::clock::Clock;
use menshen_domain::event::{PassageStage, ShotQuality};
use menshen_domain::face::Detection;
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_domain::photo::PhotoResult;
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::inference::InferenceLoader;
use menshen_vision::{FaceAnalyzer, VisionError};

/// One photo of the registry to look at.
pub struct PhotoJob {
    pub photo: Bytes,
    pub level: QualityLevel,
    pub question: Question,
}

/// What is asked of a photo, with the way back.
pub enum Question {
    /// Find, judge and embed.
    Enrol(oneshot::Sender<Result<PhotoFace, ProtocolError>>),
    /// Find and judge.
    Judge(oneshot::Sender<Result<ShotQuality, ProtocolError>>),
}

pub type OnFace = Arc<dyn Fn(&str, Option<PersonKind>) + Send + Sync>;

/// What the workers are built from.
#[derive(Clone)]
pub struct WorkerDeps {
    pub in_force: ActiveRecogniser,
    pub loader: Arc<dyn InferenceLoader>,
    pub intake: Arc<FrameIntake>,
    pub photos: Arc<PhotoIntake>,
    pub clock: Arc<dyn Clock>,
    pub workers: usize,
    /// ReportedEvent of everybody who is there, the moment it is certain who, before the disk; must not wait. The device's `ip`, and
    /// what kind of person, `None` for somebody unknown on a photo.
    pub on_face: OnFace,
}

/// Running workers. Dropping `stop` ends them.
pub struct WorkerPool {
    pub photos: Sender<PhotoJob>,
    /// As `photos`, but taken first: somebody waits in front of a screen for the answer.
    pub judged_first: Sender<PhotoJob>,
    pub stop: Sender<()>,
    pub threads: Vec<JoinHandle<()>>,
}

/// Live frames come first, but a photo waits for at most this many of them.
const FRAMES_PER_PHOTO: u32 = 4;
/// Photos of devices come before those of the registry, but these wait for at most this many of them.
const PASSAGES_PER_PHOTO: u32 = 4;
/// Photos to be judged come before those to be enrolled, but these wait for at most this many of them.
const JUDGED_PER_ENROLLED: u32 = 4;

impl WorkerPool {
    /// Loads the models once per worker and starts the threads; fails when the models do.
    pub fn start(parts: &WorkerDeps, passages: &Sender<PassageReport>) -> Result<Self, VisionError> {
        let (photos, photo_jobs) = bounded(limits::PHOTO_JOBS_WAITING);
        let (judged_first, judge_jobs) = bounded(limits::PHOTO_JOBS_WAITING);
        let (stop, stopped) = bounded(0);
        let mut threads = Vec::new();
        for index in 0..parts.workers {
            let recogniser = parts.in_force.get();
            let worker = Worker {
                analyzer: recogniser.analyzer(parts.loader.as_ref())?,
                recogniser,
                parts: parts.clone(),
                passages: passages.clone(),
                frames_in_a_row: 0,
                passages_in_a_row: 0,
                judged_in_a_row: 0,
            };
            let (photo_jobs, judge_jobs, stopped) = (photo_jobs.clone(), judge_jobs.clone(), stopped.clone());
            let thread = std::thread::Builder::new()
                .name(format!("vision-{index}"))
                .spawn(move || worker.run(&photo_jobs, &judge_jobs, &stopped))
                .map_err(|error| VisionError::Frame(format!("cannot start a vision thread: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { photos, judged_first, stop, threads })
    }
}

struct Worker {
    analyzer: FaceAnalyzer,
    /// What the analyzer belongs to.
    recogniser: Arc<Recogniser>,
    parts: WorkerDeps,
    passages: Sender<PassageReport>,
    frames_in_a_row: u32,
    passages_in_a_row: u32,
    judged_in_a_row: u32,
}

impl Worker {
    fn run(mut self, photos: &Receiver<PhotoJob>, judged_first: &Receiver<PhotoJob>, stopped: &Receiver<()>) {
        let intake = Arc::clone(&self.parts.intake);
        let frames = intake.woken();
        let devices = Arc::clone(&self.parts.photos);
        let passages = devices.jobs();
        let ticks = tick(Duration::from_millis(limits::PASSAGE_TICK_MS));
        loop {
            // Live first: `select!` alone would choose by chance.
            if self.frames_in_a_row < FRAMES_PER_PHOTO
                && let Ok(lane) = frames.try_recv()
            {
                self.look(&lane);
            } else if self.passages_in_a_row < PASSAGES_PER_PHOTO
                && let Ok(job) = passages.try_recv()
            {
                self.recognise(job);
            } else if let Some(job) = self.next_photo(photos, judged_first) {
                self.answer(job);
            } else {
                (self.frames_in_a_row, self.passages_in_a_row) = (0, 0);
                select! {
                    recv(frames) -> lane => if let Ok(lane) = lane { self.look(&lane) },
                    recv(passages) -> job => if let Ok(job) = job { self.recognise(job) },
                    recv(photos) -> job => match job {
                        Ok(job) => self.answer(job),
                        Err(_) => return self.finish_passages(),
                    },
                    recv(judged_first) -> job => match job {
                        Ok(job) => self.answer(job),
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

    /// Photos that were taken are looked at before the end.
    fn finish_passages(&mut self) {
        let photos = Arc::clone(&self.parts.photos);
        while let Ok(job) = photos.jobs().try_recv() {
            self.recognise(job);
        }
    }

    /// Goes over to the embedder in force, if it was swapped.
    fn follow_swap(&mut self) {
        let in_force = self.parts.in_force.get();
        if Arc::ptr_eq(&in_force, &self.recogniser) {
            return;
        }
        match in_force.analyzer(self.parts.loader.as_ref()) {
            Ok(analyzer) => {
                self.analyzer = analyzer;
                self.recogniser = in_force;
            }
            // Loaded and tried a moment ago by the swap; tried again with the next frame.
            Err(error) => {
                metrics::counter!("menshen_vision_errors_total", "kind" => "swap").increment(1);
                tracing::error!(%error, "the new models cannot be loaded, the old ones go on here");
            }
        }
    }

    fn look(&mut self, lane: &Arc<CameraSlot>) {
        self.frames_in_a_row += 1;
        self.follow_swap();
        if let Some(frame) = lane.slot.take() {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let mut session = lock(lane);
                if session.asks_for_liveness() {
                    self.analyzer.ready_liveness(self.parts.loader.as_ref())?;
                }
                StageTimer::without_device()
                    .run("frame", || session.look(&mut self.analyzer, &self.recogniser, &frame))
            }));
            match outcome {
                Ok(Ok(reports)) => self.forward(reports),
                Ok(Err(error)) => {
                    metrics::counter!("menshen_vision_errors_total", "kind" => "frame").increment(1);
                    tracing::warn!(device = %lane.device_id, %error, "a frame could not be looked at");
                }
                Err(_) => self.recover("frame"),
            }
        }
        if lane.take_gone() {
            let reports = lock(lane).finish();
            self.forward(reports);
        }
        self.parts.intake.release(lane);
    }

    fn next_photo(
        &mut self,
        photos: &Receiver<PhotoJob>,
        judged_first: &Receiver<PhotoJob>,
    ) -> Option<PhotoJob> {
        if self.judged_in_a_row < JUDGED_PER_ENROLLED
            && let Ok(job) = judged_first.try_recv()
        {
            self.judged_in_a_row += 1;
            return Some(job);
        }
        self.judged_in_a_row = 0;
        photos.try_recv().or_else(|_| judged_first.try_recv()).ok()
    }

    /// A photo of a device: the door first, then whoever waits, then the disk.
    fn recognise(&mut self, job: photos::PhotoJob) {
        self.frames_in_a_row = 0;
        self.passages_in_a_row += 1;
        self.follow_swap();
        let looked = self.guarded_by(|own| {
            let recogniser = Arc::clone(&own.recogniser);
            if job.lane.device.liveness {
                let ready = own.analyzer.ready_liveness(own.parts.loader.as_ref());
                ready.map_err(|error| {
                    ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string())
                })?;
            }
            StageTimer::without_device().run("photo_passage", || {
                photo_pipeline::look(&own.parts.photos, &mut own.analyzer, &recogniser, &job)
            })
        });
        match looked {
            Ok(Looked { mut drafts, mut answer, face }) => {
                if let Some(kind) = face {
                    (self.parts.on_face)(&job.lane.device.ip, kind);
                }
                for draft in &mut drafts {
                    let (stored, told) = oneshot::channel();
                    draft.report.stored = Some(stored);
                    answer.stored.push(told);
                }
                job.answer.give(answer);
                let photos = Arc::clone(&self.parts.photos);
                self.forward(drafts.into_iter().map(|draft| draft.finish(&photos, &job.lane)).collect());
            }
            Err(refusal) => {
                let result = PhotoResult::of_code(refusal.code);
                job.answer.give(PhotoAnswer::without(result, refusal.detail));
            }
        }
    }

    fn answer(&mut self, PhotoJob { photo, level, question }: PhotoJob) {
        (self.frames_in_a_row, self.passages_in_a_row) = (0, 0);
        self.follow_swap();
        // Whoever asked may have gone; the answer then has no use.
        match question {
            Question::Enrol(answer) => {
                let face = self.guarded(|analyzer| {
                    let face = StageTimer::without_device()
                        .run("photo", || analyzer.analyze_photo(&photo, &level))?;
                    Ok(PhotoFace { embedding: face.embedding, quality: face.judgement.score })
                });
                let _ = answer.send(face);
            }
            Question::Judge(answer) => {
                let photos = Arc::clone(&self.parts.photos);
                let guess = |frame: &Frame, face: &Detection| photos.rules.attributes.of_photo(frame, face);
                let quality = self.guarded(|analyzer| {
                    StageTimer::without_device()
                        .run("fiqa", || analyzer.judge_photo_and(&photo, &level, guess))
                });
                let _ = answer.send(quality);
            }
        }
    }

    /// A photo that makes the models panic is refused.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut FaceAnalyzer) -> Result<T, ProtocolError>,
    ) -> Result<T, ProtocolError> {
        self.guarded_by(|own| work(&mut own.analyzer))
    }

    fn guarded_by<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<T, ProtocolError> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            self.recover("photo");
            Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the photo upset the face engine"))
        })
    }

    /// Something panicked: its models may be in any state, so new ones are loaded.
    fn recover(&mut self, kind: &'static str) {
        metrics::counter!("menshen_vision_errors_total", "kind" => kind).increment(1);
        tracing::error!(kind, "a vision worker panicked; its models are loaded anew");
        match self.recogniser.models().load(self.parts.loader.as_ref()) {
            Ok(analyzer) => self.analyzer = analyzer,
            Err(error) => tracing::error!(%error, "models cannot be loaded anew, the old ones go on"),
        }
    }

    /// Passages of cameras that send nothing end too.
    fn tend_quiet_cameras(&mut self) {
        let now_ms = self.parts.clock.monotonic_ms();
        let Some(lanes) = self.parts.intake.due_for_tick(now_ms) else { return };
        self.parts.photos.beat(now_ms);
        for lane in lanes {
            // A locked session is being looked at and needs no tending.
            let reports = lane.session.try_lock().map(|mut session| session.collect()).unwrap_or_default();
            self.forward(reports);
        }
    }

    fn forward(&self, reports: Vec<PassageReport>) {
        for report in reports {
            // The door of a photo was told when the photo was looked at.
            if let (PassageStage::Open, true, Some(who)) =
                (report.stage, report.is_present, &report.event.identity)
            {
                (self.parts.on_face)(&report.event.device.ip, Some(who.kind));
            }
            if let Err(lost) = self.passages.send(report) {
                metrics::counter!("menshen_events_lost_total").increment(1);
                tracing::error!(event_id = %lost.0.event.event_id, "EVENT LOST: the forwarder is gone");
            }
        }
    }
}

/// A session whose worker panicked goes on with what it knows.
pub fn lock(lane: &CameraSlot) -> std::sync::MutexGuard<'_, super::camera::CameraSession> {
    lane.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
