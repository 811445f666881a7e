//! Faults of the broker itself: replies it refuses, and nodes of a cluster that fail.

use std::time::Duration;

use anyhow::Result;
use menshen_testbed::cluster::NODES;
use menshen_testbed::platform::{ReplyQueue, mq};

use super::plan::Kind;
use super::testbed::TestBed;

/// A refusal needs a reply to fall on.
const FELT_WITHIN: Duration = Duration::from_secs(20);
/// Replies that were on their way when the box was stopped have come when none comes for so long.
const QUIET: Duration = Duration::from_millis(600);
const POLICY: &str = "replies-full";
/// Everything but the default exchange, which takes replies to their queue.
const NO_REPLIES: &str = "^box\\.down$";
const ALL: &str = ".*";

/// Why a broker does not take a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Full,
    NotPermitted,
    NoQueue,
}

impl Refusal {
    pub fn of(dice: u64) -> Self {
        match dice % 3 {
            0 => Self::Full,
            1 => Self::NotPermitted,
            _ => Self::NoQueue,
        }
    }

    pub fn begin(self, bed: &mut TestBed) -> Result<()> {
        match self {
            Self::Full => {
                let queue = format!("^{}$", mq::REPLIES.replace('.', "\\."));
                let full = r#"{"max-length":1,"overflow":"reject-publish"}"#;
                bed.broker.control(&["set_policy", "--apply-to", "queues", POLICY, &queue, full])?;
                bed.platform.set_reply_queue(ReplyQueue::Left)
            }
            Self::NotPermitted => bed.permit(NO_REPLIES),
            Self::NoQueue => {
                // Nothing may be in the queue when it goes: that would be lost, and not by the box.
                bed.supervisor.signal("STOP");
                let mut seen = bed.platform.ledger().len();
                loop {
                    std::thread::sleep(QUIET);
                    let now = bed.platform.ledger().len();
                    if std::mem::replace(&mut seen, now) == now {
                        break;
                    }
                }
                let deleted = bed.platform.set_reply_queue(ReplyQueue::Gone);
                bed.supervisor.signal("CONT");
                deleted
            }
        }
    }

    /// `refusals`: those the box had reported before it began.
    pub fn end(self, bed: &mut TestBed, refusals: usize) -> Result<()> {
        if !bed.wait(FELT_WITHIN, |bed| bed.supervisor.refusals > refusals)? {
            bed.not_felt += 1;
        }
        match self {
            Self::Full => {
                bed.broker.control(&["clear_policy", POLICY])?;
                bed.platform.set_reply_queue(ReplyQueue::Collected)
            }
            Self::NotPermitted => bed.permit(ALL),
            Self::NoQueue => bed.platform.set_reply_queue(ReplyQueue::Collected),
        }
    }
}

/// Fails one node, and says which.
pub fn begin_node(bed: &mut TestBed, kind: Kind, dice: u64) -> Result<usize> {
    let any = (dice / 8) as usize % NODES;
    let of_the_box = bed.to_broker.node_of_the_box().unwrap_or(any);
    let cluster = bed.broker.cluster()?;
    let node = match kind {
        Kind::LeaderKill => cluster.leader(mq::COMMANDS)?,
        Kind::NodeKill => of_the_box,
        // The box's node, the leader, or any.
        _ => match dice % 4 {
            0 => any,
            1 => cluster.leader(mq::COMMANDS)?,
            _ => of_the_box,
        },
    };
    match kind {
        Kind::NodeFreeze => cluster.node(node).freeze()?,
        Kind::NodeCutOff => cluster.cut_off(node)?,
        Kind::NodeDrain => cluster.drain(node)?,
        _ => cluster.node(node).kill9(),
    }
    Ok(node)
}

/// Puts the node right, and waits until all three see each other: the next fault must find a majority.
pub fn end_node(bed: &mut TestBed, kind: Kind, node: usize) -> Result<()> {
    let cluster = bed.broker.cluster()?;
    match kind {
        Kind::NodeFreeze => cluster.node(node).thaw()?,
        Kind::NodeCutOff => cluster.rejoin(node)?,
        _ => return Ok(cluster.start_again(node)?),
    }
    let was_apart = cluster.wait_rejoined(node)?;
    bed.nodes_left_apart += usize::from(was_apart);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plan::plan;
    use super::*;

    /// The short campaign in tests/faults.rs counts on it.
    #[test]
    fn three_refusals_of_seed_15_are_all_there_are() {
        let faults = plan(15, 3, &[Kind::ReplyRefused]);
        let refusals: Vec<_> = faults.iter().map(|fault| Refusal::of(fault.dice)).collect();
        assert_eq!(refusals, [Refusal::Full, Refusal::NotPermitted, Refusal::NoQueue]);
    }
}
