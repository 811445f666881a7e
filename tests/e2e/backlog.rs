//! Events put into a stopped box's store, as an outage would have left them.

use menshen::config::Overrides;
use menshen::ports::store::{EventStore as _, NewPicture, Owner, PictureStore as _, Retention};
use menshen::runtime::storage::{Storage, create_data_dir};
use menshen_domain::event::{EventDevice, EventRecord, ShotQuality, WantAction};

use crate::testbed::{DEV_SNO, TestBed};

pub fn event(id: &str) -> EventRecord {
    EventRecord {
        event_id: id.to_owned(),
        device: EventDevice {
            ep_id: format!("{DEV_SNO}__gate"),
            ip: "gate".to_owned(),
            device_type: "3".to_owned(),
            name: "front gate".to_owned(),
            device_id: String::new(),
            registry_group: "default_group".to_owned(),
        },
        identity: None,
        timestamp_ms: 1_750_000_000_000,
        in_timestamp_ms: 1_750_000_000_000,
        out_timestamp_ms: 1_750_000_001_000,
        score: 0.3,
        similarity: Some(0.1),
        want_action: WantAction::Nothing,
        quality: ShotQuality::default(),
        spot_pic: Some(format!("{id}-spot.jpg")),
        face_pic: Some(format!("{id}-face.jpg")),
        model: "sface".to_owned(),
        why: None,
        feature: None,
    }
}

/// Closes events with these ids into history, with pictures; the box must not be running.
pub fn fill(bed: &TestBed, ids: &[String]) {
    let settings = menshen::config::load(&bed.config_path(), &Overrides::default()).unwrap();
    create_data_dir(&settings.data_dir).unwrap();
    let storage = Storage::open(&settings).unwrap();
    let (store, pictures) = (storage.events().unwrap(), storage.pictures().unwrap());
    for id in ids {
        let event = event(id);
        for name in event.pictures() {
            let bytes = b"\xFF\xD8 no real picture";
            pictures.put(&[NewPicture { name, bytes, owner: Owner::Event(&event) }]).unwrap();
        }
        store.close(&event, 50, &Retention::EVERYTHING).unwrap();
    }
}

pub fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("event-{number:05}")).collect()
}
