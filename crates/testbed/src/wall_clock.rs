//! A wall clock of the box's own, which can be set while it runs; its monotonic clock stays true.
//!
//! The box runs under libfaketime (Debian package `libfaketime`), which reads the offset from a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// How often libfaketime looks at the file.
const LOOK_EVERY_S: u32 = 1;

/// The clock of one process.
pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// A clock that shows the true time, kept in a file of `folder`; `None` where libfaketime is not installed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let Some(library) = library() else { return Ok(None) };
        let clock = Self { library, file: folder.join("wall-clock") };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// What the environment of a process must hold that is to run on this clock.
    pub fn environment(&self) -> [(&'static str, String); 7] {
        let on = || "1".to_owned();
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", LOOK_EVERY_S.to_string()),
            // Both names of it: the older one is what Debian 12 reads.
            ("DONT_FAKE_MONOTONIC", on()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", on()),
            ("FAKETIME_DISABLE_SHM", on()),
            ("NO_FAKE_STAT", on()),
        ]
    }

    /// Sets the clock this far from the true time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, offset_s: i64) -> Result<()> {
        // In one step, so that nobody reads half of it.
        let part = self.file.with_extension("part");
        std::fs::write(&part, format!("{offset_s:+}\n"))
            .and_then(|()| std::fs::rename(&part, &self.file))
            .with_context(|| self.file.display().to_string())
    }
}

fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.is_file())
}
