//! The swap campaign: thousands of people, two cameras, and a box that goes over to another embedder, is killed in the
//! middle of it, goes over to the end, and back, while people walk by and are enrolled.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::args::SwapArgs;
use super::brokers::BrokerArgs;
use super::folders::run_folder;
use super::passages::{Evidence, Findings};
use super::report::Report;
use super::testbed::{TestBed, Wishes};
use crate::load::photos::{self, Wanted};
use menshen_testbed::platform::ledger::{Entry, now_ms};
use menshen_testbed::scrape;

use crate::interrupt;

/// Whom the cameras show and the registry knows; the other walker is a stranger.
const WALKER: &str = "walker";
const WALKER_PICTURE: &str = "obama";
/// At two people a second something is wrong.
const PER_PERSON: Duration = Duration::from_secs(1);
const ANSWERED_WITHIN: Duration = Duration::from_mins(5);
const READY_WITHIN: Duration = Duration::from_mins(2);
/// Time to measure what the cameras get without a swap.
const QUIET: Duration = Duration::from_secs(30);
const PASSAGES_END: Duration = Duration::from_secs(6);
/// One more person is enrolled this often during a swap.
const ENROL_EVERY: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(100);

/// Runs the campaign; an error when a passage or a person is lost, doubled or misnamed.
pub fn run(arguments: &SwapArgs) -> Result<ExitCode> {
    let mut report = Report::new(None)?;
    let folder = run_folder("swap", arguments.seed);
    let wishes = Wishes {
        pictures: arguments.pictures.clone(),
        cameras: true,
        upload_queue: true,
        small_disk: false,
        own_clock: false,
        own_user: false,
        broker: BrokerArgs::default(),
        interrupted: interrupt::watch(),
    };
    report.print_line(&format!("everything is in {}", folder.display()));
    let verdict = TestBed::set_up(folder.clone(), &wishes)
        .and_then(|bed| Swap::open(bed, arguments)?.play(arguments, &report))
        .map_err(|error| anyhow!("{error:#}; logs and data are in {}", folder.display()))?;
    report.verdict(&verdict);
    if verdict["passed"] == true {
        // Left behind it would only fill the disk.
        let _ = fs::remove_dir_all(&folder);
        return Ok(ExitCode::SUCCESS);
    }
    bail!("not everything was as it should be; logs and data are in {}", folder.display())
}

struct Swap {
    bed: TestBed,
    photos: Vec<Vec<u8>>,
    /// Ids of commands that were published, in order.
    commands: Vec<String>,
    next_person: usize,
    random: StdRng,
    problems: Vec<String>,
    mixed: f64,
    figures: Value,
}

impl Swap {
    fn open(mut bed: TestBed, arguments: &SwapArgs) -> Result<Self> {
        let wanted = Wanted { photos: &arguments.photos, max: arguments.people, enlarge: arguments.enlarge };
        let photos = photos::prepare(&wanted, &bed.folder.join("photos"))?;
        bed.open()?;
        Ok(Self {
            bed,
            photos,
            commands: Vec::new(),
            next_person: 0,
            random: StdRng::seed_from_u64(arguments.seed),
            problems: Vec::new(),
            mixed: 0.0,
            figures: json!({ "killed": [] }),
        })
    }

    fn play(mut self, arguments: &SwapArgs, report: &Report) -> Result<Value> {
        self.enrol_everyone(arguments)?;
        report.print_line(&format!("{} people are enrolled", self.enrolled()));
        self.bed.people_walk()?;
        let from_ms = now_ms();
        self.bed.nap(QUIET)?;
        self.figures["looked_at_per_s_before"] = self.looked_at_per_s(from_ms);
        let from = self.models()?["embedder"].clone();
        for kill in 0..arguments.kills {
            self.swap_and_kill(arguments, kill + 1 == arguments.kills, report)?;
        }
        // A kill at the very end may have come after the switch.
        if self.models()?["embedder"] == from {
            self.swap(&json!({ "name": arguments.to }), "swap", report)?;
        }
        let to = self.models()?["embedder"].clone();
        self.check(from != to, || format!("{from} is still active"));
        self.bed.nap(QUIET / 2)?;
        self.swap(&json!({ "back": true }), "rollback", report)?;
        let back = self.models()?["embedder"].clone();
        self.check(back == from, || format!("{back} is active after the rollback, not {from}"));
        self.bed.nap(QUIET / 2)?;
        self.swap(&json!({ "name": arguments.to }), "again", report)?;
        self.conclude(&to)
    }

    fn check(&mut self, is_well: bool, problem: impl FnOnce() -> String) {
        if !is_well {
            self.problems.push(problem());
        }
    }

    /// The walker alone, and the crowd, which no camera is to recognise, in one command.
    fn enrol_everyone(&mut self, arguments: &SwapArgs) -> Result<()> {
        let file = arguments.pictures.join("obama-1.jpg");
        let photo = fs::read(&file).with_context(|| file.display().to_string())?;
        let user = json!({ "identity_id": WALKER, "reg_photo": base64::prelude::BASE64_STANDARD.encode(photo),
            "info": { "name": WALKER, "permission_ids": ["0"] } });
        self.publish(json!({ "method": "add_users_plus", "user_info_list": [user] }))?;
        let ids: Vec<String> = (0..arguments.people).map(|_| self.one_more()).collect();
        self.publish(json!({ "method": "add_users_plus", "userid_list": ids, "extend_params": { "path": "/box/users" } }))?;
        self.wait_answered(PER_PERSON * arguments.people as u32 + ANSWERED_WITHIN)?;
        let (enrolled, all) = (self.enrolled(), arguments.people as u64 + 1);
        self.check(enrolled * 2 > all, || format!("only {enrolled} of {all} people could be enrolled"));
        Ok(())
    }

    /// A person the platform can be asked for; one of the crowd.
    fn one_more(&mut self) -> String {
        let (number, id) = (self.next_person, format!("crowd-{}", self.next_person));
        self.next_person += 1;
        // What follows a JPEG's end is no part of the picture, but of its checksum.
        let mut photo = self.photos[number % self.photos.len()].clone();
        photo.extend_from_slice(id.as_bytes());
        self.bed.platform.people().add_photo(&format!("{id}.jpg"), photo);
        let user = json!({ "identity_id": id, "relative_pic_url": format!("/img/{id}.jpg"),
            "info": { "name": id, "permission_ids": ["nowhere"] } });
        self.bed.platform.people().add_raw(&id, user);
        id
    }

    fn publish(&mut self, mut command: Value) -> Result<()> {
        let id = format!("swap-{}", self.commands.len());
        command["messageId"] = json!(id);
        self.bed.platform.publish(&command)?;
        self.commands.push(id);
        Ok(())
    }

    fn replies(&self) -> Vec<Entry> {
        self.bed.platform.ledger().since(0, |entry| entry.is_reply() && entry.is_accepted())
    }

    fn wait_answered(&mut self, limit: Duration) -> Result<()> {
        let wanted = self.commands.clone();
        let answered = self.bed.wait(limit, |bed| {
            let ledger = bed.platform.ledger();
            let replies = ledger.since(0, |entry| entry.is_reply() && entry.is_accepted());
            wanted.iter().all(|id| replies.iter().any(|entry| entry.body["messageId"] == id.as_str()))
        })?;
        if answered { Ok(()) } else { bail!("not every command was answered within {limit:?}") }
    }

    /// People the box said it has; a command that was carried out twice counts once.
    fn enrolled(&self) -> u64 {
        let ids: std::collections::BTreeSet<String> = self
            .replies()
            .iter()
            .flat_map(|entry| entry.body["result"]["success_users"].as_array().cloned().unwrap_or_default())
            .map(|user| user["userid"].to_string())
            .collect();
        ids.len() as u64
    }

    fn models(&mut self) -> Result<Value> {
        let port = self.bed.supervisor.local_port();
        let mut found = Value::Null;
        self.bed.wait(READY_WITHIN, |_| {
            let answer: Value =
                serde_json::from_str(&scrape::get(port, "/menshen/api/models")).unwrap_or_default();
            found = answer["data"].clone();
            !found.is_null()
        })?;
        if found.is_null() {
            bail!("the local API does not answer");
        }
        Ok(found)
    }

    fn begin(&mut self, body: &Value) -> Result<()> {
        self.models()?;
        let answer = scrape::post(self.bed.supervisor.local_port(), "/menshen/api/models/use", body);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        if answer["data"].is_null() {
            bail!("the swap did not begin: {answer}");
        }
        Ok(())
    }

    /// A swap to its end, people being enrolled all the while.
    fn swap(&mut self, body: &Value, what: &str, report: &Report) -> Result<()> {
        let (began, from_ms, before) = (Instant::now(), now_ms(), self.commands.len());
        self.begin(body)?;
        let swap = self.watch(|swap| matches!(swap["state"].as_str(), Some("done" | "refused")))?;
        let seconds = began.elapsed().as_secs_f64();
        let figures = json!({
            "seconds": seconds, "embedded": swap["embedded"], "people": swap["people"],
            "not_embedded": swap["not_embedded"], "enrolments_meanwhile": self.commands.len() - before,
            "looked_at_per_s": self.looked_at_per_s(from_ms),
        });
        report.print_line(&format!("{what}: {} {figures}", swap["state"]));
        self.check(swap["state"] == "done", || format!("{what}: {swap}"));
        self.figures[what] = figures;
        self.wait_answered(ANSWERED_WITHIN)
    }

    /// Watches a swap, enrolling people, until `wanted`; what was seen then.
    fn watch(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Instant::now();
        loop {
            let swap = self.models()?["swap"].clone();
            if wanted(&swap) {
                return Ok(swap);
            }
            if last.elapsed() > ENROL_EVERY {
                last = Instant::now();
                let id = self.one_more();
                self.publish(json!({ "method": "add_users_plus", "userid_list": [id], "extend_params": { "path": "/box/users" } }))?;
            }
            self.bed.nap(TICK)?;
        }
    }

    /// Begins a swap and kills the box in it: somewhere in the embedding, or, `late`, about when it changes over. What
    /// comes up again must have everyone, and one model.
    fn swap_and_kill(&mut self, arguments: &SwapArgs, late: bool, report: &Report) -> Result<()> {
        let before = self.models()?["embedder"].clone();
        let (began, from_ms) = (Instant::now(), now_ms());
        self.begin(&json!({ "name": arguments.to }))?;
        let share: f64 = self.random.random_range(0.05..0.95);
        let seen = self.watch(|swap| {
            let number = |key: &str| swap[key].as_f64().unwrap_or_default();
            let far = number("people") > 0.0 && number("people_done") >= number("people") * share;
            match swap["state"].as_str() {
                Some("embedding") => far && !late,
                Some("checking") | None => false,
                _ => true,
            }
        })?;
        if late {
            let moment = self.random.random_range(0..400);
            self.bed.nap(Duration::from_millis(moment))?;
        }
        let figures = json!({
            "seconds": began.elapsed().as_secs_f64(), "embedded": seen["embedded"], "state": seen["state"],
            "looked_at_per_s": self.looked_at_per_s(from_ms),
        });
        if let Some(list) = self.figures["killed"].as_array_mut() {
            list.push(figures);
        }
        self.mixed += self.bed.supervisor.metric("menshen_mixed_features_total");
        self.bed.supervisor.kill9();
        self.bed.supervisor.start()?;
        if !self.bed.wait(READY_WITHIN, |bed| bed.looks.last().is_some_and(|look| look.whole))? {
            bail!("the box does not come up after a kill");
        }
        let facts = self.models()?;
        report.print_line(&format!(
            "killed when {} people of {} were done ({}): {} is active",
            seen["people_done"], seen["people"], seen["state"], facts["embedder"]
        ));
        self.check(facts["fallback"].is_null(), || format!("after a kill: {facts}"));
        let is_one = facts["embedder"] == before
            || facts["embedder"].as_str().is_some_and(|id| id.starts_with(&format!("{}@", arguments.to)));
        self.check(is_one, || format!("after a kill {} is active", facts["embedder"]));
        self.wait_answered(ANSWERED_WITHIN)?;
        self.everyone_is_there("after a kill");
        Ok(())
    }

    fn everyone_is_there(&mut self, when: &str) {
        let (people, enrolled) = (self.bed.supervisor.metric("menshen_registry_people"), self.enrolled());
        self.check((people - enrolled as f64).abs() < 0.5, || {
            format!("{when} {people} people can be recognised, {enrolled} were enrolled")
        });
    }

    fn looked_at_per_s(&self, from_ms: u64) -> Value {
        let to_ms = now_ms();
        let rate = |camera: &str| {
            let frames = self.bed.looks.frames_during(camera, from_ms, to_ms);
            (frames as f64 * 10_000.0 / (to_ms - from_ms).max(1) as f64).round() / 10.0
        };
        json!({ "lobby": rate("lobby"), "gate": rate("gate") })
    }

    fn conclude(mut self, active: &Value) -> Result<Value> {
        self.everyone_is_there("at the end");
        self.bed.nap(QUIET / 2)?;
        self.bed.nobody_walks();
        self.bed.nap(PASSAGES_END)?;
        self.bed.wait(ANSWERED_WITHIN, |bed| bed.supervisor.metric("menshen_outbox_depth") == 0.0)?;
        self.mixed += self.bed.supervisor.metric("menshen_mixed_features_total");
        let again = self.bed.supervisor.metric("menshen_shots_embedded_again_total");
        let mixed = self.mixed;
        self.check(mixed == 0.0, || format!("{mixed} probes met another model's gallery"));
        let clean = self.bed.supervisor.stop();
        self.check(clean, || "the box did not end in good order".to_owned());
        let data = self.bed.data()?;
        let with = data["features"][active.as_str().unwrap_or_default()].as_u64();
        self.check(with == data["people"].as_u64(), || format!("on the disk: {}", data["features"]));
        let entries = self.bed.platform.ledger().since(0, |_| true);
        let findings = self.walks(&entries)?;
        let alarms: Vec<String> = self
            .bed
            .supervisor
            .alarms
            .iter()
            .chain(&self.bed.supervisor.own_ends)
            .map(|c| c.line.clone())
            .collect();
        self.problems.extend(alarms);
        self.problems.extend(findings.lost.iter().chain(&findings.doubled).cloned());
        let wrong = wrong_names(&entries, &self.bed);
        self.problems.extend(wrong.iter().cloned());
        Ok(json!({
            "campaign": "swap", "passed": self.problems.is_empty(), "people": data["people"],
            "features": data["features"], "kills": self.bed.supervisor.breaks.len(),
            "walks": findings.walks, "walks_judged": findings.walks_counted,
            "passages_lost": findings.lost.len(), "passages_doubled": findings.doubled.len(),
            "wrong_names": wrong.len(), "mixed_features": mixed, "shots_embedded_again_last_run": again,
            "figures": self.figures, "problems": self.problems,
        }))
    }

    fn walks(&self, entries: &[Entry]) -> Result<Findings> {
        let walks = self.bed.truth.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let evidence = Evidence {
            entries,
            stored: &self.bed.stored_events()?,
            walks: &walks,
            looks: &self.bed.looks,
            breaks: &self.bed.supervisor.breaks,
            wipes: &[],
            disk_full: &[],
        };
        Ok(evidence.verify())
    }
}

/// Events whose name is not that of the person who walked by. An event that a kill cut short may have no name yet.
fn wrong_names(entries: &[Entry], bed: &TestBed) -> Vec<String> {
    let walks = bed.truth.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut wrong = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == "history" && entry.path == "/box/record/0") {
        let data = &entry.body["ext_data"];
        let time = |key: &str| data[key].as_u64().unwrap_or_default();
        let (from, to) = (time("in_timestamp"), time("out_timestamp"));
        let was_killed = bed.supervisor.breaks.iter().any(|at| from <= at + 3_000 && *at <= to + 3_000);
        let middle = u64::midpoint(from, to);
        let walk = walks.iter().rev().find(|walk| {
            data["device_ip"] == walk.camera.as_str()
                && (walk.from_ms..=walk.to_ms.unwrap_or(u64::MAX)).contains(&middle)
        });
        let Some(walk) = walk else { continue };
        let known = walk.who.starts_with(WALKER_PICTURE);
        let is_right =
            if known { entry.body["identity_id"] == WALKER } else { entry.body["identity_id"] != WALKER };
        if !(is_right || known && was_killed) {
            wrong.push(format!(
                "{} past {} at {} is reported as {}",
                walk.who, walk.camera, walk.from_ms, entry.body["identity_id"]
            ));
        }
    }
    wrong
}
