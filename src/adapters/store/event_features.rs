//! The features that events of history keep, in rows of their own: searched by time without opening an event, written and
//! removed in the transactions that write and remove their events.

use std::collections::BTreeSet;

use redb::{ReadableTable as _, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::event_tables::{FEATURE_TIMES, FEATURES};
use super::file::Failure;
use crate::adapters::record::RecordError;
use crate::adapters::vault::{Place, Sealer};
use menshen_domain::event::EventRecord;
use menshen_domain::event_feature::EventFeature;

/// What is sealed: enough to leave an event out without opening it.
#[derive(Serialize, Deserialize)]
pub struct Row<'a> {
    pub model: &'a str,
    pub device_ip: &'a str,
    pub device_id: &'a str,
    pub vector: &'a [u8],
}

pub type Key = (u64, u64);

/// A row cannot pass for that of another event or time.
pub fn place_of((at_ms, sequence): Key) -> [u8; 16] {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&at_ms.to_be_bytes());
    place[8..].copy_from_slice(&sequence.to_be_bytes());
    place
}

pub const PLACE: &str = "event feature";

/// A row that was opened.
pub fn row_of(plain: &[u8]) -> Result<Row<'_>, Failure> {
    Ok(postcard::from_bytes(plain).map_err(RecordError::from)?)
}

/// The rows within a transaction that writes.
pub struct Features<'a> {
    rows: Table<'a, Key, &'static [u8]>,
    times: Table<'a, u64, u64>,
}

impl<'a> Features<'a> {
    pub fn open(transaction: &'a WriteTransaction) -> Result<Self, Failure> {
        Ok(Self { rows: transaction.open_table(FEATURES)?, times: transaction.open_table(FEATURE_TIMES)? })
    }

    /// Keeps an event's feature, if it has one, and answers the bytes of the row.
    pub fn insert(&mut self, key: &Sealer, sequence: u64, event: &EventRecord) -> Result<u64, Failure> {
        let Some(EventFeature { model, vector }) = &event.feature else { return Ok(0) };
        let row = Row { model, device_ip: &event.device.ip, device_id: &event.device.device_id, vector };
        let plain = zeroize::Zeroizing::new(postcard::to_stdvec(&row).map_err(RecordError::from)?);
        let at = (event.timestamp_ms, sequence);
        let sealed = key.seal(Place(PLACE, &place_of(at)), &plain)?;
        self.rows.insert(at, sealed.as_slice())?;
        self.times.insert(sequence, event.timestamp_ms)?;
        Ok(sealed.len() as u64)
    }

    pub fn remove(&mut self, sequence: u64) -> Result<(), Failure> {
        let at_ms = self.times.remove(sequence)?.map(|time| time.value());
        if let Some(at_ms) = at_ms {
            self.rows.remove((at_ms, sequence))?;
        }
        Ok(())
    }

    /// The feature of an event; `None` where it has none that can be read.
    pub fn get(&self, key: &Sealer, sequence: u64) -> Result<Option<EventFeature>, Failure> {
        let Some(at_ms) = self.times.get(sequence)?.map(|time| time.value()) else { return Ok(None) };
        let at = (at_ms, sequence);
        let Some(sealed) = self.rows.get(at)? else { return Ok(None) };
        let Ok(plain) = key.open(Place(PLACE, &place_of(at)), sealed.value()) else { return Ok(None) };
        let Ok(row) = row_of(&plain) else { return Ok(None) };
        Ok(Some(EventFeature { model: row.model.to_owned(), vector: row.vector.to_owned() }))
    }

    /// Removes the features of events that are gone, and those that a destroyed key sealed.
    pub fn retain(&mut self, key: &Sealer, events: &BTreeSet<u64>) -> Result<(), Failure> {
        self.rows.retain(|(_, sequence), sealed| events.contains(&sequence) && key.owns(sealed).is_ok())?;
        self.times.retain(|sequence, _| events.contains(&sequence))?;
        Ok(())
    }
}
