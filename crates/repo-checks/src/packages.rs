//! The packages of the workspace, read from its `Cargo.toml`s.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use crate::{CheckError, read};

/// When a dependency is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// For the product: normal and build dependencies.
    Normal,
    /// For tests, benches and examples only.
    Dev,
}

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the repository; empty for the root package.
    pub folder: PathBuf,
    /// Names of the packages it depends on (not what it renames them to).
    pub dependencies: BTreeSet<(Kind, String)>,
    /// Root files of its libraries, programs, tests and benches, relative to the repository.
    pub targets: Vec<PathBuf>,
}

/// All packages of the workspace at `root`, the root package first.
///
/// # Errors
/// When a manifest cannot be read.
pub fn packages(root: &Path) -> Result<Vec<Package>, CheckError> {
    let manifest = manifest(root, Path::new(""))?;
    let mut folders = BTreeSet::new();
    for member in strings(table(&manifest, "workspace").and_then(|workspace| workspace.get("members"))) {
        folders.extend(expand(root, &member)?);
    }
    let excluded = strings(table(&manifest, "workspace").and_then(|workspace| workspace.get("exclude")));
    if manifest.contains_key("package") {
        folders.insert(PathBuf::new());
    }
    let shared = table(&manifest, "workspace").and_then(|workspace| table(workspace, "dependencies"));
    folders.retain(|folder| !excluded.iter().any(|excluded| Path::new(excluded) == folder));
    folders.iter().map(|folder| package(root, folder, shared)).collect()
}

/// Files that belong to the repository: tracked, or new and not ignored; relative to `root`.
///
/// # Errors
/// When git is missing or `root` is in no repository.
pub fn tracked_files(root: &Path) -> Result<BTreeSet<PathBuf>, CheckError> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| CheckError::Git(error.to_string()))?;
    if !output.status.success() {
        return Err(CheckError::Git(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    // A file that was deleted and not committed yet is still listed.
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|file| root.join(file).is_file()).collect())
}

fn manifest(root: &Path, folder: &Path) -> Result<Table, CheckError> {
    let path = root.join(folder).join("Cargo.toml");
    let text = read(&path)?;
    text.parse().map_err(|error: toml::de::Error| CheckError::Parse {
        line: error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1),
        path,
        message: error.message().to_owned(),
    })
}

fn table<'a>(table: &'a Table, key: &str) -> Option<&'a Table> {
    table.get(key).and_then(Value::as_table)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The folders a workspace member names: itself, or with `x/*` every package in `x`.
fn expand(root: &Path, member: &str) -> Result<Vec<PathBuf>, CheckError> {
    let Some(parent) = member.strip_suffix("/*") else {
        return Ok(vec![PathBuf::from(member)]);
    };
    let folders = entries(&root.join(parent))?.into_iter();
    let packages = folders.filter(|folder| folder.join("Cargo.toml").is_file());
    Ok(packages.filter_map(|folder| folder.strip_prefix(root).ok().map(Path::to_owned)).collect())
}

/// What is in `folder`, sorted; nothing when there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CheckError> {
    let failed = |source| CheckError::Read { path: folder.to_owned(), source };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn package(root: &Path, folder: &Path, shared: Option<&Table>) -> Result<Package, CheckError> {
    let manifest = manifest(root, folder)?;
    let name = table(&manifest, "package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| CheckError::Parse {
        path: root.join(folder).join("Cargo.toml"),
        line: 1,
        message: "the workspace member has no [package] with a name".to_owned(),
    })?;
    let mut dependencies = BTreeSet::new();
    let platforms = table(&manifest, "target").into_iter().flat_map(Table::values);
    for part in std::iter::once(&manifest).chain(platforms.filter_map(Value::as_table)) {
        for (key, kind) in [
            ("dependencies", Kind::Normal),
            ("build-dependencies", Kind::Normal),
            ("dev-dependencies", Kind::Dev),
        ] {
            for (name, value) in table(part, key).into_iter().flatten() {
                dependencies.insert((kind, real_name(name, value, shared)));
            }
        }
    }
    Ok(Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        dependencies,
        targets: targets(root, folder, &manifest)?,
    })
}

/// The name of a dependency's package, which `package = "…"` may hide, here or in the workspace's list.
fn real_name(name: &str, value: &Value, shared: Option<&Table>) -> String {
    if value.get("workspace").and_then(Value::as_bool) == Some(true)
        && let Some(shared) = shared.and_then(|shared| shared.get(name))
    {
        return real_name(name, shared, None);
    }
    value.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}

/// Root files by Cargo's conventions and by the manifest's own paths.
fn targets(root: &Path, folder: &Path, manifest: &Table) -> Result<Vec<PathBuf>, CheckError> {
    let folder = root.join(folder);
    let mut targets: BTreeSet<PathBuf> =
        ["src/lib.rs", "src/main.rs", "build.rs"].iter().map(|path| folder.join(path)).collect();
    for group in ["src/bin", "tests", "benches", "examples"] {
        for path in entries(&folder.join(group))? {
            if path.is_dir() {
                targets.insert(path.join("main.rs"));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                targets.insert(path);
            }
        }
    }
    let named = ["lib", "bin", "test", "bench", "example"].iter().filter_map(|key| manifest.get(*key));
    for target in named.flat_map(|value| match value {
        Value::Array(targets) => targets.iter().collect(),
        target => vec![target],
    }) {
        targets.extend(target.get("path").and_then(Value::as_str).map(|path| folder.join(path)));
    }
    targets.retain(|path| path.is_file());
    Ok(targets.iter().filter_map(|path| path.strip_prefix(root).ok().map(Path::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn members_are_found_with_their_dependencies_and_targets() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(
            root,
            "Cargo.toml",
            "[package]\nname = \"top\"\n[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"crates/old\"]\n\
             [workspace.dependencies]\nshort = { package = \"long-name\", version = \"1\" }\n\
             [target.'cfg(unix)'.dependencies]\nunix = \"1\"\n[[test]]\nname = \"odd\"\npath = \"odd/x.rs\"\n",
        );
        for file in ["src/lib.rs", "odd/x.rs", "tests/a.rs", "tests/b/main.rs", "crates/notes.txt"] {
            write(root, file, "");
        }
        let manifest = "[package]\nname = \"one\"\n[dependencies]\nshort.workspace = true\n\
                        [build-dependencies]\ncc = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
        write(root, "crates/one/Cargo.toml", manifest);
        write(root, "crates/old/Cargo.toml", "[package]\nname = \"old\"\n");
        let found = packages(root).unwrap();
        assert_eq!(found.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["top", "one"]);
        assert_eq!(
            found[0].targets,
            ["odd/x.rs", "src/lib.rs", "tests/a.rs", "tests/b/main.rs"].map(PathBuf::from)
        );
        assert_eq!(found[0].dependencies, [(Kind::Normal, "unix".to_owned())].into());
        let expected = [(Kind::Normal, "cc"), (Kind::Normal, "long-name"), (Kind::Dev, "proptest")];
        assert_eq!(found[1].dependencies, expected.map(|(kind, name)| (kind, name.to_owned())).into());
    }

    #[test]
    fn a_broken_manifest_is_reported_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "Cargo.toml", "[package]\nname = \n");
        assert!(packages(root.path()).unwrap_err().to_string().contains("Cargo.toml:2: "));
    }
}
