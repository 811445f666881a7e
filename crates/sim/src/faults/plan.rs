//! What will go wrong, and when: all of it follows from the seed.

use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// One way for things to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Kind {
    /// kill -9 of the box, started again
    BoxKill,
    /// kill -9 of the broker, started again
    BrokerKill,
    /// The platform breaks off everything, comes back at the same address
    PlatformKill,
    /// The broker is stopped and continued
    BrokerPause,
    /// TCP to the broker is cut in the middle of a message
    CutBroker,
    /// TCP to the platform is cut in the middle of a message
    CutPlatform,
    /// TCP to the broker is open and dead
    HalfOpenBroker,
    /// TCP to the platform is open and dead
    HalfOpenPlatform,
    /// The platform answers 500
    #[value(name = "answer-500")]
    Answer500,
    /// The platform takes the token no longer
    #[value(name = "answer-401")]
    Answer401,
    /// The platform is slow
    AnswerSlow,
    /// The platform answers with garbage
    AnswerGarbage,
    /// A login page comes in place of the platform's answers
    AnswerPage,
    /// The box's wall clock is set a day forward or back
    ClockStep,
    /// Not a byte is free where the box keeps its data
    DiskFull,
}

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::BoxKill,
        Self::BrokerKill,
        Self::PlatformKill,
        Self::BrokerPause,
        Self::CutBroker,
        Self::CutPlatform,
        Self::HalfOpenBroker,
        Self::HalfOpenPlatform,
        Self::Answer500,
        Self::Answer401,
        Self::AnswerSlow,
        Self::AnswerGarbage,
        Self::AnswerPage,
        Self::ClockStep,
        Self::DiskFull,
    ];

    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How long it lasts, shortest and longest.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::BoxKill | Self::CutBroker | Self::CutPlatform => (0, 1_500),
            Self::BrokerKill | Self::PlatformKill => (0, 2_500),
            Self::HalfOpenBroker | Self::HalfOpenPlatform | Self::ClockStep | Self::DiskFull => {
                (1_000, 6_000)
            }
            Self::BrokerPause
            | Self::Answer500
            | Self::Answer401
            | Self::AnswerSlow
            | Self::AnswerGarbage
            | Self::AnswerPage => (1_000, 4_000),
        }
    }
}

/// One fault of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// Quiet before it.
    pub gap: Duration,
    pub lasts: Duration,
    /// It begins while the one before it still lasts.
    pub overlaps: bool,
    /// For whatever else the kind leaves open.
    pub dice: u64,
}

/// A frozen broker must now and then be frozen for longer than confirms and heartbeats wait.
const LONG_PAUSE_ONE_IN: u32 = 4;
const LONG_PAUSE_MS: (u64, u64) = (16_000, 24_000);
const OVERLAP_CHANCE: f64 = 0.15;

/// `count` faults of `kinds`: dealt from shuffled decks, so that all kinds come equally often.
pub fn plan(seed: u64, count: usize, kinds: &[Kind]) -> Vec<Fault> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut deck: Vec<Kind> = Vec::new();
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < count && !kinds.is_empty() {
        if deck.is_empty() {
            deck = kinds.to_vec();
            deck.shuffle(&mut random);
        }
        let Some(kind) = deck.pop() else { break };
        let (mut low, mut high) = kind.lasts_ms();
        if kind == Kind::BrokerPause && random.random_ratio(1, LONG_PAUSE_ONE_IN) {
            (low, high) = LONG_PAUSE_MS;
        }
        let overlaps = random.random_bool(OVERLAP_CHANCE);
        faults.push(Fault {
            kind,
            gap: Duration::from_millis(random.random_range(200..2_000)),
            lasts: Duration::from_millis(random.random_range(low..=high)),
            // The same thing twice at once would be one fault, not two.
            overlaps: overlaps && faults.last().is_some_and(|before| before.kind != kind && !before.overlaps),
            dice: random.random(),
        });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed_and_holds_every_kind() {
        let one = plan(7, 40, &Kind::ALL);
        assert_eq!(one, plan(7, 40, &Kind::ALL));
        assert_ne!(one, plan(8, 40, &Kind::ALL));
        for kind in Kind::ALL {
            let count = one.iter().filter(|fault| fault.kind == kind).count();
            assert!((2..=3).contains(&count), "{kind:?}: {count}");
        }
        assert!(one.iter().any(|fault| fault.overlaps) && !one[0].overlaps);
    }
}
