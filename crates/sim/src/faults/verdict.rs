//! The comparison of both ends, as one JSON object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::dialects;
use super::load::RESIDENT;
use super::model::{Command, Effect, Model};
use super::order::{Inversion, Order};
use super::passages;
use super::plan::Kind;
use super::receivers::{RECEIVERS, receiver_path};
use super::testbed::TestBed;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::statistics::rounded;

/// A box tries for a while to store what a full disk refuses, and says so a little later.
const ALARM_LATE_MS: u64 = 15_000;
/// Of so many walks one at least must count.
const WALKS_MANY: usize = 20;
/// Shown of each list of problems.
const PROBLEMS_SHOWN: usize = 25;

pub struct Evidence<'a> {
    pub seed: u64,
    pub entries: Vec<Entry>,
    pub published: Vec<(Command, u64)>,
    pub stored: Vec<Value>,
    /// What `menshen data check --people` says at the end.
    pub data: Value,
    pub clean_end: bool,
    pub healed: &'a [(String, f64)],
    pub not_healed: &'a [String],
    /// Changes of the platform's dialect that the box took.
    pub dialect_changes: u64,
    pub bed: &'a TestBed,
}

/// Replies by `messageId`, in the order they came.
pub fn replies_of(entries: &[Entry]) -> BTreeMap<String, Vec<Value>> {
    let mut replies: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_reply() && entry.is_accepted()) {
        if let Some(id) = entry.body["messageId"].as_str() {
            replies.entry(id.to_owned()).or_default().push(entry.body.clone());
        }
    }
    replies
}

/// Plays all commands with their replies through a model.
pub fn play(published: &[(Command, u64)], replies: &BTreeMap<String, Vec<Value>>) -> Model {
    let mut model = Model::default();
    for (command, _) in published {
        model.apply(command, replies.get(&command.id).map_or(&[], Vec::as_slice));
    }
    model
}

pub fn verify(evidence: &Evidence) -> Value {
    let bed = evidence.bed;
    let replies = replies_of(&evidence.entries);
    let model = play(&evidence.published, &replies);
    let unanswered =
        evidence.published.iter().filter(|(command, _)| !replies.contains_key(&command.id)).count();
    let handed_over = HandedOver::new(bed, &evidence.published);
    let (wrong_state, excused) = handed_over.effects(&model, &replies, evidence);
    let disk_full = windows(bed, Kind::DiskFull);
    let walks = bed.truth.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let passages = passages::Evidence {
        entries: &evidence.entries,
        stored: &evidence.stored,
        walks: &walks,
        looks: &bed.looks,
        breaks: &bed.supervisor.breaks,
        wipes: &changes_of_the_resident(evidence),
        disk_full: &disk_full,
    }
    .verify();

    let paths: Vec<_> = (0..RECEIVERS).map(receiver_path).collect();
    let dialects = dialects::look(&evidence.entries, &paths);
    let Weighed { problems, losses_excused, ends_excused } =
        weigh(evidence, &model, &wrong_state, &passages, &disk_full, &handed_over, &dialects.problems);
    let mut verdict = json!({
        "campaign": "faults",
        "seed": evidence.seed,
        "passed": problems.is_empty(),
        "faults": injected(bed),
        "skipped": bed.cannot.iter().map(|(kind, _)| kind.name()).collect::<Vec<_>>(),
        "commands": evidence.published.len(),
        "replies": replies.values().map(Vec::len).sum::<usize>(),
        "answered_again": replies.values().filter(|all| all.len() > 1).count(),
        "refused_for_passing_reasons": model.passing.values().sum::<u64>(),
        "people_unsettled": model.unsettled(),
        "people_enrolled": evidence.data["people"],
        "events_stored": passages.stored,
        "events_real_time": passages.real_time,
        "events_received": passages.received,
        "events_repeated": passages.repeated,
        "events_by_dialect": dialects.bodies,
        "dialect_changes": evidence.dialect_changes,
        "walks": passages.walks,
        "walks_judged": passages.walks_counted,
        "box_starts": bed.supervisor.starts(),
        "box_ends_disk_full": ends_excused,
        "losses_told_disk_full": losses_excused,
        "tcp_cuts": bed.to_broker.cuts() + bed.to_platform.cuts(),
        "healed_max_s": slowest(evidence.healed),
        "lost": passages.lost.len() + unanswered,
        "reordered": passages.reordered.len(),
        "doubled": passages.doubled.len(),
        "effects_missing": wrong_state.len(),
        "problems": problems,
    });
    handed_over.add_to(&mut verdict, bed, &excused);
    verdict
}

/// What the broker handed over, and in which order.
struct HandedOver {
    deliveries: usize,
    /// Commands as they were first and as they were last handed over.
    orders: [Vec<(Command, u64)>; 2],
    /// Told with its evidence, and no fault of the box.
    by_broker: Vec<String>,
    by_box: Vec<String>,
}

impl HandedOver {
    fn new(bed: &TestBed, published: &[(Command, u64)]) -> Self {
        let deliveries = bed.to_broker.deliveries.all();
        let connections = bed.to_broker.deliveries.connections();
        let order = Order::new(published, &deliveries, &connections);
        let (by_box, by_broker): (Vec<_>, Vec<_>) =
            order.inversions().into_iter().partition(|inversion| inversion.by_box);
        let lines = |found: Vec<Inversion>| found.into_iter().map(|inversion| inversion.line).collect();
        Self {
            deliveries: deliveries.len(),
            orders: order.as_handed_over(),
            by_broker: lines(by_broker),
            by_box: lines(by_box),
        }
    }

    /// Effects that are wrong, and those that are only wrong if the broker had kept the order.
    fn effects(
        &self,
        model: &Model,
        replies: &BTreeMap<String, Vec<Value>>,
        evidence: &Evidence,
    ) -> (Vec<String>, Vec<String>) {
        let wrong = model.differences(&evidence.data);
        if wrong.is_empty() || self.by_broker.is_empty() {
            return (wrong.into_iter().map(|(_, line)| line).collect(), Vec::new());
        }
        let wrong_otherwise: Vec<BTreeSet<String>> = self
            .orders
            .iter()
            .map(|order| {
                play(order, replies).differences(&evidence.data).into_iter().map(|(who, _)| who).collect()
            })
            .collect();
        let (excused, wrong): (Vec<_>, Vec<_>) =
            wrong.into_iter().partition(|(who, _)| wrong_otherwise.iter().any(|wrong| !wrong.contains(who)));
        let lines = |found: Vec<(String, String)>| found.into_iter().map(|(_, line)| line).collect();
        (lines(wrong), lines(excused))
    }

    fn add_to(&self, verdict: &mut Value, bed: &TestBed, excused: &[String]) {
        let shown = |lines: &[String]| lines.iter().take(PROBLEMS_SHOWN).cloned().collect::<Vec<_>>();
        verdict["handed_over"] = self.deliveries.into();
        verdict["overtaken"] = self.by_box.len().into();
        verdict["broker_reordered"] = self.by_broker.len().into();
        verdict["broker_reordered_evidence"] = shown(&self.by_broker).into();
        verdict["effects_of_broker_order"] = excused.len().into();
        verdict["effects_of_broker_order_evidence"] = shown(excused).into();
        verdict["replies_refused"] = bed.supervisor.refusals.into();
        verdict["refusals_not_felt"] = bed.not_felt.into();
        verdict["nodes_left_apart"] = bed.nodes_left_apart.into();
    }
}

/// What is wrong, and what the full disk excuses.
struct Weighed {
    problems: Vec<String>,
    losses_excused: usize,
    ends_excused: usize,
}

fn weigh(
    evidence: &Evidence,
    model: &Model,
    wrong_state: &[String],
    passages: &passages::Findings,
    disk_full: &[(u64, u64)],
    handed_over: &HandedOver,
    dialects: &[String],
) -> Weighed {
    let bed = evidence.bed;
    let in_disk_full =
        |at_ms: u64| disk_full.iter().any(|(from, to)| (*from..=to + ALARM_LATE_MS).contains(&at_ms));
    let unexcused: Vec<_> = bed
        .supervisor
        .alarms
        .iter()
        .filter(|alarm| alarm.line.contains("panicked") || !in_disk_full(alarm.at_ms))
        .map(|alarm| alarm.line.clone())
        .collect();
    let own_ends: Vec<_> =
        bed.supervisor.own_ends.iter().filter(|alarm| !in_disk_full(alarm.at_ms)).collect();
    let missing_pictures = ["registry_pictures", "event_pictures"]
        .iter()
        .map(|shelf| evidence.data[shelf]["missing"].as_u64().unwrap_or(1))
        .sum::<u64>();
    let refused_without_reason =
        if disk_full.is_empty() { model.passing.get(&50072).copied().unwrap_or(0) } else { 0 };

    let mut problems = Vec::new();
    let mut note = |what: &str, lines: &[String]| {
        problems.extend(lines.iter().take(PROBLEMS_SHOWN).map(|line| format!("{what}: {line}")));
        if lines.len() > PROBLEMS_SHOWN {
            problems.push(format!("{what}: and {} more", lines.len() - PROBLEMS_SHOWN));
        }
    };
    note("reply", &model.problems);
    note("effect", wrong_state);
    note("overtaken", &handed_over.by_box);
    note("lost", &passages.lost);
    note("reordered", &passages.reordered);
    note("doubled", &passages.doubled);
    note("dialect", dialects);
    note("the box said", &unexcused);
    note("not healed", evidence.not_healed);
    let own: Vec<_> = own_ends.iter().map(|alarm| alarm.line.clone()).collect();
    note("the box ended by itself", &own);
    let single = [
        (missing_pictures > 0, format!("{missing_pictures} pictures are missing")),
        (refused_without_reason > 0, format!("{refused_without_reason} refused as if the disk were full")),
        (
            passages.walks >= WALKS_MANY && passages.walks_counted == 0,
            "no walk could be judged: the box was never whole for one, or had no time to look".to_owned(),
        ),
        (evidence.dialect_changes == 0, "the dialect was never changed".to_owned()),
        (!evidence.clean_end, "the box did not end in good order".to_owned()),
    ];
    problems.extend(single.into_iter().filter(|(is, _)| *is).map(|(_, text)| text));
    Weighed {
        problems,
        losses_excused: bed.supervisor.alarms.len() - unexcused.len(),
        ends_excused: bed.supervisor.own_ends.len() - own.len(),
    }
}

fn injected(bed: &TestBed) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (kind, _, _) in &bed.faults {
        *counts.entry(kind.name()).or_default() += 1;
    }
    counts
}

fn windows(bed: &TestBed, kind: Kind) -> Vec<(u64, u64)> {
    bed.faults.iter().filter(|(is, _, _)| *is == kind).map(|(_, from, to)| (*from, *to)).collect()
}

/// From a wipe's confirm to the last reply of the command that enrols the resident again. A person who walks by then may
/// be known at first and a stranger later, which are two passages.
fn changes_of_the_resident(evidence: &Evidence) -> Vec<(u64, u64)> {
    let answered_ms = |id: &str| {
        let of_it = |entry: &&Entry| entry.is_reply() && entry.body["messageId"] == id;
        evidence.entries.iter().filter(of_it).map(|entry| entry.at_ms).max().unwrap_or(u64::MAX)
    };
    let enrols = |command: &Command| match &command.effect {
        Effect::Add { users, .. } => users.iter().any(|(id, _)| id == RESIDENT),
        _ => false,
    };
    let mut wiped_ms = None;
    let mut changes = Vec::new();
    for (command, at_ms) in &evidence.published {
        if command.effect == Effect::WipePeople {
            wiped_ms = wiped_ms.or(Some(*at_ms));
        } else if enrols(command)
            && let Some(from) = wiped_ms.take()
        {
            changes.push((from, answered_ms(&command.id)));
        }
    }
    changes
}

fn slowest(healed: &[(String, f64)]) -> BTreeMap<&str, f64> {
    let mut slowest: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, seconds) in healed {
        let worst = slowest.entry(name).or_default();
        *worst = worst.max(rounded(*seconds, 1));
    }
    slowest.retain(|name, _| !name.contains('+'));
    slowest
}
