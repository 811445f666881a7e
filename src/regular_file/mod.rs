//! Files of the installer: keys, certificates, secrets. Whatever else stands at their path is named and not opened: reading a pipe waits
//! for a writer, for ever.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use menshen_domain::text;
use menshen_domain::text::Text;

/// What stands where a file should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddFile {
    Folder,
    Pipe,
    Socket,
    Device,
}

impl OddFile {
    fn of(kind: FileType) -> Option<Self> {
        if kind.is_file() {
            None
        } else if kind.is_dir() {
            Some(Self::Folder)
        } else if kind.is_fifo() {
            Some(Self::Pipe)
        } else if kind.is_socket() {
            Some(Self::Socket)
        } else {
            Some(Self::Device)
        }
    }

    fn text(self) -> Text {
        match self {
            Self::Folder => text!("a folder", "文件夹"),
            Self::Pipe => text!("a named pipe (FIFO)", "命名管道（FIFO）"),
            Self::Socket => text!("a socket", "套接字"),
            Self::Device => text!("a device", "设备文件"),
        }
    }
}

/// Why there is no file to read.
#[derive(Debug)]
pub enum NoFile {
    Odd(OddFile),
    Io(io::Error),
}

impl NoFile {
    /// For a sentence that begins with the path.
    pub fn text(&self, path: &Path) -> Text {
        let path = path.display();
        match self {
            Self::Odd(odd) => {
                let what = odd.text();
                Text::new(|language| {
                    let what = what.of(language);
                    menshen_domain::tr!(
                        language,
                        "{path} is {what}; give a regular file",
                        "{path} 是{what}，请指定普通文件"
                    )
                })
            }
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                text!("there is no file {path}", "文件 {path} 不存在")
            }
            Self::Io(error) => text!("cannot read {path}: {error}", "无法读取 {path}：{error}"),
        }
    }
}

/// For who tells of the path himself.
impl From<NoFile> for io::Error {
    fn from(no_file: NoFile) -> Self {
        match no_file {
            NoFile::Odd(odd) => {
                let what = odd.text();
                let told = text!("it is {what}, and must be a regular file", "是{what}，须为普通文件");
                Self::new(io::ErrorKind::InvalidInput, told.to_string())
            }
            NoFile::Io(error) => error,
        }
    }
}

/// Whether there is a file to read.
///
/// # Errors
/// When there is none, or something else.
pub fn look(path: &Path) -> Result<(), NoFile> {
    let facts = fs::metadata(path).map_err(NoFile::Io)?;
    OddFile::of(facts.file_type()).map_or(Ok(()), |odd| Err(NoFile::Odd(odd)))
}

/// Opens a file. What is none is not opened.
///
/// # Errors
/// As [`look`], and when it may not be read.
pub fn open(path: &Path) -> Result<File, NoFile> {
    look(path)?;
    // Something else may have taken its place since; opened like this it does not wait.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(NoFile::Io)?;
    let facts = file.metadata().map_err(NoFile::Io)?;
    OddFile::of(facts.file_type()).map_or(Ok(file), |odd| Err(NoFile::Odd(odd)))
}

/// The bytes of a file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> Result<Vec<u8>, NoFile> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(NoFile::Io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use menshen_domain::status::Language;

    use super::*;

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert_eq!(read(&path("file")).unwrap(), b"x");
        assert_eq!(read(&path("link")).unwrap(), b"x");
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(path("pipe"), path("link-to-pipe")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for (path, en, zh) in [
            (path("pipe"), "a named pipe", "命名管道"),
            (path("link-to-pipe"), "a named pipe", "命名管道"),
            (path("socket"), "a socket", "套接字"),
            (folder.path().to_owned(), "a folder", "文件夹"),
            ("/dev/zero".into(), "a device", "设备文件"),
            (path("nothing"), "there is no file", "不存在"),
        ] {
            let text = read(&path).unwrap_err().text(&path);
            assert!(text.of(Language::En).contains(en), "{text}");
            assert!(text.of(Language::Zh).contains(zh), "{text}");
        }
        let error = io::Error::from(look(&path("pipe")).unwrap_err());
        assert!(error.to_string().contains("must be a regular file"), "{error}");
    }
}
