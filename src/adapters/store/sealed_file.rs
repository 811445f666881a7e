//! A database whose values are sealed with the key of its namespace.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use redb::WriteTransaction;

use super::file::{DatabaseState, Failure, File};
use crate::adapters::space::DiskSpace;
use crate::adapters::vault::{Sealer, Vault};
use crate::ports::store::{Namespace, StoreError};

/// One redb file and the keys of its values.
pub struct SealedFile {
    file: File,
    pub(super) vault: Arc<Vault>,
    namespace: Namespace,
}

impl SealedFile {
    /// Opens the database of a namespace; `tables` makes what it must have, so that readers never meet a missing table.
    pub fn open(
        data_dir: &Path,
        namespace: Namespace,
        vault: Arc<Vault>,
        space: DiskSpace,
        tables: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
    ) -> Result<(Self, DatabaseState), StoreError> {
        let part = match namespace {
            Namespace::Registry => "registry",
            Namespace::Events => "events",
        };
        let (file, state) = File::open(data_dir.join(format!("{part}.redb")), part, space)?;
        file.prepare(&state, tables)?;
        Ok((Self { file, vault, namespace }, state))
    }

    /// Works with the key of this moment. Asked for inside a transaction, so that no writer comes after a wipe with the
    /// key from before it.
    pub fn with_key<T>(&self, work: impl FnOnce(&Sealer) -> T) -> T {
        self.vault.with(self.namespace, work)
    }

    /// For what a wipe must not take: sealed with the master key itself.
    pub fn master_sealer(&self) -> &Sealer {
        self.vault.master_sealer()
    }
}

impl Deref for SealedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}
