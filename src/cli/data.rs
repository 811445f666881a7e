//! `menshen data`: what is on the disk, looked at while the box is not running.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ConfigArgs;
use crate::config::Settings;
use crate::ports::store::{EventStore as _, Namespace, PictureStore, RegistryStore as _, StoreError};
use crate::runtime::open::{EventStores, open_events, open_registry};

#[derive(Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// Open the databases and compare their rows with the picture files, as one JSON object 核对
    ///
    /// Changes nothing, but a damaged database is set aside as at a start of the box, which then rebuilds it.
    ///
    /// Exit code 1 when a picture is missing. Orphans (files without a row) are what the next start deletes.
    Check {
        /// Also who is enrolled, and the permission groups
        #[arg(long)]
        people: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn run(arguments: &DataArgs) -> Result<ExitCode, Vec<String>> {
    let DataCommand::Check { people, config } = &arguments.command;
    let settings = config.settings()?;
    let one = |error: StoreError| vec![error.to_string()];
    let (facts, missing) = check(&settings, *people).map_err(one)?;
    println!("{facts}");
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The facts, and how many pictures are missing.
fn check(settings: &Settings, with_people: bool) -> Result<(Value, u64), StoreError> {
    let registry = open_registry(settings)?;
    let EventStores { store: events, pictures } = open_events(settings)?;
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
            people.push(
                json!({ "id": person.id, "name": person.name, "permission_ids": person.permission_ids }),
            );
        }
    })?;
    let counts = events.counts()?;
    let (photos, photos_missing) = shelf(&pictures, Namespace::Registry, &photos)?;
    let (event_pictures, events_missing) = shelf(&pictures, Namespace::Events, &events.pictures()?)?;
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
    }
    Ok((facts, photos_missing + events_missing))
}

/// Rows against files of one shelf; reading each picture also proves that it can be read.
fn shelf(
    pictures: &dyn PictureStore,
    shelf: Namespace,
    named: &BTreeSet<String>,
) -> Result<(Value, u64), StoreError> {
    let mut missing = 0;
    for name in named {
        missing += u64::from(pictures.get(shelf, name)?.is_none());
    }
    let files = pictures.count(shelf)?;
    let orphans = (files + missing).saturating_sub(named.len() as u64);
    Ok((json!({ "named": named.len(), "files": files, "missing": missing, "orphans": orphans }), missing))
}
