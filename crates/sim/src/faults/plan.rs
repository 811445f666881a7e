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
    /// The broker refuses replies: their queue is full or gone, or the permission is taken
    ReplyRefused,
    /// kill -9 of the node that leads the command queue, started again
    LeaderKill,
    /// kill -9 of the node the box is connected to, started again
    NodeKill,
    /// A node of the cluster is stopped and continued
    NodeFreeze,
    /// A node of the cluster is cut off from the others, not from its clients
    NodeCutOff,
    /// A node of the cluster is drained and stopped in good order, started again
    NodeDrain,
}

impl Kind {
    /// Those of a single broker.
    pub const ALL: [Self; 16] = [
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
        Self::ReplyRefused,
    ];
    /// Those of a cluster's nodes.
    pub const NODES: [Self; 5] =
        [Self::LeaderKill, Self::NodeKill, Self::NodeFreeze, Self::NodeCutOff, Self::NodeDrain];

    /// Those of one broker, or of a cluster, in which its nodes fail one at a time.
    pub fn possible(cluster: bool) -> Vec<Self> {
        if !cluster {
            return Self::ALL.to_vec();
        }
        let of_nodes = |kind: &Self| !matches!(kind, Self::BrokerKill | Self::BrokerPause);
        Self::ALL.into_iter().filter(of_nodes).chain(Self::NODES).collect()
    }

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
            // A heartbeat is missed after ten seconds, a node by its neighbours as well.
            Self::NodeFreeze | Self::NodeCutOff => (3_000, 25_000),
            Self::LeaderKill | Self::NodeKill | Self::NodeDrain => (500, 6_000),
            Self::ReplyRefused => (3_000, 10_000),
            Self::BrokerPause
            | Self::Answer500
            | Self::Answer401
            | Self::AnswerSlow
            | Self::AnswerGarbage
            | Self::AnswerPage => (1_000, 4_000),
        }
    }
}

impl Kind {
    /// The broker, or a part of it, does not do what it is told meanwhile.
    fn is_of_broker(self) -> bool {
        matches!(self, Self::BrokerKill | Self::BrokerPause | Self::ReplyRefused)
            || Self::NODES.contains(&self)
    }

    /// Both at once would be one fault, not two, or leave no majority of the nodes, or a broker that cannot be told what to
    /// refuse.
    fn clashes(self, other: Self) -> bool {
        self == other || self.is_of_broker() && other.is_of_broker()
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
            overlaps: overlaps
                && faults.last().is_some_and(|before| !before.kind.clashes(kind) && !before.overlaps),
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

    #[test]
    fn a_cluster_always_has_a_majority() {
        let kinds = Kind::possible(true);
        assert!(Kind::NODES.iter().all(|kind| kinds.contains(kind)) && !kinds.contains(&Kind::BrokerKill));
        let faults = plan(3, 400, &kinds);
        let overlapping: Vec<_> = faults.windows(2).filter(|pair| pair[1].overlaps).collect();
        assert!(overlapping.iter().any(|pair| pair[1].kind.is_of_broker()));
        assert!(!overlapping.iter().any(|pair| pair[0].kind.is_of_broker() && pair[1].kind.is_of_broker()));
    }
}
