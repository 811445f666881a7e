//! Every decoder of bytes from outside on its seeds and on random changes of them. `tests/fuzz` does the same for longer,
//! guided by coverage. Photos are decoded by `menshen-vision`, hence the dependency.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "the seeds are files")]

#[path = "../../../tests/fuzz/checks.rs"]
mod checks;

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

/// One change of a text: cut, overwrite, repeat, or put a snippet in.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index, Index),
    Overwrite(Index, u8),
    Repeat(Index, Index),
    Insert(Index, &'static str),
}

/// What decoders fail on.
const SNIPPETS: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e999",
    "9223372036854775808",
    "\"\"",
    "[]",
    "{}",
    "[[[[[[",
    "\"\\ud800\"",
    "\\u0000",
    "\u{feff}",
    "data:image/jpeg;base64,",
    "://",
    "%00",
    "..",
    "\u{0}",
    "，",
    "{\"a\":",
    "<a>",
    "]]>",
    "<![CDATA[",
    "&lt;",
    "&x;",
    "0.1",
    "\"0\"",
];

fn change() -> impl Strategy<Value = Change> {
    let snippet = proptest::sample::select(SNIPPETS);
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Cut(a, b)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Repeat(a, b)),
        (any::<Index>(), snippet).prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn span(a: Index, b: Index, length: usize) -> std::ops::Range<usize> {
    let (a, b) = (a.index(length + 1), b.index(length + 1));
    a.min(b)..a.max(b)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Cut(a, b) => drop(bytes.drain(span(*a, *b, bytes.len()))),
        Change::Overwrite(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Overwrite(..) => {}
        Change::Repeat(a, b) => {
            let part = bytes[span(*a, *b, bytes.len())].to_vec();
            bytes.extend(part);
        }
        Change::Insert(at, text) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, text.bytes());
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds").join(target);
    let seeds: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty(), "{} holds no seed", folder.display());
    seeds
}

/// Runs a check on the seeds as they are and on `cases` changed ones.
fn smoke(target: &str, cases: u32, check: impl Fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        check(seed);
    }
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let changed = (any::<Index>(), proptest::collection::vec(change(), 1..6));
    proptest!(config, |((seed, changes) in changed)| {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        check(&bytes);
    });
}

#[test]
fn login() {
    smoke("login", 4000, checks::login);
}

#[test]
fn command() {
    smoke("command", 4000, checks::command);
}

#[test]
fn user() {
    smoke("user", 4000, checks::user);
}

#[test]
fn photo_post() {
    smoke("photo_post", 4000, checks::photo_post);
}

#[test]
fn picture() {
    smoke("picture", 4000, checks::picture);
}

#[test]
fn photo() {
    smoke("photo", 300, checks::photo);
}

#[test]
fn event() {
    smoke("event", 4000, checks::event);
}

#[test]
fn reply() {
    smoke("reply", 4000, checks::reply);
}

#[test]
fn report() {
    smoke("report", 4000, checks::report);
}

#[test]
fn local() {
    smoke("local", 4000, checks::local);
}

#[test]
fn onvif() {
    smoke("onvif", 2000, checks::onvif);
}
