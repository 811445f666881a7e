//! The fault campaign: a real box, a real broker, a simulated platform and cameras, random faults from a printed
//! seed, a ledger at both ends, and a comparison when all is quiet again.

mod args;
mod broker_faults;
mod brokers;
mod campaign;
mod clock;
mod dialects;
mod folders;
mod inject;
pub mod kills;
mod load;
mod model;
mod order;
mod passages;
mod plan;
mod receivers;
mod report;
mod supervisor;
pub mod swap;
mod testbed;
mod verdict;
mod watch;

pub use args::{FaultsArgs, KillsArgs, SwapArgs};

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use report::Report;

/// Runs the campaign; an error when something was lost, doubled or out of order.
pub fn run(arguments: &FaultsArgs) -> Result<ExitCode> {
    let mut report = Report::new(arguments.record.as_deref())?;
    let interrupted = crate::interrupt::watch();
    let mut total = Total::default();
    for index in 0..arguments.seeds {
        let seed = arguments.seed + index;
        let share = arguments.faults / arguments.seeds as usize
            + usize::from((index as usize) < arguments.faults % arguments.seeds as usize);
        let verdict = campaign::run(seed, share, arguments, &interrupted, &mut report)?;
        total.add(&verdict);
        report.verdict(&verdict);
    }
    if arguments.seeds > 1 {
        report.verdict(&total.verdict());
    }
    if !total.passed {
        bail!("not everything arrived as it should");
    }
    Ok(ExitCode::SUCCESS)
}

/// Sums over all seeds.
struct Total {
    seeds: Vec<Value>,
    faults: BTreeMap<String, u64>,
    numbers: BTreeMap<String, u64>,
    passed: bool,
}

impl Default for Total {
    fn default() -> Self {
        Self { seeds: Vec::new(), faults: BTreeMap::new(), numbers: BTreeMap::new(), passed: true }
    }
}

impl Total {
    fn add(&mut self, verdict: &Value) {
        self.seeds.push(verdict["seed"].clone());
        self.passed &= verdict["passed"] == true;
        for (kind, count) in verdict["faults"].as_object().into_iter().flatten() {
            *self.faults.entry(kind.clone()).or_default() += count.as_u64().unwrap_or(0);
        }
        for (key, number) in verdict.as_object().into_iter().flatten() {
            if let (Some(number), true) = (number.as_u64(), key != "seed") {
                *self.numbers.entry(key.clone()).or_default() += number;
            }
        }
    }

    fn verdict(&self) -> Value {
        let injected: u64 = self.faults.values().sum();
        let mut all = json!({
            "campaign": "faults", "seeds": self.seeds, "passed": self.passed, "injected": injected, "faults": self.faults,
        });
        for (key, number) in &self.numbers {
            all[key] = Value::from(*number);
        }
        all
    }
}
