//! Erasures on their way, one sealed file each in `erasures/`, and the receipts: `erasure-receipts.jsonl`, one sealed JSON
//! object a line. Both are sealed with the master key, so that a wipe takes neither.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::files::{io_error, sync_folder, write_flushed};
use super::line_file::LineFile;
use super::vault::{Place, Vault};
use crate::ports::erasures::ErasureLog;
use crate::ports::store::StoreError;
use menshen_domain::erasure::{ErasureJob, ErasureReceipt};
use menshen_domain::limits;

/// Suffix of a file that is still being written.
const PART: &str = "part";

pub struct ErasureFiles {
    data_dir: PathBuf,
    jobs: PathBuf,
    receipts: LineFile,
    vault: Arc<Vault>,
    writing: Mutex<()>,
}

impl ErasureFiles {
    pub fn new(data_dir: &Path, vault: Arc<Vault>) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            jobs: data_dir.join("erasures"),
            receipts: LineFile::new(data_dir.join("erasure-receipts.jsonl"), limits::RECEIPT_FILE_BYTES_MAX),
            vault,
            writing: Mutex::new(()),
        }
    }

    fn seal(&self, place: Place<'_>, plain: &[u8], path: &Path) -> Result<Vec<u8>, StoreError> {
        self.vault.master_sealer().seal(place, plain).map_err(|error| StoreError::Io {
            doing: "seal",
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    fn append(&self, receipts: &[ErasureReceipt]) -> Result<(), StoreError> {
        let path = self.receipts.path();
        let failed = |error: io::Error| io_error("write", path, &error);
        let seal = |receipt| {
            let plain = serde_json::to_vec(receipt).unwrap_or_default();
            Ok(BASE64_STANDARD.encode(self.seal(LINE, &plain, path)?))
        };
        let lines = receipts.iter().map(seal).collect::<Result<Vec<_>, StoreError>>()?;
        self.receipts.append(&lines).map_err(failed)?;
        sync_folder(&self.data_dir).map_err(failed)
    }
}

const LINE: Place<'static> = Place("erasure receipts", b"line");

impl ErasureLog for ErasureFiles {
    fn begin(&self, job: &ErasureJob) -> Result<(), StoreError> {
        let path = self.jobs.join(&job.id);
        let failed = |error: io::Error| io_error("write", &path, &error);
        fs::create_dir_all(&self.jobs).map_err(failed)?;
        let plain = serde_json::to_vec(job).unwrap_or_default();
        let sealed = self.seal(Place("erasure", job.id.as_bytes()), &plain, &path)?;
        write_flushed(&path.with_extension(PART), &path, &sealed).map_err(failed)?;
        sync_folder(&self.data_dir).map_err(failed)
    }

    fn unfinished(&self) -> Result<Vec<ErasureJob>, StoreError> {
        let entries = match fs::read_dir(&self.jobs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("read", &self.jobs, &error)),
        };
        let mut jobs: Vec<ErasureJob> = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some() {
                // Nothing had been erased when the crash came, and nobody was told that it would be.
                fs::remove_file(&path).map_err(|error| io_error("delete", &path, &error))?;
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let sealed = fs::read(&path).map_err(|error| io_error("read", &path, &error))?;
            let plain = self.vault.master_sealer().open(Place("erasure", name.as_bytes()), &sealed);
            match plain.ok().and_then(|plain| serde_json::from_slice(&plain).ok()) {
                Some(job) => jobs.push(job),
                None => {
                    tracing::error!(path = %path.display(), "an erasure on its way cannot be read: ask for it again");
                }
            }
        }
        jobs.sort_by_key(|job| job.at_ms);
        Ok(jobs)
    }

    fn remove_copies(&self) -> Result<(), StoreError> {
        let failed = |error: io::Error| io_error("delete", &self.data_dir, &error);
        for entry in fs::read_dir(&self.data_dir).map_err(failed)?.flatten() {
            if entry.file_name().to_string_lossy().contains(".redb.damaged-") {
                fs::remove_file(entry.path()).map_err(failed)?;
                tracing::info!(
                    "a damaged database that was set aside was deleted: it held erased people too"
                );
            }
        }
        Ok(())
    }

    fn finish(&self, job: &ErasureJob, finished_at_ms: u64) -> Result<Vec<ErasureReceipt>, StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut receipts: Vec<ErasureReceipt> =
            self.receipts()?.into_iter().filter(|receipt| receipt.receipt == job.id).collect();
        let known: Vec<String> = receipts.iter().map(|receipt| receipt.person.clone()).collect();
        let new: Vec<ErasureReceipt> = job
            .people
            .iter()
            .map(|person| ErasureReceipt {
                receipt: job.id.clone(),
                person: self.name_of(&person.id),
                asked_at: job.at_ms,
                finished_at: finished_at_ms,
                asked_by: job.asked_by.clone(),
                counts: person.counts,
            })
            .filter(|receipt| !known.contains(&receipt.person))
            .collect();
        self.append(&new)?;
        receipts.extend(new);
        let path = self.jobs.join(&job.id);
        // The file names people. Its bytes are overwritten, as far as the disk lets us.
        if let Ok(mut file) = OpenOptions::new().write(true).open(&path) {
            let length = file.metadata().map_or(0, |facts| facts.len());
            let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
            if let Err(error) = file.write_all(&zeros).and_then(|()| file.sync_all()) {
                tracing::warn!(%error, "the bytes of a finished erasure could not be overwritten, only deleted");
            }
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("delete", &path, &error));
            }
            _ => {}
        }
        match sync_folder(&self.jobs) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &path, &error)),
            _ => Ok(receipts),
        }
    }

    fn receipts(&self) -> Result<Vec<ErasureReceipt>, StoreError> {
        let mut receipts = Vec::new();
        self.receipts.for_each(|text| {
            let sealed = BASE64_STANDARD.decode(text).unwrap_or_default();
            let Ok(plain) = self.vault.master_sealer().open(LINE, &sealed) else { return };
            receipts.extend(serde_json::from_slice::<ErasureReceipt>(&plain));
        })?;
        Ok(receipts)
    }

    fn name_of(&self, id: &str) -> String {
        hex::encode(self.vault.master_sealer().hidden("erasure receipts", &[id.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::vault;
    use menshen_domain::erasure::{ErasedPerson, ErasureCounts};

    fn job(id: &str, people: &[&str]) -> ErasureJob {
        let counts = ErasureCounts { events: 3, ..ErasureCounts::default() };
        let person = |id: &&str| ErasedPerson { id: (*id).into(), counts, ..ErasedPerson::default() };
        ErasureJob {
            id: id.into(),
            at_ms: 5,
            asked_by: "local API".into(),
            people: people.iter().map(person).collect(),
        }
    }

    #[test]
    fn an_erasure_is_kept_until_its_receipts_are() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ErasureFiles::new(folder.path(), vault(folder.path()));
        assert!(open().unfinished().unwrap().is_empty() && open().receipts().unwrap().is_empty());
        let wanted = job("j1", &["110101199003070000", "2"]);
        open().begin(&wanted).unwrap();
        fs::write(folder.path().join("erasures/half.part"), b"x").unwrap();
        assert_eq!(open().unfinished().unwrap(), std::slice::from_ref(&wanted));
        assert!(!folder.path().join("erasures/half.part").exists());
        let receipts = open().finish(&wanted, 9).unwrap();
        assert_eq!((receipts.len(), receipts[0].counts.events, receipts[0].finished_at), (2, 3, 9));
        // A crash between the receipts and the end of the job: no second receipt.
        open().begin(&wanted).unwrap();
        assert_eq!(open().finish(&wanted, 11).unwrap(), receipts);
        assert_eq!(open().receipts().unwrap(), receipts);
        assert!(open().unfinished().unwrap().is_empty());
        assert_eq!(receipts[0].person, open().name_of("110101199003070000"));
        let shown = serde_json::to_string(&receipts).unwrap();
        assert!(!shown.contains("110101199003070000"), "{shown}");
    }

    #[test]
    fn a_torn_receipt_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = ErasureFiles::new(folder.path(), vault(folder.path()));
        files.begin(&job("j1", &["1"])).unwrap();
        fs::write(folder.path().join("erasure-receipts.jsonl"), "half a li").unwrap();
        files.finish(&job("j1", &["1"]), 9).unwrap();
        assert_eq!(files.receipts().unwrap().len(), 1);
        fs::write(folder.path().join("registry.redb.damaged-5"), "x").unwrap();
        files.remove_copies().unwrap();
        assert!(!folder.path().join("registry.redb.damaged-5").exists());
    }
}
