//! What a run with many cameras is asked for.

use std::path::PathBuf;

use super::enrolment::People;

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of cameras.
    pub streams: usize,
    /// Time that is measured.
    pub seconds: u64,
    /// Who walks by.
    pub walkers: Vec<Walker>,
    /// Further options of `menshen-sim camera`.
    pub camera: Vec<String>,
    /// More keys for the box's configuration.
    pub config: toml::Table,
    /// Cameras are killed, frozen and started again at random; everything random follows from this.
    pub chaos: Option<u64>,
    /// Who is enrolled all the while.
    pub enrol: Option<People>,
    /// Clients of the live stream, who come and go in turns, so that times with them are compared with times without.
    pub audience: Option<Audience>,
    /// Python with OpenCV, to do the same afterwards (`benches/peer/peer.py cameras`).
    pub peer: Option<PathBuf>,
}

/// Clients of the live stream, each with all cameras and all pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience {
    /// Take so little that messages wait and are dropped.
    pub slow: usize,
    /// Take everything at once.
    pub fast: usize,
}

/// One of those who walk by.
#[derive(Debug, Clone)]
pub struct Walker {
    /// As `menshen-sim camera --walk` takes it.
    pub picture: String,
    /// What the camera calls them.
    pub name: String,
    /// The person they are, and the photo they are enrolled with.
    pub person: String,
    pub photo: PathBuf,
    /// From where the walk begins to the first picture in which the face is good enough.
    pub good_after_ms: u64,
}
