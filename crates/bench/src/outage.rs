//! The product's part in `menshen-sim outage`: a store as a long outage leaves it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use super::product::{create_data_dir, settings_of};
use menshen::ports::store::{EventStore as _, NewPicture, Owner, PictureStore as _, Retention, StoreError};
use menshen::runtime::storage::Storage;
use menshen_domain::event::{EventDevice, EventRecord, ShotQuality, WantAction};

const OUTAGE_MS: u64 = 3 * 24 * 3600 * 1000;
/// Size of a face crop.
const FACE_BYTES: usize = 10 * 1024;
/// Threads that write pictures: each write waits for the disk.
const WRITERS: u64 = 8;

/// Ids in history order.
pub fn fill(config: &Path, events: u64, picture_bytes: usize) -> Result<Vec<String>> {
    let settings = settings_of(config)?;
    create_data_dir(&settings.data_dir)?;
    let storage = Storage::open(&settings)?;
    let (store, pictures) = (storage.events()?, storage.pictures()?);
    let ended_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let begun_ms = ended_ms.saturating_sub(OUTAGE_MS);
    let made: Vec<_> = (0..events)
        .map(|index| event(&settings.dev_sno, begun_ms + OUTAGE_MS / events.max(1) * index))
        .collect();
    std::thread::scope(|scope| {
        let write = |first: u64| {
            let (made, pictures) = (&made, &pictures);
            scope.spawn(move || {
                for event in made.iter().skip(first as usize).step_by(WRITERS as usize) {
                    for (name, bytes) in event.pictures().zip([picture_bytes, FACE_BYTES]) {
                        let bytes = &jpeg_like(bytes);
                        pictures.put(&[NewPicture { name, bytes, owner: Owner::Event(event) }])?;
                    }
                }
                Ok::<(), StoreError>(())
            })
        };
        let writers: Vec<_> = (0..WRITERS).map(write).collect();
        writers.into_iter().try_for_each(|writer| -> Result<()> {
            Ok(writer.join().ok().context("a thread that writes pictures panicked")??)
        })
    })?;
    for event in &made {
        store.close(event, (picture_bytes + FACE_BYTES) as u64, &Retention::EVERYTHING)?;
    }
    Ok(made.into_iter().map(|event| event.event_id).collect())
}

/// Bytes with the beginning of a JPEG that no compression makes small.
fn jpeg_like(bytes: usize) -> Vec<u8> {
    let mut picture: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    picture.splice(0..2.min(bytes), [0xFF, 0xD8]);
    picture
}

/// An event of a stranger at that time.
pub fn event(dev_sno: &str, at_ms: u64) -> EventRecord {
    let event_id = uuid::Uuid::now_v7().to_string();
    EventRecord {
        device: EventDevice {
            ep_id: format!("{dev_sno}__gate"),
            ip: "gate".to_owned(),
            device_type: "3".to_owned(),
            name: "gate".to_owned(),
            device_id: String::new(),
            registry_group: "default_group".to_owned(),
        },
        identity: None,
        timestamp_ms: at_ms,
        in_timestamp_ms: at_ms,
        out_timestamp_ms: at_ms + 2_000,
        score: 0.4,
        similarity: Some(0.2),
        want_action: WantAction::Nothing,
        quality: ShotQuality::default(),
        spot_pic: Some(format!("{event_id}-spot.jpg")),
        face_pic: Some(format!("{event_id}-face.jpg")),
        model: "outage".to_owned(),
        why: None,
        feature: None,
        event_id,
    }
}
