//! Opening a capture device's stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use menshen_domain::frame::Frame;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::stream_fault::StreamFault;
use menshen_domain::text::spoken;
use menshen_domain::tr;

/// What to open: a pipeline template by name and the values of its parameters. Never shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Shown in logs and metrics: the device's `ip`, since an `ep_id` holds the licence code.
    pub device_id: String,
    /// Name of a file in `pipelines/` without `.toml`.
    pub pipeline: String,
    /// `url` and whatever else the template names; values are data, never pipeline text.
    pub parameters: BTreeMap<String, String>,
}

impl std::fmt::Debug for StreamSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamSpec")
            .field("device_id", &self.device_id)
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

/// What a running pipeline reports, from any thread. After `Failed` or `Ended` nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamNotice {
    /// What is being decoded, and by which element.
    Decoding {
        codec: String,
        decoder: String,
    },
    Failed(StreamFailure),
    /// End of stream. On a live source that is a failure, on a file it is the end.
    Ended,
}

/// Why a stream does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFailure {
    pub kind: FailureKind,
    /// What happened, in the words of the element, with credentials masked; of some kinds the place only.
    pub text: String,
}

impl From<StreamFailure> for StreamFault {
    fn from(StreamFailure { kind, text }: StreamFailure) -> Self {
        match kind {
            FailureKind::Unauthorized => Self::Unauthorized,
            FailureKind::LoginScheme => Self::LoginScheme(text),
            FailureKind::NotFound => Self::NotFound(text),
            FailureKind::Name => Self::Name(text),
            FailureKind::Refused => Self::Refused(text),
            FailureKind::NoAnswer => Self::NoAnswer(text),
            FailureKind::Unreachable => Self::Unreachable(text),
            FailureKind::Codec => Self::Codec(text),
            FailureKind::Other => Self::Other(text),
        }
    }
}

/// What an installer would do something else about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// User name or password.
    Unauthorized,
    /// The camera asks for the password in a way that cannot be answered.
    LoginScheme,
    /// The server is there, the stream is not.
    NotFound,
    /// The name of the host is not known; the text is the name.
    Name,
    /// The machine is there, nothing serves the port; the text is `host:port`.
    Refused,
    /// Nothing answers; the text is `host:port`.
    NoAnswer,
    /// It cannot be reached, or something else answers.
    Unreachable,
    /// What comes cannot be decoded here.
    Codec,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("{}", template_text(name, reason))]
    Template { name: String, reason: String },
    #[error("{}", start_text(.0))]
    Start(String),
    #[error("{0}")]
    Unreachable(StreamFault),
}

fn start_text(why: &str) -> String {
    tr!(spoken(), "cannot start the stream: {why}", "无法打开码流：{why}")
}

fn template_text(name: &str, reason: &str) -> String {
    tr!(spoken(), "pipeline `{name}`: {reason}", "采集管道 `{name}`：{reason}")
}

impl From<OpenError> for StreamFault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Template { .. } => Self::Configuration(error.to_string()),
            OpenError::Start(reason) => Self::Other(reason),
            OpenError::Unreachable(fault) => fault,
        }
    }
}

/// A running pipeline; dropping it stops it and returns only when its threads have ended.
pub trait Stream: Send {
    /// Processor time it has cost so far, decoding included; zero where that is not measured.
    fn cost(&self) -> Duration {
        Duration::ZERO
    }

    /// Packets that came so far, whether or not a picture could be made of them; 0 where they are not counted.
    fn packets(&self) -> u64 {
        0
    }
}

/// Receives every decoded frame on the decoder's thread; must return quickly and never block. Says whether frames come
/// faster than they are analysed.
pub type FrameSink = Arc<dyn Fn(Frame) -> SinkFeedback + Send + Sync>;
/// Receives notices on any thread; must not block.
pub type NoticeSink = Arc<dyn Fn(StreamNotice) + Send + Sync>;

/// What a template says about the kind of stream it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTraits {
    /// A live source that ends has failed; a file that ends is done.
    pub live: bool,
    /// Without a frame for this long the stream counts as frozen.
    pub silence_timeout: Duration,
}

pub trait StreamOpener: Send + Sync {
    /// Looks the template up without opening anything.
    fn traits(&self, pipeline: &str) -> Result<StreamTraits, OpenError>;

    /// Whether a device's values fit its template, without opening anything. Blocks for a moment.
    fn check(&self, spec: &StreamSpec) -> Result<(), OpenError>;

    /// Reads the templates again; names of those that have changed. On an error the old ones stay. Blocks.
    fn reload(&self) -> Result<Vec<String>, Vec<OpenError>>;

    /// Builds and starts the pipeline. Blocks for as long as building takes: call it off the actors' threads.
    fn open(
        &self,
        spec: &StreamSpec,
        frames: FrameSink,
        notices: NoticeSink,
    ) -> Result<Box<dyn Stream>, OpenError>;
}
