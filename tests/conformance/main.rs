//! Conformance with the management protocol: a row for every field and rule of its sections 1 to 9.
//!
//! Most rows look at what one scenario brought: a real box between a real RabbitMQ, a platform and a camera. Rules
//! that need a test bed of their own are proven by a test of `tests/e2e`, which the row names; a row that names a test
//! that is not there fails. `cargo test --test conformance -- --nocapture` prints the table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

mod commands;
mod devices;
mod evidence;
#[path = "../e2e/fields.rs"]
#[allow(dead_code, reason = "shared with the tests of the box")]
mod fields;
mod generation_2_6;
#[path = "../e2e/http.rs"]
#[allow(dead_code, reason = "shared with the tests of the box")]
mod http;
mod link;
mod local_api;
mod local_people;
mod published;
mod reports;
mod row;
mod scenario;
mod stream;
#[path = "../e2e/testbed.rs"]
#[allow(dead_code, reason = "shared with the tests of the box")]
mod testbed;
mod users_26;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

use evidence::Evidence;
use row::{Proof, Row};

fn table() -> impl Iterator<Item = &'static Row> {
    words::ROWS
        .iter()
        .chain(link::ROWS)
        .chain(commands::ROWS)
        .chain(reports::ROWS)
        .chain(local_api::ROWS)
        .chain(local_people::ROWS)
        .chain(devices::ROWS)
        .chain(generation_2_6::ROWS)
        .chain(users_26::ROWS)
        .chain(stream::ROWS)
}

/// Whether the named test of `tests/e2e` is there and not ignored.
fn find_test(path: &str) -> Result<(), String> {
    let (module, name) = path.split_once("::").ok_or_else(|| format!("`{path}` is not module::test"))?;
    let file = format!("tests/e2e/{module}.rs");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let (before, _) =
        text.split_once(&format!("fn {name}()")).ok_or_else(|| format!("{file} has no test `{name}`"))?;
    let attributes: Vec<_> = before.lines().rev().take_while(|line| line.trim().starts_with("#[")).collect();
    let is = |word: &str| attributes.iter().any(|line| line.contains(word));
    if is("#[test]") && !is("ignore") { Ok(()) } else { Err(format!("`{path}` is no test that is run")) }
}

fn prove(row: &Row, evidence: &Evidence) -> Result<(), String> {
    match row.proof {
        Proof::Test(path) => find_test(path),
        Proof::Seen(look) => catch_unwind(AssertUnwindSafe(|| look(evidence))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
        }),
    }
}

/// Login, people, configuration, refusals, devices, reports, stream.
fn generation_2_6_ids() -> Vec<String> {
    let groups = [('L', 3), ('U', 8), ('C', 7), ('X', 5), ('D', 10), ('R', 11), ('W', 7)];
    groups
        .iter()
        .flat_map(|(name, count)| (1..=*count).map(move |number| format!("2.6-{name}{number}")))
        .collect()
}

#[test]
fn every_field_and_rule_of_the_protocol_holds() {
    let evidence = scenario::play();
    let mut broken = Vec::new();
    for row in table() {
        let outcome = prove(row, &evidence);
        let mark = if outcome.is_ok() { "ok  " } else { "FAIL" };
        println!("{mark} {:<7} {}", row.section, row.rule);
        if let Err(reason) = outcome {
            broken.push(format!("{} {}: {reason}", row.section, row.rule));
        }
    }
    let fields = published::prove(find_test);
    for row in &fields {
        let mark = if row.fault.is_none() { "ok  " } else { "FAIL" };
        println!("{mark} {:<7} {}", row.section, row.rule);
        broken.extend(row.fault.as_ref().map(|fault| format!("{} {}: {fault}", row.section, row.rule)));
    }
    let of_2_6 = generation_2_6_ids();
    let missing = of_2_6.iter().filter(|id| !table().any(|row| row.section == **id));
    broken.extend(missing.map(|id| format!("{id}: it has no row")));
    println!(
        "{} rows ({} of them the {} of generation 2.6), {} fields of published calls, {} broken",
        table().count(),
        table().filter(|row| of_2_6.iter().any(|id| row.section == id)).count(),
        of_2_6.len(),
        fields.len(),
        broken.len()
    );
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
