//! Capture devices: what is configured, and the life of one stream as a state machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::limits;
use super::photo::PhotoRules;
use super::relay::ActionUrl;

/// The protocol's device types (section 1). Type 2, static stream, is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    Turnstile,
    SnapshotCamera,
    NetworkCamera,
    DoorTerminal,
}

impl DeviceKind {
    /// As the wire writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Turnstile => "0",
            Self::SnapshotCamera => "1",
            Self::NetworkCamera => "3",
            Self::DoorTerminal => "4",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    #[default]
    In,
    Out,
}

impl Direction {
    pub fn wire(self) -> i64 {
        match self {
            Self::In => 0,
            Self::Out => 1,
        }
    }
}

/// One capture device as configured.
#[derive(Clone, PartialEq)]
pub struct DeviceConfig {
    /// `{dev_sno}__{ip}`.
    pub ep_id: String,
    pub ip: String,
    pub name: String,
    pub kind: DeviceKind,
    /// Name of a file in `pipelines/` without `.toml`.
    pub pipeline: String,
    /// Values for the pipeline's parameters, `url` among them. May hold a password.
    pub parameters: BTreeMap<String, String>,
    pub direction: Direction,
    /// People of these groups are looked for at this device.
    pub permission_groups: Vec<String>,
    pub memo: String,
    pub location: String,
    pub group_name: String,
    /// How its door is opened, where it has one.
    pub action_url: Option<ActionUrl>,
    /// Whether its stream is opened at all.
    pub enabled: bool,
    /// Only living faces are recognised here.
    pub liveness: bool,
    /// For devices that send photos.
    pub photos: PhotoRules,
}

impl DeviceConfig {
    /// `{dev_sno}__{device ip or stream}` (protocol section 1).
    pub fn ep_id(dev_sno: &str, ip: &str) -> String {
        format!("{dev_sno}__{ip}")
    }

    /// Whether the stream has to be opened anew to go from `self` to `other`.
    pub fn streams_alike(&self, other: &Self) -> bool {
        self.enabled == other.enabled
            && self.pipeline == other.pipeline
            && self.parameters == other.parameters
    }

    /// The stream's address with user and password masked.
    pub fn masked_url(&self) -> String {
        self.parameters.get("url").map(|url| mask_credentials(url)).unwrap_or_default()
    }
}

/// Never shows a password.
impl std::fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("ep_id", &self.ep_id)
            .field("kind", &self.kind)
            .field("pipeline", &self.pipeline)
            .field("url", &self.masked_url())
            .finish_non_exhaustive()
    }
}

/// `rtsp://user:pass@host/x` → `rtsp://***:***@host/x`, for every URL in a text.
pub fn mask_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(['/', '?', '#', ' ', '"', '\'']).unwrap_or(tail.len());
        // The last `@` before the path: a password may hold one itself.
        let authority = &tail[..end];
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***:***");
                rest = &tail[at..];
            }
            None => rest = tail,
        }
    }
    out.push_str(rest);
    out
}

/// How a stream stands, for people and for the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamState {
    /// Being opened, or opened and without a first frame.
    Opening,
    Online,
    /// Waiting for the next try; says why.
    Offline(String),
    /// A file that has been played to its end.
    Finished,
    /// Being shut down, or not enabled.
    Stopped,
}

impl StreamState {
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online)
    }
}

/// A device with how it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceStatus {
    pub config: DeviceConfig,
    pub state: StreamState,
    /// Wall clock of the last change of `state`, ms.
    pub since_ms: u64,
    /// Wall clock of the newest frame, ms; 0 before the first.
    pub last_frame_ms: u64,
    pub reconnects: u64,
    /// What it sends, once it is known: `h264`, `h265`, `jpeg`.
    pub codec: Option<String>,
}

impl DeviceStatus {
    /// A device that nobody has looked at yet.
    pub fn unopened(config: &DeviceConfig) -> Self {
        Self {
            config: config.clone(),
            state: StreamState::Opening,
            since_ms: 0,
            last_frame_ms: 0,
            reconnects: 0,
            codec: None,
        }
    }
}

/// What happens to a stream. `generation` is the number its `Open` effect carried; others are stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamInput {
    Start,
    OpenFailed {
        generation: u64,
        reason: String,
    },
    Failed {
        generation: u64,
        reason: String,
        /// The camera does not know the user or the password.
        unauthorized: bool,
    },
    Ended {
        generation: u64,
    },
    RetryDue {
        generation: u64,
    },
    /// Looked at regularly; `last_frame_ms` is the time of the newest frame of the current generation.
    Tick {
        last_frame_ms: Option<u64>,
    },
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEffect {
    Open {
        generation: u64,
    },
    Close,
    RetryAfter {
        generation: u64,
        delay_ms: u64,
    },
    /// Online or offline has changed: the platform is told.
    Changed,
}

/// Frames must have come for this long before the backoff starts over: a camera that gives one frame and
/// dies is not well.
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
}

impl StreamLife {
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
        }
    }

    pub fn state(&self) -> &StreamState {
        &self.state
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Times the stream had to be built again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    pub fn step(&mut self, input: StreamInput, now_ms: u64, jitter: f64) -> Vec<StreamEffect> {
        use StreamState::{Finished, Offline, Online, Opening, Stopped};
        match (&self.state, input) {
            (Stopped, StreamInput::Start) => self.open(now_ms),
            (Stopped, _) | (_, StreamInput::Start) => Vec::new(),
            (_, StreamInput::Stop) => {
                self.generation += 1;
                let was_online = self.state.is_online();
                self.state = Stopped;
                with_change(vec![StreamEffect::Close], was_online)
            }
            (Opening | Online, StreamInput::OpenFailed { generation, reason })
                if generation == self.generation =>
            {
                self.fail(reason, jitter)
            }
            (Opening | Online, StreamInput::Failed { generation, reason, unauthorized })
                if generation == self.generation =>
            {
                if unauthorized {
                    self.fail_locked_out(reason, jitter)
                } else {
                    self.fail(reason, jitter)
                }
            }
            (Opening | Online, StreamInput::Ended { generation }) if generation == self.generation => {
                if self.live {
                    return self.fail("the live stream ended".to_owned(), jitter);
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
            (Opening | Online, StreamInput::Tick { last_frame_ms }) => {
                self.tick(last_frame_ms, now_ms, jitter)
            }
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, last_frame_ms: Option<u64>, now_ms: u64, jitter: f64) -> Vec<StreamEffect> {
        let silent_ms = now_ms.saturating_sub(last_frame_ms.unwrap_or(self.opened_at_ms));
        if silent_ms > self.silence_timeout_ms {
            return self.fail(format!("no frame for {:.1} s", silent_ms as f64 / 1000.0), jitter);
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
    fn fail_locked_out(&mut self, reason: String, jitter: f64) -> Vec<StreamEffect> {
        let mut effects = self.fail(reason, jitter);
        let locked_out_ms = self.locked_out.next_ms(jitter);
        for effect in &mut effects {
            if let StreamEffect::RetryAfter { delay_ms, .. } = effect {
                *delay_ms = locked_out_ms;
            }
        }
        effects
    }

    fn fail(&mut self, reason: String, jitter: f64) -> Vec<StreamEffect> {
        let was_online = self.state.is_online();
        // The first failure after opening is news too: the installer wants the reason.
        let first = self.backoff.failures() == 0;
        self.generation += 1;
        self.state = StreamState::Offline(reason);
        let delay_ms = self.backoff.next_ms(jitter);
        with_change(
            vec![StreamEffect::Close, StreamEffect::RetryAfter { generation: self.generation, delay_ms }],
            was_online || first,
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

    fn failed(generation: u64) -> StreamInput {
        StreamInput::Failed { generation, reason: String::new(), unauthorized: false }
    }

    fn online(life: &mut StreamLife) -> u64 {
        assert_eq!(life.step(StreamInput::Start, 0, 0.5), [StreamEffect::Open { generation: 1 }]);
        assert_eq!(
            life.step(StreamInput::Tick { last_frame_ms: Some(90) }, 100, 0.5),
            [StreamEffect::Changed]
        );
        assert!(life.state().is_online());
        life.generation()
    }

    #[test]
    fn every_kind_of_failure_leads_to_a_rebuild() {
        let failures: [fn(u64) -> StreamInput; 3] = [
            |generation| StreamInput::Failed { generation, reason: "bus error".into(), unauthorized: false },
            |generation| StreamInput::Ended { generation },
            |_| StreamInput::Tick { last_frame_ms: Some(90) },
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
    fn a_stream_that_never_shows_a_frame_times_out() {
        let mut life = life(true);
        life.step(StreamInput::Start, 0, 0.5);
        assert!(life.step(StreamInput::Tick { last_frame_ms: None }, 4_900, 0.5).is_empty());
        assert!(!life.step(StreamInput::Tick { last_frame_ms: None }, 5_100, 0.5).is_empty());
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
            life.step(StreamInput::Tick { last_frame_ms: Some(round * 100 + 2) }, round * 100 + 2, 0.5);
            generation = life.generation();
        }
        assert_eq!(delays, [1_000, 2_000, 4_000]);
        life.step(StreamInput::Tick { last_frame_ms: Some(20_000) }, 20_000, 0.5);
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
            let wrong = StreamInput::Failed { generation, reason: "Unauthorized".into(), unauthorized: true };
            let effects = life.step(wrong, 100, 1.0);
            let StreamEffect::RetryAfter { generation, delay_ms } = effects[1] else { panic!() };
            delays.push(delay_ms);
            life.step(StreamInput::RetryDue { generation }, 101, 1.0);
        }
        assert_eq!(delays, [60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
    }

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        for (text, expected) in [
            ("rtsp://u:p@1.2.3.4/ch1", "rtsp://***:***@1.2.3.4/ch1"),
            ("rtsp://u:p@ss@h:554/x?y=a@b", "rtsp://***:***@h:554/x?y=a@b"),
            ("http://h/x", "http://h/x"),
            ("a http://u@h b rtsp://q:w@z", "a http://***:***@h b rtsp://***:***@z"),
        ] {
            assert_eq!(mask_credentials(text), expected);
        }
    }
}
