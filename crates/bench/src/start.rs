//! `menshen bench start`: how long a box with many people takes from its start to the first recognition, and how much memory
//! they take. The box is a process of its own, with stores on disk, sealed and checked as in the field; the recognition
//! is a photo terminal's.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

use super::product::{create_data_dir, ready_models, settings_of};
use menshen::config::Settings;
use menshen::evaluation::made_up::{made_up_person, unit_vector};
use menshen::ports::store::{NewPicture, Owner, PictureStore as _, RegistryStore as _};
use menshen::runtime::storage::Storage;
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::person::Person;
use menshen_domain::quality::QualityLevel;
use menshen_sim::figures::print_figures;
use menshen_testbed::box_config::BoxConfig;
use menshen_testbed::box_process::TestBox;

/// What `menshen bench start` was asked for.
pub struct Asked<'a> {
    pub people: usize,
    /// Photo of a person who is enrolled besides the made-up people, and is recognised.
    pub photo: &'a Path,
    /// Starts of each box; the figures are the median's.
    pub starts: usize,
}

/// Made-up people's pictures are no larger than this, so that filling the disk does not take longer than measuring.
const PICTURE_BYTES_MAX: usize = 4096;
const KNOWN: &str = "known";
/// A start that takes longer than this has failed.
const START_LIMIT: Duration = Duration::from_mins(2);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// Memory is read when it has settled after the start.
const SETTLE: Duration = Duration::from_secs(3);

pub fn start(asked: &Asked<'_>, settings: &Settings) -> Result<()> {
    let photo =
        std::fs::read(asked.photo).with_context(|| format!("cannot read {}", asked.photo.display()))?;
    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader).map_err(Error::msg)?;
    let known = analyzer.analyze_photo(&photo, &QualityLevel::No).map_err(Error::msg)?.embedding;
    drop((analyzer, loader));
    let empty = Folder::new("empty")?;
    fill(&empty.settings(settings), &known, 0, &photo)?;
    let full = Folder::new("full")?;
    fill(&full.settings(settings), &known, asked.people, &photo)?;
    let mut figures = Vec::new();
    for folder in [&empty, &full] {
        let mut runs: Vec<Run> =
            (0..asked.starts.max(1)).map(|_| run_box(folder, settings, &photo)).collect::<Result<_>>()?;
        runs.sort_by_key(|run| run.first_recognition);
        figures.push(runs.swap_remove(runs.len() / 2));
    }
    print_figures(&json!({
        "bench": "start",
        "people": asked.people,
        "ready_ms": figures[1].ready.as_millis() as u64,
        "first_recognition_ms": figures[1].first_recognition.as_millis() as u64,
        "first_recognition_empty_ms": figures[0].first_recognition.as_millis() as u64,
        "resident_mb": figures[1].resident_mb,
        "resident_empty_mb": figures[0].resident_mb,
        "resident_more_mb": figures[1].resident_mb - figures[0].resident_mb,
        "starts": asked.starts,
        "optimised": !cfg!(debug_assertions),
    }));
    Ok(())
}

/// Fills a registry before a campaign: made-up people, and a real one.
pub fn fill_people(config: &Path, people: usize, photo: &Path) -> Result<()> {
    let settings = settings_of(config)?;
    create_data_dir(&settings.data_dir)?;
    let photo = std::fs::read(photo).with_context(|| format!("cannot read {}", photo.display()))?;
    let (models, loader) = ready_models(&settings)?;
    let mut analyzer = models.load(&loader).map_err(Error::msg)?;
    let known = analyzer.analyze_photo(&photo, &QualityLevel::No).map_err(Error::msg)?;
    fill(&settings, &known.embedding, people, &photo)
}

/// A data folder and a configuration of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("menshen-bench-start-{}-{name}", std::process::id()));
        create_data_dir(&path)?;
        Ok(Self(path))
    }

    fn settings(&self, settings: &Settings) -> Settings {
        let mut own = settings.clone();
        own.data_dir.clone_from(&self.0);
        own.storage.key_file = None;
        own
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind in the temporary folder at worst.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fill(settings: &Settings, known: &Embedding, people: usize, photo: &[u8]) -> Result<()> {
    let storage = Storage::open(settings)?;
    // Made now, so that the start that is measured finds it.
    drop(storage.events()?);
    let (pictures, registry) = (storage.pictures()?, storage.registry()?);
    let mut random = StdRng::seed_from_u64(1);
    let mut person = |index: usize| {
        let embedding = if index == people {
            known.clone()
        } else {
            Embedding { vector: unit_vector(&mut random, known.vector.len()), ..known.clone() }
        };
        let mut person = made_up_person(index, embedding);
        if index == people {
            KNOWN.clone_into(&mut person.id);
        }
        person.features[0].photo_sha256 = format!("{index:064x}");
        person.features[0].photo = pictures.photo_name(&person.id, &person.features[0].photo_sha256);
        person
    };
    let all: Vec<usize> = (0..=people).collect();
    // Nobody looks at the pictures of made-up people; the start only counts them.
    let bytes = &photo[..photo.len().min(PICTURE_BYTES_MAX)];
    for chunk in all.chunks(1000) {
        let people: Vec<Person> = chunk.iter().map(|index| person(*index)).collect();
        let new: Vec<NewPicture<'_>> = people
            .iter()
            .map(|person| NewPicture { name: &person.features[0].photo, bytes, owner: Owner::Person(person) })
            .collect();
        pictures.put(&new)?;
        registry.put(&people)?;
        if all.len() > 1000 {
            progress(chunk[chunk.len() - 1], all.len());
        }
    }
    Ok(())
}

struct Run {
    ready: Duration,
    first_recognition: Duration,
    resident_mb: f64,
}

fn run_box(folder: &Folder, settings: &Settings, photo: &[u8]) -> Result<Run> {
    let mut config = BoxConfig::standalone(&folder.0)?;
    config.data_dir.clone_from(&folder.0);
    config.models_dir = Some(std::path::absolute(&settings.models_dir)?);
    config.pipelines_dir = Some(std::path::absolute(&settings.pipelines_dir)?);
    let mut device = TestBox::new(&folder.0, config)?;
    let began = Instant::now();
    device.start()?;
    let mut ready = None;
    let first_recognition = loop {
        if ready.is_none() && device.is_ready() {
            ready = Some(began.elapsed());
        }
        let answer = recognise(device.local_port(), photo);
        if answer.is_some_and(|answer| answer.contains(&format!("\"{KNOWN}\""))) {
            break began.elapsed();
        }
        if began.elapsed() > START_LIMIT || !device.is_running() {
            bail!("the box did not recognise anybody; it says:\n{}", device.log());
        }
        std::thread::sleep(ASK_AGAIN);
    };
    std::thread::sleep(SETTLE);
    let resident_mb =
        device.process()?.resident_mb().context("the system does not report the memory of a process")?;
    device.stop(STOP_WITHIN)?;
    Ok(Run { ready: ready.unwrap_or(first_recognition), first_recognition, resident_mb })
}

/// The answer of the box's 1:N call; `None` while it does not listen.
fn recognise(port: u16, photo: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(limits::HTTP_CALL_TIMEOUT_MS))).ok()?;
    let head = format!(
        "POST /SophonFogSys/api/Recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        photo.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(photo).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[allow(clippy::print_stderr, reason = "progress is for the terminal")]
fn progress(done: usize, of: usize) {
    eprintln!("{done} of {of} people made up");
}
