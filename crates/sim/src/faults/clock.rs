//! A wall clock of the box's own, which can be set while it runs; its monotonic clock stays true.
//!
//! The box runs under libfaketime (Debian package `libfaketime`), which reads the offset from a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub const DAY_S: i64 = 86_400;
/// How often libfaketime looks at the file.
const LOOK_EVERY_S: u32 = 1;

pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// `None` where libfaketime is not installed.
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

/// The date (UTC) of a time in seconds, as log lines begin: `2026-11-24`.
pub fn date(seconds: i64) -> String {
    // Days to a civil date, after Howard Hinnant.
    let days = seconds.div_euclid(DAY_S) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_553_933, "2026-11-24"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(super::date(seconds), expected);
        }
    }
}
