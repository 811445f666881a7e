//! Embeddings of a folder of photos, on all cores, with the models and the chain the box enrols with.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use image::{ImageFormat, RgbImage};

use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::runtime::models::ready_models;
use menshen_domain::face::Embedding;
use menshen_domain::quality::QualityLevel;
use menshen_models::ModelSet;
use menshen_vision::FaceAnalyzer;
use menshen_vision::align::{Similarity, warp};
use menshen_vision::photo::{PhotoError, decode_photo};

/// Photos between two lines of progress.
const PROGRESS_STEP: usize = 500;

/// By path relative to the folder; `None` where no face was found.
pub type Embedded = BTreeMap<String, Option<Embedding>>;

/// Whether the population's mean is taken out of the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centring {
    AsDescribed,
    Off,
}

/// All JPEG and PNG files below `folder`, relative to it.
pub fn list_images(folder: &Path) -> Result<Vec<String>, String> {
    fn walk(root: &Path, folder: PathBuf, found: &mut Vec<String>) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.is_dir() {
                walk(root, path, found)?;
            } else if path.extension().is_some_and(|ending| {
                ["jpg", "jpeg", "png"].iter().any(|known| ending.eq_ignore_ascii_case(known))
            }) && let Ok(relative) = path.strip_prefix(root)
            {
                found.push(relative.display().to_string());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, folder.to_path_buf(), &mut found)?;
    found.sort_unstable();
    if found.is_empty() {
        return Err(format!("{}: no JPEG or PNG in it", folder.display()));
    }
    Ok(found)
}

/// What came out, and what it took once all models were loaded.
pub struct EmbeddingRun {
    pub embedded: Embedded,
    pub wall: Duration,
    pub cpu: Duration,
}

/// Photos to embed.
#[derive(Clone, Copy)]
pub struct Photos<'a> {
    pub folder: &'a Path,
    /// Relative to `folder`.
    pub names: &'a [String],
    /// Each is turned by this around its middle before it is processed, degrees, clockwise.
    pub tilt_deg: f32,
}

/// Embeds every photo as enrolment would, but judges no quality: a benchmark must not choose its photos.
pub fn embed_all(
    settings: &Settings,
    photos: Photos<'_>,
    centring: Centring,
) -> Result<EmbeddingRun, String> {
    let (mut models, loader) = ready_models(settings).map_err(|error| error.to_string())?;
    if centring == Centring::Off {
        models = models.uncentred();
    }
    embed_with(&models, &loader, settings.recognition.workers, photos)
}

/// As [`embed_all`], with models that were readied by the caller.
pub fn embed_with(
    models: &ModelSet,
    loader: &OrtLoader,
    workers: usize,
    photos: Photos<'_>,
) -> Result<EmbeddingRun, String> {
    let analyzers: Vec<FaceAnalyzer> = (0..workers.max(1))
        .map(|_| models.load(loader).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let (started, cpu) = (Instant::now(), ProcessTime::now());
    let next = AtomicUsize::new(0);
    let embedded = Mutex::new(Embedded::new());
    std::thread::scope(|scope| {
        let (next, embedded) = (&next, &embedded);
        let workers: Vec<_> = analyzers
            .into_iter()
            .map(|analyzer| scope.spawn(move || work(analyzer, photos, next, embedded)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err("a vision thread panicked".to_owned()))
        })
    })?;
    let embedded = embedded.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(EmbeddingRun { embedded, wall: started.elapsed(), cpu: cpu.elapsed() })
}

fn work(
    mut analyzer: FaceAnalyzer,
    Photos { folder, names, tilt_deg }: Photos<'_>,
    next: &AtomicUsize,
    embedded: &Mutex<Embedded>,
) -> Result<(), String> {
    while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
        let embedding = embed(&mut analyzer, &folder.join(name), tilt_deg)?;
        let done = {
            let mut embedded = embedded.lock().unwrap_or_else(PoisonError::into_inner);
            embedded.insert(name.clone(), embedding);
            embedded.len()
        };
        progress(done, names.len());
    }
    Ok(())
}

fn embed(analyzer: &mut FaceAnalyzer, path: &Path, tilt_deg: f32) -> Result<Option<Embedding>, String> {
    let mut bytes =
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if tilt_deg != 0.0 {
        bytes = tilted(&bytes, tilt_deg).map_err(|reason| format!("{}: {reason}", path.display()))?;
    }
    match analyzer.analyze_photo(&bytes, &QualityLevel::No) {
        Ok(face) => Ok(Some(face.embedding)),
        Err(PhotoError::NoFace) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A photo turned around its middle, black where there was nothing; as wide and as high as its longer side.
fn tilted(photo: &[u8], tilt_deg: f32) -> Result<Vec<u8>, String> {
    let frame = decode_photo(photo).map_err(|error| error.to_string())?;
    let side = frame.width.max(frame.height);
    let [x, y, middle] = [frame.width, frame.height, side].map(|length| (length as f32 - 1.0) / 2.0);
    // From the turned photo back: the other way round.
    let back = Similarity::turn(-tilt_deg, [middle; 2], [x, y]);
    let turned = RgbImage::from_raw(side, side, warp(&frame, &back, side as usize)).ok_or("no square")?;
    let mut png = Cursor::new(Vec::new());
    turned.write_to(&mut png, ImageFormat::Png).map_err(|error| error.to_string())?;
    Ok(png.into_inner())
}

#[allow(clippy::print_stderr, reason = "progress is for the terminal, the answer goes to standard output")]
pub fn progress(done: usize, of: usize) {
    if done.is_multiple_of(PROGRESS_STEP) {
        eprintln!("{done} of {of} photos");
    }
}
