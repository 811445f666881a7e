//! Which module of a crate may use which, and which crates and parts of `std` it must leave alone.
//!
//! A path counts with all modules it leads through, so that neither a rename nor a re-export hides one.

use std::collections::BTreeSet;

use crate::Finding;
use crate::references::{Place, Reference, references};
use crate::source::{Crate, Target};

/// What a top-level module may use.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The module.
    pub module: &'static str,
    /// Other top-level modules it may use; `*` for all.
    pub may_use: &'static [&'static str],
    /// Crates and paths below crates that it must not touch.
    pub must_not_touch: &'static [&'static str],
}

/// What in `code` breaks `rules`; a top-level module without a rule and a rule without a module do.
///
/// `guarded` are crates that a module may touch only when its `may_use` names them, such as the other
/// crates of the workspace.
pub fn check(code: &Crate, rules: &[Rule], guarded: &[&str]) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    for module in code.modules.iter().filter(|module| module.path.len() == 1) {
        if !rules.iter().any(|rule| rule.module == module.path[0]) {
            let message = format!("`{}` has no rule: say in repo-checks what it may use", module.path[0]);
            found.insert(Finding::new(&code.files[module.file], 1, message));
        }
    }
    for rule in rules {
        if !code.modules.iter().any(|module| module.path == [rule.module]) {
            let message = format!("there is no module `{}`: remove its rule or add it", rule.module);
            found.insert(Finding::new(&code.files[0], 1, message));
        }
    }
    let mut references = references(code);
    references.sort_by_key(|reference| reference.place == Place::Code);
    let mut imported = BTreeSet::new();
    for reference in &references {
        let Some(top) = code.modules[reference.module].path.first() else { continue };
        let Some(rule) = rules.iter().find(|rule| rule.module == top) else { continue };
        let file = &code.files[code.modules[reference.module].file];
        let allowed = |name: &str| rule.may_use.contains(&"*") || rule.may_use.contains(&name) || name == top;
        let crates = external(reference).map(|path| path[0].as_str()).filter(|name| guarded.contains(name));
        let used = tops(code, reference).chain(crates).filter(|name| !allowed(name));
        let used = used.map(|name| (name, format!("must not use `{name}`")));
        let touched = touched(reference, rule.must_not_touch);
        for (name, what) in used.chain(touched.map(|name| (name, format!("must not touch `{name}`")))) {
            // What is imported is reported there, and not once more wherever it is used.
            if reference.place != Place::Code {
                imported.insert((file, name));
            } else if imported.contains(&(file, name)) {
                continue;
            }
            let path = &reference.path;
            let message =
                format!("`{top}` {what} ({path}): move this code, or what it needs, to a module that may");
            found.insert(Finding::new(file, reference.line, message));
        }
    }
    found.into_iter().collect()
}

/// Where `code`, tests aside, touches one of `forbidden`; for a crate that must stay pure.
pub fn purity(code: &Crate, forbidden: &[&str]) -> Vec<Finding> {
    let references = references(code);
    let found = references.iter().filter(|reference| !reference.test).flat_map(|reference| {
        let file = &code.files[code.modules[reference.module].file];
        touched(reference, forbidden).map(move |path| {
            let message =
                format!("this crate must not touch `{path}`: take it as an argument or from a trait");
            Finding::new(file, reference.line, message)
        })
    });
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The top-level modules that a path leads through or to.
fn tops<'a>(code: &'a Crate, reference: &'a Reference) -> impl Iterator<Item = &'a str> {
    let ends = reference.targets.iter().filter_map(|target| match target {
        Target::Item(module) | Target::Module(module) | Target::Missing(module) => Some(module),
        Target::External(_) => None,
    });
    ends.chain(&reference.visited).filter_map(|module| code.modules[*module].path.first().map(String::as_str))
}

/// The paths outside the crate that `reference` leads to. A single word in code is a name of something
/// local that only the compiler knows.
fn external(reference: &Reference) -> impl Iterator<Item = &[String]> {
    reference.targets.iter().filter_map(|target| match target {
        Target::External(path) if reference.place != Place::Code || path.len() > 1 => Some(path.as_slice()),
        _ => None,
    })
}

/// Those of `forbidden` that `reference` leads into.
fn touched<'a>(reference: &'a Reference, forbidden: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    forbidden.iter().copied().filter(|name| {
        let name: Vec<&str> = name.split("::").collect();
        external(reference).any(|path| {
            path.len() >= name.len()
                && path.iter().zip(&name).all(|(part, name)| {
                    name.strip_suffix('*').map_or(part == name, |start| part.starts_with(start))
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::made_up;

    const RULES: &[Rule] = &[
        Rule {
            module: "low",
            may_use: &[],
            must_not_touch: &["std::fs", "std::time::Instant", "lapin", "gst*"],
        },
        Rule { module: "mid", may_use: &["low", "ours"], must_not_touch: &[] },
        Rule { module: "top", may_use: &["*"], must_not_touch: &[] },
    ];

    /// What is found when `low/deep.rs` holds `code`.
    fn found(code: &str) -> Vec<String> {
        let code = made_up(&[
            ("src/lib.rs", "pub mod low;\npub mod mid;\npub mod top;\npub use top::Hidden;"),
            ("src/low/mod.rs", "pub mod deep;\npub struct Low;"),
            ("src/low/deep.rs", code),
            ("src/mid.rs", "use ours::B; use crate::low::Low; pub struct Mid; pub fn f() {}"),
            ("src/top.rs", "use crate::mid::Mid; use ours::A; pub struct Top; pub struct Hidden;"),
        ]);
        check(&code, RULES, &["ours"]).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn the_rules_find_what_they_forbid() {
        for code in [
            "use crate::mid::Mid;",
            "use crate::{mid, low::Low};",
            "use super::super::mid as other;",
            "use crate as x; fn f(_: x::mid::Mid) {}",
            "fn f() -> crate::mid::Mid { todo!() }",
            "fn f() { println!(\"{:?}\", crate::mid::f()) }",
            "#[derive(S)] struct A { #[serde(with = \"crate::mid::f\")] b: u8 }",
            "use crate::mid::*;",
            "#[cfg(test)] mod tests { use crate::mid::Mid; }",
            "mod a { mod b { use super::super::super::super::mid; } }",
        ] {
            let found = found(code);
            assert!(!found.is_empty(), "not found: {code}");
            assert!(
                found.iter().all(|one| one.starts_with("src/low/deep.rs:1: `low` must not use `mid` (")),
                "{found:?}"
            );
        }
        assert!(found("\nuse crate::Hidden;")[0].starts_with("src/low/deep.rs:2: `low` must not use `top`"));
        assert!(found("use ours::A;")[0].contains("must not use `ours`"));
    }

    #[test]
    fn drivers_are_found_however_they_are_named() {
        for (code, name) in [
            ("use std::{fs, io};", "std::fs"),
            ("fn f() { ::std::fs::read(0); }", "std::fs"),
            ("use std::time; fn f() { time::Instant::now(); }", "std::time::Instant"),
            ("fn f() { use std::time::Instant as Clock; Clock::now(); }", "std::time::Instant"),
            ("#[lapin::main] async fn f() {}", "lapin"),
            ("extern crate lapin as rabbit; use rabbit::Channel;", "lapin"),
            ("use gst_app::AppSink;", "gst*"),
        ] {
            let found = found(code);
            let expected = format!("src/low/deep.rs:1: `low` must not touch `{name}`");
            assert!(found.iter().any(|one| one.starts_with(&expected)), "{code}: {found:?}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for code in [
            "use super::Low; use self::a::B; mod a { pub struct B; }",
            "use crate::low::deep; use std::time::Duration; use std::io::Read;",
            "fn f() { let lapin = 1; g(lapin); } fn g(mid: u8) -> u8 { mid } // use crate::mid;",
            "mod fs { pub fn read() {} } fn f() { fs::read() }",
        ] {
            assert_eq!(found(code), [""; 0], "{code}");
        }
    }

    #[test]
    fn modules_and_rules_come_in_pairs_and_purity_leaves_tests_alone() {
        let code = made_up(&[
            ("src/lib.rs", "mod new;"),
            ("src/new.rs", "fn f() { std::fs::read(0); }\n#[cfg(test)] mod tests { use std::fs; }"),
        ]);
        let found = check(&code, &RULES[..1], &[]);
        assert_eq!(found[0].message, "there is no module `low`: remove its rule or add it");
        assert!(found[1].message.starts_with("`new` has no rule"));
        let found = purity(&code, &["std::fs"]);
        assert!(found.len() == 1 && found[0].to_string().starts_with("src/new.rs:1: this crate must not"));
    }
}
