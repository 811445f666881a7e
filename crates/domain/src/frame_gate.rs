//! Which frames of a camera are processed: almost none while nothing moves; every frame while a person is there who is not
//! identified yet; some frames a second in between (something moves, or every person there is known).
//!
//! No face is missed: a scene in which nothing moves is still processed every [`FrameGateRules::idle_look_ms`], so a person
//! who came in without changing the picture (a face as dark as the wall behind it) is found that much later at most, and one
//! who moves [`FrameGateRules::awake_look_ms`] later at most. Changes are measured against the last frame that was processed,
//! not the one before: slow changes add up.

/// Tuning of the gate; the defaults and their reasons are in `config/menshen.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameGateRules {
    /// An unmoving scene is processed this often; 0: every frame is processed.
    pub idle_look_ms: u64,
    /// A scene in which something moves, or in which every person is known, is processed this often.
    pub awake_look_ms: u64,
    /// A scene counts as moving for this long after something moved or a person was there.
    pub awake_ms: u64,
    /// A cell has changed when its mean brightness (0–255) differs by more than this: above what compression and
    /// sensor noise leave of a mean over a cell, below any face before any wall that one could recognise it by.
    pub change_min: u8,
}

impl Default for FrameGateRules {
    fn default() -> Self {
        Self { idle_look_ms: 500, awake_look_ms: 100, awake_ms: 1000, change_min: 4 }
    }
}

/// A frame at a very low resolution: mean brightness of cells, always in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MotionGrid {
    /// Mean brightness of each cell, 0–255, row by row.
    pub cells: Vec<u8>,
}

/// Who is, or was just, in front of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No face was seen just now.
    Nobody,
    /// Only people who are identified.
    Known,
    /// Also a person who is not identified.
    Unknown,
}

/// The gate of one camera.
#[derive(Debug)]
pub struct FrameGate {
    rules: FrameGateRules,
    last_processed: Option<MotionGrid>,
    last_processed_ms: u64,
    awake_until_ms: u64,
}

impl FrameGate {
    /// A gate that has not processed a frame.
    pub fn new(rules: FrameGateRules) -> Self {
        Self { rules, last_processed: None, last_processed_ms: 0, awake_until_ms: 0 }
    }

    /// Whether motion grids are needed, for [`should_process`](Self::should_process).
    pub fn is_selective(&self) -> bool {
        self.rules.idle_look_ms > 0
    }

    /// Whether a frame is to be processed. `now_ms`: monotonic clock; the answer yes counts as processed.
    pub fn should_process(&mut self, now_ms: u64, grid: MotionGrid, presence: Presence) -> bool {
        let moved = self.last_processed.as_ref().is_none_or(|before| self.has_changed(before, &grid));
        if moved || presence != Presence::Nobody {
            self.awake_until_ms = now_ms + self.rules.awake_ms;
        }
        let interval_ms = match presence {
            Presence::Unknown => 0,
            _ if now_ms <= self.awake_until_ms => self.rules.awake_look_ms,
            _ => self.rules.idle_look_ms,
        };
        let wanted =
            self.last_processed.is_none() || now_ms.saturating_sub(self.last_processed_ms) >= interval_ms;
        if wanted {
            self.last_processed_ms = now_ms;
            self.last_processed = Some(grid);
        }
        wanted
    }

    fn has_changed(&self, before: &MotionGrid, now: &MotionGrid) -> bool {
        before.cells.len() != now.cells.len()
            || before.cells.iter().zip(&now.cells).any(|(a, b)| a.abs_diff(*b) > self.rules.change_min)
    }
}

#[cfg(test)]
mod tests {
    use super::Presence::{Known, Nobody, Unknown};
    use super::*;

    fn scene(change: u8) -> MotionGrid {
        MotionGrid { cells: vec![100, 100, 100 + change, 100] }
    }

    fn looks(gate: &mut FrameGate, frames: impl IntoIterator<Item = (u64, u8, Presence)>) -> Vec<u64> {
        frames
            .into_iter()
            .filter(|(now_ms, change, presence)| gate.should_process(*now_ms, scene(*change), *presence))
            .map(|(now_ms, ..)| now_ms)
            .collect()
    }

    #[test]
    fn an_unmoving_scene_is_looked_at_now_and_then() {
        let mut gate = FrameGate::new(FrameGateRules::default());
        // Noise of three levels is no movement.
        let looked = looks(&mut gate, (0..60u64).map(|i| (i * 100, u8::from(i % 2 == 0) * 3, Nobody)));
        let idle: Vec<_> = looked.into_iter().filter(|at| *at > 1500).collect();
        assert_eq!(idle, [2000, 2500, 3000, 3500, 4000, 4500, 5000, 5500]);
    }

    #[test]
    fn whatever_moves_is_looked_at_in_the_very_frame_it_moves_in_and_for_a_while() {
        let mut gate = FrameGate::new(FrameGateRules::default());
        looks(&mut gate, (0..50u64).map(|i| (i * 100, 0, Nobody)));
        // Thirty frames a second, of which ten are processed while it moves.
        let looked = looks(&mut gate, (0..60u64).map(|i| (5050 + i * 33, 5, Nobody)));
        assert_eq!(looked[..8], [5050, 5182, 5314, 5446, 5578, 5710, 5842, 5974]);
    }

    #[test]
    fn an_unidentified_person_is_processed_in_every_frame() {
        let mut gate = FrameGate::new(FrameGateRules::default());
        let who = |i: u64| if i > 20 { Unknown } else { Nobody };
        let looked = looks(&mut gate, (0..200u64).map(|i| (i * 66, 0, who(i))));
        assert!((21..200u64).all(|i| looked.contains(&(i * 66))));
    }

    #[test]
    fn a_known_person_is_processed_less_often_however_still() {
        let mut gate = FrameGate::new(FrameGateRules::default());
        let looked = looks(&mut gate, (0..100u64).map(|i| (i * 66, 0, Known)));
        assert!(looked.windows(2).all(|pair| pair[1] - pair[0] == 132), "{looked:?}");
    }

    #[test]
    fn slow_changes_add_up() {
        let rules = FrameGateRules { idle_look_ms: 60_000, ..FrameGateRules::default() };
        let mut gate = FrameGate::new(rules);
        looks(&mut gate, (0..20u64).map(|i| (i * 100, 0, Nobody)));
        // One level every second.
        let looked = looks(&mut gate, (20..120u64).map(|i| (i * 100, (i / 10 - 1) as u8, Nobody)));
        assert_eq!(looked.first(), Some(&6000), "five levels above what was last processed");
    }

    #[test]
    fn another_picture_size_is_a_change() {
        let mut gate = FrameGate::new(FrameGateRules::default());
        looks(&mut gate, (0..30u64).map(|i| (i * 100, 0, Nobody)));
        assert!(gate.should_process(3050, MotionGrid { cells: vec![100; 9] }, Nobody));
    }

    proptest::proptest! {
        /// However frames come and change, no frame waits longer than the idle interval.
        #[test]
        fn no_gap_is_longer_than_the_idle_interval(steps in proptest::collection::vec((1u64..400, 0u8..8), 1..200)) {
            let mut gate = FrameGate::new(FrameGateRules::default());
            let (mut now_ms, mut last_ms) = (0, 0);
            for (step_ms, change) in steps {
                now_ms += step_ms;
                if gate.should_process(now_ms, scene(change), Nobody) {
                    last_ms = now_ms;
                }
                proptest::prop_assert!(now_ms - last_ms < 500);
            }
        }
    }
}
