//! The life of one stream as a state machine: open, watch, open again for ever.

use super::backoff::Backoff;
use super::limits;
use super::stream_fault::StreamFault;

/// The state of a stream, for people and for the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamState {
    /// Being opened, or opened and without a first frame.
    Opening,
    /// Frames arrive.
    Online,
    /// Packets arrive, and the first that a picture can be made of does not.
    AwaitingKeyFrame,
    /// Waiting for the next try; says why.
    Offline(StreamFault),
    /// A file that has been played to its end.
    Finished,
    /// Being shut down, or not enabled.
    Stopped,
}

impl StreamState {
    /// Whether frames arrive.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online)
    }
}

/// What happens to a stream. `generation` is the number its `Open` effect carried; others are stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamInput {
    /// The device is enabled.
    Start,
    /// The pipeline could not be built.
    OpenFailed {
        /// Of the effect.
        generation: u64,
        /// Why.
        fault: StreamFault,
    },
    /// The pipeline failed after it was built.
    Failed {
        /// Of the effect.
        generation: u64,
        /// Why.
        fault: StreamFault,
    },
    /// The stream ended without an error.
    Ended {
        /// Of the effect.
        generation: u64,
    },
    /// The delay of [`StreamEffect::RetryAfter`] is over.
    RetryDue {
        /// Of the effect.
        generation: u64,
    },
    /// Looked at regularly, with what came last in the current generation.
    Tick {
        /// Time of the newest frame by the clock of `step`; `None` before the first one.
        last_frame_ms: Option<u64>,
        /// The same of packets, of which frames are made; `None` also where they are not counted.
        last_packet_ms: Option<u64>,
    },
    /// The device is disabled, or the box stops.
    Stop,
}

/// What to do next, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEffect {
    /// Build the pipeline.
    Open {
        /// To be given back with its inputs.
        generation: u64,
    },
    /// Tear the pipeline down.
    Close,
    /// Give [`StreamInput::RetryDue`] after a while.
    RetryAfter {
        /// To be given back when the time has come.
        generation: u64,
        /// Milliseconds to wait.
        delay_ms: u64,
    },
    /// Online or offline has changed, or the reason: to be reported.
    Changed,
}

/// Frames must have come for this long before the backoff starts over: a camera that gives one frame and
/// dies is not steady.
const STEADY_MS: u64 = 10_000;

/// The life of one stream: open, watch, rebuild for ever.
#[derive(Debug)]
pub struct StreamLife {
    state: StreamState,
    live: bool,
    silence_timeout_ms: u64,
    backoff: Backoff,
    /// While the camera does not know the user or the password.
    locked_out: Backoff,
    generation: u64,
    opened_at_ms: u64,
    online_since_ms: u64,
    reconnects: u64,
    /// Why it failed last, since it was last online.
    last_fault: Option<StreamFault>,
}

impl StreamLife {
    /// A stopped stream. `live`: its end is a failure. `silence_timeout_ms`: without a packet or a frame for longer it has
    /// failed.
    pub fn new(live: bool, silence_timeout_ms: u64, backoff: Backoff) -> Self {
        Self {
            state: StreamState::Stopped,
            live,
            silence_timeout_ms,
            backoff,
            locked_out: Backoff::new(limits::UNAUTHORIZED_BACKOFF_MS.0, limits::UNAUTHORIZED_BACKOFF_MS.1),
            generation: 0,
            opened_at_ms: 0,
            online_since_ms: 0,
            reconnects: 0,
            last_fault: None,
        }
    }

    /// The present state.
    pub fn state(&self) -> &StreamState {
        &self.state
    }

    /// The number of the present pipeline.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Times the stream had to be built again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Takes an input at `now_ms` of a monotonic clock and returns the effects; `jitter` is uniform in [0, 1).
    pub fn step(&mut self, input: StreamInput, now_ms: u64, jitter: f64) -> Vec<StreamEffect> {
        use StreamState::{AwaitingKeyFrame, Finished, Offline, Online, Opening, Stopped};
        match (&self.state, input) {
            (Stopped, StreamInput::Start) => self.open(now_ms),
            (Stopped, _) | (_, StreamInput::Start) => Vec::new(),
            (_, StreamInput::Stop) => {
                self.generation += 1;
                let was_online = self.state.is_online();
                self.state = Stopped;
                with_change(vec![StreamEffect::Close], was_online)
            }
            (Opening | Online | AwaitingKeyFrame, StreamInput::OpenFailed { generation, fault })
                if generation == self.generation =>
            {
                self.fail(fault, jitter)
            }
            (Opening | Online | AwaitingKeyFrame, StreamInput::Failed { generation, fault })
                if generation == self.generation =>
            {
                if fault == StreamFault::Unauthorized {
                    self.fail_locked_out(fault, jitter)
                } else {
                    self.fail(fault, jitter)
                }
            }
            (Opening | Online | AwaitingKeyFrame, StreamInput::Ended { generation })
                if generation == self.generation =>
            {
                if self.live {
                    return self.fail(StreamFault::Ended, jitter);
                }
                let was_online = self.state.is_online();
                self.state = Finished;
                self.generation += 1;
                with_change(vec![StreamEffect::Close], was_online)
            }
            (Offline(_), StreamInput::RetryDue { generation }) if generation == self.generation => {
                self.reconnects += 1;
                self.open(now_ms)
            }
            (Opening | Online | AwaitingKeyFrame, StreamInput::Tick { last_frame_ms, last_packet_ms }) => {
                self.tick(last_frame_ms, last_packet_ms, now_ms, jitter)
            }
            _ => Vec::new(),
        }
    }

    fn tick(
        &mut self,
        last_frame_ms: Option<u64>,
        last_packet_ms: Option<u64>,
        now_ms: u64,
        jitter: f64,
    ) -> Vec<StreamEffect> {
        let seen_ms = last_frame_ms.unwrap_or(self.opened_at_ms);
        let heard_ms = last_packet_ms.unwrap_or(seen_ms).max(seen_ms);
        if now_ms.saturating_sub(heard_ms) > self.silence_timeout_ms {
            return self.fail(StreamFault::Silent(self.silence_timeout_ms), jitter);
        }
        let unseen_ms = now_ms.saturating_sub(seen_ms);
        if unseen_ms > limits::KEY_FRAME_WAIT_MS {
            return self.fail(StreamFault::NoKeyFrame(limits::KEY_FRAME_WAIT_MS), jitter);
        }
        if unseen_ms > self.silence_timeout_ms {
            if self.state == StreamState::AwaitingKeyFrame {
                return Vec::new();
            }
            self.state = StreamState::AwaitingKeyFrame;
            return vec![StreamEffect::Changed];
        }
        if last_frame_ms.is_none() {
            return Vec::new();
        }
        if self.state.is_online() {
            if now_ms.saturating_sub(self.online_since_ms) > STEADY_MS {
                self.backoff.reset();
                self.locked_out.reset();
            }
            return Vec::new();
        }
        self.state = StreamState::Online;
        self.last_fault = None;
        self.online_since_ms = now_ms;
        vec![StreamEffect::Changed]
    }

    fn open(&mut self, now_ms: u64) -> Vec<StreamEffect> {
        self.generation += 1;
        self.opened_at_ms = now_ms;
        self.state = StreamState::Opening;
        vec![StreamEffect::Open { generation: self.generation }]
    }

    /// Cameras lock an account after a few wrong passwords, so tries are far apart.
    fn fail_locked_out(&mut self, fault: StreamFault, jitter: f64) -> Vec<StreamEffect> {
        let mut effects = self.fail(fault, jitter);
        let locked_out_ms = self.locked_out.next_ms(jitter);
        for effect in &mut effects {
            if let StreamEffect::RetryAfter { delay_ms, .. } = effect {
                *delay_ms = locked_out_ms;
            }
        }
        effects
    }

    fn fail(&mut self, fault: StreamFault, jitter: f64) -> Vec<StreamEffect> {
        let was_online = self.state.is_online();
        // A new reason is news too: the installer wants the present one.
        let is_news = was_online || !self.last_fault.as_ref().is_some_and(|last| last.is_like(&fault));
        self.last_fault = Some(fault.clone());
        self.generation += 1;
        self.state = StreamState::Offline(fault);
        let delay_ms = self.backoff.next_ms(jitter);
        with_change(
            vec![StreamEffect::Close, StreamEffect::RetryAfter { generation: self.generation, delay_ms }],
            is_news,
        )
    }
}

fn with_change(mut effects: Vec<StreamEffect>, changed: bool) -> Vec<StreamEffect> {
    if changed {
        effects.push(StreamEffect::Changed);
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(live: bool) -> StreamLife {
        StreamLife::new(live, 5_000, Backoff::new(1_000, 30_000))
    }

    fn other(text: &str) -> StreamFault {
        StreamFault::Other(text.to_owned())
    }

    fn failed(generation: u64) -> StreamInput {
        StreamInput::Failed { generation, fault: other("") }
    }

    fn online(life: &mut StreamLife) -> u64 {
        assert_eq!(life.step(StreamInput::Start, 0, 0.5), [StreamEffect::Open { generation: 1 }]);
        assert_eq!(
            life.step(StreamInput::Tick { last_frame_ms: Some(90), last_packet_ms: None }, 100, 0.5),
            [StreamEffect::Changed]
        );
        assert!(life.state().is_online());
        life.generation()
    }

    #[test]
    fn every_kind_of_failure_leads_to_a_rebuild() {
        let failures: [fn(u64) -> StreamInput; 3] = [
            |generation| StreamInput::Failed { generation, fault: other("bus error") },
            |generation| StreamInput::Ended { generation },
            |_| StreamInput::Tick { last_frame_ms: Some(90), last_packet_ms: None },
        ];
        for make in failures {
            let mut life = life(true);
            let generation = online(&mut life);
            let effects = life.step(make(generation), 5_200, 1.0);
            let [
                StreamEffect::Close,
                StreamEffect::RetryAfter { generation, delay_ms: 1_000 },
                StreamEffect::Changed,
            ] = effects[..]
            else {
                panic!("{effects:?}")
            };
            assert!(matches!(life.state(), StreamState::Offline(_)));
            let effects = life.step(StreamInput::RetryDue { generation }, 6_200, 0.5);
            assert!(matches!(effects[..], [StreamEffect::Open { .. }]));
            assert_eq!(life.reconnects(), 1);
        }
    }

    #[test]
    fn a_reason_that_only_counts_on_is_no_news() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        let mut news = 0;
        for n in 0..50 {
            let (generation, fault) = (life.generation(), other(&format!("decodebin{n}: cannot decode")));
            let effects = life.step(StreamInput::Failed { generation, fault }, n, 0.5);
            news += effects.iter().filter(|effect| **effect == StreamEffect::Changed).count();
            life.step(StreamInput::RetryDue { generation: life.generation() }, n, 0.5);
        }
        assert_eq!(news, 1);
        let fault = other("rtspsrc1: cannot connect");
        let effects = life.step(StreamInput::Failed { generation: life.generation(), fault }, 60, 0.5);
        assert!(effects.contains(&StreamEffect::Changed), "another reason is");
    }

    #[test]
    fn a_stream_that_never_shows_a_frame_times_out() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        assert!(
            life.step(StreamInput::Tick { last_frame_ms: None, last_packet_ms: None }, 4_900, 0.5).is_empty()
        );
        assert!(
            !life
                .step(StreamInput::Tick { last_frame_ms: None, last_packet_ms: None }, 5_100, 0.5)
                .is_empty()
        );
    }

    fn tick(last_frame_ms: Option<u64>, last_packet_ms: u64) -> StreamInput {
        StreamInput::Tick { last_frame_ms, last_packet_ms: Some(last_packet_ms) }
    }

    /// None on connect, between two that are far apart, and after a lost packet.
    #[test]
    fn a_stream_without_a_key_frame_is_waited_for_as_long_as_packets_come() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        assert!(life.step(tick(None, 4_900), 4_900, 0.5).is_empty());
        assert_eq!(life.step(tick(None, 5_100), 5_100, 0.5), [StreamEffect::Changed]);
        assert_eq!(life.state(), &StreamState::AwaitingKeyFrame);
        assert!(life.step(tick(None, 24_900), 25_000, 0.5).is_empty(), "as long as they come");
        assert_eq!(life.step(tick(Some(25_100), 25_100), 25_200, 0.5), [StreamEffect::Changed]);
        assert!(life.state().is_online());
        assert_eq!(life.step(tick(Some(25_100), 31_000), 31_000, 0.5), [StreamEffect::Changed]);
        assert_eq!(life.state(), &StreamState::AwaitingKeyFrame);
        let effects = life.step(tick(Some(25_100), 31_000), 36_100, 0.5);
        assert!(matches!(life.state(), StreamState::Offline(StreamFault::Silent(_))));
        assert_eq!((effects.len(), life.reconnects()), (3, 0));
    }

    #[test]
    fn packets_no_picture_comes_of_are_not_waited_for_for_ever() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        for now_ms in (1_000..=limits::KEY_FRAME_WAIT_MS).step_by(1_000) {
            life.step(tick(None, now_ms), now_ms, 0.5);
        }
        assert_eq!(life.state(), &StreamState::AwaitingKeyFrame);
        let now_ms = limits::KEY_FRAME_WAIT_MS + 100;
        life.step(tick(None, now_ms), now_ms, 0.5);
        assert!(matches!(life.state(), StreamState::Offline(StreamFault::NoKeyFrame(_))));
        let mut late = self::life(true);
        late.step(StreamInput::Start, 0, 0.5);
        late.step(tick(None, 5_100), 5_100, 0.5);
        let failed = StreamInput::Failed { generation: 1, fault: other("x") };
        late.step(failed, 5_200, 0.5);
        assert_eq!(late.state(), &StreamState::Offline(StreamFault::Other("x".into())));
    }

    #[test]
    fn a_file_that_ends_is_done() {
        let mut life = life(false);
        let generation = online(&mut life);
        life.step(StreamInput::Ended { generation }, 200, 0.5);
        assert_eq!(life.state(), &StreamState::Finished);
    }

    #[test]
    fn stale_news_is_dropped() {
        let mut life = life(true);
        let generation = online(&mut life);
        life.step(failed(generation), 200, 0.5);
        assert!(life.step(StreamInput::Ended { generation }, 201, 0.5).is_empty());
        assert!(life.step(StreamInput::RetryDue { generation }, 202, 0.5).is_empty());
    }

    #[test]
    fn backoff_grows_while_flapping_and_resets_when_steady() {
        let mut life = life(true);
        let mut generation = online(&mut life);
        let mut delays = Vec::new();
        for round in 1..4u64 {
            let effects = life.step(failed(generation), round * 100, 1.0);
            let StreamEffect::RetryAfter { generation: retry, delay_ms } = effects[1] else { panic!() };
            delays.push(delay_ms);
            life.step(StreamInput::RetryDue { generation: retry }, round * 100 + 1, 0.5);
            life.step(
                StreamInput::Tick { last_frame_ms: Some(round * 100 + 2), last_packet_ms: None },
                round * 100 + 2,
                0.5,
            );
            generation = life.generation();
        }
        assert_eq!(delays, [1_000, 2_000, 4_000]);
        life.step(StreamInput::Tick { last_frame_ms: Some(20_000), last_packet_ms: None }, 20_000, 0.5);
        let effects = life.step(failed(generation), 20_001, 1.0);
        assert_eq!(effects[1], StreamEffect::RetryAfter { generation: life.generation(), delay_ms: 1_000 });
    }

    #[test]
    fn a_wrong_password_is_tried_rarely_and_ever_more_so() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        let mut delays = Vec::new();
        for _ in 0..6 {
            let generation = life.generation();
            let wrong = StreamInput::Failed { generation, fault: StreamFault::Unauthorized };
            let effects = life.step(wrong, 100, 1.0);
            let StreamEffect::RetryAfter { generation, delay_ms } = effects[1] else { panic!() };
            delays.push(delay_ms);
            life.step(StreamInput::RetryDue { generation }, 101, 1.0);
        }
        assert_eq!(delays, [60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
    }

    #[test]
    fn another_reason_is_news_and_the_same_one_is_not() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        let mut reported = Vec::new();
        for reason in ["refused", "refused", "no such stream", "no such stream", "refused"] {
            let generation = life.generation();
            let failed = StreamInput::Failed { generation, fault: other(reason) };
            reported.push(life.step(failed, 100, 0.5).contains(&StreamEffect::Changed));
            let generation = life.generation();
            life.step(StreamInput::RetryDue { generation }, 101, 0.5);
        }
        assert_eq!(reported, [true, false, true, false, true]);
    }
}
