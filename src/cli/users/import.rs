//! `menshen users import`: reads, enrols a chunk at a time, and sums up.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

use super::folder::read_folder;
use super::person_file::{Found, PersonFile, shown};
use super::table::{is_table, is_too_large, read_table};
use crate::actors::registry::message::{
    EnrolOutcome, EnrolPeople, EnrolRequest, EnrolSuccess, Enrolled, Photo,
};
use crate::cli::language::said;
use crate::cli::models::active_embedder;
use crate::cli::note_change::write_down_parts;
use crate::cli::output::{print_line, print_note};
use crate::config::Settings;
use crate::runtime::app::App;
use crate::runtime::models::ready_models;
use crate::runtime::problems::Problems;
use crate::runtime::run::{PartError, build};
use menshen_domain::change_result::ChangeParts;
use menshen_domain::limits;
use menshen_domain::person::RegisterType;
use menshen_domain::quality::{QualityLevel, judge};
use menshen_domain::status::ProtocolError;
use menshen_domain::text::spoken;
use menshen_vision::FaceAnalyzer;
use menshen_vision::photo::decode_photo;
use menshen_vision::quality::measure;

pub fn import(from: &Path, dry_run: bool, settings: Settings) -> anyhow::Result<ExitCode> {
    let found = read(from)?;
    let (people, refused) = (found.people.len(), found.refused.len());
    print_note(&said!(
        "{from}: {people} people to enrol, {refused} refused before their photo was opened",
        "{from}：待导入 {people} 人，{refused} 项未打开照片即不能导入",
        from = shown(from)
    ));
    let kept = settings.clone();
    let mut sum = Sum { total: found.people.len() + found.refused.len(), ..Sum::default() };
    for one in &found.refused {
        sum.refuse(&one.place, &one.why);
    }
    if dry_run {
        try_all(&found.people, &settings, &mut sum)?;
    } else if !found.people.is_empty() {
        actix::System::new().block_on(enrol_all(&found.people, settings, &mut sum))?;
    }
    if !found.left_out.is_empty() {
        let (count, names) = (found.left_out.len(), first_of(&found.left_out));
        print_note(&said!("{count} files are no photos: {names}", "{count} 个文件不是照片：{names}"));
    }
    print_line(&sum.text(dry_run));
    let (changed, refused) = (sum.added + sum.updated + sum.unchanged, sum.refused.len());
    let done = sum.refused.or_ok(ExitCode::SUCCESS);
    if !dry_run {
        let mut parts = ChangeParts::default();
        parts.count_all(changed, refused);
        write_down_parts(&kept, "users import", &format!("{people} people"), parts);
    }
    Ok(done?)
}

fn read(from: &Path) -> anyhow::Result<Found> {
    let name = shown(from);
    if from.is_dir() {
        return read_folder(from)
            .with_context(|| said!("the folder {name} cannot be read", "文件夹 {name} 无法读取"));
    }
    if !from.exists() {
        bail!(said!("there is no folder or table {name}", "文件夹或表格 {name} 不存在"));
    }
    if !is_table(from) || is_too_large(from) {
        bail!(said!(
            "{name} is neither a folder of photos nor a table: save a workbook (.xlsx) as CSV first",
            "{name} 既不是照片文件夹，也不是表格：工作簿（.xlsx）请先另存为 CSV"
        ));
    }
    read_table(from).map_err(|why| anyhow!("{name}: {why}"))
}

/// The first few of many.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// How it went.
#[derive(Default)]
struct Sum {
    total: usize,
    added: usize,
    updated: usize,
    unchanged: usize,
    fine: usize,
    refused: Problems,
}

impl Sum {
    fn refuse(&mut self, place: &str, why: &str) {
        self.refused.push(format!("{place}: {why}"));
    }

    fn text(&self, dry_run: bool) -> String {
        let Self { total, added, updated, unchanged, fine, .. } = self;
        let refused = self.refused.len();
        if dry_run {
            return said!(
                "{total} in all: {fine} would be enrolled, {refused} refused; nothing was changed",
                "共 {total} 人：可导入 {fine}，不能导入 {refused}；未做修改"
            );
        }
        said!(
            "{total} in all: {added} added, {updated} updated, {unchanged} with the same photo, {refused} refused",
            "共 {total} 人：新增 {added}，更新 {updated}，照片未变 {unchanged}，未导入 {refused}"
        )
    }
}

/// Says from time to time how far it is.
struct Progress {
    began: Instant,
    total: usize,
}

impl Progress {
    fn say(&self, done: usize) {
        let (total, rate) = (self.total, done as f64 / self.began.elapsed().as_secs_f64().max(0.001));
        let left_min = (total.saturating_sub(done)) as f64 / rate.max(0.001) / 60.0;
        if done == 0 {
            print_note(&said!("… 0 of {total}", "… 0 / {total}"));
        } else {
            print_note(&said!(
                "… {done} of {total}, {rate:.1} a second, about {left_min:.0} min left",
                "… {done} / {total}，每秒 {rate:.1} 人，约剩 {left_min:.0} 分钟"
            ));
        }
    }
}

/// Builds the app and starts only what enrolment needs.
async fn start(settings: Settings) -> anyhow::Result<App> {
    // Without the devices' part nothing reads the configuration again.
    let app = build(settings, Arc::new(|| Err(Problems::default()))).await?;
    let passages = app.start_passages()?;
    for mut part in [app.engine_part(passages.sender()), app.registry_part()] {
        part.start().map_err(|reason| PartError::new(part.name(), reason))?;
    }
    Ok(app)
}

async fn enrol_all(people: &[PersonFile], settings: Settings, sum: &mut Sum) -> anyhow::Result<()> {
    let app = start(settings).await?;
    let progress = Progress { began: Instant::now(), total: people.len() };
    let mut done = 0;
    // Photos of one chunk only are in memory.
    for chunk in people.chunks(limits::ENROL_COMMIT_CHUNK) {
        let (mut places, mut requests) = (Vec::new(), Vec::new());
        for person in chunk {
            match request_of(person) {
                Ok(request) => {
                    places.push(&person.place);
                    requests.push(request);
                }
                Err(why) => {
                    done += 1;
                    sum.refuse(&person.place, &why);
                }
            }
        }
        let requests = Arc::new(requests);
        let mut enrolling = Box::pin(app.handles.registry.send(EnrolPeople { requests }));
        let outcomes = loop {
            let pause = tokio::time::sleep(Duration::from_secs(limits::IMPORT_PROGRESS_S));
            tokio::select! {
                outcomes = &mut enrolling => break outcomes?,
                () = pause => progress.say(done),
            }
        };
        for (place, outcome) in places.into_iter().zip(outcomes) {
            done += 1;
            let (line, total) = (note(place, &outcome, sum), progress.total);
            print_line(&format!("[{done}/{total}] {line}"));
        }
    }
    Ok(())
}

/// Counts an outcome, and what is said of it.
fn note(place: &str, outcome: &EnrolOutcome, sum: &mut Sum) -> String {
    let what = match &outcome.result {
        Ok(Enrolled { how, looks_like }) => {
            let how = match how {
                EnrolSuccess::Added => {
                    sum.added += 1;
                    said!("added", "新增")
                }
                EnrolSuccess::Updated => {
                    sum.updated += 1;
                    said!("updated", "更新")
                }
                EnrolSuccess::PhotoUnchanged => {
                    sum.unchanged += 1;
                    said!("same photo", "照片未变")
                }
            };
            let alike = looks_like
                .as_ref()
                .map(|other| said!(", looks like {other}: please check", "，与 {other} 相似，请核对"));
            format!("{how}{}", alike.unwrap_or_default())
        }
        Err(refusal) => {
            let why = refusal.message(spoken());
            sum.refuse(place, &why);
            said!("refused {code}: {why}", "未导入 {code}：{why}", code = refusal.code.code())
        }
    };
    format!("{} {} {what}", outcome.id, outcome.name)
}

fn photo_of(person: &PersonFile) -> Result<Vec<u8>, String> {
    let name = shown(&person.photo);
    std::fs::read(&person.photo)
        .map_err(|error| said!("the photo {name} cannot be read: {error}", "照片 {name} 无法读取：{error}"))
}

fn request_of(person: &PersonFile) -> Result<EnrolRequest, String> {
    Ok(EnrolRequest {
        id: person.id.clone(),
        name: person.name.clone(),
        kind: person.kind,
        register_type: RegisterType::Regular,
        permission_ids: person.permission_ids.clone(),
        joins: Vec::new(),
        level: None,
        adds_face: false,
        info: person.info.clone(),
        photo: Photo::Bytes(photo_of(person)?.into()),
    })
}

/// Judges every photo as enrolling would, and keeps nothing.
fn try_all(people: &[PersonFile], settings: &Settings, sum: &mut Sum) -> anyhow::Result<()> {
    let mut settings = settings.clone();
    settings.recognition.embedder = active_embedder(&settings)?;
    let (models, loader) = ready_models(&settings)?;
    let mut analyzer = models.load(&loader)?;
    let (mut said_at, progress) = (Instant::now(), Progress { began: Instant::now(), total: people.len() });
    for (done, person) in people.iter().enumerate() {
        if said_at.elapsed() >= Duration::from_secs(limits::IMPORT_PROGRESS_S) {
            said_at = Instant::now();
            progress.say(done);
        }
        match judged(&mut analyzer, person) {
            Ok(()) => sum.fine += 1,
            Err(why) => sum.refuse(&person.place, &why),
        }
    }
    Ok(())
}

fn judged(analyzer: &mut FaceAnalyzer, person: &PersonFile) -> Result<(), String> {
    let frame =
        decode_photo(&photo_of(person)?).map_err(|error| ProtocolError::from(error).message(spoken()))?;
    let face = analyzer.largest_face(&frame).map_err(|error| error.to_string())?;
    let Some((face, aligned)) = face else {
        return Err(said!("no face found in the picture", "图片中没有检测到人脸"));
    };
    let judgement = judge(&QualityLevel::High, &measure(&frame, &face, aligned.as_deref().ok()));
    if judgement.passed {
        return Ok(());
    }
    let fails = judgement.fails.iter().map(|check| check.name()).collect::<Vec<_>>().join(", ");
    Err(said!("the face's quality is too low: {fails}", "人脸质量不合格：{fails}"))
}
