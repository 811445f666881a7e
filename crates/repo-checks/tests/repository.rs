//! The checks of this crate on the repository as it is. The tables below say what is allowed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use repo_checks::packages::{packages, tracked_files};
use repo_checks::source::Crate;
use repo_checks::{Finding, dependencies, lengths, links, loops, modules, read, repository};

/// Crates that a crate of pure computation has no use for: they wait, speak or count.
const HEAVY: &[&str] =
    &["tokio*", "actix*", "lapin", "reqwest", "redb", "gstreamer*", "ort", "sysinfo", "metrics*", "tracing*"];
/// Those that a crate over pixels, tensors and model files has no use for.
const DRIVERS_AND_ACTORS: &[&str] =
    &["tokio*", "actix*", "lapin", "reqwest", "redb", "gstreamer*", "ort", "sysinfo"];
/// Test equipment has none of the product's store and inference.
const PRODUCT: &[&str] = &["redb", "ort"];

const ALONE: dependencies::Rule =
    dependencies::Rule { name: "", may_use: &[], tests_may_use: &[], must_not_reach: &[], forbidden: &[] };

const CRATES: &[dependencies::Rule] = &[
    dependencies::Rule { name: "menshen-domain", forbidden: HEAVY, ..ALONE },
    dependencies::Rule { name: "menshen-gallery", may_use: &["menshen-domain"], forbidden: HEAVY, ..ALONE },
    // Its smoke test runs the checks of `tests/fuzz`, photos among them.
    dependencies::Rule {
        name: "menshen-protocol",
        may_use: &["menshen-domain"],
        tests_may_use: &["menshen-vision"],
        forbidden: HEAVY,
        ..ALONE
    },
    dependencies::Rule {
        name: "menshen-vision",
        may_use: &["menshen-domain"],
        forbidden: DRIVERS_AND_ACTORS,
        ..ALONE
    },
    dependencies::Rule {
        name: "menshen-models",
        may_use: &["menshen-vision", "menshen-domain"],
        forbidden: DRIVERS_AND_ACTORS,
        ..ALONE
    },
    dependencies::Rule {
        name: "menshen-testbed",
        may_use: &["menshen-protocol", "menshen-domain"],
        must_not_reach: &["menshen"],
        forbidden: PRODUCT,
        ..ALONE
    },
    dependencies::Rule {
        name: "menshen-sim",
        may_use: &["menshen-testbed", "menshen-protocol", "menshen-domain"],
        must_not_reach: &["menshen"],
        forbidden: PRODUCT,
        ..ALONE
    },
    dependencies::Rule {
        name: "menshen",
        may_use: &[
            "menshen-domain",
            "menshen-gallery",
            "menshen-protocol",
            "menshen-vision",
            "menshen-models",
        ],
        tests_may_use: &["menshen-testbed"],
        must_not_reach: &["menshen-sim", "menshen-testbed"],
        ..ALONE
    },
    // Above the box: it measures the box from outside and its parts from inside.
    dependencies::Rule {
        name: "menshen-bench",
        may_use: &[
            "menshen",
            "menshen-domain",
            "menshen-gallery",
            "menshen-vision",
            "menshen-models",
            "menshen-testbed",
            "menshen-sim",
        ],
        ..ALONE
    },
    dependencies::Rule { name: "repo-checks", ..ALONE },
];

/// Crates of the workspace that a module of the box uses only when its rule says so.
const GUARDED: &[&str] = &[
    "menshen_domain",
    "menshen_gallery",
    "menshen_protocol",
    "menshen_vision",
    "menshen_models",
    "menshen_testbed",
    "menshen_sim",
];
/// What only an adapter may touch.
const DRIVERS: &[&str] = &["lapin", "reqwest", "redb", "gstreamer*", "ort", "sysinfo"];

/// The modules of the box, in `src/`.
const MODULES: &[modules::Rule] = &[
    // What may stand in a line of the log is a pure rule of texts.
    modules::Rule { module: "telemetry", may_use: &["menshen_domain"], must_not_touch: DRIVERS },
    modules::Rule {
        module: "ports",
        may_use: &["telemetry", "menshen_domain", "menshen_protocol"],
        must_not_touch: DRIVERS,
    },
    modules::Rule { module: "status", may_use: &["menshen_domain"], must_not_touch: DRIVERS },
    // How a file is opened that the installer names: for whoever reads one.
    modules::Rule { module: "regular_file", may_use: &["menshen_domain"], must_not_touch: DRIVERS },
    modules::Rule {
        module: "config",
        may_use: &["telemetry", "regular_file", "menshen_domain"],
        must_not_touch: DRIVERS,
    },
    modules::Rule {
        module: "adapters",
        may_use: &[
            "telemetry",
            "status",
            "ports",
            "regular_file",
            "menshen_domain",
            "menshen_protocol",
            "menshen_vision",
        ],
        must_not_touch: &["actix", "actix_web"],
    },
    modules::Rule {
        module: "actors",
        may_use: &[
            "telemetry",
            "status",
            "ports",
            "menshen_domain",
            "menshen_gallery",
            "menshen_protocol",
            "menshen_vision",
            "menshen_models",
        ],
        must_not_touch: DRIVERS,
    },
    // Handlers of the local API are clients of the actors, like the MQ link; whom they let in and what they write down of changes are
    // ports.
    modules::Rule {
        module: "web",
        may_use: &["telemetry", "status", "ports", "actors", "menshen_domain", "menshen_protocol"],
        must_not_touch: DRIVERS,
    },
    modules::Rule {
        module: "runtime",
        may_use: &[
            "telemetry",
            "status",
            "ports",
            "regular_file",
            "config",
            "adapters",
            "actors",
            "web",
            "menshen_domain",
            "menshen_gallery",
            "menshen_protocol",
            "menshen_vision",
            "menshen_models",
        ],
        must_not_touch: DRIVERS,
    },
    // Figures of a model, for the command line and for menshen-bench.
    modules::Rule {
        module: "evaluation",
        may_use: &[
            "telemetry",
            "config",
            "adapters",
            "runtime",
            "menshen_domain",
            "menshen_gallery",
            "menshen_vision",
            "menshen_models",
        ],
        must_not_touch: DRIVERS,
    },
    // The command line is on top of all.
    modules::Rule { module: "cli", may_use: &["*"], must_not_touch: &[] },
];

/// What reaches the outside, the clock or chance.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net::Tcp*",
    "std::net::Udp*",
    "std::net::ToSocketAddrs",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "rand",
    "getrandom",
    "uuid::Uuid::now_v7",
    "uuid::Uuid::new_v4",
];
/// Pure crates, and what their code, tests aside, must not touch.
const PURE: &[(&str, &[&str])] = &[
    ("menshen-domain", OUTSIDE),
    ("menshen-protocol", OUTSIDE),
    ("menshen-gallery", OUTSIDE),
    ("menshen-vision", OUTSIDE),
];

/// Loops that stay: the files, and why. At most one.
const ACCEPTED_LOOPS: &[(&[&str], &str)] = &[];

/// Beginnings of paths that exist on one machine only.
const MACHINE: &[&str] = &["/home/", "/root/", "/Users/", "C:\\"];

fn none(found: &[Finding]) {
    let text: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), text.join("\n"));
}

fn files(ending: &str) -> impl Iterator<Item = (PathBuf, String)> {
    let of_kind = move |file: &PathBuf| file.extension().is_some_and(|extension| extension == ending);
    let files = tracked_files(&repository()).unwrap().into_iter().filter(of_kind);
    files.map(|file| (file.clone(), read(&repository().join(file)).unwrap()))
}

#[test]
fn crates_depend_only_on_what_they_may() {
    none(&dependencies::check(&packages(&repository()).unwrap(), CRATES));
}

#[test]
fn modules_of_the_box_use_only_what_they_may() {
    let code = Crate::read(&repository(), Path::new("src/lib.rs")).unwrap();
    none(&modules::check(&code, MODULES, GUARDED));
}

#[test]
fn pure_crates_touch_nothing_outside() {
    let packages = packages(&repository()).unwrap();
    for (name, forbidden) in PURE {
        let package = packages.iter().find(|package| package.name == *name);
        let package = package.unwrap_or_else(|| panic!("there is no crate `{name}`: remove it from PURE"));
        let code = Crate::read(&repository(), &package.folder.join("src/lib.rs")).unwrap();
        none(&modules::purity(&code, forbidden));
    }
}

#[test]
fn files_of_a_crate_do_not_use_each_other_in_a_circle() {
    assert!(ACCEPTED_LOOPS.len() <= 1, "untie one: at most one loop is accepted");
    let mut found = Vec::new();
    for target in packages(&repository()).unwrap().iter().flat_map(|package| &package.targets) {
        found.extend(loops::loops(&Crate::read(&repository(), target).unwrap()));
    }
    for (files, reason) in ACCEPTED_LOOPS {
        let files: BTreeSet<PathBuf> = files.iter().map(PathBuf::from).collect();
        let before = found.len();
        found.retain(|one| one.files != files);
        assert_ne!(found.len(), before, "no loop of exactly {files:?} ({reason}): correct ACCEPTED_LOOPS");
    }
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    assert!(
        found.is_empty(),
        "{} loops; move what both sides need to a file of its own:\n{text}",
        found.len()
    );
}

#[test]
fn files_and_functions_stay_short() {
    let found: Vec<Finding> =
        files("rs").flat_map(|(path, text)| lengths::check(&path, &text).unwrap()).collect();
    none(&found);
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let pages: BTreeMap<PathBuf, String> = files("md").collect();
    let here = repository().display().to_string();
    let machine: Vec<&str> = MACHINE.iter().copied().chain([here.as_str()]).collect();
    none(&links::check(&pages, &tracked_files(&repository()).unwrap(), &machine));
}
