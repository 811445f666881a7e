//! Import loops between the files of one crate.
//!
//! A file uses another when a path in it leads to an item defined there; re-exports are followed to the
//! definition. A module's declaration of its children and its re-exports of what they define do not count,
//! nor does code that is compiled for tests only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::references::{Place, Reference, references};
use crate::source::{Crate, Target};

/// One use of a file by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The file that uses.
    pub from: PathBuf,
    /// The file that is used.
    pub to: PathBuf,
    /// The line in `from`.
    pub line: usize,
    /// The path as written there.
    pub path: String,
}

/// Files that use each other in a circle, and the uses that close it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The files, sorted.
    pub files: BTreeSet<PathBuf>,
    /// All uses among them, sorted.
    pub edges: BTreeSet<Edge>,
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = common_folder(&self.files);
        let short = |path: &Path| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
        writeln!(f, "{} files in {} use each other:", self.files.len(), folder.display())?;
        let mut pairs: BTreeMap<(&Path, &Path), BTreeMap<&str, Vec<String>>> = BTreeMap::new();
        for edge in &self.edges {
            let names = pairs.entry((&edge.from, &edge.to)).or_default();
            names.entry(&edge.path).or_default().push(edge.line.to_string());
        }
        for ((from, to), names) in pairs {
            writeln!(f, "  {} -> {}", short(from), short(to))?;
            for (name, lines) in names {
                writeln!(f, "      {}:{}: {name}", from.display(), lines.join(","))?;
            }
        }
        Ok(())
    }
}

/// The loops of `code`, the largest first.
pub fn loops(code: &Crate) -> Vec<Loop> {
    let edges: BTreeSet<Edge> =
        references(code).iter().filter(|reference| !reference.test).flat_map(|r| edges(code, r)).collect();
    let mut uses: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for edge in &edges {
        uses.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = uses.keys().map(|&file| (file, reach(&uses, file))).collect();
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for (&file, below) in &reached {
        if !below.contains(file) || !done.insert(file) {
            continue;
        }
        let files: BTreeSet<&Path> = below
            .iter()
            .copied()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        done.extend(&files);
        let inside = |edge: &&Edge| files.contains(edge.from.as_path()) && files.contains(edge.to.as_path());
        found.push(Loop {
            edges: edges.iter().filter(inside).cloned().collect(),
            files: files.iter().map(|&file| file.to_owned()).collect(),
        });
    }
    found.sort_by_key(|one| (std::cmp::Reverse(one.files.len()), one.files.first().cloned()));
    found
}

/// The files that `file` uses, directly or through others.
fn reach<'a>(uses: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, file: &Path) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Path> = vec![file];
    while let Some(file) = open.pop() {
        for &next in uses.get(file).into_iter().flatten() {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// The uses of other files in one path.
fn edges(code: &Crate, reference: &Reference) -> Vec<Edge> {
    let from = &code.modules[reference.module];
    let mut found = Vec::new();
    for target in &reference.targets {
        let to = match target {
            Target::Item(module) | Target::Missing(module) => *module,
            // What is used of an imported module is seen where it is used.
            Target::Module(module) if reference.place == Place::Code => *module,
            Target::Module(_) | Target::External(_) => continue,
        };
        let to = &code.modules[to];
        let own = reference.place == Place::ReExport && to.path.starts_with(&from.path);
        if to.file != from.file && !own {
            found.push(Edge {
                from: code.files[from.file].clone(),
                to: code.files[to.file].clone(),
                line: reference.line,
                path: reference.path.clone(),
            });
        }
    }
    found
}

fn common_folder(files: &BTreeSet<PathBuf>) -> PathBuf {
    let first = files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let common = |folder: &&Path| files.iter().all(|file| file.starts_with(folder));
    first.ancestors().find(common).unwrap_or(Path::new("")).to_owned()
}
