//! Search by picture: which events of history show a face like the one asked about.

use std::time::Instant;

use actix::prelude::{Handler, ResponseFuture};

use super::ReporterActor;
use super::message::{FoundByPicture, SearchByPicture};
use crate::actors::blocking::run_blocking;
use crate::ports::store::{EventStore, KeptFeature, StoreError};
use menshen_domain::event_feature::similarity;
use menshen_domain::limits;
use menshen_domain::picture_search::{PageLimits, SearchPage, Seen};

impl Handler<SearchByPicture> for ReporterActor {
    type Result = ResponseFuture<Result<FoundByPicture, menshen_domain::status::ProtocolError>>;

    fn handle(&mut self, asked: SearchByPicture, _: &mut Self::Context) -> Self::Result {
        let events = self.deps().storage.events.clone();
        Box::pin(run_blocking(move || search(events.as_ref(), &asked)))
    }
}

const PAGE: PageLimits =
    PageLimits { looked_at: limits::EVENTS_LOOKED_AT_MAX, found: limits::PICTURE_SEARCH_FOUND_MAX };

/// One page. Reads a snapshot of the store, so that no writer waits for it; opens one feature at a time, and of the events
/// those that were found.
///
/// # Errors
/// The store cannot be read.
pub fn search(events: &dyn EventStore, asked: &SearchByPicture) -> Result<FoundByPicture, StoreError> {
    let began = Instant::now();
    let mut page = SearchPage::new(PAGE);
    if !asked.between.is_empty() {
        events.features(asked.between.clone(), asked.newest_first, &mut |kept| {
            page.look(kept.timestamp_ms, kept.sequence, see(asked, &kept))
        })?;
    }
    let page = page.finish();
    let sequences: Vec<u64> = page.hits.iter().map(|hit| hit.sequence).collect();
    let mut hits = page.hits.iter();
    let mut found = Vec::with_capacity(sequences.len());
    // One that was deleted since then is left out.
    for stored in events.at(&sequences)? {
        let hit = hits.find(|hit| hit.sequence == stored.sequence);
        found.extend(hit.map(|hit| (stored.event, hit.similarity)));
    }
    let counts = events.counts()?;
    Ok(FoundByPicture {
        events: found,
        page,
        without_feature: counts.stored.saturating_sub(counts.features),
        took_ms: began.elapsed().as_millis() as u64,
    })
}

fn see(asked: &SearchByPicture, kept: &KeptFeature<'_>) -> Seen {
    let is_meant = |id: &String| id == kept.device_id || id == kept.device_ip;
    if !asked.devices.is_empty() && !asked.devices.iter().any(is_meant) {
        return Seen::Other;
    }
    if kept.model != asked.probe.model {
        return Seen::OtherModel;
    }
    match similarity(kept.vector, &asked.probe.vector) {
        None => Seen::OtherModel,
        Some(similarity) if asked.map.score(similarity) >= asked.score_min => Seen::Hit { similarity },
        Some(_) => Seen::Other,
    }
}
