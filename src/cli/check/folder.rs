//! The data folder: whether it is there or can be made, belongs to who runs the box, and has room.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::cli::language::said;
use crate::config::Settings;
use crate::regular_file::{self, NoFile};
use crate::runtime::problems::Problems;

/// Everything that keeps the box from writing its data.
pub fn check_data_folder(settings: &Settings) -> Problems {
    let folder = &settings.data_dir;
    let shown = folder.display();
    let mut problems = Problems::default();
    if folder.exists() && !folder.is_dir() {
        return Problems::one(said!(
            "data_dir {shown} is a file: choose a folder",
            "data_dir {shown} 是文件：请指定文件夹"
        ));
    }
    let Some(there) = nearest(folder) else {
        return Problems::one(said!(
            "data_dir {shown} cannot be made: no part of its path is there",
            "无法创建 data_dir {shown}：路径不存在"
        ));
    };
    if let Err(error) = try_to_write(&there) {
        problems.push(unwritable(folder, &there, &error));
    }
    if folder.is_dir() {
        problems.extend(check_owners(folder));
    }
    problems.extend(check_room(&there, settings.storage.keep_free_bytes));
    if let Some(key_file) = settings.storage.key_file.as_ref().filter(|file| file.exists())
        // What is no file was told with its key.
        && let Err(NoFile::Io(error)) = regular_file::open(key_file)
    {
        let shown = key_file.display();
        problems.push(said!(
            "storage.key_file {shown} cannot be read: {error}; {mend}",
            "storage.key_file {shown} 无法读取：{error}；{mend}",
            mend = chown_advice(key_file)
        ));
    }
    problems
}

/// The folder, or the part of its path that is there.
fn nearest(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|path| path.exists()).map(Path::to_path_buf)
}

/// Writes a file and takes it away again.
fn try_to_write(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".menshen-check-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|_| fs::remove_file(&probe))
}

fn unwritable(folder: &Path, there: &Path, error: &std::io::Error) -> String {
    let (shown, there_shown) = (folder.display(), there.display());
    match error.kind() {
        ErrorKind::PermissionDenied => said!(
            "data_dir {shown} is not writable for {who}; {mend}",
            "{who} 无权写入 data_dir {shown}；{mend}",
            who = user_name(rustix::process::geteuid().as_raw()),
            mend = chown_advice(there)
        ),
        ErrorKind::ReadOnlyFilesystem => said!(
            "data_dir {shown} is on a disk that is mounted read-only: mount it for writing (`mount -o remount,rw …`), or choose \
             another data_dir",
            "data_dir {shown} 所在磁盘为只读：请以读写方式挂载（mount -o remount,rw …），或更换 data_dir"
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => said!(
            "the disk of data_dir {shown} is full: make room, or choose another data_dir",
            "data_dir {shown} 所在磁盘已满：请清理空间，或更换 data_dir"
        ),
        _ => said!(
            "data_dir {shown}: nothing can be written in {there_shown}: {error}; choose another data_dir",
            "data_dir {shown}：无法写入 {there_shown}：{error}；请更换 data_dir"
        ),
    }
}

/// Files that the folder's owner, who runs the box, cannot change: left behind by a command of another user.
fn check_owners(folder: &Path) -> Problems {
    let mut problems = Problems::default();
    let Ok(of_folder) = fs::metadata(folder) else { return problems };
    let own = rustix::process::geteuid().as_raw();
    if own != 0 && of_folder.uid() != own {
        let (shown, owner, who) = (folder.display(), user_name(of_folder.uid()), user_name(own));
        problems.push(said!(
            "data_dir {shown} belongs to {owner}, and this is {who}: run menshen as {owner} (sudo -u {owner} menshen …)",
            "data_dir {shown} 属于 {owner}，当前用户是 {who}：请以 {owner} 运行（sudo -u {owner} menshen …）"
        ));
    }
    for path in entries(folder).into_iter().chain(entries(&folder.join("keys"))) {
        let Ok(of_file) = fs::symlink_metadata(&path) else { continue };
        if of_file.uid() != of_folder.uid() {
            let (shown, owner) = (path.display(), user_name(of_file.uid()));
            let (whole, right) = (folder.display(), user_name(of_folder.uid()));
            problems.push(said!(
                "{shown} belongs to {owner}, its folder to {right}: chown -R {right} {whole}",
                "{shown} 属于 {owner}，而文件夹属于 {right}：chown -R {right} {whole}"
            ));
        }
    }
    problems
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn chown_advice(path: &Path) -> String {
    let (shown, who) = (path.display(), user_name(rustix::process::geteuid().as_raw()));
    let owner = fs::metadata(path).map_or_else(|_| "?".to_owned(), |found| user_name(found.uid()));
    said!(
        "{shown} belongs to {owner}: run menshen as {owner}, or give it away with `chown -R {who} {shown}`",
        "{shown} 属于 {owner}：请以 {owner} 运行，或执行 chown -R {who} {shown}"
    )
}

/// By `/etc/passwd`; the number where it has none.
fn user_name(id: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| id.to_string())
}

fn check_room(folder: &Path, keep_free_bytes: u64) -> Option<String> {
    const MB: u64 = 1024 * 1024;
    let facts = rustix::fs::statvfs(folder).ok()?;
    let (free, kept) = (facts.f_bavail.saturating_mul(facts.f_frsize) / MB, keep_free_bytes / MB);
    if free < kept {
        let shown = folder.display();
        return Some(said!(
            "the disk of {shown} has {free} MB free and storage.keep_free_mb keeps {kept} MB: nobody can be enrolled and no event \
             kept; make room, or choose another data_dir",
            "{shown} 所在磁盘剩余 {free} MB，低于 storage.keep_free_mb 的 {kept} MB：无法入库，也无法保存事件；请清理空间，或更换 data_dir"
        ));
    }
    (facts.f_files > 0 && facts.f_favail == 0).then(|| {
        let shown = folder.display();
        said!(
            "the disk of {shown} takes no more files (no inodes are left): delete some, or choose another data_dir",
            "{shown} 所在磁盘无法再创建文件（inode 已用完）：请删除部分文件，或更换 data_dir"
        )
    })
}

/// Whether a box runs on this data: it holds the lock of the registry's database.
pub fn is_in_use(settings: &Settings) -> bool {
    let Ok(file) = File::open(settings.data_dir.join("registry.redb")) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::source::load_text;

    fn told(folder: &Path, more: &str) -> Vec<String> {
        let text = format!("mode = \"standalone\"\ndata_dir = '{}'\n{more}", folder.display());
        check_data_folder(&load_text("m.toml", &text, &Overrides::default()).unwrap()).texts().collect()
    }

    #[test]
    fn a_folder_that_cannot_hold_data_is_told_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(told(folder.path(), ""), Vec::<String>::new());
        let new = folder.path().join("not/there/yet");
        assert_eq!(told(&new, ""), Vec::<String>::new());
        assert!(!folder.path().join("not").exists(), "nothing was made");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(told(&file, "")[0].contains("is a file"));
        assert!(told(&file.join("inside"), "")[0].contains("nothing can be written"));
        assert!(told(Path::new("/proc/menshen"), "")[0].contains("/proc"));
        let full = told(folder.path(), "[storage]\nkeep_free_mb = 1000000\n");
        assert!(full[0].contains("keep_free_mb keeps 1000000 MB") && full.len() == 1, "{full:?}");
    }

    #[test]
    fn files_of_another_user_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registry.redb");
        fs::write(&file, "").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&file, Some(4_000_000_001), None).is_ok() {
            let told = told(folder.path(), "");
            assert!(told[0].contains("belongs to 4000000001") && told[0].contains("chown -R"), "{told:?}");
        }
    }

    #[test]
    fn each_refusal_of_the_disk_has_its_own_mend() {
        let told = |kind: ErrorKind| unwritable(Path::new("/data"), Path::new("/"), &kind.into());
        for (kind, expected) in [
            (ErrorKind::PermissionDenied, "not writable for"),
            (ErrorKind::ReadOnlyFilesystem, "read-only"),
            (ErrorKind::StorageFull, "is full"),
            (ErrorKind::Other, "choose another data_dir"),
        ] {
            assert!(told(kind).contains(expected), "{}", told(kind));
        }
    }
}
