//! `menshen models use`: swapping the embedder, of a running box over its local API, else on its data.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::actors::registry::swap::{MigrationContext, SwapError, choose, conclude};
use crate::actors::tuning::Tuner;
use crate::adapters::changes_file::ChangesFile;
use crate::adapters::onnx::OrtLoader;
use crate::cli::language::said;
use crate::cli::local_api::LocalApi;
use crate::cli::note_change::write_down;
use crate::cli::output::{print_line, print_note};
use crate::config::Settings;
use crate::ports::store::StoreError;
use crate::runtime::models::{load_fastest, read_selection};
use crate::runtime::storage::{Storage, create_data_dir, key_places};
use crate::runtime::tuning::base_tuning;
use crate::status::models::ModelStatus;
use menshen_domain::models::SwapState;

/// How often progress is printed.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// `None`: back to the one before.
pub fn use_model(settings: &Settings, name: Option<&str>) -> anyhow::Result<ExitCode> {
    create_data_dir(&settings.data_dir)?;
    let opened = Storage::open(settings).and_then(|storage| Ok((storage.registry()?, storage.pictures()?)));
    let facts = match opened {
        Ok(stores) => {
            let done = offline(settings, name, &stores);
            write_down(settings, "models use", name.unwrap_or("the one before"), &done);
            done
        }
        Err(StoreError::Locked { .. }) => online(settings, name),
        Err(other) => Err(other.into()),
    }?;
    let swap = &facts["swap"];
    if let Some(reason) = swap["reason"].as_str() {
        let (to, from) = (text(&swap["to"]), text(&swap["from"]));
        bail!(said!("{to}: {reason}; {from} stays active", "{to}：{reason}；继续使用 {from}"));
    }
    print_line(&said!(
        "{to} is active: {people} people, {embedded} photos embedded now",
        "{to} 已启用：{people} 人，本次提取 {embedded} 张照片的特征",
        to = text(&swap["to"]),
        people = swap["people"],
        embedded = swap["embedded"]
    ));
    let missing = swap["not_embedded"].as_u64().unwrap_or_default();
    if missing > 0 {
        let ids: Vec<&str> = swap["not_embedded_ids"].as_array().into_iter().flatten().map(text).collect();
        let ids = ids.join(", ");
        print_line(&said!(
            "{missing} people cannot be embedded by it; they are kept, and not recognised: {ids}",
            "{missing} 人未能提取特征，仍保留但无法识别：{ids}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Cancels the swap of the running box.
pub fn cancel(settings: &Settings) -> anyhow::Result<ExitCode> {
    let api = LocalApi::new(settings)?;
    api.post("/menshen/api/models/cancel", None)?;
    let facts = watch(&api)?;
    let (state, embedder) = (text(&facts["swap"]["state"]), text(&facts["embedder"]));
    print_line(&said!("{state}: {embedder} stays active", "{state}：继续使用 {embedder}"));
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// No box runs on this data: the same swap, here.
fn offline(
    settings: &Settings,
    name: Option<&str>,
    (store, pictures): &(impl crate::ports::store::RegistryStore, impl crate::ports::store::PictureStore),
) -> anyhow::Result<Value> {
    let tuner = Tuner::new(Arc::new(ChangesFile::new(key_places(settings))), base_tuning(settings))?;
    let chosen = tuner.changes().embedder;
    let current = chosen.as_ref().map_or(&settings.recognition.embedder, |chosen| &chosen.name);
    let previous = chosen.as_ref().and_then(|chosen| chosen.previous.as_deref());
    let name = name.or(previous).with_context(|| {
        said!("no other embedder was active before this one", "此前没有使用过其他特征模型")
    })?;
    let loader = OrtLoader::new(&settings.onnxruntime, &settings.provider)?;
    let selection = read_selection(settings)?;
    let from = selection.describe(current).ok();
    let status = ModelStatus::default();
    status.begin(from.as_ref().map_or(current, |(id, _)| id), name);
    let run = || {
        if name == current {
            return Err(SwapError::AlreadyActive { model: "it".to_owned() });
        }
        let models = load_fastest(&selection, settings, name, &loader)
            .map_err(|error| SwapError::Model(error.into()))?;
        status.swap(|swap| swap.to = models.embedder_id());
        let ground = MigrationContext {
            store,
            pictures,
            committing: &std::sync::Mutex::default(),
            turn: &tokio::sync::Mutex::default(),
            status: &status,
            stop: &AtomicBool::new(false),
            loader: &loader,
            threads: settings.recognition.workers,
            capacity: settings.recognition.gallery_capacity,
            from,
        };
        ground.swap(models, |_, _, _| choose(&tuner, name, current))
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                std::thread::park_timeout(PROGRESS_EVERY);
                progress(&json!(status.facts()));
            }
        });
        let outcome = run();
        conclude(&status, &outcome);
        over.store(true, Ordering::Release);
    });
    Ok(json!(status.facts()))
}

/// Asks the running box, and watches.
fn online(settings: &Settings, name: Option<&str>) -> anyhow::Result<Value> {
    let api = LocalApi::new(settings)?;
    let body = name.map_or_else(|| json!({ "back": true }), |name| json!({ "name": name }));
    api.post("/menshen/api/models/use", Some(&body))?;
    watch(&api)
}

/// Until the swap is over.
fn watch(api: &LocalApi) -> anyhow::Result<Value> {
    loop {
        let facts = api.get("/menshen/api/models")?;
        let is_over = [SwapState::Done, SwapState::Refused, SwapState::Cancelled];
        if is_over.iter().any(|state| facts["swap"]["state"] == json!(state)) {
            return Ok(facts);
        }
        progress(&facts);
        std::thread::sleep(PROGRESS_EVERY);
    }
}

fn progress(facts: &Value) {
    let swap = &facts["swap"];
    print_note(&format!("{}: {} of {} people", text(&swap["state"]), swap["people_done"], swap["people"]));
}
