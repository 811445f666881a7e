//! Commands without end, each with its own `messageId`, and what each must lead to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::model::{Command, Effect, param_error};
use menshen_testbed::platform::SimPlatform;
use menshen_testbed::platform::ledger::{Entry, now_ms};

/// A person who walks by and is known, except after a wipe, until the next command brings them back.
pub const RESIDENT: &str = "resident";
const NO_FACE: i64 = 40004;
const UNKNOWN_METHOD: i64 = 50100;

/// Makes commands from a seed.
pub struct Maker {
    random: StdRng,
    seed: u64,
    number: u64,
    /// People who should be enrolled by now.
    alive: Vec<String>,
    /// People whose details the platform has; each is asked for as often as it likes, and never changes.
    fetched: u64,
    photos: Photos,
    /// `wipe_data` one time in this many commands.
    wipe_one_in: u32,
}

struct Photos {
    resident: Vec<u8>,
    others: Vec<u8>,
    faceless: Vec<u8>,
}

impl Photos {
    fn read(pictures: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = pictures.join(name);
            std::fs::read(&path).map_err(|error| anyhow!("{}: {error}; run scripts/setup", path.display()))
        };
        Ok(Self {
            resident: read("obama-1.jpg")?,
            others: read("biden-1.jpg")?,
            faceless: read("coffee.png")?,
        })
    }

    /// The same face in a file of its own: what follows the end of a JPEG changes its hash only.
    fn fresh(&self, mark: u64) -> Vec<u8> {
        let mut photo = self.others.clone();
        photo.extend_from_slice(&mark.to_le_bytes());
        photo
    }
}

fn base64(bytes: &[u8]) -> String {
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

impl Maker {
    pub fn new(seed: u64, pictures: &Path, wipe_one_in: u32) -> Result<Self> {
        Ok(Self {
            random: StdRng::seed_from_u64(seed ^ 0x10AD),
            seed,
            number: 0,
            alive: Vec::new(),
            fetched: 0,
            photos: Photos::read(pictures)?,
            wipe_one_in,
        })
    }

    fn command(&mut self, mut body: Value, effect: Effect) -> Command {
        self.number += 1;
        let id = format!("{}-{:05}-{}", self.seed, self.number, body["method"].as_str().unwrap_or("?"));
        body["messageId"] = Value::from(id.clone());
        if body.get("extend_params").is_none() {
            body["extend_params"] = json!({});
        }
        body["extend_params"]["notify_path"] = Value::from("/box/notify");
        Command { id, body, effect }
    }

    /// Enrols the one who walks by.
    pub fn resident(&mut self) -> Command {
        let user = json!({ "identity_id": RESIDENT, "reg_photo": base64(&self.photos.resident),
            "info": { "name": "Resident", "permission_ids": ["0"] } });
        let effect =
            Effect::Add { users: vec![(RESIDENT.to_owned(), Ok("Resident".to_owned()))], fetched: false };
        self.command(json!({ "method": "add_users_plus", "user_info_list": [user] }), effect)
    }

    fn new_id(&mut self) -> String {
        format!("p{}", self.number * 10 + self.random.random_range(0..10))
    }

    fn add_inline(&mut self, ids: &[String]) -> Command {
        let mut users = Vec::new();
        let mut effects = Vec::new();
        for id in ids {
            let mark: u32 = self.random.random();
            let name = format!("{id} as of {mark}");
            users.push(json!({ "identity_id": id, "reg_photo": base64(&self.photos.fresh(u64::from(mark))),
                "info": { "name": name, "permission_ids": ["0"] } }));
            effects.push((id.clone(), Ok(name)));
            if !self.alive.contains(id) {
                self.alive.push(id.clone());
            }
        }
        if self.random.random_ratio(1, 8) {
            let id = format!("faceless{}", self.number);
            users.push(json!({ "identity_id": id, "reg_photo": base64(&self.photos.faceless) }));
            effects.push((id, Err(NO_FACE)));
        }
        let effect = Effect::Add { users: effects, fetched: false };
        self.command(json!({ "method": "add_users_plus", "user_info_list": users }), effect)
    }

    /// By id: the box asks the platform for the details and fetches the photos.
    fn add_fetched(&mut self, platform: &SimPlatform) -> Command {
        let mut ids = Vec::new();
        let mut effects = Vec::new();
        for _ in 0..self.random.random_range(1..=3) {
            self.fetched += 1;
            let id = format!("f{}", self.fetched);
            let name = format!("fetched {id}");
            platform.people().add(&id, &name, self.photos.fresh(u64::MAX - self.fetched));
            effects.push((id.clone(), Ok(name)));
            self.alive.push(id.clone());
            ids.push(id);
        }
        let body = json!({ "method": "add_users_plus", "userid_list": ids, "extend_params": { "path": "/box/users" } });
        self.command(body, Effect::Add { users: effects, fetched: true })
    }

    fn delete(&mut self, ids: Vec<String>) -> Command {
        self.alive.retain(|id| !ids.contains(id));
        let body = json!({ "method": "delete_users", "userid_list": ids });
        self.command(body, Effect::Delete(ids))
    }

    /// Adds a permission group and renames some.
    pub fn sync(&mut self) -> Command {
        let mut ids: Vec<String> = (0..self.random.random_range(1..5)).map(|n| n.to_string()).collect();
        ids.push(format!("g{}", self.number));
        // Another name each time, so that their order shows.
        let named: Vec<_> =
            ids.into_iter().map(|id| (id.clone(), format!("group {id}.{}", self.number))).collect();
        let groups: Vec<_> = named
            .iter()
            .map(|(id, name)| json!({ "id": id, "info": { "name": name, "description": "" } }))
            .collect();
        self.command(
            json!({ "method": "sync_permissions", "permissions_info_list": groups }),
            Effect::Sync(named),
        )
    }

    fn wrong(&mut self) -> Command {
        let bad = [
            (json!({ "method": "open_sesame" }), UNKNOWN_METHOD),
            (json!({ "method": "delete_users" }), param_error()),
            (json!({ "method": "wipe_data" }), param_error()),
            (json!({ "method": "add_users_plus", "userid_list": "1001" }), param_error()),
        ];
        let (body, code) = bad.choose(&mut self.random).cloned().unwrap_or_default();
        self.command(body, Effect::Refused(code))
    }

    /// The next command, or two that must not change places.
    pub fn next(&mut self, platform: &SimPlatform) -> Vec<Command> {
        if self.wipe_one_in > 0 && self.random.random_ratio(1, self.wipe_one_in) {
            self.alive.clear();
            let body = json!({ "method": "wipe_data", "wipe_options": { "users": true, "events": false } });
            let wipe = self.command(body, Effect::WipePeople);
            return vec![wipe, self.resident()];
        }
        match self.random.random_range(0..100) {
            0..30 => {
                let ids: Vec<_> = (0..self.random.random_range(1..=3)).map(|_| self.new_id()).collect();
                // Twice the same in one message would be one.
                let ids: BTreeSet<_> = ids.into_iter().collect();
                vec![self.add_inline(&ids.into_iter().collect::<Vec<_>>())]
            }
            30..50 => vec![self.add_fetched(platform)],
            // Back to back: the second waits in the box while the first is carried out.
            50..65 => {
                let id = vec![self.new_id()];
                let first = self.add_inline(&id);
                vec![first, if self.random.random() { self.delete(id) } else { self.add_inline(&id) }]
            }
            65..73 => match self.alive.choose(&mut self.random).cloned() {
                Some(id) if !id.starts_with('f') => {
                    let first = self.delete(vec![id.clone()]);
                    vec![first, self.add_inline(&[id])]
                }
                _ => vec![self.sync()],
            },
            73..85 => {
                let mut ids: Vec<_> = self.alive.sample(&mut self.random, 2).cloned().collect();
                ids.push(format!("nobody{}", self.number));
                vec![self.delete(ids)]
            }
            85..93 => vec![self.sync()],
            _ => vec![self.wrong()],
        }
    }
}

/// What has been published and confirmed, in order.
#[derive(Clone, Default)]
pub struct Published(Arc<Mutex<Vec<(Command, u64)>>>);

impl Published {
    /// Publishes until the broker confirms; `Err` when that does not happen within `limit`.
    pub fn publish(&self, platform: &SimPlatform, command: Command, limit: Duration) -> Result<()> {
        let started = std::time::Instant::now();
        while let Err(error) = platform.publish(&command.body) {
            if started.elapsed() > limit {
                return Err(error).with_context(|| command.id.clone());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((command, now_ms()));
        Ok(())
    }

    pub fn all(&self) -> Vec<(Command, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ids of what was confirmed after `at_ms`.
    pub fn after(&self, at_ms: u64) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().take_while(|(_, at)| *at > at_ms).map(|(command, _)| command.id.clone()).collect()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A thread that publishes at random times until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// A broker that is killed and frozen in turn is back within this.
const CONFIRMED_WITHIN: Duration = Duration::from_mins(3);

/// Unanswered commands at which the load waits: enough for an outage to be felt, few enough to be worked off soon.
const BACKLOG_MAX: usize = 15;

/// Counts commands that have been answered, looking at each ledger entry once.
#[derive(Default)]
struct Answers {
    looked_to: u64,
    ids: BTreeSet<String>,
}

impl Answers {
    fn count(&mut self, platform: &SimPlatform) -> usize {
        let to = platform.ledger().len();
        let is_new = |entry: &Entry| entry.number < to && entry.is_reply() && entry.is_accepted();
        let replies = platform.ledger().since(self.looked_to, is_new);
        self.ids
            .extend(replies.iter().filter_map(|entry| entry.body["messageId"].as_str().map(str::to_owned)));
        self.looked_to = to;
        self.ids.len()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // After an error nobody waits for the command it is at.
        self.stop.store(true, Ordering::Release);
    }
}

impl Load {
    pub fn start(mut maker: Maker, platform: Arc<SimPlatform>, published: Published) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut answers = Answers::default();
            while !stopped.load(Ordering::Acquire) {
                if published.count() >= answers.count(&platform) + BACKLOG_MAX {
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
                for command in maker.next(&platform) {
                    published.publish(&platform, command, CONFIRMED_WITHIN)?;
                }
                let pause = maker.random.random_range(150..900);
                std::thread::sleep(Duration::from_millis(pause));
            }
            Ok(())
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends after the command it is at.
    pub fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => bail!("the load panicked"),
            None => Ok(()),
        }
    }
}
