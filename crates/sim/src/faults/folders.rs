//! Folders of a campaign.

use std::path::{Path, PathBuf};

/// A folder for one run.
pub fn run_folder(what: &str, seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("menshen-{what}-{}-seed{seed}", std::process::id()))
}

pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
