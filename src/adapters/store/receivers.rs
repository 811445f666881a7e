//! Receivers' addresses in `events.redb`: a login or a token may be in one, so rows are found by a keyed hash, and the address
//! itself is sealed. Both with the master key, since a wipe of events keeps the receivers.

use redb::{
    ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _, TableDefinition, TableHandle as _,
    WriteTransaction,
};

use super::event_tables::{CURSORS, RECEIVERS, SET_ASIDE};
use super::file::Failure;
use crate::adapters::record;
use crate::adapters::vault::{Place, Sealer};
use crate::ports::outbox::QuarantinedEvent;
use crate::ports::store::StoreError;

use super::sealed_file::SealedFile;

/// As older versions kept them: receiver → last sequence it has.
const CLEAR_CURSORS: TableDefinition<&str, u64> = TableDefinition::new("cursors");
/// (receiver, sequence) → what it refused.
const CLEAR_SET_ASIDE: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("set_aside");

/// What a receiver's rows are found by.
pub fn hidden(key: &Sealer, receiver: &str) -> String {
    hex::encode(key.hidden("receivers", &[receiver.as_bytes()]))
}

/// Remembers the address that belongs to a hash.
pub fn remember(transaction: &WriteTransaction, key: &Sealer, receiver: &str) -> Result<String, Failure> {
    let name = hidden(key, receiver);
    let mut table = transaction.open_table(RECEIVERS)?;
    if table.get(name.as_str())?.is_none() {
        let sealed = key.seal(Place("receivers", name.as_bytes()), receiver.as_bytes())?;
        table.insert(name.as_str(), sealed.as_slice())?;
    }
    Ok(name)
}

/// All addresses.
pub fn all(table: &ReadOnlyTable<&'static str, &'static [u8]>, key: &Sealer) -> Result<Vec<String>, Failure> {
    let mut receivers = Vec::new();
    for row in table.iter()? {
        let (name, sealed) = row?;
        let plain = key.open(Place("receivers", name.value().as_bytes()), sealed.value())?;
        receivers.push(String::from_utf8_lossy(&plain).into_owned());
    }
    Ok(receivers)
}

/// Seals what a receiver refused, for its place.
pub fn seal_row(key: &Sealer, row: &QuarantinedEvent) -> Result<Vec<u8>, Failure> {
    let place = hidden(key, &row.receiver);
    Ok(key.seal(Place("set aside", place.as_bytes()), &record::encode(row)?)?)
}

/// Opens what [`seal_row`] sealed; `name` is the hash it was found by.
pub fn open_row(key: &Sealer, name: &str, sealed: &[u8]) -> Result<QuarantinedEvent, Failure> {
    Ok(record::decode(&key.open(Place("set aside", name.as_bytes()), sealed)?)?)
}

/// Seals what an older version left in the clear; once.
pub fn seal_old(file: &SealedFile) -> Result<(), StoreError> {
    let has_old = file.read(|transaction| {
        let old = [CLEAR_CURSORS.name().to_owned(), CLEAR_SET_ASIDE.name().to_owned()];
        Ok(transaction.list_tables()?.any(|table| old.iter().any(|name| name == table.name())))
    })?;
    if !has_old {
        return Ok(());
    }
    let key = file.master_sealer();
    file.write(|transaction| {
        {
            let cursors = transaction.open_table(CLEAR_CURSORS)?;
            let mut sealed = transaction.open_table(CURSORS)?;
            for row in cursors.iter()? {
                let (receiver, sequence) = row?;
                sealed.insert(remember(transaction, key, receiver.value())?.as_str(), sequence.value())?;
            }
            let rows = transaction.open_table(CLEAR_SET_ASIDE)?;
            let mut sealed = transaction.open_table(SET_ASIDE)?;
            for row in rows.iter()? {
                let row: QuarantinedEvent = record::decode(row?.1.value())?;
                let name = remember(transaction, key, &row.receiver)?;
                sealed.insert((name.as_str(), row.sequence), seal_row(key, &row)?.as_slice())?;
            }
            tracing::info!(receivers = cursors.len()?, "addresses of receivers were sealed");
        }
        transaction.delete_table(CLEAR_CURSORS)?;
        transaction.delete_table(CLEAR_SET_ASIDE)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::RedbEventStore;
    use crate::adapters::store::fixture::{space, store, vault};
    use crate::ports::outbox::Outbox as _;
    use crate::ports::store::EventStore as _;

    const URL: &str = "http://ops:s3cretpw@10.0.0.9/box/record?token=t0psecret";

    fn row(sequence: u64) -> QuarantinedEvent {
        QuarantinedEvent {
            receiver: URL.into(),
            sequence,
            reason: "answered 400".into(),
            at_ms: 5,
            retry: false,
        }
    }

    #[test]
    fn addresses_of_receivers_are_on_the_disk_sealed_only() {
        let (folder, store) = store();
        store.set_cursor(URL, 7).unwrap();
        store.set_aside(URL, &[row(8)], 8).unwrap();
        drop(store);
        let bytes = std::fs::read(folder.path().join("events.redb")).unwrap();
        for piece in ["s3cretpw", "t0psecret", "10.0.0.9"] {
            assert!(!bytes.windows(piece.len()).any(|window| window == piece.as_bytes()), "{piece}");
        }
        let store =
            RedbEventStore::open(folder.path(), vault(folder.path()), space(folder.path())).unwrap().0;
        assert_eq!(store.receivers().unwrap(), [URL]);
        assert_eq!((store.cursor(URL).unwrap(), store.cursor("http://other/").unwrap()), (Some(8), None));
        assert_eq!(store.set_asides(0, 9).unwrap(), [row(8)]);
    }

    #[test]
    fn what_an_older_version_left_in_the_clear_is_sealed_and_nothing_is_lost() {
        let (folder, store) = store();
        store
            .file
            .write(|transaction| {
                transaction.open_table(CLEAR_CURSORS)?.insert(URL, 41)?;
                transaction.open_table(CLEAR_CURSORS)?.insert("http://b/", 3)?;
                let old = record::encode(&row(9))?;
                transaction.open_table(CLEAR_SET_ASIDE)?.insert((URL, 9), old.as_slice())?;
                Ok(())
            })
            .unwrap();
        drop(store);
        for _ in 0..2 {
            let store =
                RedbEventStore::open(folder.path(), vault(folder.path()), space(folder.path())).unwrap().0;
            assert_eq!((store.cursor(URL).unwrap(), store.cursor("http://b/").unwrap()), (Some(41), Some(3)));
            assert_eq!(store.set_aside_count(URL).unwrap(), 1);
            assert_eq!(store.retry_set_aside(Some("http://10.0.0.9/box/record"), None).unwrap(), 1);
            assert_eq!(store.to_retry(URL, 9).unwrap()[0].sequence, 9);
            let mut known = store.receivers().unwrap();
            known.sort();
            assert_eq!(known, ["http://b/", URL]);
        }
    }
}
