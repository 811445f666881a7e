//! One run: load, faults, quiet, comparison.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::inject::{Active, begin, end};
use super::load::{Load, Maker, Published};
use super::plan::{Fault, Kind, plan};
use super::stage::{Stage, Wishes};
use super::verdict::{Evidence, judge};
use super::{FaultsArgs, Teller, folder};
use menshen_testbed::platform::ledger::{Entry, now_ms};

/// One command in so many wipes everybody.
const WIPE_ONE_IN: u32 = 60;
const FIRST_REPLY_WITHIN: Duration = Duration::from_mins(1);
/// Logins and reports wait up to a minute between tries.
const HEALED_WITHIN: Duration = Duration::from_secs(150);
const ANSWERED_WITHIN: Duration = Duration::from_mins(4);
const DELIVERED_WITHIN: Duration = Duration::from_mins(3);
/// A passage ends 2.5 s after its last frame.
const PASSAGES_END: Duration = Duration::from_secs(6);

pub fn run(
    seed: u64,
    count: usize,
    arguments: &FaultsArgs,
    interrupted: &Arc<AtomicBool>,
    teller: &mut Teller,
) -> Result<Value, String> {
    let kinds = if arguments.kinds.is_empty() { Kind::ALL.to_vec() } else { arguments.kinds.clone() };
    let upload_queue = seed % 2 == 1;
    let folder = folder("faults", seed);
    teller.say(&format!(
        "seed {seed}: {count} faults, replies through {}; everything is in {}",
        if upload_queue { "the upload queue" } else { "notify_path" },
        folder.display()
    ));
    let wishes = Wishes {
        pictures: arguments.pictures.clone(),
        cameras: true,
        upload_queue,
        small_disk: kinds.contains(&Kind::DiskFull),
        own_clock: kinds.contains(&Kind::ClockStep),
        interrupted: Arc::clone(interrupted),
    };
    let mut stage = Stage::set_up(folder.clone(), &wishes)?;
    let cannot: Vec<Kind> = stage.cannot.iter().map(|(kind, _)| *kind).collect();
    for (kind, reason) in &stage.cannot {
        teller.say(&format!("SKIPPED {}: {reason}", kind.name()));
    }
    let kinds: Vec<_> = kinds.into_iter().filter(|kind| !cannot.contains(kind)).collect();
    stage.open()?;
    let mut campaign = Campaign::open(stage, seed, arguments)?;
    campaign.play(&plan(seed, count, &kinds), teller)?;
    campaign.quieten(teller)?;
    let verdict = campaign.compare(seed, teller)?;
    if verdict["passed"] != true {
        // The small disk goes with the stage.
        let _ = super::kills::copy_folder(&folder.join("var"), &folder.join("data-at-the-end"));
    }
    drop(campaign);
    if verdict["passed"] == true {
        // Left behind it would only fill the disk.
        let _ = std::fs::remove_dir_all(&folder);
    } else {
        teller.say(&format!("FAILED; logs and ledger are kept in {}", folder.display()));
    }
    Ok(verdict)
}

struct Campaign {
    load: Load,
    published: Published,
    stage: Stage,
    /// Fault by name and how long it took until all went on.
    healed: Vec<(String, f64)>,
    not_healed: Vec<String>,
}

impl Campaign {
    fn open(mut stage: Stage, seed: u64, arguments: &FaultsArgs) -> Result<Self, String> {
        let published = Published::default();
        let mut maker = Maker::new(seed, &arguments.pictures, WIPE_ONE_IN)?;
        let resident = maker.resident();
        let id = resident.id.clone();
        published.publish(&stage.platform, resident, FIRST_REPLY_WITHIN)?;
        if !stage.wait(FIRST_REPLY_WITHIN, |stage| is_answered(stage, &id))? {
            return Err("the first command was not answered".to_owned());
        }
        stage.people_walk()?;
        let load = Load::start(maker, stage.platform.clone(), published.clone());
        Ok(Self { load, published, stage, healed: Vec::new(), not_healed: Vec::new() })
    }

    fn play(&mut self, faults: &[Fault], teller: &mut Teller) -> Result<(), String> {
        let mut still: Option<Active> = None;
        for (index, fault) in faults.iter().enumerate() {
            if still.is_none() {
                self.stage.nap(fault.gap)?;
            }
            teller.record(&json!({ "fault": fault.kind.name(), "at_ms": now_ms(), "lasts_ms": fault.lasts.as_millis() as u64,
                "overlaps": still.is_some(), "dice": fault.dice }));
            let active = begin(&mut self.stage, fault)?;
            if faults.get(index + 1).is_some_and(|next| next.overlaps) {
                self.stage.nap(fault.lasts / 2)?;
                still = Some(active);
                continue;
            }
            self.stage.nap(fault.lasts)?;
            let mut name = fault.kind.name();
            if let Some(before) = still.take() {
                end(&mut self.stage, &before)?;
                name = format!("{} + {name}", before.fault.kind.name());
            }
            end(&mut self.stage, &active)?;
            self.heal(&name, index + 1, faults.len(), teller)?;
        }
        Ok(())
    }

    /// All goes on when a command that was published after the fault has its reply.
    fn heal(&mut self, name: &str, number: usize, of: usize, teller: &Teller) -> Result<(), String> {
        let (since, started) = (now_ms(), Instant::now());
        let published = self.published.clone();
        let healed = self.stage.wait(HEALED_WITHIN, |stage| {
            stage.looks.last().is_some_and(|look| look.whole)
                && published.after(since).iter().any(|id| is_answered(stage, id))
        })?;
        let seconds = started.elapsed().as_secs_f64();
        if healed {
            self.healed.push((name.to_owned(), seconds));
        } else {
            self.not_healed.push(format!("{name} (fault {number}): nothing goes on after {seconds:.0} s"));
        }
        let ledger = self.stage.platform.ledger();
        let history = ledger.since(0, |entry| entry.kind == "history" && entry.is_accepted()).len();
        teller.say(&format!(
            "{number:3}/{of} {name:34} {} {seconds:5.1} s | {} commands, {} deliveries of history{}",
            if healed { "healed in" } else { "NOT HEALED in" },
            self.published.count(),
            history,
            self.stage
                .keeper
                .cries
                .last()
                .map(|cry| format!(" | last cry: {}", cry.line))
                .unwrap_or_default(),
        ));
        Ok(())
    }

    /// Nothing new, and time for everything to arrive.
    fn quieten(&mut self, teller: &Teller) -> Result<(), String> {
        teller.say("quiet: waiting for replies and history");
        self.stage.platform.behaviour().heal();
        self.load.stop()?;
        let commands: Vec<String> = self.published.all().into_iter().map(|(command, _)| command.id).collect();
        // Unanswered ones are the comparison's to tell.
        self.stage.wait(ANSWERED_WITHIN, |stage| {
            let answered = answered_ids(stage);
            commands.iter().all(|id| answered.contains(id))
        })?;
        self.stage.nobody_walks();
        self.stage.nap(PASSAGES_END)?;
        self.stage.wait(DELIVERED_WITHIN, |stage| stage.keeper.metric("menshen_outbox_depth") == 0.0)?;
        self.stage.nap(Duration::from_secs(2))
    }

    fn compare(&mut self, seed: u64, teller: &Teller) -> Result<Value, String> {
        let mut clean = self.stage.keeper.stop();
        let mut stored = self.stage.stored_events()?;
        let missing = super::passages::missing(&self.entries(), &stored);
        if !missing.is_empty() {
            // Its tries may be far apart by now; at a start they begin anew.
            teller.say(&format!("{} stored events are not delivered yet: the box goes on", missing.len()));
            self.stage.keeper.start()?;
            self.stage.wait(DELIVERED_WITHIN, |stage| {
                let entries = stage.platform.ledger().since(0, |entry| entry.kind == "history");
                super::passages::missing(&entries, &stored).is_empty()
            })?;
            clean &= self.stage.keeper.stop();
            stored = self.stage.stored_events()?;
        }
        let evidence = Evidence {
            seed,
            entries: self.entries(),
            published: self.published.all(),
            stored,
            data: self.stage.data()?,
            clean_end: clean,
            healed: &self.healed,
            not_healed: &self.not_healed,
            stage: &self.stage,
        };
        let verdict = judge(&evidence);
        for problem in verdict["problems"].as_array().into_iter().flatten() {
            teller.say(&format!("PROBLEM {}", problem.as_str().unwrap_or_default()));
        }
        teller.say(&format!(
            "seed {seed}: {} lost, {} reordered, {} effects missing, {} commands, {} events, {} walks judged of {}: {}",
            verdict["lost"],
            verdict["reordered"],
            verdict["effects_missing"],
            verdict["commands"],
            verdict["events_stored"],
            verdict["walks_judged"],
            verdict["walks"],
            if verdict["passed"] == true { "passed" } else { "FAILED" },
        ));
        Ok(verdict)
    }

    fn entries(&self) -> Vec<Entry> {
        self.stage.platform.ledger().since(0, |_| true)
    }
}

fn is_answered(stage: &Stage, id: &str) -> bool {
    let is_it = |entry: &Entry| entry.is_reply() && entry.is_accepted() && entry.body["messageId"] == id;
    !stage.platform.ledger().since(0, is_it).is_empty()
}

fn answered_ids(stage: &Stage) -> std::collections::BTreeSet<String> {
    let replies = stage.platform.ledger().since(0, |entry| entry.is_reply() && entry.is_accepted());
    replies.iter().filter_map(|entry| entry.body["messageId"].as_str().map(str::to_owned)).collect()
}
