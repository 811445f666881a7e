//! A file of text lines that is only appended to, with one older file behind it: what two logs of the data folder are kept in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::files::io_error;
use crate::ports::store::StoreError;

pub struct LineFile {
    path: PathBuf,
    /// From this size on a new file is begun; the one before takes the place of the older one.
    bytes_max: u64,
}

impl LineFile {
    pub fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn old_path(&self) -> PathBuf {
        self.path.with_extension("jsonl.1")
    }

    /// Durable when it returns. Callers take turns.
    pub fn append(&self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if fs::metadata(&self.path).is_ok_and(|facts| facts.len() > self.bytes_max) {
            fs::rename(&self.path, self.old_path())?;
        }
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
        // A crash may have torn the last line; it must not spoil this one.
        let mut text = if ends_with_a_line(&mut file)? { String::new() } else { "\n".to_owned() };
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Every line, oldest first. What is no text is passed over: it was torn or damaged.
    pub fn for_each(&self, mut visit: impl FnMut(&str)) -> Result<(), StoreError> {
        for path in [self.old_path(), self.path.clone()] {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("read", &path, &error)),
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(|error| io_error("read", &path, &error))?;
                if let Ok(text) = std::str::from_utf8(&line) {
                    visit(text.trim());
                }
            }
        }
        Ok(())
    }
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &LineFile) -> Vec<String> {
        let mut lines = Vec::new();
        file.for_each(|line| lines.push(line.to_owned())).unwrap();
        lines
    }

    #[test]
    fn lines_stay_whole_and_two_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = LineFile::new(folder.path().join("log.jsonl"), 8);
        assert!(lines(&file).is_empty());
        file.append(&[]).unwrap();
        assert!(!file.path().exists());
        fs::write(file.path(), b"a\nto\xff").unwrap();
        file.append(&["b".to_owned(), "c".to_owned()]).unwrap();
        assert_eq!(lines(&file), ["a", "b", "c"], "what was torn is passed over");
        file.append(&["d".to_owned()]).unwrap();
        assert_eq!(lines(&file), ["a", "b", "c", "d"]);
        assert!(file.old_path().exists());
        file.append(&["e, which is long".to_owned()]).unwrap();
        file.append(&["f".to_owned()]).unwrap();
        assert_eq!(lines(&file), ["d", "e, which is long", "f"], "the oldest file is gone");
    }
}
