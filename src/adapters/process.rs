//! What the process allows itself: whom its files and its memory are for, and how many files it may open.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};

use menshen_domain::limits;

/// Files this process makes are its user's own.
pub fn make_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// No core dump, and no reading of the memory by other processes of the same user: faces, keys and passwords are in it.
///
/// # Errors
/// When the system refuses that.
pub fn hide_memory() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Raises the number of files the process may open as far as the system allows, and returns it.
///
/// # Errors
/// The number as it is, when the system refuses that.
pub fn raise_open_files() -> Result<u64, (u64, io::Error)> {
    let now = getrlimit(Resource::Nofile);
    // Without a bound there are as many as anyone wants.
    let most = now.maximum.unwrap_or(limits::OPEN_FILES_WANTED).min(limits::OPEN_FILES_WANTED);
    let present = now.current.unwrap_or(limits::OPEN_FILES_WANTED);
    if present >= most {
        return Ok(present);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }) {
        Ok(()) => Ok(most),
        Err(error) => Err((present, error.into())),
    }
}

/// What all but the owner may do with a file.
const OTHERS: u32 = 0o077;
/// How the names of files in the data folder begin that are not for others.
const FILES: [&str; 7] =
    ["registry.redb", "events.redb", "changes.json", "dead-letters", "tokens.json", "audit", "cli-token"];
/// Folders in it that are not for others, with all that is in them.
const FOLDERS: [&str; 4] = ["keys", "pictures", "tls", "replay"];

/// Takes the rights of others from what is in the data folder, which an older version, a copy or an unpacked backup may have left
/// open. Returns what was open: files of the box only, since the folder itself may hold other things.
///
/// # Errors
/// When a file cannot be looked at or changed.
pub fn close_to_others(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = name.to_string_lossy();
        if kind.is_file() && FILES.iter().any(|own| name.starts_with(own)) {
            close(&entry.path(), &mut open)?;
        } else if kind.is_dir() && FOLDERS.contains(&&*name) {
            close_folder(&entry.path(), &mut open)?;
        }
    }
    Ok(open)
}

/// A folder that was closed already has been gone through before: nobody has come to what is in it since.
fn close_folder(folder: &Path, open: &mut Vec<PathBuf>) -> io::Result<()> {
    if !close(folder, open)? {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            close_folder(&entry.path(), open)?;
        } else if kind.is_file() {
            close(&entry.path(), open)?;
        }
    }
    Ok(())
}

fn close(path: &Path, open: &mut Vec<PathBuf>) -> io::Result<bool> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700))?;
    open.push(path.to_path_buf());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_others_could_read_is_closed_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        for (path, mode) in [
            ("registry.redb", 0o644),
            ("events.redb.damaged-1", 0o640),
            ("changes.json", 0o666),
            ("audit.jsonl", 0o600),
            ("somebody-elses.txt", 0o644),
            ("pictures/registry/a.img", 0o644),
            ("pictures/events/b.img", 0o755),
        ] {
            let path = data.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for folder in ["pictures", "pictures/registry", "pictures/events"] {
            fs::set_permissions(data.join(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", data.join("tokens.json")).unwrap();
        let found = close_to_others(data).unwrap();
        assert_eq!(found.len(), 8, "{found:?}");
        assert_eq!(mode(&data.join("registry.redb")), 0o600);
        assert_eq!(mode(&data.join("pictures/events/b.img")), 0o700);
        assert_eq!(mode(&data.join("pictures/registry")), 0o700);
        assert_eq!(mode(&data.join("somebody-elses.txt")), 0o644);
        assert_eq!(close_to_others(data).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn as_many_files_may_be_opened_as_the_system_allows() {
        let allowed = raise_open_files().unwrap();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current.unwrap_or(u64::MAX).min(allowed), allowed);
        assert!(now.maximum.is_none_or(
            |most| allowed == most.min(limits::OPEN_FILES_WANTED) || allowed > limits::OPEN_FILES_WANTED
        ));
    }
}
