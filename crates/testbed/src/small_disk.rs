//! A small disk of a box's own, which can be filled to the last byte. Needs root: it is a tmpfs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A tmpfs that is unmounted with its handle.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts it at `folder`, which is made.
    ///
    /// # Errors
    /// When it cannot be mounted, as without root.
    pub fn mount(folder: &Path, megabytes: u32) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "menshen-small-disk"])
            .arg(folder)
            .output()
            .context("mount")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes every free byte; returns how many there were.
    ///
    /// # Errors
    /// When the file that takes the space cannot be made.
    pub fn fill(&self) -> Result<u64> {
        let mut file = File::create(self.ballast()).with_context(|| self.ballast().display().to_string())?;
        let mut taken = 0;
        for block in [1 << 20, 4096, 1] {
            let zeros = vec![0u8; block];
            // A full disk takes a part, and then nothing.
            while let Ok(count @ 1..) = file.write(&zeros) {
                taken += count as u64;
            }
        }
        Ok(taken)
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub fn release(&self) {
        // Not there: it was never filled.
        let _ = fs::remove_file(self.ballast());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that still has a file open there ends soon.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}
