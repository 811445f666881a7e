//! Clients of the live stream who come and go in turns: the same box and the same cameras with them and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::statistics::rounded;
use menshen_testbed::stream_client::{Heard, StreamClient};
use serde_json::{Value, json};

use super::asked::{Audience, Walker};
use super::stats::{Seen, Stats, Walk};

/// One turn with clients, or without. Some twenty passages of eight cameras fall into it.
const TURN: Duration = Duration::from_secs(30);
/// What a slow client takes at a time: a message is a hundred times as long.
const SIP_BYTES: usize = 4096;
/// How often; who takes hardly anything for a minute is taken for gone.
const SIP_EVERY: Duration = Duration::from_secs(1);
/// How long a client waits at a time before it looks whether its turn is over.
const LOOK: Duration = Duration::from_millis(200);

/// Clients who come and go until [`end`](Self::end).
pub struct Invited {
    stop: Arc<AtomicBool>,
    heard: Arc<AtomicU64>,
    audience: Audience,
    thread: JoinHandle<Result<Vec<(u64, u64)>>>,
    began_ms: u64,
}

/// When there were clients, and when not; milliseconds of the wall clock.
pub struct Turns {
    audience: Audience,
    /// Events the fast clients got.
    heard: u64,
    with: Vec<(u64, u64)>,
    began_ms: u64,
    ended_ms: u64,
}

impl Invited {
    /// Begins with a turn without clients.
    pub fn begin(port: u16, devices: Vec<String>, audience: Audience) -> Self {
        let (stop, heard) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let thread = {
            let (stop, heard) = (Arc::clone(&stop), Arc::clone(&heard));
            std::thread::spawn(move || take_turns(port, &devices, audience, &stop, &heard))
        };
        Self { stop, heard, audience, thread, began_ms: now_ms() }
    }

    /// Sends the clients away for good.
    pub fn end(self) -> Result<Turns> {
        self.stop.store(true, Ordering::Release);
        let (audience, began_ms, ended_ms) = (self.audience, self.began_ms, now_ms());
        let with = self.thread.join().ok().context("the thread of the stream's clients panicked")??;
        Ok(Turns { audience, heard: self.heard.load(Ordering::Acquire), with, began_ms, ended_ms })
    }
}

impl Turns {
    /// The delays of walks that fall wholly into a turn, of both kinds of turns.
    pub fn compare(&self, walks: &[Walk], walkers: &[Walker], seen: &[Seen]) -> Value {
        let within = |turns: &[(u64, u64)]| {
            let is_in = |walk: &&Walk| {
                turns.iter().any(|(from_ms, to_ms)| walk.from_ms >= *from_ms && walk.to_ms <= *to_ms)
            };
            let walks: Vec<Walk> = walks.iter().filter(is_in).cloned().collect();
            Stats::of(&walks, walkers, seen).figures("")
        };
        let (with, without) = (within(&self.with), within(&self.without()));
        let p95 = |figures: &Value| figures["delay_ms_p95"].as_f64().unwrap_or_default();
        let ratio = if p95(&without) > 0.0 { p95(&with) / p95(&without) } else { 0.0 };
        let pick = |figures: &Value| {
            json!({
                "passages": figures["passages"], "missed": figures["missed"],
                "delay_ms_p50": figures["delay_ms_p50"], "delay_ms_p95": figures["delay_ms_p95"],
            })
        };
        json!({
            "measure": "live-stream", "slow_clients": self.audience.slow, "fast_clients": self.audience.fast,
            "with": pick(&with), "without": pick(&without), "delay_p95_ratio": rounded(ratio, 3),
            "events_heard_by_fast": self.heard,
        })
    }

    fn without(&self) -> Vec<(u64, u64)> {
        let begins = std::iter::once(self.began_ms).chain(self.with.iter().map(|(_, to_ms)| *to_ms));
        let ends = self.with.iter().map(|(from_ms, _)| *from_ms).chain([self.ended_ms]);
        begins.zip(ends).collect()
    }
}

fn take_turns(
    port: u16,
    devices: &[String],
    audience: Audience,
    stop: &AtomicBool,
    heard: &Arc<AtomicU64>,
) -> Result<Vec<(u64, u64)>> {
    let mut with = Vec::new();
    loop {
        wait(TURN, stop);
        if stop.load(Ordering::Acquire) {
            return Ok(with);
        }
        let over = Arc::<AtomicBool>::default();
        let from_ms = now_ms();
        let slow = (0..audience.slow).map(|_| client(port, devices, true));
        let fast = (0..audience.fast).map(|_| client(port, devices, false));
        let (slow, fast) = (slow.collect::<Result<Vec<_>>>()?, fast.collect::<Result<Vec<_>>>()?);
        let sip = slow.into_iter().map(|client| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || sip(client, &over))
        });
        let hear = fast.into_iter().map(|client| {
            let (over, heard) = (Arc::clone(&over), Arc::clone(heard));
            std::thread::spawn(move || hear(client, &over, &heard))
        });
        let threads: Vec<JoinHandle<Result<()>>> = sip.chain(hear).collect();
        wait(TURN, stop);
        over.store(true, Ordering::Release);
        with.push((from_ms, now_ms()));
        for thread in threads {
            thread.join().ok().context("a client of the stream panicked")??;
        }
    }
}

fn client(port: u16, devices: &[String], is_slow: bool) -> Result<StreamClient> {
    let ids: Vec<&str> = devices.iter().map(String::as_str).collect();
    let mut client = if is_slow { StreamClient::connect_slow(port)? } else { StreamClient::connect(port)? };
    client.configure(&ids, true, true)?;
    Ok(client)
}

fn sip(mut client: StreamClient, over: &AtomicBool) -> Result<()> {
    while !over.load(Ordering::Acquire) {
        client.sip(SIP_BYTES)?;
        wait(SIP_EVERY, over);
    }
    Ok(())
}

fn hear(mut client: StreamClient, over: &AtomicBool, heard: &AtomicU64) -> Result<()> {
    while !over.load(Ordering::Acquire) {
        match client.hear(LOOK)? {
            Heard::Event(_) => drop(heard.fetch_add(1, Ordering::AcqRel)),
            Heard::Nothing => {}
            other => anyhow::bail!("the box ended a fast client: {other:?}"),
        }
    }
    Ok(())
}

fn wait(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while !stop.load(Ordering::Acquire) && Instant::now() < until {
        sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
    }
}
