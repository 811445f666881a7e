//! Making a fault happen, and ending it.

use std::time::{Duration, Instant};

use super::clock::{DAY_S, date};
use super::plan::{Fault, Kind};
use super::stage::Stage;
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

/// What of the stage a fault has changed, so that it can be put right.
pub struct Active {
    pub fault: Fault,
    pub from_ms: u64,
    calls: Vec<&'static str>,
    /// Connections that had been cut before.
    cuts: u64,
}

/// Makes it happen.
pub fn begin(stage: &mut Stage, fault: &Fault) -> Result<Active, String> {
    let dice = fault.dice;
    let mut active = Active { fault: fault.clone(), from_ms: now_ms(), calls: Vec::new(), cuts: cuts(stage) };
    match fault.kind {
        Kind::BoxKill => stage.keeper.kill9(),
        Kind::BrokerKill => stage.broker.kill9(),
        Kind::PlatformKill => stage.platform.go_down(),
        Kind::BrokerPause => stage.broker.freeze().map_err(|error| error.to_string())?,
        Kind::CutBroker => stage.to_broker.set(cut(dice)),
        Kind::CutPlatform => stage.to_platform.set(cut(dice)),
        Kind::HalfOpenBroker => stage.to_broker.set(Mode::Swallow),
        Kind::HalfOpenPlatform => stage.to_platform.set(Mode::Swallow),
        Kind::Answer500 => active.calls = wrong_answers(stage, dice, &Answer::Status(500)),
        Kind::Answer401 => {
            // Half the time the token is good for nothing any more, else the platform merely says so.
            if dice.is_multiple_of(2) {
                stage.platform.behaviour().rotate_token();
            } else {
                active.calls = wrong_answers(stage, dice, &Answer::Status(401));
            }
        }
        Kind::AnswerSlow => {
            // Now and then longer than the box waits.
            let delay = Duration::from_millis(500 + dice / 7 % 4 * 5_500);
            active.calls = wrong_answers(stage, dice, &Answer::Slow(delay));
        }
        Kind::AnswerGarbage => active.calls = wrong_answers(stage, dice, &Answer::Garbage),
        Kind::AnswerPage => active.calls = wrong_answers(stage, dice, &Answer::Html),
        Kind::ClockStep => {
            let offset_s = if dice.is_multiple_of(2) { DAY_S } else { -DAY_S };
            step_clock(stage, offset_s)?;
        }
        Kind::DiskFull => {
            if let Some(disk) = &stage.disk {
                disk.fill()?;
            }
        }
    }
    Ok(active)
}

fn cut(dice: u64) -> Mode {
    if dice.is_multiple_of(3) { Mode::Cut } else { Mode::CutOnce }
}

/// One to eight kinds of calls go wrong until they are healed.
fn wrong_answers(stage: &Stage, dice: u64, answer: &Answer) -> Vec<&'static str> {
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
        stage.platform.behaviour().fail(call, answer.clone(), u32::MAX);
    }
    if calls.contains(&"login") {
        // Nobody logs in without a reason.
        stage.platform.behaviour().rotate_token();
    }
    calls
}

/// Sets the clock and waits until the box's own log shows that it has.
fn step_clock(stage: &mut Stage, offset_s: i64) -> Result<(), String> {
    let Some(clock) = &stage.clock else { return Ok(()) };
    clock.set(offset_s)?;
    let started = Instant::now();
    loop {
        stage.nap(Duration::from_millis(100))?;
        let now_s = (now_ms() / 1000) as i64 + offset_s;
        if stage.keeper.last_date == date(now_s) {
            return Ok(());
        }
        if started.elapsed() > CLOCK_SEEN_WITHIN {
            return Err(format!("the box's clock was not set: its log shows {}", stage.keeper.last_date));
        }
    }
}

fn cuts(stage: &Stage) -> u64 {
    stage.to_broker.cuts() + stage.to_platform.cuts()
}

/// Ends it.
pub fn end(stage: &mut Stage, active: &Active) -> Result<(), String> {
    if matches!(active.fault.kind, Kind::CutBroker | Kind::CutPlatform) {
        // A cut needs a message to fall into.
        stage.wait(CUT_WITHIN, |stage| cuts(stage) > active.cuts)?;
    }
    match active.fault.kind {
        Kind::BoxKill => stage.keeper.start()?,
        Kind::BrokerKill => stage.broker.restart().map_err(|error| error.to_string())?,
        Kind::PlatformKill => stage.platform.come_back()?,
        // A broker that was killed meanwhile is running anyway.
        Kind::BrokerPause => drop(stage.broker.thaw()),
        Kind::CutBroker | Kind::HalfOpenBroker => stage.to_broker.set(Mode::Pass),
        Kind::CutPlatform | Kind::HalfOpenPlatform => stage.to_platform.set(Mode::Pass),
        Kind::Answer500 | Kind::Answer401 | Kind::AnswerSlow | Kind::AnswerGarbage | Kind::AnswerPage => {
            active.calls.iter().for_each(|call| stage.platform.behaviour().heal_kind(call));
        }
        Kind::ClockStep => {
            if let Some(clock) = &stage.clock {
                clock.set(0)?;
            }
        }
        Kind::DiskFull => {
            if let Some(disk) = &stage.disk {
                disk.release();
            }
        }
    }
    stage.faults.push((active.fault.kind, active.from_ms, now_ms()));
    Ok(())
}
