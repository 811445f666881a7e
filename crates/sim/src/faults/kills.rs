//! The kill campaign: kill -9 of the box at random moments in a stream of add, delete and wipe commands; after each
//! the registry must be what the commands say, the databases must open, and no orphan picture may stay.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::args::KillsArgs;
use super::brokers::BrokerArgs;
use super::folders::{copy_folder, run_folder};
use super::load::{Maker, Published};
use super::model::Model;
use super::report::Report;
use super::testbed::{TestBed, Wishes};
use super::verdict::replies_of;

/// One command in so many wipes everybody.
const WIPE_ONE_IN: u32 = 10;
/// A kill falls into this time after the stream has begun.
const KILL_WITHIN_MS: u64 = 1_500;
/// One start in so many is itself killed, within this time.
const KILLED_START_ONE_IN: u32 = 4;
const START_MS: u64 = 900;
const DRAINED_WITHIN: Duration = Duration::from_secs(90);
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);
const PROGRESS_EVERY: u32 = 10;

/// Runs the campaign; an error when the data is not what the commands say.
pub fn run(arguments: &KillsArgs) -> Result<ExitCode> {
    let mut report = Report::new(None)?;
    let folder = run_folder("kills", arguments.seed);
    let wishes = Wishes {
        pictures: arguments.pictures.clone(),
        cameras: false,
        upload_queue: true,
        small_disk: false,
        own_clock: false,
        own_user: false,
        broker: BrokerArgs::default(),
        interrupted: crate::interrupt::watch(),
    };
    let verdict = TestBed::set_up(folder.clone(), &wishes)
        .and_then(|bed| Series::open(bed, arguments)?.play(arguments, &report))
        .map_err(|error| anyhow!("{error:#}; logs and data are in {}", folder.display()))?;
    report.verdict(&verdict);
    if verdict["passed"] == true {
        // Left behind it would only fill the disk.
        let _ = std::fs::remove_dir_all(&folder);
        return Ok(ExitCode::SUCCESS);
    }
    bail!("not everything was as it should be; logs and data are in {}", folder.display())
}

struct Series {
    bed: TestBed,
    maker: Maker,
    published: Published,
    random: StdRng,
    model: Model,
    /// Commands the model has seen.
    judged: usize,
    kills: u32,
    kills_in_start: u32,
}

impl Series {
    fn open(mut bed: TestBed, arguments: &KillsArgs) -> Result<Self> {
        bed.open()?;
        Ok(Self {
            bed,
            maker: Maker::new(arguments.seed, &arguments.pictures, WIPE_ONE_IN)?,
            published: Published::default(),
            random: StdRng::seed_from_u64(arguments.seed),
            model: Model::default(),
            judged: 0,
            kills: 0,
            kills_in_start: 0,
        })
    }

    fn play(mut self, arguments: &KillsArgs, report: &Report) -> Result<Value> {
        let mut problems = Vec::new();
        for round in 1..=arguments.rounds {
            let wrong = self.round()?;
            for problem in &wrong {
                report.print_line(&format!("PROBLEM in round {round}: {problem}"));
            }
            problems.extend(wrong.into_iter().map(|problem| format!("round {round}: {problem}")));
            if round % PROGRESS_EVERY == 0 || round == arguments.rounds {
                report.print_line(&format!(
                    "{round}/{} rounds, {} kills ({} during start), {} commands, {} problems",
                    arguments.rounds,
                    self.kills,
                    self.kills_in_start,
                    self.published.count(),
                    problems.len()
                ));
            }
        }
        if !self.bed.supervisor.stop() {
            problems.push("the box did not end in good order".to_owned());
        }
        problems.extend(
            self.bed.supervisor.own_ends.iter().map(|alarm| format!("ended by itself: {}", alarm.line)),
        );
        problems.extend(self.bed.supervisor.alarms.iter().map(|alarm| alarm.line.clone()));
        Ok(json!({
            "campaign": "kills",
            "seed": arguments.seed,
            "passed": problems.is_empty(),
            "rounds": arguments.rounds,
            "kills": self.kills,
            "kills_in_start": self.kills_in_start,
            "commands": self.published.count(),
            "effects_missing": problems.len(),
            "problems": problems,
        }))
    }

    /// A stream, a kill in it, a start, and the comparison.
    fn round(&mut self) -> Result<Vec<String>> {
        let batch: Vec<_> =
            (0..self.random.random_range(2..5)).flat_map(|_| self.maker.next(&self.bed.platform)).collect();
        let pauses: Vec<u64> = batch.iter().map(|_| self.random.random_range(0..200)).collect();
        let (platform, published) = (self.bed.platform.clone(), self.published.clone());
        let stream = std::thread::spawn(move || {
            for (command, pause) in batch.into_iter().zip(pauses) {
                std::thread::sleep(Duration::from_millis(pause));
                published.publish(&platform, command, CONFIRMED_WITHIN)?;
            }
            Ok::<(), anyhow::Error>(())
        });
        let moment = self.random.random_range(0..KILL_WITHIN_MS);
        std::thread::sleep(Duration::from_millis(moment));
        self.bed.supervisor.kill9();
        self.kills += 1;
        if self.random.random_ratio(1, KILLED_START_ONE_IN) {
            self.bed.supervisor.start()?;
            let moment = self.random.random_range(0..START_MS);
            std::thread::sleep(Duration::from_millis(moment));
            self.bed.supervisor.kill9();
            self.kills += 1;
            self.kills_in_start += 1;
        }
        self.bed.supervisor.start()?;
        stream.join().ok().context("the stream panicked")??;
        self.drain()?;
        self.compare()
    }

    /// Commands are carried out in order: the answer to one more says that all before it are done with.
    fn drain(&mut self) -> Result<()> {
        let last = self.maker.sync();
        let id = last.id.clone();
        self.published.publish(&self.bed.platform, last, CONFIRMED_WITHIN)?;
        let answered = self.bed.wait(DRAINED_WITHIN, |bed| {
            let ledger = bed.platform.ledger();
            !ledger.since(0, |entry| entry.is_reply() && entry.body["messageId"] == id.as_str()).is_empty()
        })?;
        if answered { Ok(()) } else { bail!("the queue was not drained within {DRAINED_WITHIN:?}") }
    }

    fn compare(&mut self) -> Result<Vec<String>> {
        let replies = replies_of(&self.bed.platform.ledger().since(0, |_| true));
        for (command, _) in &self.published.all()[self.judged..] {
            self.model.apply(command, replies.get(&command.id).map_or(&[], Vec::as_slice));
            self.judged += 1;
        }
        let mut wrong = std::mem::take(&mut self.model.problems);
        // The box keeps running: a copy is what a power cut would leave now.
        let copy = self.bed.folder.join("copy");
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&self.bed.folder.join("var"), &copy)?;
        let data_dir = format!("data_dir={}", copy.display());
        let output = self.bed.supervisor.run(&["data", "check", "--people", "--set", &data_dir])?;
        match serde_json::from_slice::<Value>(&output.stdout) {
            Err(_) => wrong.push(format!(
                "the data cannot be opened: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Ok(data) => {
                wrong.extend(self.model.compare(&data));
                for shelf in ["registry_pictures", "event_pictures"] {
                    let facts = &data[shelf];
                    if facts["orphans"] != 0 || facts["missing"] != 0 {
                        wrong.push(format!("{shelf}: {facts}"));
                    }
                }
            }
        }
        Ok(wrong)
    }
}
