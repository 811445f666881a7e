//! People and groups in `registry.redb`.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition, TableError, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::{DatabaseState, Failure, mark_complete};
use super::sealed_file::SealedFile;
use crate::adapters::record;
use crate::adapters::space::DiskSpace;
use crate::adapters::vault::{Place, Sealer, Vault};
use crate::ports::store::{Namespace, RegistryStore, StoreError};
use menshen_domain::person::{PermissionGroup, Person};
use menshen_domain::registry_groups::RegistryGroup;

pub type Hidden = [u8; 16];

/// keyed hash of the identity id → person: an id may be a national id number
pub const PEOPLE: TableDefinition<Hidden, &[u8]> = TableDefinition::new("sealed people");
/// A list of groups: few, replaced as a whole, sealed with the master key, so that a wipe of people leaves it.
struct GroupTable {
    /// keyed hash of the group's key → group
    rows: TableDefinition<'static, Hidden, &'static [u8]>,
    place: &'static str,
    one: &'static str,
}

const PERMISSION_GROUPS: GroupTable = GroupTable {
    rows: TableDefinition::new("sealed permission groups"),
    place: "permission groups",
    one: "permission group",
};
const REGISTRY_GROUPS: GroupTable = GroupTable {
    rows: TableDefinition::new("sealed registry groups"),
    place: "registry groups",
    one: "registry group",
};
/// rows of people that could not be read at start, as they were
const UNREADABLE: TableDefinition<Hidden, &[u8]> = TableDefinition::new("unreadable people");

pub struct RedbRegistryStore {
    file: SealedFile,
}

impl RedbRegistryStore {
    /// Opens the people's database, or makes it, and says how it was found.
    ///
    /// # Errors
    /// When another process has it open, or the disk fails. A damaged one is no error: it is set aside.
    pub fn open(
        data_dir: &Path,
        vault: Arc<Vault>,
        space: DiskSpace,
    ) -> Result<(Self, DatabaseState), StoreError> {
        let tables = |transaction: &WriteTransaction| {
            transaction.open_table(PEOPLE)?;
            transaction.open_table(PERMISSION_GROUPS.rows)?;
            transaction.open_table(REGISTRY_GROUPS.rows)?;
            transaction.open_table(UNREADABLE)?;
            Ok(())
        };
        let (file, state) = SealedFile::open(data_dir, Namespace::Registry, vault, space, tables)?;
        Ok((Self { file }, state))
    }

    fn groups<T: DeserializeOwned>(&self, table: &GroupTable) -> Result<Vec<T>, StoreError> {
        self.file.read(|transaction| {
            let rows = match transaction.open_table(table.rows) {
                Ok(rows) => rows,
                // A database of an earlier version on a disk that is full.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut groups: Vec<T> = Vec::new();
            for row in rows.iter()? {
                let (row, value) = row?;
                let opened = self.file.master_sealer().open(Place(table.place, &row.value()), value.value());
                match opened.map(|plain| record::decode(&plain)) {
                    Ok(Ok(group)) => groups.push(group),
                    _ => self.file.space().unreadable(table.one, 1),
                }
            }
            Ok(groups)
        })
    }

    fn set_groups<T: Serialize>(
        &self,
        table: &GroupTable,
        groups: &[T],
        key_of: impl Fn(&T) -> &str,
    ) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            transaction.delete_table(table.rows)?;
            let mut rows = transaction.open_table(table.rows)?;
            let key = self.file.master_sealer();
            for group in groups {
                let row = key.hidden(table.place, &[key_of(group).as_bytes()]);
                let sealed = key.seal(Place(table.place, &row), &record::encode(group)?)?;
                rows.insert(row, sealed.as_slice())?;
            }
            Ok(())
        })
    }

    /// `None`, counted, when it cannot be read.
    fn readable(&self, key: &Sealer, row: Hidden, value: &[u8]) -> Option<Person> {
        match open_person(key, row, value) {
            Ok(person) => Some(person),
            Err(failure) => {
                self.file.space().unreadable("person", 1);
                tracing::error!(?failure, "a person's record cannot be read and is skipped");
                None
            }
        }
    }
}

fn hidden(key: &Sealer, id: &str) -> Hidden {
    key.hidden("people", &[id.as_bytes()])
}

fn open_person(key: &Sealer, row: Hidden, value: &[u8]) -> Result<Person, Failure> {
    Ok(record::decode_person(&key.open(Place("people", &row), value)?)?)
}

impl RegistryStore for RedbRegistryStore {
    fn for_each(&self, visit: &mut dyn FnMut(Person)) -> Result<u64, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let mut unreadable = 0;
                for row in transaction.open_table(PEOPLE)?.iter()? {
                    let (row, value) = row?;
                    match self.readable(key, row.value(), value.value()) {
                        Some(person) => visit(person),
                        None => unreadable += 1,
                    }
                }
                Ok(unreadable)
            })
        })
    }

    fn get(&self, id: &str) -> Result<Option<Person>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let row = hidden(key, id);
                let value = transaction.open_table(PEOPLE)?.get(row)?;
                Ok(value.and_then(|value| self.readable(key, row, value.value())))
            })
        })
    }

    fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Person>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let table = transaction.open_table(PEOPLE)?;
                let from = after.map_or(Unbounded, |id| Excluded(hidden(key, id)));
                let mut page = Vec::new();
                for row in table.range::<Hidden>((from, Unbounded))? {
                    if page.len() == limit {
                        break;
                    }
                    let (row, value) = row?;
                    page.extend(self.readable(key, row.value(), value.value()));
                }
                Ok(page)
            })
        })
    }

    fn page_at(&self, skip: usize, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let mut page = Vec::new();
                for row in transaction.open_table(PEOPLE)?.iter()?.skip(skip).take(limit) {
                    let (row, value) = row?;
                    page.extend(self.readable(key, row.value(), value.value()));
                }
                Ok(page)
            })
        })
    }

    fn page_of_group(
        &self,
        group: &str,
        skip: usize,
        limit: usize,
    ) -> Result<(u64, Vec<Person>), StoreError> {
        let (mut total, mut page) = (0, Vec::new());
        self.for_each(&mut |person| {
            if !person.registry_groups.iter().any(|known| known == group) {
                return;
            }
            if total >= skip as u64 && page.len() < limit {
                page.push(person);
            }
            total += 1;
        })?;
        Ok((total, page))
    }

    fn count(&self) -> Result<u64, StoreError> {
        self.file.read(|transaction| Ok(transaction.open_table(PEOPLE)?.len()?))
    }

    fn put(&self, people: &[Person]) -> Result<Vec<Person>, StoreError> {
        self.file.grow(|transaction| {
            self.file.with_key(|key| {
                let mut table = transaction.open_table(PEOPLE)?;
                let mut replaced = Vec::new();
                for person in people {
                    let row = hidden(key, &person.id);
                    let sealed = key.seal(Place("people", &row), &record::encode_person(person)?)?;
                    if let Some(old) = table.insert(row, sealed.as_slice())? {
                        // One that could not be read was counted when it was met, and is healed now.
                        replaced.extend(open_person(key, row, old.value()).ok());
                    }
                }
                Ok(replaced)
            })
        })
    }

    fn delete(&self, ids: &[String]) -> Result<Vec<Person>, StoreError> {
        self.file.write(|transaction| {
            self.file.with_key(|key| {
                let mut table = transaction.open_table(PEOPLE)?;
                let mut gone = Vec::new();
                for id in ids {
                    let row = hidden(key, id);
                    if let Some(old) = table.remove(row)? {
                        gone.extend(self.readable(key, row, old.value()));
                    }
                    transaction.open_table(UNREADABLE)?.remove(row)?;
                }
                Ok(gone)
            })
        })
    }

    fn remove_wiped(&self) -> Result<u64, StoreError> {
        self.file.write(|transaction| {
            // Asked for inside: no writer can come between with an older key.
            self.file.with_key(|key| {
                let mut table = transaction.open_table(PEOPLE)?;
                let before = table.len()?;
                table.retain(|_, value| key.owns(value).is_ok())?;
                transaction.open_table(UNREADABLE)?.retain(|_, value| key.owns(value).is_ok())?;
                Ok(before - table.len()?)
            })
        })
    }

    fn set_aside_unreadable(&self) -> Result<u64, StoreError> {
        let mut bad: Vec<(Hidden, Vec<u8>)> = Vec::new();
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                for row in transaction.open_table(PEOPLE)?.iter()? {
                    let (row, value) = row?;
                    if open_person(key, row.value(), value.value()).is_err() {
                        bad.push((row.value(), value.value().to_vec()));
                    }
                }
                Ok(())
            })
        })?;
        if !bad.is_empty() {
            self.file.write(|transaction| {
                let (mut people, mut aside) =
                    (transaction.open_table(PEOPLE)?, transaction.open_table(UNREADABLE)?);
                for (row, value) in &bad {
                    people.remove(row)?;
                    aside.insert(row, value.as_slice())?;
                }
                Ok(())
            })?;
        }
        Ok(bad.len() as u64)
    }

    fn is_unreadable(&self, id: &str) -> Result<bool, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let row = hidden(key, id);
                let value = transaction.open_table(PEOPLE)?.get(row)?;
                Ok(value.is_some_and(|value| open_person(key, row, value.value()).is_err()))
            })
        })
    }

    fn mark_complete(&self) -> Result<(), StoreError> {
        self.file.write(mark_complete)
    }

    fn permission_groups(&self) -> Result<Vec<PermissionGroup>, StoreError> {
        let mut groups: Vec<PermissionGroup> = self.groups(&PERMISSION_GROUPS)?;
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    fn set_permission_groups(&self, groups: &[PermissionGroup]) -> Result<(), StoreError> {
        self.set_groups(&PERMISSION_GROUPS, groups, |group| &group.id)
    }

    fn registry_groups(&self) -> Result<Vec<RegistryGroup>, StoreError> {
        let mut groups: Vec<RegistryGroup> = self.groups(&REGISTRY_GROUPS)?;
        // Their ids are UUIDs v7: in the order they were made.
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    fn set_registry_groups(&self, groups: &[RegistryGroup]) -> Result<(), StoreError> {
        self.set_groups(&REGISTRY_GROUPS, groups, |group| &group.name)
    }
}

#[cfg(test)]
#[path = "registry_store_tests.rs"]
mod tests;
