//! The two lanes in which commands are processed. FIQA has its own, so that a long enrolment never delays it.

use std::collections::{HashSet, VecDeque};

use super::job::{Job, PendingReply, Source};
use crate::ports::broker::QueuePair;

/// What waits for its turn in one lane; the broker's prefetch bounds it.
pub struct Lane {
    /// Processed at the same time. Commands are processed one after the other: their order matters.
    width: usize,
    waiting: VecDeque<(u64, Job)>,
    running: usize,
    /// The reply to a command whose connection broke: when the command is delivered again, only the reply is sent.
    /// Processing it again could take hours of enrolment.
    unsent: Option<PendingReply>,
}

impl Lane {
    fn new(width: usize) -> Self {
        Self { width, waiting: VecDeque::new(), running: 0, unsent: None }
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

    /// The next job of a lane that has room, for the connection `attempt`, with the reply it may have already.
    pub fn next(&mut self, pair: QueuePair, attempt: u64) -> Option<(Job, Option<PendingReply>)> {
        let lane = self.lane(pair);
        if lane.running >= lane.width {
            return None;
        }
        // What came over an earlier connection is delivered again over this one.
        lane.waiting.retain(|(from, _)| *from == attempt);
        let (_, job) = lane.waiting.pop_front()?;
        lane.running += 1;
        Some((job, lane.unsent.take()))
    }

    /// A job has left its lane.
    pub fn done(&mut self, pair: QueuePair, replay: Option<&str>, unsent: Option<PendingReply>) {
        if let Some(id) = replay {
            self.replaying.remove(id);
        }
        let lane = self.lane(pair);
        lane.running -= 1;
        if unsent.is_some() {
            lane.unsent = unsent;
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
