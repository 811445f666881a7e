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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::{ALL, event, store};
    use menshen_domain::event::EventRecord;
    use menshen_domain::event_feature::EventFeature;
    use menshen_domain::face::Embedding;
    use menshen_domain::score::{ScoreMap, ScoreRange};

    fn embedding(model: &str, vector: [f32; 2]) -> Embedding {
        Embedding { model: model.to_owned(), vector: vector.to_vec(), norm: 1.0 }
    }

    fn at(id: &str, timestamp_ms: u64, device: &str, face: &Embedding) -> EventRecord {
        let mut event = EventRecord { timestamp_ms, feature: Some(EventFeature::of(face)), ..event(id) };
        event.device.device_id = device.to_owned();
        event
    }

    #[test]
    fn like_faces_are_found_within_the_span_and_at_the_devices() {
        let (_folder, store) = store();
        let (her, him) = (embedding("m@1", [1.0, 0.0]), embedding("m@1", [0.0, 1.0]));
        for event in [
            at("her", 10, "a", &her),
            at("him", 20, "a", &him),
            at("her elsewhere", 30, "b", &embedding("m@1", [0.96, 0.28])),
            at("of another model", 40, "a", &embedding("m@2", [1.0, 0.0])),
            at("of another length", 50, "a", &Embedding { vector: vec![1.0], ..her.clone() }),
            event("of an older version"),
        ] {
            store.close(&event, 0, &ALL).unwrap();
        }
        let asked = SearchByPicture {
            probe: her,
            between: 0..=99,
            newest_first: true,
            devices: Vec::new(),
            map: ScoreMap::new(ScoreRange::default(), 0.0, 0.4),
            score_min: 82.0,
        };
        let found = |asked: SearchByPicture| {
            let found = search(&store, &asked).unwrap();
            let ids: Vec<_> = found.events.iter().map(|(event, _)| event.event_id.clone()).collect();
            (ids, found)
        };
        let (ids, all) = found(asked.clone());
        assert_eq!(ids, ["her elsewhere", "her"]);
        assert_eq!((all.page.looked_at, all.page.other_model, all.without_feature), (5, 2, 1));
        assert_eq!((all.page.end_ms, all.page.has_more), (Some(10), false));
        assert!((all.events[0].1 - 0.96).abs() < 1e-4 && (all.events[1].1 - 1.0).abs() < 1e-4);
        assert_eq!(
            found(SearchByPicture { newest_first: false, ..asked.clone() }).0,
            ["her", "her elsewhere"]
        );
        assert_eq!(found(SearchByPicture { between: 11..=99, ..asked.clone() }).0, ["her elsewhere"]);
        let (ids, at_a) = found(SearchByPicture { devices: vec!["a".to_owned()], ..asked.clone() });
        assert_eq!((ids, at_a.page.looked_at, at_a.page.other_model), (vec!["her".to_owned()], 5, 2));
        assert_eq!(found(SearchByPicture { score_min: 99.9, ..asked.clone() }).0, ["her"]);
        #[allow(clippy::reversed_empty_ranges, reason = "the page before reached the end of the span")]
        let (ids, none) = found(SearchByPicture { between: 9..=8, ..asked });
        assert!(ids.is_empty() && none.page.end_ms.is_none());
    }
}
