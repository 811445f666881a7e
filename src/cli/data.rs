//! `menshen data`: what is on the disk, while the box is not running.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::config_args::ConfigArgs;
use super::language::help;
use super::output::print_line;
use crate::config::Settings;
use crate::ports::erasures::ErasureLog as _;
use crate::ports::store::{EventStore as _, Namespace, PictureStore, RegistryStore as _, StoreError};
use crate::runtime::storage::{Storage, create_data_dir};

#[derive(Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    #[command(about = help("Open the databases and compare their rows with the picture files, as one JSON object", "打开数据库，核对记录与图片文件，输出一个 JSON 对象"), long_about = help(
        "Open the databases and compare their rows with the picture files, as one JSON object.\n\n\
         Changes nothing, except that a damaged database is set aside; the next start of Menshen rebuilds it.\n\n\
         Exit code 1 when a picture is missing. Orphans (files without a row) are what the next start deletes.",
        "打开数据库，核对记录与图片文件，输出一个 JSON 对象。\n\n\
         不做修改；仅当数据库损坏时将其移开，下次启动时重建。\n\n\
         缺少图片时退出码为 1。孤立文件（没有记录）会在下次启动时删除。"
    ))]
    Check {
        #[arg(long, help = help("Also list enrolled people and the permission groups", "同时列出已入库人员和权限组"))]
        people: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(
        about = help(
            "Receipts of people who were erased, one JSON object each, also while Menshen is running",
            "人员擦除回执，每行一个 JSON 对象（门神运行时亦可）"
        ),
        long_about = help(
            "Receipts of people who were erased, one JSON object each, also while Menshen is running.\n\n\
             A receipt holds counts, times and who asked, and nothing of the person. The person is a keyed hash of the id.",
            "人员擦除回执，每行一个 JSON 对象（门神运行时亦可）。\n\n\
             回执只含数量、时间和请求者，不含人员信息；人员以编号的密钥哈希表示。"
        )
    )]
    Receipts {
        #[arg(long, value_name = "ID", help = help("Only those of the person with this id", "仅限该编号的人员"))]
        person: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &DataArgs) -> anyhow::Result<ExitCode> {
    let (people, config) = match &arguments.command {
        DataCommand::Check { people, config } => (people, config),
        DataCommand::Receipts { person, config } => return receipts(&config.settings()?, person.as_deref()),
    };
    let settings = config.settings()?;
    let (facts, missing) = check(&settings, *people)?;
    print_line(&facts.to_string());
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn receipts(settings: &Settings, person: Option<&str>) -> anyhow::Result<ExitCode> {
    create_data_dir(&settings.data_dir)?;
    let log = Storage::open(settings)?.erasures();
    let wanted = person.map(|id| log.name_of(id));
    for receipt in log.receipts()? {
        if wanted.as_ref().is_none_or(|name| *name == receipt.person) {
            print_line(&json!(receipt).to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The facts, and how many pictures are missing.
fn check(settings: &Settings, with_people: bool) -> Result<(Value, u64), StoreError> {
    let storage = Storage::open(settings)?;
    let registry = storage.registry()?;
    let (events, pictures) = (storage.events()?, storage.pictures()?);
    let mut photos = BTreeSet::new();
    let mut people = Vec::new();
    let mut count = 0;
    let mut models: BTreeMap<String, u64> = BTreeMap::new();
    registry.for_each(&mut |person| {
        count += 1;
        let of_person: BTreeSet<&String> = person.features.iter().map(|f| &f.embedding.model).collect();
        for model in of_person {
            *models.entry(model.clone()).or_default() += 1;
        }
        photos.extend(
            person.features.iter().map(|feature| feature.photo.clone()).filter(|name| !name.is_empty()),
        );
        if with_people {
            people.push(json!({
                "id": person.id,
                "name": person.name,
                "permission_ids": person.permission_ids,
                "registry_groups": person.registry_groups,
            }));
        }
    })?;
    let counts = events.counts()?;
    let (photos, photos_missing) = check_pictures(&pictures, Namespace::Registry, &photos)?;
    let (event_pictures, events_missing) = check_pictures(&pictures, Namespace::Events, &events.pictures()?)?;
    let mut facts = json!({
        "people": count,
        // People with features of each model: two of them around a swap.
        "features": models,
        "registry_pictures": photos,
        "events_open": counts.open,
        "events_stored": counts.stored,
        "event_pictures": event_pictures,
    });
    if with_people {
        let groups = registry.permission_groups()?;
        let group =
            |group: &menshen_domain::person::PermissionGroup| json!({ "id": group.id, "name": group.name });
        facts["who"] = Value::from(people);
        facts["permission_groups"] = groups.iter().map(group).collect();
        let groups = registry.registry_groups()?;
        facts["registry_groups"] =
            groups.iter().map(|group| json!({ "id": group.id, "name": group.name })).collect();
    }
    Ok((facts, photos_missing + events_missing))
}

/// Compares rows with files; reading each picture also proves that it can be read.
fn check_pictures(
    pictures: &dyn PictureStore,
    namespace: Namespace,
    named: &BTreeSet<String>,
) -> Result<(Value, u64), StoreError> {
    let mut missing = 0;
    for name in named {
        missing += u64::from(pictures.get(namespace, name)?.is_none());
    }
    let files = pictures.count(namespace)?;
    let orphans = (files + missing).saturating_sub(named.len() as u64);
    Ok((json!({ "named": named.len(), "files": files, "missing": missing, "orphans": orphans }), missing))
}
