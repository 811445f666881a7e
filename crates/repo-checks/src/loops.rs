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
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        uses.keys().map(|&file| (file, reach(&uses, file))).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::made_up;

    /// The uses that close loops between `a.rs`, `b/mod.rs`, `b/c.rs` and `d.rs`, as `file:line path`.
    fn found(a: &str, b: &str, c: &str, d: &str) -> Vec<String> {
        let root = "mod a; mod b; mod d; #[cfg(test)] mod tests;";
        let files =
            [("src/lib.rs", root), ("src/a.rs", a), ("src/b/mod.rs", b), ("src/b/c.rs", c), ("src/d.rs", d)];
        let code = made_up(&[&files[..], &[("src/tests.rs", "use crate::a::A; pub struct T;")]].concat());
        let edges = loops(&code).into_iter().flat_map(|one| one.edges);
        let text = |edge: Edge| format!("{}:{} {}", edge.from.display(), edge.line, edge.path);
        edges.map(text).map(|text| text.replace("src/", "")).collect()
    }

    const C: &str = "pub struct C; pub fn c() {}";
    const B: &str = "mod c; pub use c::{C, c};";

    #[test]
    fn a_loop_is_found_with_the_lines_that_close_it() {
        let a = "\nuse crate::d;\npub struct A(d::D);";
        assert_eq!(found(a, B, C, "use super::a::A; pub struct D;"), ["a.rs:3 d::D", "d.rs:1 super::a::A"]);
        // However the name is written.
        for d in [
            "use crate::{a::{self as x}}; pub struct D(x::A);",
            "pub struct D; fn f() -> super::a::A { todo!() }",
            "pub struct D; fn f() { use crate::a as y; y::A; }",
            "pub struct D; fn f() { vec![1, crate::a::A] }",
            "pub struct D; use crate::a::*; fn f(_: A) {}",
            "pub struct D; #[serde(default = \"crate::a::A::new\")] struct E;",
        ] {
            let found = found(a, B, C, d);
            assert!(
                found.len() >= 2 && found.iter().any(|edge| edge.starts_with("d.rs:1 ")),
                "{d}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_loop_passes() {
        let a = "use crate::d::D; pub struct A(D);";
        for (b, c, d) in [
            // Tests may look back.
            (B, C, "pub struct D; #[cfg(test)] mod tests { use crate::a::A; }"),
            (B, C, "pub struct D; #[cfg(test)] use crate::tests::T; #[cfg(test)] fn f(_: super::a::A) {}"),
            // A re-export is followed to the definition.
            (B, "use crate::d::D; pub struct C; pub fn c() {}", "pub struct D;"),
            ("mod c; pub use c::{C, c}; pub struct B;", C, "use crate::b::C; pub struct D;"),
            // A local variable has no file, nor has a word outside code.
            (B, C, "pub struct D; fn f(a: u8) -> u8 { a } // crate::a::A"),
            (B, C, "pub struct D; mod a { pub struct A; } fn f(_: a::A) {}"),
        ] {
            assert_eq!(found(a, b, c, d), [""; 0], "{d}");
        }
    }

    #[test]
    fn re_exports_are_followed_and_do_not_count_for_the_parent() {
        // The parent re-exports what its child defines: it is no part of the loop through the child.
        let edges = found("use crate::b::C; pub struct A;", B, "use crate::a::A; pub struct C(A);", "");
        assert_eq!(edges, ["a.rs:1 crate::b::C", "b/c.rs:1 A", "b/c.rs:1 crate::a::A"]);
        // A parent that uses its child itself and is used by it: a loop.
        let b = "mod c; pub use c::C; pub struct B(C);";
        assert_eq!(found("", b, "use super::B; pub struct C;", ""), ["b/c.rs:1 super::B", "b/mod.rs:1 C"]);
        // A re-export of something that is not below counts.
        let d = "pub use crate::a::A; pub struct D;";
        assert_eq!(found("use crate::d::D; pub struct A;", B, C, d).len(), 2);
    }

    #[test]
    fn imports_that_lead_to_themselves_end() {
        let d = "use metrics::metrics; use crate::d::e as e; pub use crate::a::*; fn f() { metrics::x(); e::y() }";
        assert_eq!(found("pub use crate::d::*; fn f() { nothing() }", B, C, d), [""; 0]);
    }

    #[test]
    fn a_loop_is_printed_with_files_and_lines() {
        let code = made_up(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B;\npub struct A(B);"),
            ("src/b.rs", "pub struct B(super::a::A);"),
        ]);
        let text = "2 files in src use each other:\n  a.rs -> b.rs\n      src/a.rs:2: B\n      src/a.rs:1: crate::b::B\n  \
                    b.rs -> a.rs\n      src/b.rs:1: super::a::A\n";
        assert_eq!(loops(&code)[0].to_string(), text);
    }
}
