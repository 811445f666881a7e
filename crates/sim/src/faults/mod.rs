//! The fault campaign: a real box, a real broker, a simulated platform and cameras, random faults from a printed
//! seed, a ledger at both ends, and a comparison when all is quiet again.

mod campaign;
mod clock;
mod inject;
pub mod kills;
mod load;
mod model;
mod passages;
mod plan;
mod stage;
mod supervisor;
pub mod swap;
mod verdict;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use plan::Kind;

#[derive(Args, Debug, Clone)]
pub struct FaultsArgs {
    /// Everything random follows from it; odd seeds take replies through the upload queue, even ones through
    /// `notify_path`
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Runs, each on a fresh stage with the next seed; the faults are shared out among them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Faults in all
    #[arg(long, default_value_t = 40)]
    pub faults: usize,
    /// Only these kinds
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    /// File that gets every fault and every verdict, one JSON object a line
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Folder with the pictures
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}

/// Says what happens, and writes it down where that is wanted.
pub struct Teller {
    started: Instant,
    record: Option<File>,
}

impl Teller {
    fn new(record: Option<&Path>) -> Result<Self, String> {
        let open = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        Ok(Self { started: Instant::now(), record: record.map(open).transpose()? })
    }

    #[allow(clippy::print_stdout, reason = "progress is for the terminal")]
    fn say(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        println!("[{:02}:{:02}] {text}", seconds / 60, seconds % 60);
    }

    /// Prints a verdict line and keeps it.
    #[allow(clippy::print_stdout, reason = "the verdict is for machines")]
    fn verdict(&mut self, verdict: &Value) {
        println!("{verdict}");
        self.record(verdict);
    }

    fn record(&mut self, line: &Value) {
        if let Some(file) = &mut self.record {
            // What was printed counts.
            let _ = writeln!(file, "{line}");
        }
    }
}

/// A folder for one run.
fn folder(what: &str, seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("menshen-{what}-{}-seed{seed}", std::process::id()))
}

pub fn run(arguments: &FaultsArgs) -> Result<ExitCode, Vec<String>> {
    let mut teller = Teller::new(arguments.record.as_deref()).map_err(|error| vec![error])?;
    let interrupted = crate::interrupt::watch();
    let mut total = Total::default();
    for index in 0..arguments.seeds {
        let seed = arguments.seed + index;
        let share = arguments.faults / arguments.seeds as usize
            + usize::from((index as usize) < arguments.faults % arguments.seeds as usize);
        let verdict =
            campaign::run(seed, share, arguments, &interrupted, &mut teller).map_err(|error| vec![error])?;
        total.add(&verdict);
        teller.verdict(&verdict);
    }
    if arguments.seeds > 1 {
        teller.verdict(&total.verdict());
    }
    if total.passed {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(vec!["not everything arrived as it should".to_owned()])
    }
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
