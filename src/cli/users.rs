//! `menshen users`: the registry from the command line, while Menshen is not running.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::note_change::write_down;
use super::output::print_line;
use super::remove_users::remove;
use crate::actors::registry::message::{
    EnrolOutcome, EnrolPeople, EnrolRequest, EnrolSuccess, Enrolled, Photo,
};
use crate::config::Settings;
use crate::ports::store::RegistryStore as _;
use crate::runtime::app::App;
use crate::runtime::problems::Problems;
use crate::runtime::run::{PartError, build};
use crate::runtime::storage::{Storage, create_data_dir};
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
    /// Enrol people from a folder of photos named name-id-department.jpg or .png 批量导入
    Import {
        folder: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Remove people, also while Menshen is running; one JSON object each 删除人员
    Remove {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// With everything kept of them: events, pictures and kept commands too; prints a receipt 彻底擦除其全部数据并出具回执
        #[arg(long)]
        erase: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// What a person is called in the log, which holds no ids 日志中的代号
    ///
    /// The name is made of the id and this box's key, so it is the same in every log of this box and tells nobody else the id.
    LogName {
        /// The person's id 人员编号
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List enrolled people 人员列表
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &UsersArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        UsersCommand::Import { folder, config } => {
            actix::System::new().block_on(import(folder, config.settings()?))
        }
        UsersCommand::Remove { ids, erase, config } => remove(config.settings()?, ids, *erase),
        UsersCommand::List { config } => list(&config.settings()?),
        UsersCommand::LogName { id, config } => {
            print_line(&Storage::open(&config.settings()?)?.log_name(id));
            Ok(ExitCode::SUCCESS)
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

async fn import(folder: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let language = settings.language;
    let (requests, mut problems) = read_folder(folder)?;
    let kept = settings.clone();
    let app = start(settings).await?;
    let total = requests.len();
    let mut done = 0;
    for chunk in requests.chunks(limits::ENROL_COMMIT_CHUNK) {
        let requests = Arc::new(chunk.to_vec());
        let outcomes = app.handles.registry.send(EnrolPeople { requests }).await?;
        for outcome in outcomes {
            done += 1;
            print_line(&format!("[{done}/{total}] {}", line(&outcome, language)));
            if let Err(refusal) = &outcome.result {
                problems.push(format!("{} ({}): {}", outcome.name, outcome.id, refusal.message(language)));
            }
        }
    }
    let failed = problems.len();
    print_line(&format!("{} enrolled, {failed} not", total - failed.min(total)));
    let done = problems.or_ok(ExitCode::SUCCESS);
    write_down(&kept, "users import", &format!("{total} people"), &done);
    Ok(done?)
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
fn read_folder(folder: &Path) -> anyhow::Result<(Vec<EnrolRequest>, Problems)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            matches!(ending.as_str(), "jpg" | "jpeg" | "png")
        })
        .collect();
    paths.sort();
    let mut requests = Vec::new();
    let mut problems = Problems::default();
    for path in paths {
        match request_of(&path) {
            Ok(request) => requests.push(request),
            Err(error) => problems.push(error.context(path.display().to_string())),
        }
    }
    Ok((requests, problems))
}

/// `name-id-department.jpg`; the name may hold hyphens itself, id and department may not.
fn request_of(path: &Path) -> anyhow::Result<EnrolRequest> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut parts = stem.rsplitn(3, '-');
    let (Some(department), Some(id), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("a photo is named name-id-department.jpg");
    };
    if id.is_empty() || name.is_empty() {
        bail!("a photo is named name-id-department.jpg, with a name and an id");
    }
    let photo = std::fs::read(path)?;
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

/// People by pages, so that a large registry needs no memory.
fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    const PAGE: usize = 500;
    create_data_dir(&settings.data_dir)?;
    let store = Storage::open(settings)?.registry()?;
    let mut after = None;
    loop {
        let page = store.page(after.as_deref(), PAGE)?;
        for person in &page {
            print_line(&format!("{}\t{}\t{}", person.id, person.name, person.permission_ids.join(",")));
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.id),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
