//! Swapping the embedder while the box runs.
//!
//! The new model is tested, everyone's photos are embedded with it in the background, and then, in a moment in which
//! nothing is enrolled, the choice is written down and the recogniser replaced. What is written down is the
//! switch: before it the old model is the box's, after it the new one, whatever happens.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::deps::{RegistryDeps, SwapDeps, report_size};
use super::message::WantedModel;
use super::reembed::{Commits, Confusion, Reembedder};
use crate::actors::recogniser::Recogniser;
use crate::actors::tuning::Tuner;
use crate::ports::store::{PictureStore, RegistryStore, StoreError};
use crate::status::models::ModelStatus;
use crate::telemetry::log_line::log_name;
use menshen_domain::limits;
use menshen_domain::models::SwapState;
use menshen_domain::person::Person;
use menshen_domain::score::Scale;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::ChosenEmbedder;
use menshen_gallery::{Gallery, GalleryError};
use menshen_models::ModelSet;
use menshen_models::self_test::self_test;
use menshen_vision::FaceAnalyzer;
use menshen_vision::inference::InferenceLoader;

pub use super::reembed::SwapError;

/// Where a swap takes place: the running box, or its data while it is not running.
pub struct MigrationContext<'a> {
    pub store: &'a dyn RegistryStore,
    pub pictures: &'a dyn PictureStore,
    pub committing: &'a Mutex<()>,
    /// Held by the change that is running.
    pub turn: &'a tokio::sync::Mutex<()>,
    pub status: &'a ModelStatus,
    pub stop: &'a AtomicBool,
    pub loader: &'a dyn InferenceLoader,
    pub threads: usize,
    pub capacity: usize,
    /// Id and calibration of the active model, where it is known; its features are kept, to go back quickly.
    pub from: Option<(String, Scale)>,
}

impl MigrationContext<'_> {
    /// Prepares everything for `switch`, which makes the new model the active one, and calls it while nothing is
    /// enrolled. An error leaves everything as it was, but for features that were added.
    pub fn swap(
        &self,
        models: ModelSet,
        switch: impl FnOnce(ModelSet, Gallery, Vec<FaceAnalyzer>) -> Result<(), StoreError>,
    ) -> Result<(), SwapError> {
        let load = |_| models.load(self.loader).map_err(|error| SwapError::Model(error.into()));
        let mut analyzers = (0..self.threads.max(1)).map(load).collect::<Result<Vec<_>, _>>()?;
        let test = self_test(&mut analyzers[0]).map_err(|error| SwapError::Model(error.into()))?;
        tracing::info!(
            model = models.embedder_id(),
            same_least = test.same_least,
            different = test.different,
            "self-test of the new embedder passed"
        );
        self.status.swap(|swap| swap.state = SwapState::Embedding);
        let mut reembedder = self.reembedder(models.embedder_id());
        let nobody = &mut |_: &Person| ();
        while reembedder.pass(&mut analyzers, Commits::Lock, nobody)? > limits::SWAP_LEFT_MAX {}

        self.status.swap(|swap| swap.state = SwapState::Switching);
        let mut turn = self.turn.blocking_lock();
        while reembedder.left()? > limits::SWAP_LEFT_MAX {
            drop(turn);
            reembedder.pass(&mut analyzers, Commits::Lock, nobody)?;
            turn = self.turn.blocking_lock();
        }
        reembedder.in_background = false;
        reembedder.pass(&mut analyzers, Commits::Lock, nobody)?;
        // Strangers take no turn: from here on they wait too.
        let committing = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        reembedder.pass(&mut analyzers, Commits::AreLocked, nobody)?;
        let gallery = self.fill(&models, &reembedder.failed)?;
        switch(models, gallery, analyzers)?;
        drop((committing, turn));
        Ok(())
    }

    fn reembedder(&self, target: String) -> Reembedder<'_> {
        Reembedder {
            store: self.store,
            pictures: self.pictures,
            committing: self.committing,
            status: self.status,
            stop: self.stop,
            target,
            in_background: true,
            keep: self.from.as_ref().map(|(id, _)| id.clone()),
            failed: BTreeMap::new(),
            reported: Instant::now(),
        }
    }

    /// The new model's gallery, if the model is fit to be used.
    fn fill(&self, models: &ModelSet, failed: &BTreeMap<String, String>) -> Result<Gallery, SwapError> {
        let id = models.embedder_id();
        let mut gallery = Gallery::new(id.clone(), models.embedder_spec().dimension, self.capacity);
        let mut sample: Vec<[Vec<f32>; 2]> = Vec::new();
        let mut wrong = None;
        let mut people = 0u64;
        self.store.for_each(&mut |person| {
            people += 1;
            match gallery.put(&person) {
                Ok(()) | Err(GalleryError::OtherModel { .. }) => {}
                Err(error) => wrong = Some(error),
            }
            let first = |model: &str| person.features_of(model).next().map(|f| f.embedding.vector.clone());
            if let (Some((old, _)), true) = (&self.from, sample.len() < limits::SWAP_SAMPLE) {
                sample.extend(first(old).zip(first(&id)).map(|(old, new)| [old, new]));
            }
        })?;
        if let Some(error) = wrong {
            return Err(error.into());
        }
        let not_embedded = failed.len() as u64;
        if not_embedded > limits::NOT_EMBEDDED_FREE.max(people / limits::NOT_EMBEDDED_ONE_IN) {
            return Err(SwapError::NotEmbedded { not_embedded, people });
        }
        let thresholds = self
            .from
            .as_ref()
            .map(|(_, old)| [old.similarity_threshold, models.scale().similarity_threshold]);
        match thresholds.and_then(|thresholds| confuses(&sample, thresholds)) {
            Some(confusion) => Err(confusion.into()),
            None => Ok(gallery),
        }
    }
}

/// Whether the new model takes people for one another whom the old one tells apart; `sample` has the features of both.
fn confuses(sample: &[[Vec<f32>; 2]], thresholds: [f32; 2]) -> Option<Confusion> {
    let similarity = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let (mut apart, mut confused) = (0, 0);
    for (at, a) in sample.iter().enumerate() {
        for b in &sample[at + 1..] {
            if similarity(&a[0], &b[0]) < thresholds[0] {
                apart += 1;
                confused += usize::from(similarity(&a[1], &b[1]) >= thresholds[1]);
            }
        }
    }
    (confused > apart / limits::SWAP_CONFUSED_ONE_IN + 1).then_some(Confusion { confused, apart })
}

/// Starts a swap in the background.
pub fn start(
    deps: &RegistryDeps,
    turn: &Arc<tokio::sync::Mutex<()>>,
    wanted: WantedModel,
) -> Result<(), ProtocolError> {
    let refused = |reason: String| ProtocolError::new(StatusCode::LocalParamError, reason);
    let name = match wanted {
        WantedModel::Named(name) => name,
        WantedModel::Previous => {
            let chosen = deps.swap.tuner.changes().embedder;
            chosen
                .and_then(|chosen| chosen.previous)
                .ok_or_else(|| refused("no other embedder was in force before this one".to_owned()))?
        }
    };
    if !deps.swap.status.begin(deps.recogniser.get().id(), &name) {
        let facts = deps.swap.status.facts().swap.unwrap_or_default();
        return Err(refused(format!("photos are being embedded with {}; wait for its end", facts.to)));
    }
    let (deps, turn) = (deps.clone(), Arc::clone(turn));
    in_background(deps.swap.status.clone(), move || swap_here(&deps, &turn, &name));
    Ok(())
}

/// Asks the running swap to end; it does so within a chunk of people, or at the latest before the switch.
pub fn cancel(status: &ModelStatus) -> Result<(), ProtocolError> {
    let nothing = || ProtocolError::new(StatusCode::LocalNotFound, "no swap is going on");
    status.cancel().then_some(()).ok_or_else(nothing)
}

/// Runs `work` on a thread of its own and puts its end into the model status, even after a panic.
fn in_background(status: Arc<ModelStatus>, work: impl FnOnce() -> Result<(), SwapError> + Send + 'static) {
    let own = Arc::clone(&status);
    let run = move || {
        let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(SwapError::Panicked));
        conclude(&own, &outcome);
    };
    if let Err(error) = std::thread::Builder::new().name("model-swap".to_owned()).spawn(run) {
        conclude(&status, &Err(SwapError::Thread(error)));
    }
}

/// Writes the end of a swap into the model status and the log.
pub fn conclude(status: &ModelStatus, outcome: &Result<(), SwapError>) {
    let reason = outcome.as_ref().err().map(ToString::to_string);
    let (state, result) = match outcome {
        Ok(()) => (SwapState::Done, "done"),
        Err(SwapError::Cancelled) => (SwapState::Cancelled, "cancelled"),
        Err(_) => (SwapState::Refused, "refused"),
    };
    let facts = status.change(|facts| {
        if let Some(swap) = &mut facts.swap {
            swap.state = state;
            swap.reason.clone_from(&reason);
        }
        facts.swap.clone().unwrap_or_default()
    });
    metrics::counter!("menshen_model_swaps_total", "result" => result).increment(1);
    metrics::gauge!("menshen_model_swap_people_left").set(0.0);
    match reason {
        None => {
            metrics::gauge!("menshen_people_not_embedded").set(facts.not_embedded as f64);
            tracing::info!(
                from = facts.from,
                to = facts.to,
                embedded = facts.embedded,
                not_embedded = facts.not_embedded,
                "embedder swap finished"
            );
        }
        Some(_) if state == SwapState::Cancelled => {
            tracing::info!(
                from = facts.from,
                to = facts.to,
                "embedder swap was cancelled, the active embedder stays"
            );
        }
        Some(reason) => tracing::error!(
            from = facts.from,
            to = facts.to,
            reason,
            "embedder swap failed, the active embedder stays"
        ),
    }
}

fn swap_here(deps: &RegistryDeps, turn: &tokio::sync::Mutex<()>, name: &str) -> Result<(), SwapError> {
    let SwapDeps { status, loader, pick, tuner, threads, stop, .. } = &deps.swap;
    let old = deps.recogniser.get();
    let models = pick(name).map_err(SwapError::Model)?;
    let (to, previous) = (models.embedder_id(), old.name().to_owned());
    status.swap(|swap| swap.to.clone_from(&to));
    if to == old.id() {
        return settle(deps, name, &to);
    }
    let capacity = old.read().capacity();
    let from = Some((old.id().to_owned(), old.scale()));
    let context = MigrationContext {
        store: &*deps.store,
        pictures: &*deps.pictures,
        committing: &deps.committing,
        turn,
        status,
        stop,
        loader: &**loader,
        threads: *threads,
        capacity,
        from,
    };
    let accelerator = models.clone();
    context.swap(models, |models, gallery, spare| {
        choose(tuner, name, &previous)?;
        deps.recogniser.replace(Recogniser::new(models, gallery, spare));
        Ok(())
    })?;
    status.change(|facts| {
        facts.embedder = to;
        facts.note_accelerator(accelerator.accelerator());
        facts.previous = tuner.changes().embedder.and_then(|chosen| chosen.previous);
        facts.fallback = None;
    });
    report_size(&deps.recogniser);
    Ok(())
}

/// The active model is asked for. That is of use only when it replaces a broken one.
fn settle(deps: &RegistryDeps, name: &str, id: &str) -> Result<(), SwapError> {
    match deps.swap.tuner.changes().embedder {
        Some(chosen) if chosen.name != name => {
            choose(&deps.swap.tuner, name, &chosen.name)?;
            deps.swap.status.change(|facts| {
                facts.previous = Some(chosen.name);
                facts.fallback = None;
            });
            Ok(())
        }
        _ => Err(SwapError::AlreadyActive { model: id.to_owned() }),
    }
}

/// Writes down which embedder is the box's. This is the switch.
pub fn choose(tuner: &Tuner, name: &str, previous: &str) -> Result<(), StoreError> {
    tuner.change(|changes| {
        // The same name with another file or calibration is nothing to go back to.
        let before = changes.embedder.take().and_then(|chosen| chosen.previous);
        let previous = Some(previous.to_owned()).filter(|previous| previous != name).or(before);
        changes.embedder = Some(ChosenEmbedder { name: name.to_owned(), previous });
    })
}

/// After a start at which someone had no feature of the active model (its file was replaced, the registry was rebuilt,
/// the chosen model is broken and another one replaces it): they are embedded in the background, and recognised as
/// soon as they are.
pub fn backfill_embeddings(deps: &RegistryDeps) {
    let recogniser = deps.recogniser.get();
    if !deps.swap.missing.swap(false, Ordering::AcqRel)
        || !deps.swap.status.begin(recogniser.id(), recogniser.id())
    {
        return;
    }
    let deps = deps.clone();
    in_background(deps.swap.status.clone(), move || {
        let swap = &deps.swap;
        swap.status.swap(|swap| swap.state = SwapState::Embedding);
        let analyzer = recogniser.models().load(&*swap.loader);
        let mut analyzers = [analyzer.map_err(|error| SwapError::Model(error.into()))?];
        let mut reembedder = Reembedder {
            store: &*deps.store,
            pictures: &*deps.pictures,
            committing: &deps.committing,
            status: &swap.status,
            stop: &swap.stop,
            target: recogniser.id().to_owned(),
            keep: None,
            in_background: true,
            failed: BTreeMap::new(),
            reported: Instant::now(),
        };
        reembedder.pass(&mut analyzers, Commits::Lock, &mut |person| {
            if let Err(error) = recogniser.write().put(person) {
                tracing::error!(person = log_name(&person.id), %error, "person was embedded but cannot be searched for");
            }
        })?;
        report_size(&deps.recogniser);
        Ok(())
    });
}

#[cfg(test)]
#[path = "swap_tests.rs"]
mod tests;
