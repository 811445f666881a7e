//! Making a fault happen, and ending it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::broker_faults::{Refusal, begin_node, end_node};
use super::clock::{DAY_S, date};
use super::plan::{Fault, Kind};
use super::testbed::TestBed;
use menshen_testbed::platform::behaviour::Fault as Answer;
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::proxy::Mode;

/// Calls to the platform that can be answered wrongly.
const CALLS: [&str; 8] =
    ["login", "users", "photo", "history", "notify", "device-list", "status", "realtime"];
/// The log is flushed line by line and a command comes every second or so, but not while the broker is away.
const CLOCK_SEEN_WITHIN: Duration = Duration::from_mins(1);

/// Status and commands come every second or two; an overlapping fault may keep everybody silent.
const CUT_WITHIN: Duration = Duration::from_secs(10);

/// What of the bed a fault has changed, so that it can be put right.
pub struct Active {
    pub fault: Fault,
    pub from_ms: u64,
    calls: Vec<&'static str>,
    /// Connections that had been cut before.
    cuts: u64,
    /// Refused replies the box had reported before.
    refusals: usize,
    /// The node of the cluster that fails.
    node: usize,
}

/// Makes it happen.
pub fn begin(bed: &mut TestBed, fault: &Fault) -> Result<Active> {
    let dice = fault.dice;
    let mut active = Active {
        fault: fault.clone(),
        from_ms: now_ms(),
        calls: Vec::new(),
        cuts: cuts(bed),
        refusals: bed.supervisor.refusals,
        node: 0,
    };
    match fault.kind {
        Kind::BoxKill => bed.supervisor.kill9(),
        Kind::BrokerKill => bed.broker.single()?.kill9(),
        Kind::PlatformKill => bed.platform.go_down(),
        Kind::BrokerPause => bed.broker.single()?.freeze()?,
        Kind::CutBroker => bed.to_broker.set(cut(dice)),
        Kind::CutPlatform => bed.to_platform.set(cut(dice)),
        Kind::HalfOpenBroker => bed.to_broker.set(Mode::Swallow),
        Kind::HalfOpenPlatform => bed.to_platform.set(Mode::Swallow),
        Kind::Answer500 => active.calls = wrong_answers(bed, dice, &Answer::Status(500)),
        Kind::Answer401 => {
            // Half the time the token is good for nothing any more, else the platform merely says so.
            if dice.is_multiple_of(2) {
                bed.platform.behaviour().rotate_token();
            } else {
                active.calls = wrong_answers(bed, dice, &Answer::Status(401));
            }
        }
        Kind::AnswerSlow => {
            // Now and then longer than the box waits.
            let delay = Duration::from_millis(500 + dice / 7 % 4 * 5_500);
            active.calls = wrong_answers(bed, dice, &Answer::Slow(delay));
        }
        Kind::AnswerGarbage => active.calls = wrong_answers(bed, dice, &Answer::Garbage),
        Kind::AnswerPage => active.calls = wrong_answers(bed, dice, &Answer::Html),
        Kind::ClockStep => {
            let offset_s = if dice.is_multiple_of(2) { DAY_S } else { -DAY_S };
            step_clock(bed, offset_s)?;
        }
        Kind::DiskFull => {
            if let Some(disk) = &bed.disk {
                disk.fill()?;
            }
        }
        Kind::ReplyRefused => Refusal::of(dice).begin(bed)?,
        kind
        @ (Kind::LeaderKill | Kind::NodeKill | Kind::NodeFreeze | Kind::NodeCutOff | Kind::NodeDrain) => {
            active.node = begin_node(bed, kind, dice)?;
        }
    }
    Ok(active)
}

fn cut(dice: u64) -> Mode {
    if dice.is_multiple_of(3) { Mode::Cut } else { Mode::CutOnce }
}

/// One to eight kinds of calls go wrong until they are healed.
fn wrong_answers(bed: &TestBed, dice: u64, answer: &Answer) -> Vec<&'static str> {
    let mut calls: Vec<_> = CALLS
        .iter()
        .enumerate()
        .filter(|(bit, _)| dice >> (8 + bit) & 1 == 1)
        .map(|(_, call)| *call)
        .collect();
    if calls.is_empty() {
        calls.push("history");
    }
    for call in &calls {
        bed.platform.behaviour().fail(call, answer.clone(), u32::MAX);
    }
    if calls.contains(&"login") {
        // Nobody logs in without a reason.
        bed.platform.behaviour().rotate_token();
    }
    calls
}

/// Sets the clock and waits until the box's own log shows that it has.
fn step_clock(bed: &mut TestBed, offset_s: i64) -> Result<()> {
    let Some(clock) = &bed.clock else { return Ok(()) };
    clock.set(offset_s)?;
    let started = Instant::now();
    loop {
        bed.nap(Duration::from_millis(100))?;
        let now_s = (now_ms() / 1000) as i64 + offset_s;
        if bed.supervisor.last_date == date(now_s) {
            return Ok(());
        }
        if started.elapsed() > CLOCK_SEEN_WITHIN {
            bail!("the box's clock was not set: its log shows {}", bed.supervisor.last_date);
        }
    }
}

fn cuts(bed: &TestBed) -> u64 {
    bed.to_broker.cuts() + bed.to_platform.cuts()
}

/// Ends it.
pub fn end(bed: &mut TestBed, active: &Active) -> Result<()> {
    if matches!(active.fault.kind, Kind::CutBroker | Kind::CutPlatform) {
        // A cut needs a message to fall into.
        bed.wait(CUT_WITHIN, |bed| cuts(bed) > active.cuts)?;
    }
    match active.fault.kind {
        Kind::BoxKill => bed.supervisor.start()?,
        Kind::BrokerKill => bed.broker.single()?.restart()?,
        Kind::PlatformKill => bed.platform.come_back()?,
        // A broker that was killed meanwhile is running anyway.
        Kind::BrokerPause => drop(bed.broker.single()?.thaw()),
        Kind::CutBroker | Kind::HalfOpenBroker => bed.to_broker.set(Mode::Pass),
        Kind::CutPlatform | Kind::HalfOpenPlatform => bed.to_platform.set(Mode::Pass),
        Kind::Answer500 | Kind::Answer401 | Kind::AnswerSlow | Kind::AnswerGarbage | Kind::AnswerPage => {
            active.calls.iter().for_each(|call| bed.platform.behaviour().heal_kind(call));
        }
        Kind::ClockStep => {
            if let Some(clock) = &bed.clock {
                clock.set(0)?;
            }
        }
        Kind::DiskFull => {
            if let Some(disk) = &bed.disk {
                disk.release();
            }
        }
        Kind::ReplyRefused => Refusal::of(active.fault.dice).end(bed, active.refusals)?,
        kind
        @ (Kind::LeaderKill | Kind::NodeKill | Kind::NodeFreeze | Kind::NodeCutOff | Kind::NodeDrain) => {
            end_node(bed, kind, active.node)?;
        }
    }
    bed.faults.push((active.fault.kind, active.from_ms, now_ms()));
    Ok(())
}
