//! People and permission groups in `registry.redb`.

use std::path::Path;

use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition};

use super::{Failure, File, record};
use crate::core::person::{PermissionGroup, Person};
use crate::ports::store::{RegistryStore, StoreError};

/// identity id → person
const PEOPLE: TableDefinition<&str, &[u8]> = TableDefinition::new("people");
/// permission group id → group
const GROUPS: TableDefinition<&str, &[u8]> = TableDefinition::new("permission_groups");

pub struct RedbRegistryStore {
    file: File,
}

impl RedbRegistryStore {
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let file = File::open(data_dir.join("registry.redb"))?;
        // Tables exist from the first moment, so that readers never meet a missing one.
        file.write(|transaction| {
            transaction.open_table(PEOPLE)?;
            transaction.open_table(GROUPS)?;
            Ok(())
        })?;
        Ok(Self { file })
    }
}

impl RegistryStore for RedbRegistryStore {
    fn for_each(&self, visit: &mut dyn FnMut(Person)) -> Result<(), StoreError> {
        self.file.read(|transaction| {
            for row in transaction.open_table(PEOPLE)?.iter()? {
                visit(record::decode(row?.1.value())?);
            }
            Ok(())
        })
    }

    fn get(&self, id: &str) -> Result<Option<Person>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(PEOPLE)?;
            let row = table.get(id)?;
            row.map(|row| Ok(record::decode(row.value())?)).transpose()
        })
    }

    fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Person>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.file.read(|transaction| {
            let table = transaction.open_table(PEOPLE)?;
            let from = after.map_or(Unbounded, Excluded);
            table
                .range::<&str>((from, Unbounded))?
                .take(limit)
                .map(|row| Ok(record::decode(row?.1.value())?))
                .collect()
        })
    }

    fn page_at(&self, skip: usize, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(PEOPLE)?;
            let rows = table.iter()?.skip(skip).take(limit);
            rows.map(|row| Ok(record::decode(row?.1.value())?)).collect()
        })
    }

    fn count(&self) -> Result<u64, StoreError> {
        self.file.read(|transaction| Ok(transaction.open_table(PEOPLE)?.len()?))
    }

    fn put(&self, people: &[Person]) -> Result<Vec<Person>, StoreError> {
        self.file.write(|transaction| {
            let mut table = transaction.open_table(PEOPLE)?;
            let mut replaced = Vec::new();
            for person in people {
                let bytes = record::encode(person)?;
                if let Some(old) = table.insert(person.id.as_str(), bytes.as_slice())? {
                    replaced.push(record::decode(old.value())?);
                }
            }
            Ok(replaced)
        })
    }

    fn delete(&self, ids: &[String]) -> Result<Vec<Person>, StoreError> {
        self.file.write(|transaction| {
            let mut table = transaction.open_table(PEOPLE)?;
            let mut gone = Vec::new();
            for id in ids {
                if let Some(old) = table.remove(id.as_str())? {
                    gone.push(record::decode(old.value())?);
                }
            }
            Ok(gone)
        })
    }

    fn wipe_people(&self) -> Result<u64, StoreError> {
        self.file.write(|transaction| {
            let count = transaction.open_table(PEOPLE)?.len()?;
            transaction.delete_table(PEOPLE)?;
            transaction.open_table(PEOPLE)?;
            Ok(count)
        })
    }

    fn permission_groups(&self) -> Result<Vec<PermissionGroup>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(GROUPS)?;
            let rows = table.iter()?;
            rows.map(|row| Ok(record::decode(row?.1.value())?)).collect::<Result<_, Failure>>()
        })
    }

    fn set_permission_groups(&self, groups: &[PermissionGroup]) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            transaction.delete_table(GROUPS)?;
            let mut table = transaction.open_table(GROUPS)?;
            for group in groups {
                table.insert(group.id.as_str(), record::encode(group)?.as_slice())?;
            }
            Ok(())
        })
    }
}
