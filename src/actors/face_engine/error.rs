//! Why the face engine cannot run.

use menshen_vision::VisionError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The operating system gives no thread.
    #[error("cannot start a vision thread: {0}")]
    Thread(std::io::Error),
    /// The models cannot be loaded.
    #[error(transparent)]
    Vision(#[from] VisionError),
}
