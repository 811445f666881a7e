//! Cameras that are killed, frozen and started again at random while the others keep running.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::stats::Walk;
use menshen_testbed::camera_process::TestCamera;
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::statistics::percentile;

/// What is done to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Killed,
    Frozen,
}

/// One camera's bad time, milliseconds of the wall clock.
#[derive(Debug, Clone)]
struct Trouble {
    camera: usize,
    kind: Kind,
    from_ms: u64,
    /// When it is to serve again.
    until: Instant,
    /// A killed one has been started and encodes its film.
    is_starting: bool,
    /// When it did.
    served_ms: Option<u64>,
    /// When the box had it online again.
    back_ms: Option<u64>,
}

/// From one camera's trouble to another's.
const PAUSE_S: std::ops::Range<u64> = 3..9;
/// How long a camera is away: shorter and longer than a stream may be silent (`pipelines/rtsp.toml`).
const AWAY_S: std::ops::Range<u64> = 1..20;
/// What a camera must be back within, once it serves.
const BACK_WITHIN_MS: u64 = 10_000;
/// A walk this near to trouble on its own camera is not judged: the first key frame, and what was on its way.
const NEAR_MS: u64 = 2_500;

/// A stream that was closed is gone by then, and the new one has all it needs.
const CALM_MS: u64 = 3_000;

pub struct Chaos {
    random: StdRng,
    next: Instant,
    troubles: Vec<Trouble>,
}

impl Chaos {
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), next: Instant::now(), troubles: Vec::new() }
    }

    /// Goes on with it; `online` says whether the box has a camera. `is_ending`: nothing new begins.
    pub fn tick(
        &mut self,
        cameras: &mut [TestCamera],
        online: impl Fn(&str) -> bool,
        is_ending: bool,
    ) -> Result<()> {
        for trouble in self.troubles.iter_mut().filter(|trouble| trouble.back_ms.is_none()) {
            let camera = &mut cameras[trouble.camera];
            match trouble.served_ms {
                // No waiting here: the others' return is checked meanwhile.
                None if trouble.is_starting && camera.is_ready() => {
                    camera.resume()?;
                    trouble.served_ms = Some(now_ms());
                }
                None if trouble.is_starting => {}
                None if Instant::now() >= trouble.until => match trouble.kind {
                    Kind::Killed => {
                        camera.start()?;
                        trouble.is_starting = true;
                    }
                    Kind::Frozen => {
                        camera.signal("CONT")?;
                        trouble.served_ms = Some(now_ms());
                    }
                },
                None => {}
                Some(served_ms) => {
                    // A frozen one that came back before it was missed has been online all the time.
                    let settled = now_ms() >= served_ms + 500;
                    trouble.back_ms = Some(now_ms()).filter(|_| settled && online(camera.name()));
                }
            }
        }
        if is_ending || Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + Duration::from_secs(self.random.random_range(PAUSE_S));
        let busy: Vec<usize> =
            self.troubles.iter().filter(|t| t.back_ms.is_none()).map(|trouble| trouble.camera).collect();
        let camera = self.random.random_range(0..cameras.len());
        // Enough cameras must be left running.
        if busy.contains(&camera) || busy.len() * 2 >= cameras.len() {
            return Ok(());
        }
        let kind = if self.random.random_bool(0.5) { Kind::Killed } else { Kind::Frozen };
        match kind {
            Kind::Killed => cameras[camera].kill9(),
            Kind::Frozen => cameras[camera].signal("STOP")?,
        }
        let until = Instant::now() + Duration::from_secs(self.random.random_range(AWAY_S));
        self.troubles.push(Trouble {
            camera,
            kind,
            from_ms: now_ms(),
            until,
            is_starting: false,
            served_ms: None,
            back_ms: None,
        });
        Ok(())
    }

    pub fn is_over(&self) -> bool {
        self.troubles.iter().all(|trouble| trouble.back_ms.is_some())
    }

    /// Whether every camera is there, and has been for a moment.
    pub fn is_calm(&self) -> bool {
        let settled = |trouble: &Trouble| trouble.back_ms.is_some_and(|back_ms| now_ms() > back_ms + CALM_MS);
        self.troubles.iter().all(settled)
    }

    /// Walks that no trouble on their own camera came near to.
    pub fn undisturbed(&self, walks: Vec<Walk>, cameras: &[TestCamera]) -> Vec<Walk> {
        let disturbed = |walk: &Walk| {
            self.troubles.iter().filter(|trouble| cameras[trouble.camera].name() == walk.camera).any(
                |trouble| {
                    let back_ms = trouble.back_ms.unwrap_or(u64::MAX - NEAR_MS);
                    walk.from_ms < back_ms + NEAR_MS && trouble.from_ms < walk.to_ms + NEAR_MS
                },
            )
        };
        walks.into_iter().filter(|walk| !disturbed(walk)).collect()
    }

    /// Figures, and what is wrong.
    pub fn figures(&self, cameras: &[TestCamera]) -> (Value, Vec<String>) {
        let mut back_ms: Vec<u64> = self
            .troubles
            .iter()
            .filter_map(|trouble| Some(trouble.back_ms?.saturating_sub(trouble.served_ms?)))
            .collect();
        back_ms.sort_unstable();
        let late = |trouble: &&Trouble| {
            let took =
                trouble.back_ms.zip(trouble.served_ms).map(|(back, served)| back.saturating_sub(served));
            took.is_none_or(|took| took > BACK_WITHIN_MS)
        };
        let problems = self
            .troubles
            .iter()
            .filter(late)
            .map(|trouble| {
                let name = cameras[trouble.camera].name();
                format!(
                    "{name}, {:?} at {}, was not back within {BACK_WITHIN_MS} ms",
                    trouble.kind, trouble.from_ms
                )
            })
            .collect();
        let count = |kind: Kind| self.troubles.iter().filter(|trouble| trouble.kind == kind).count();
        let figures = json!({
            "killed": count(Kind::Killed), "frozen": count(Kind::Frozen),
            "back_ms_p50": percentile(&back_ms, 50), "back_ms_most": back_ms.last(),
        });
        (figures, problems)
    }
}
