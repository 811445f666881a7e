//! `menshen bench picture-search`: the search by picture over stored events, as a box with made-up events has them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use cpu_time::ThreadTime;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

use menshen::actors::reporter::message::SearchByPicture;
use menshen::actors::reporter::picture_search::search;
use menshen::adapters::space::DiskSpace;
use menshen::adapters::store::RedbEventStore;
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::evaluation::made_up::unit_vector;
use menshen::ports::store::{EventStore as _, RestoredEvent, Retention};
use menshen_domain::event::{EventIdentity, EventRecord};
use menshen_domain::event_feature::EventFeature;
use menshen_domain::event_query::EventQuery;
use menshen_domain::explain::{Explanation, Ranked, ShotRecord};
use menshen_domain::face::Embedding;
use menshen_domain::person::PersonKind;
use menshen_domain::score::{ScoreMap, ScoreRange};
use menshen_sim::figures::print_figures;

use super::outage;

const MODEL: &str = "bench@000000000000";
/// Events of one transaction while the store is filled.
const CHUNK: usize = 1_000;
/// Searches; the first is measured with the others.
const SEARCHES: usize = 20;
/// Queries with a filter, which take longer.
const QUERIES: usize = 3;
/// Events that are closed one by one, to see what keeping a feature costs.
const CLOSED: usize = 50;
/// First event's time.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// What is measured.
pub struct Asked<'a> {
    /// Where the stores are made.
    pub folder: &'a Path,
    pub events: &'a [usize],
    /// Length of a feature; the shipped embedders have 128 and 512.
    pub dimension: usize,
    /// Events that show the person searched for.
    pub found: usize,
}

pub fn run(asked: &Asked<'_>) -> Result<()> {
    for events in asked.events {
        measure(asked, *events)?;
    }
    Ok(())
}

fn open(folder: &Path) -> Result<RedbEventStore> {
    let places = KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places)?);
    Ok(RedbEventStore::open(folder, vault, DiskSpace::new(folder, 0, Arc::default()))?.0)
}

fn measure(asked: &Asked<'_>, events: usize) -> Result<()> {
    let folder = tempfile::tempdir_in(asked.folder)?;
    let store = open(folder.path())?;
    let mut random = StdRng::seed_from_u64(3);
    let probe = unit_vector(&mut random, asked.dimension);
    let every = events.div_ceil(asked.found.max(1)).max(1);
    for first in (0..events).step_by(CHUNK) {
        let event = |index: usize| {
            let is_found = asked.found > 0 && index.is_multiple_of(every);
            let vector = if is_found { probe.clone() } else { unit_vector(&mut random, asked.dimension) };
            RestoredEvent { event: event(index, Some(&vector)), picture_bytes: 0 }
        };
        let chunk: Vec<_> = (first..(first + CHUNK).min(events)).map(event).collect();
        store.restore(&chunk)?;
    }
    let bytes = store.counts()?.stored_bytes as f64 / events.max(1) as f64;
    let question = SearchByPicture {
        probe: Embedding { model: MODEL.to_owned(), vector: probe, norm: 1.0 },
        between: 0..=u64::MAX,
        newest_first: true,
        devices: Vec::new(),
        map: ScoreMap::new(ScoreRange::default(), 0.0, 0.4),
        score_min: 82.0,
    };
    let (mut looked_at, mut found) = (0, 0);
    let (searches, cpu) = times(SEARCHES, || {
        let page = search(&store, &question)?;
        (looked_at, found) = (page.page.looked_at, page.events.len());
        Ok(())
    })?;
    // What a query of `events` with a filter costs on the same store.
    let query = EventQuery { name: Some("nobody".to_owned()), ..EventQuery::default() };
    let (queries, query_cpu) = times(QUERIES, || {
        store.newest_first(&[], 0, &mut |stored, _| {
            !query.matches(&stored.event, &stored.event.device.registry_group)
        })?;
        Ok(())
    })?;
    print_figures(&json!({
        "bench": "picture_search",
        "events": events,
        "dimension": asked.dimension,
        "looked_at": looked_at,
        "found": found,
        "search_ms_median": searches[searches.len() / 2],
        "search_ms_max": searches[searches.len() - 1],
        "search_cpu_ms_median": cpu[cpu.len() / 2],
        "filtered_query_ms_median": queries[queries.len() / 2],
        "filtered_query_cpu_ms_median": query_cpu[query_cpu.len() / 2],
        "row_bytes_per_event": bytes,
        "close_ms_median_without_feature": close(&store, None)?,
        "close_ms_median_with_feature": close(&store, Some(&question.probe.vector))?,
        "optimised": !cfg!(debug_assertions),
    }));
    Ok(())
}

/// Milliseconds of each run, and milliseconds of CPU, both in order of size.
fn times(runs: usize, mut run: impl FnMut() -> Result<()>) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut times, mut cpu) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for _ in 0..runs {
        let (began, began_cpu) = (Instant::now(), ThreadTime::now());
        run()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        cpu.push(began_cpu.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    Ok((times, cpu))
}

/// Median of storing one event durably.
fn close(store: &RedbEventStore, vector: Option<&[f32]>) -> Result<f64> {
    let mut times = Vec::with_capacity(CLOSED);
    for index in 0..CLOSED {
        let event = event(index, vector);
        let began = Instant::now();
        store.close(&event, 0, &Retention::EVERYTHING)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[CLOSED / 2])
}

/// An event with an explanation of the usual length, one a second.
fn event(index: usize, vector: Option<&[f32]>) -> EventRecord {
    let best = || (0..3).map(|nth| Ranked::new(&format!("person {nth}"), 0.4)).collect::<Vec<_>>();
    let shot =
        |nth: u64| ShotRecord { after_ms: nth * 150, quality: 0.8, best: best(), used: true, liveness: None };
    let why = Explanation {
        looks: 40,
        passed: 30,
        shots: (0..8).map(shot).collect(),
        fused: best(),
        threshold: 0.4,
        ..Explanation::default()
    };
    let feature = vector.map(|vector| {
        let (model, vector) = (MODEL.to_owned(), vector.to_vec());
        EventFeature::of(&Embedding { model, vector, norm: 1.0 })
    });
    EventRecord {
        identity: index.is_multiple_of(2).then(|| EventIdentity {
            id: index.to_string(),
            name: format!("person {index}"),
            kind: PersonKind::Employee,
            registry_photo: None,
        }),
        why: Some(Box::new(why)),
        feature,
        ..outage::event("BENCH", BEGIN_MS + index as u64 * 1_000)
    }
}
