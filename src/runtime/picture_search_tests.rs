//! The search by picture over a real store.

use crate::actors::reporter::message::SearchByPicture;
use crate::actors::reporter::picture_search::search;
use crate::adapters::store::fixture::{ALL, event, store};
use crate::ports::store::EventStore as _;
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
    assert_eq!(found(SearchByPicture { newest_first: false, ..asked.clone() }).0, ["her", "her elsewhere"]);
    assert_eq!(found(SearchByPicture { between: 11..=99, ..asked.clone() }).0, ["her elsewhere"]);
    let (ids, at_a) = found(SearchByPicture { devices: vec!["a".to_owned()], ..asked.clone() });
    assert_eq!((ids, at_a.page.looked_at, at_a.page.other_model), (vec!["her".to_owned()], 5, 2));
    assert_eq!(found(SearchByPicture { score_min: 99.9, ..asked.clone() }).0, ["her"]);
    #[allow(clippy::reversed_empty_ranges, reason = "the page before reached the end of the span")]
    let (ids, none) = found(SearchByPicture { between: 9..=8, ..asked });
    assert!(ids.is_empty() && none.page.end_ms.is_none());
}
