//! One run: load, faults, quiet, comparison.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::args::FaultsArgs;
use super::dialects::Changer;
use super::folders::{copy_folder, run_folder};
use super::inject::{Active, begin, end};
use super::load::{Load, Maker, Published};
use super::plan::{Fault, Kind, plan};
use super::report::Report;
use super::testbed::{TestBed, Wishes};
use super::verdict::{Evidence, verify};
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
    report: &mut Report,
) -> Result<Value> {
    let kinds = kinds(arguments)?;
    let upload_queue = seed % 2 == 1;
    let folder = run_folder("faults", seed);
    report.print_line(&format!(
        "seed {seed}: {count} faults, {}, replies through {}; everything is in {}",
        arguments.broker.describe(),
        if upload_queue { "the upload queue" } else { "notify_path" },
        folder.display()
    ));
    let wishes = Wishes {
        pictures: arguments.pictures.clone(),
        cameras: true,
        upload_queue,
        small_disk: kinds.contains(&Kind::DiskFull),
        own_clock: kinds.contains(&Kind::ClockStep),
        own_user: upload_queue && kinds.contains(&Kind::ReplyRefused),
        broker: arguments.broker.clone(),
        interrupted: Arc::clone(interrupted),
    };
    let mut bed = TestBed::set_up(folder.clone(), &wishes)?;
    let cannot: Vec<Kind> = bed.cannot.iter().map(|(kind, _)| *kind).collect();
    for (kind, reason) in &bed.cannot {
        report.print_line(&format!("SKIPPED {}: {reason}", kind.name()));
    }
    let kinds: Vec<_> = kinds.into_iter().filter(|kind| !cannot.contains(kind)).collect();
    bed.open()?;
    let mut campaign = Campaign::open(bed, seed, arguments)?;
    campaign.play(&plan(seed, count, &kinds), report)?;
    campaign.quieten(report)?;
    let verdict = campaign.compare(seed, report)?;
    if verdict["passed"] != true {
        // The small disk goes with the bed.
        let _ = copy_folder(&folder.join("var"), &folder.join("data-at-the-end"));
    }
    drop(campaign);
    if verdict["passed"] == true {
        // Left behind it would only fill the disk.
        let _ = std::fs::remove_dir_all(&folder);
    } else {
        report.print_line(&format!("FAILED; logs and ledger are kept in {}", folder.display()));
    }
    Ok(verdict)
}

fn kinds(arguments: &FaultsArgs) -> Result<Vec<Kind>> {
    let possible = Kind::possible(arguments.broker.cluster);
    if let Some(kind) = arguments.kinds.iter().find(|kind| !possible.contains(kind)) {
        let needed = if arguments.broker.cluster { "goes without" } else { "needs" };
        bail!("{} {needed} --cluster", kind.name());
    }
    Ok(if arguments.kinds.is_empty() { possible } else { arguments.kinds.clone() })
}

struct Campaign {
    load: Load,
    /// `None` once all is to be quiet.
    dialects: Option<Changer>,
    dialect_changes: u64,
    published: Published,
    bed: TestBed,
    /// Fault by name and how long it took until the box worked again.
    healed: Vec<(String, f64)>,
    not_healed: Vec<String>,
}

impl Campaign {
    fn open(mut bed: TestBed, seed: u64, arguments: &FaultsArgs) -> Result<Self> {
        let published = Published::default();
        let mut maker = Maker::new(seed, &arguments.pictures, WIPE_ONE_IN)?;
        let resident = maker.resident();
        let id = resident.id.clone();
        published.publish(&bed.platform, resident, FIRST_REPLY_WITHIN)?;
        if !bed.wait(FIRST_REPLY_WITHIN, |bed| is_answered(bed, &id))? {
            bail!("the first command was not answered");
        }
        bed.people_walk()?;
        let dialects = Changer::start(bed.supervisor.local_port(), seed);
        let load = Load::start(maker, bed.platform.clone(), published.clone());
        Ok(Self {
            load,
            dialects: Some(dialects),
            dialect_changes: 0,
            published,
            bed,
            healed: Vec::new(),
            not_healed: Vec::new(),
        })
    }

    fn play(&mut self, faults: &[Fault], report: &mut Report) -> Result<()> {
        let mut still: Option<Active> = None;
        for (index, fault) in faults.iter().enumerate() {
            if still.is_none() {
                self.bed.nap(fault.gap)?;
            }
            report.record(&json!({ "fault": fault.kind.name(), "at_ms": now_ms(), "lasts_ms": fault.lasts.as_millis() as u64,
                "overlaps": still.is_some(), "dice": fault.dice }));
            let active = begin(&mut self.bed, fault)?;
            if faults.get(index + 1).is_some_and(|next| next.overlaps) {
                self.bed.nap(fault.lasts / 2)?;
                still = Some(active);
                continue;
            }
            self.bed.nap(fault.lasts)?;
            let mut name = fault.kind.name();
            if let Some(before) = still.take() {
                end(&mut self.bed, &before)?;
                name = format!("{} + {name}", before.fault.kind.name());
            }
            end(&mut self.bed, &active)?;
            self.heal(&name, index + 1, faults.len(), report)?;
        }
        Ok(())
    }

    /// The box works again when a command that was published after the fault has its reply.
    fn heal(&mut self, name: &str, number: usize, of: usize, report: &Report) -> Result<()> {
        let (since, started) = (now_ms(), Instant::now());
        let published = self.published.clone();
        let healed = self.bed.wait(HEALED_WITHIN, |bed| {
            bed.looks.last().is_some_and(|look| look.whole)
                && published.after(since).iter().any(|id| is_answered(bed, id))
        })?;
        let seconds = started.elapsed().as_secs_f64();
        if healed {
            self.healed.push((name.to_owned(), seconds));
        } else {
            self.not_healed
                .push(format!("{name} (fault {number}): no command is answered after {seconds:.0} s"));
        }
        let ledger = self.bed.platform.ledger();
        let history = ledger.since(0, |entry| entry.kind == "history" && entry.is_accepted()).len();
        report.print_line(&format!(
            "{number:3}/{of} {name:34} {} {seconds:5.1} s | {} commands, {} deliveries of history{}",
            if healed { "healed in" } else { "NOT HEALED in" },
            self.published.count(),
            history,
            self.bed
                .supervisor
                .alarms
                .last()
                .map(|alarm| format!(" | last alarm: {}", alarm.line))
                .unwrap_or_default(),
        ));
        Ok(())
    }

    /// Nothing new, and time for everything to arrive.
    fn quieten(&mut self, report: &Report) -> Result<()> {
        report.print_line("quiet: waiting for replies and history");
        self.bed.platform.behaviour().heal();
        self.load.stop()?;
        self.dialect_changes = self.dialects.take().map_or(0, |changer| changer.taken());
        let commands: Vec<String> = self.published.all().into_iter().map(|(command, _)| command.id).collect();
        // Unanswered ones are reported by the comparison.
        self.bed.wait(ANSWERED_WITHIN, |bed| {
            let answered = answered_ids(bed);
            commands.iter().all(|id| answered.contains(id))
        })?;
        self.bed.nobody_walks();
        self.bed.nap(PASSAGES_END)?;
        self.bed.wait(DELIVERED_WITHIN, |bed| bed.supervisor.metric("menshen_outbox_depth") == 0.0)?;
        self.bed.nap(Duration::from_secs(2))
    }

    fn compare(&mut self, seed: u64, report: &Report) -> Result<Value> {
        let mut clean = self.bed.supervisor.stop();
        let mut stored = self.bed.stored_events()?;
        let missing = super::passages::missing(&self.entries(), &stored);
        if !missing.is_empty() {
            // Its retries may be far apart by now; after a start they begin at once.
            report.print_line(&format!(
                "{} stored events are not delivered yet: the box is started again",
                missing.len()
            ));
            self.bed.supervisor.start()?;
            self.bed.wait(DELIVERED_WITHIN, |bed| {
                let entries = bed.platform.ledger().since(0, |entry| entry.kind == "history");
                super::passages::missing(&entries, &stored).is_empty()
            })?;
            clean &= self.bed.supervisor.stop();
            stored = self.bed.stored_events()?;
        }
        let evidence = Evidence {
            seed,
            entries: self.entries(),
            published: self.published.all(),
            stored,
            data: self.bed.data()?,
            clean_end: clean,
            healed: &self.healed,
            not_healed: &self.not_healed,
            dialect_changes: self.dialect_changes,
            bed: &self.bed,
        };
        let verdict = verify(&evidence);
        for problem in verdict["problems"].as_array().into_iter().flatten() {
            report.print_line(&format!("PROBLEM {}", problem.as_str().unwrap_or_default()));
        }
        for line in verdict["broker_reordered_evidence"].as_array().into_iter().flatten() {
            report.print_line(&format!("THE BROKER'S ORDER {}", line.as_str().unwrap_or_default()));
        }
        report.print_line(&format!(
            "seed {seed}: {} handed over by the broker in another order, {} effects of that",
            verdict["broker_reordered"], verdict["effects_of_broker_order"],
        ));
        report.print_line(&format!(
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
        self.bed.platform.ledger().since(0, |_| true)
    }
}

fn is_answered(bed: &TestBed, id: &str) -> bool {
    let is_it = |entry: &Entry| entry.is_reply() && entry.is_accepted() && entry.body["messageId"] == id;
    !bed.platform.ledger().since(0, is_it).is_empty()
}

fn answered_ids(bed: &TestBed) -> std::collections::BTreeSet<String> {
    let replies = bed.platform.ledger().since(0, |entry| entry.is_reply() && entry.is_accepted());
    replies.iter().filter_map(|entry| entry.body["messageId"].as_str().map(str::to_owned)).collect()
}
