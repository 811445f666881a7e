//! `menshen users`: the registry from the command line, while the box is not running.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::ConfigArgs;
use crate::actors::registry::message::{
    EnrolOutcome, EnrolPeople, EnrolRequest, EnrolSuccess, Enrolled, ListPeople, Photo,
};
use crate::runtime::app::App;
use menshen_domain::limits;
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, PersonKind, RegisterType};
use menshen_domain::status::Language;

#[derive(Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Subcommand)]
enum UsersCommand {
    /// Enrol everyone of a folder of photos named name-id-department.jpg or .png 批量导入
    Import {
        folder: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List who is enrolled 人员列表
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &UsersArgs) -> Result<ExitCode, Vec<String>> {
    match &arguments.command {
        UsersCommand::Import { folder, config } => {
            actix::System::new().block_on(import(folder, config.settings()?))
        }
        UsersCommand::List { config } => actix::System::new().block_on(list(config.settings()?)),
    }
}

/// Builds the house and starts only what enrolment needs.
async fn open(settings: crate::config::Settings) -> Result<App, Vec<String>> {
    let house = tokio::task::spawn_blocking(move || App::build(settings, Box::new(|| Err(Vec::new()))))
        .await
        .map_err(|panic| vec![panic.to_string()])??;
    let passages = house.start_passages()?;
    for mut part in [house.engine_part(passages.sender()), house.registry_part()] {
        part.start().map_err(|error| vec![format!("{}: {error}", part.name())])?;
    }
    Ok(house)
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
async fn import(folder: &Path, settings: crate::config::Settings) -> Result<ExitCode, Vec<String>> {
    let language = settings.language;
    let (requests, mut problems) = read_folder(folder)?;
    let house = open(settings).await?;
    let total = requests.len();
    let mut done = 0;
    for chunk in requests.chunks(limits::ENROL_COMMIT_CHUNK) {
        let requests = Arc::new(chunk.to_vec());
        let outcomes = house
            .handles
            .registry
            .send(EnrolPeople { requests })
            .await
            .map_err(|error| vec![error.to_string()])?;
        for outcome in outcomes {
            done += 1;
            println!("[{done}/{total}] {}", line(&outcome, language));
            if let Err(refusal) = &outcome.result {
                problems.push(format!("{} ({}): {}", outcome.name, outcome.id, refusal.message(language)));
            }
        }
    }
    let failed = problems.len();
    println!("{} enrolled, {failed} not", total - problems.len().min(total));
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(problems) }
}

fn line(outcome: &EnrolOutcome, language: Language) -> String {
    let what = match &outcome.result {
        Ok(Enrolled { how, looks_like }) => {
            let how = match how {
                EnrolSuccess::Added => "added",
                EnrolSuccess::Updated => "updated",
                EnrolSuccess::PhotoUnchanged => "same photo",
            };
            let alike = looks_like.as_ref().map(|other| format!(", looks like {other} 与其相似，请核对"));
            format!("{how}{}", alike.unwrap_or_default())
        }
        Err(refusal) => format!("refused {}: {}", refusal.code.code(), refusal.message(language)),
    };
    format!("{} {} {what}", outcome.id, outcome.name)
}

/// People of a folder, and what could not be read in it.
fn read_folder(folder: &Path) -> Result<(Vec<EnrolRequest>, Vec<String>), Vec<String>> {
    let unreadable = |error: std::io::Error| vec![format!("cannot read {}: {error}", folder.display())];
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            matches!(ending.as_str(), "jpg" | "jpeg" | "png")
        })
        .collect();
    paths.sort();
    let mut requests = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match request_of(&path) {
            Ok(request) => requests.push(request),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    Ok((requests, problems))
}

/// `name-id-department.jpg`; the name may hold hyphens itself, id and department may not.
fn request_of(path: &Path) -> Result<EnrolRequest, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut parts = stem.rsplitn(3, '-');
    let (Some(department), Some(id), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a photo is named name-id-department.jpg".to_owned());
    };
    if id.is_empty() || name.is_empty() {
        return Err("a photo is named name-id-department.jpg, with a name and an id".to_owned());
    }
    let photo = std::fs::read(path).map_err(|error| error.to_string())?;
    let info = serde_json::json!({ "name": name, "department": department });
    Ok(EnrolRequest {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: PersonKind::Employee,
        register_type: RegisterType::Regular,
        permission_ids: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
        info: info.as_object().cloned().unwrap_or_default(),
        photo: Photo::Bytes(photo.into()),
    })
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
async fn list(settings: crate::config::Settings) -> Result<ExitCode, Vec<String>> {
    const PAGE: usize = 500;
    let house = open(settings).await?;
    let mut after = None;
    loop {
        let page = house
            .handles
            .registry
            .send(ListPeople { after: after.clone(), limit: PAGE })
            .await
            .map_err(|error| vec![error.to_string()])?
            .map_err(|refusal| vec![refusal.to_string()])?;
        for person in &page {
            println!("{}\t{}\t{}", person.id, person.name, person.permission_ids.join(","));
        }
        match page.last() {
            Some(last) => after = Some(last.id.clone()),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
