//! Which crate of the workspace may depend on which.

use std::collections::{BTreeMap, BTreeSet};

use crate::Finding;
use crate::packages::{Kind, Package};

/// What a crate of the workspace may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The crate.
    pub name: &'static str,
    /// Crates of the workspace it may depend on.
    pub may_use: &'static [&'static str],
    /// Crates of the workspace its tests may use besides.
    pub tests_may_use: &'static [&'static str],
    /// Crates of the workspace it must not even reach through others, tests aside.
    pub must_not_reach: &'static [&'static str],
    /// Crates from outside that neither it nor its tests may use; `x*` is every name that begins with `x`.
    pub forbidden: &'static [&'static str],
}

/// Whether `name` is one of `patterns`, of which `x*` is every name that begins with `x`.
pub(crate) fn matches(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

/// What in `packages` breaks `rules`; a crate without a rule and a rule without a crate do.
pub fn check(packages: &[Package], rules: &[Rule]) -> Vec<Finding> {
    let ours: BTreeMap<&str, &Package> = packages.iter().map(|one| (one.name.as_str(), one)).collect();
    let mut found = Vec::new();
    for package in packages {
        let manifest = package.folder.join("Cargo.toml");
        let mut report = |message: String| found.push(Finding::new(&manifest, 1, message));
        let name = &package.name;
        let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
            report(format!("`{name}` has no rule: say in repo-checks which crates it may depend on"));
            continue;
        };
        for (kind, used) in &package.dependencies {
            let in_tests = *kind == Kind::Dev && rule.tests_may_use.contains(&used.as_str());
            if ours.contains_key(used.as_str()) {
                if !in_tests && !rule.may_use.contains(&used.as_str()) {
                    report(format!(
                        "`{name}` must not depend on `{used}`: move what it needs to where both may see it"
                    ));
                }
            } else if matches(used, rule.forbidden) {
                report(format!("`{name}` must not depend on `{used}`: leave that to a crate that may"));
            }
        }
        let reached = reach(&ours, package);
        for reached in rule.must_not_reach.iter().filter(|name| reached.contains(**name)) {
            report(format!("`{name}` reaches `{reached}` through its dependencies: cut one of them"));
        }
    }
    for rule in rules.iter().filter(|rule| !ours.contains_key(rule.name)) {
        let message =
            format!("there is no crate `{}` in the workspace: remove its rule or add it", rule.name);
        found.push(Finding::new("Cargo.toml", 1, message));
    }
    found
}

/// The crates of the workspace that a product with `package` in it has in it.
fn reach<'a>(ours: &BTreeMap<&'a str, &'a Package>, package: &'a Package) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![package];
    while let Some(package) = open.pop() {
        let used = package.dependencies.iter().filter(|(kind, _)| *kind == Kind::Normal);
        for next in used.filter_map(|(_, used)| ours.get(used.as_str())) {
            if found.insert(next.name.as_str()) {
                open.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Rule =
        Rule { name: "", may_use: &[], tests_may_use: &[], must_not_reach: &[], forbidden: &[] };

    fn package(name: &str, normal: &[&str], dev: &[&str]) -> Package {
        let of =
            |kind, names: &[&str]| names.iter().map(|name| (kind, (*name).to_owned())).collect::<Vec<_>>();
        Package {
            name: name.to_owned(),
            folder: name.into(),
            dependencies: [of(Kind::Normal, normal), of(Kind::Dev, dev)].concat().into_iter().collect(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn the_rules_find_what_they_forbid() {
        let rules = [
            Rule { name: "pure", forbidden: &["tokio", "actix*"], ..FREE },
            Rule { name: "top", may_use: &["pure", "mid"], tests_may_use: &["bed"], ..FREE },
            Rule { name: "mid", may_use: &["bed"], must_not_reach: &["pure"], ..FREE },
            Rule { name: "bed", may_use: &["pure"], ..FREE },
        ];
        let good = [
            package("pure", &["serde"], &["proptest"]),
            package("top", &["pure", "tokio"], &["bed"]),
            package("mid", &[], &[]),
            package("bed", &[], &[]),
        ];
        assert_eq!(check(&good, &rules), []);
        for (bad, expected) in [
            (package("pure", &["tokio"], &[]), "`pure` must not depend on `tokio`"),
            (package("pure", &["actix-web"], &[]), "`pure` must not depend on `actix-web`"),
            (package("pure", &[], &["tokio"]), "`pure` must not depend on `tokio`"),
            (package("pure", &["top"], &[]), "`pure` must not depend on `top`"),
            (package("top", &["bed"], &[]), "`top` must not depend on `bed`"),
            (package("bed", &[], &["top"]), "`bed` must not depend on `top`"),
        ] {
            let packages: Vec<Package> =
                good.iter().map(|one| if one.name == bad.name { bad.clone() } else { one.clone() }).collect();
            let found = check(&packages, &rules);
            assert!(found.len() == 1 && found[0].message.starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn a_crate_reached_through_others_is_found() {
        let rules = [
            Rule { name: "top", may_use: &["mid"], must_not_reach: &["low"], ..FREE },
            Rule { name: "mid", may_use: &["low"], ..FREE },
            Rule { name: "low", ..FREE },
        ];
        let (top, low) = (package("top", &["mid"], &[]), package("low", &[], &[]));
        let found = check(&[top.clone(), package("mid", &["low"], &[]), low.clone()], &rules);
        assert_eq!(
            found[0].to_string(),
            "top/Cargo.toml:1: `top` reaches `low` through its dependencies: cut one of them"
        );
        assert_eq!(check(&[top, package("mid", &[], &["low"]), low], &rules), [], "tests may");
    }

    #[test]
    fn crates_and_rules_come_in_pairs() {
        let found = check(&[package("new", &[], &[])], &[Rule { name: "old", ..FREE }]);
        assert!(
            found[0].message.contains("`new` has no rule") && found[1].message.contains("no crate `old`")
        );
    }
}
