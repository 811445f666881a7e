//! The two lanes in which commands are processed. FIQA has its own, so that a long enrolment never delays it.

use std::collections::{HashSet, VecDeque};

use super::job::{Job, PendingReply, Source};
use crate::ports::broker::QueuePair;
use menshen_domain::limits;

/// What waits for its turn in one lane; the broker's prefetch bounds it.
pub struct Lane {
    /// Processed at the same time. Commands are processed one after the other: their order matters.
    width: usize,
    waiting: VecDeque<(u64, Job)>,
    running: usize,
    /// Replies to commands whose connection broke, oldest first. When such a command is delivered again, only its reply
    /// is sent: processing it again could take hours of enrolment. Before another command they are handed over.
    unsent: VecDeque<PendingReply>,
}

impl Lane {
    fn new(width: usize) -> Self {
        Self { width, waiting: VecDeque::new(), running: 0, unsent: VecDeque::new() }
    }
}

/// Both lanes, and the replays that are in one of them.
pub struct Lanes {
    commands: Lane,
    fiqa: Lane,
    replaying: HashSet<String>,
}

impl Lanes {
    pub fn new(fiqa_width: usize) -> Self {
        Self { commands: Lane::new(1), fiqa: Lane::new(fiqa_width), replaying: HashSet::new() }
    }

    fn lane(&mut self, pair: QueuePair) -> &mut Lane {
        match pair {
            QueuePair::Commands => &mut self.commands,
            QueuePair::Fiqa => &mut self.fiqa,
        }
    }

    /// Takes a job in; a replay that is in already is left out.
    pub fn push(&mut self, attempt: u64, job: Job) {
        if let Source::Replay { id } = &job.source
            && !self.replaying.insert(id.clone())
        {
            return;
        }
        self.lane(job.pair()).waiting.push_back((attempt, job));
    }

    /// The next job of a lane that has room, for the connection `attempt`, with the replies kept in this lane.
    pub fn next(&mut self, pair: QueuePair, attempt: u64) -> Option<(Job, Vec<PendingReply>)> {
        let lane = self.lane(pair);
        if lane.running >= lane.width {
            return None;
        }
        // What came over an earlier connection is delivered again over this one.
        lane.waiting.retain(|(from, _)| *from == attempt);
        let (_, job) = lane.waiting.pop_front()?;
        lane.running += 1;
        Some((job, lane.unsent.drain(..).collect()))
    }

    /// A job has left its lane.
    pub fn done(&mut self, pair: QueuePair, replay: Option<&str>, unsent: Vec<PendingReply>) {
        if let Some(id) = replay {
            self.replaying.remove(id);
        }
        let lane = self.lane(pair);
        lane.running -= 1;
        lane.unsent.extend(unsent);
        while lane.unsent.len() > limits::KEPT_REPLIES_MAX {
            if let Some(PendingReply { reply, .. }) = lane.unsent.pop_front() {
                metrics::counter!("menshen_replies_undeliverable_total").increment(1);
                tracing::error!(reply = reply.label, "REPLY LOST: too many replies wait for a connection");
            }
        }
    }

    /// Forgets what has not begun.
    pub fn clear(&mut self) {
        for (_, job) in self.commands.waiting.drain(..).chain(self.fiqa.waiting.drain(..)) {
            if let Source::Replay { id } = job.source {
                self.replaying.remove(&id);
            }
        }
    }

    pub fn running(&self) -> usize {
        self.commands.running + self.fiqa.running
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::actors::mq_link::job::CommandReply;

    fn job(tag: u64) -> Job {
        let source = Source::Broker { from: QueuePair::Fiqa, tag, redelivered: false };
        Job { body: Bytes::new(), source }
    }

    fn kept(number: usize) -> PendingReply {
        let reply =
            CommandReply { reply: Bytes::new(), label: number.to_string(), code: 0, notify_path: None };
        PendingReply { digest: [0; 32], reply }
    }

    fn labels(kept: &[PendingReply]) -> Vec<&str> {
        kept.iter().map(|pending| pending.reply.label.as_str()).collect()
    }

    #[test]
    fn replies_of_jobs_side_by_side_are_all_kept_in_their_order() {
        let mut lanes = Lanes::new(2);
        for tag in 0..3 {
            lanes.push(1, job(tag));
        }
        let (_, none) = lanes.next(QueuePair::Fiqa, 1).unwrap();
        assert!(none.is_empty() && lanes.next(QueuePair::Fiqa, 1).is_some());
        assert!(lanes.next(QueuePair::Fiqa, 1).is_none(), "the lane is full");
        lanes.done(QueuePair::Fiqa, None, vec![kept(1)]);
        lanes.done(QueuePair::Fiqa, None, vec![kept(2)]);
        lanes.push(2, job(3));
        let (_, both) = lanes.next(QueuePair::Fiqa, 2).unwrap();
        assert_eq!(labels(&both), ["1", "2"]);
        lanes.done(QueuePair::Fiqa, None, (0..limits::KEPT_REPLIES_MAX + 2).map(kept).collect());
        lanes.push(3, job(4));
        let (_, all) = lanes.next(QueuePair::Fiqa, 3).unwrap();
        assert_eq!((all.len(), labels(&all)[0]), (limits::KEPT_REPLIES_MAX, "2"), "the oldest went");
    }
}
