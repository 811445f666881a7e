//! Which way up a face is.

use super::FaceAnalyzer;
use crate::error::VisionError;
use crate::spec::TurnedSpec;
use menshen_domain::face::Detection;
use menshen_domain::frame::Frame;

/// Quarter turns, degrees clockwise.
const TURNS: [f32; 3] = [90.0, 180.0, 270.0];

/// Which way up a face is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Orientation {
    /// As it was detected, or tilted by less than a quarter turn.
    Upright,
    /// Turned clockwise by about so many degrees.
    Turned(f32),
    /// Two ways up score alike.
    Unclear,
}

impl FaceAnalyzer {
    /// Which way up `face` is, which scores `upright_score` as an upright one. Only a face that scores less than an upright one does
    /// costs anything: its cut-out is detected in once more for every quarter turn.
    pub(super) fn orientation(
        &mut self,
        frame: &Frame,
        face: &Detection,
        upright_score: f32,
    ) -> Result<Orientation, VisionError> {
        let Some(spec) = self.detector.turned.filter(|spec| upright_score < spec.upright_score) else {
            return Ok(Orientation::Upright);
        };
        let Some(pass) = self.detector.refinement_passes.iter().max_by_key(|pass| pass.face_px).copied()
        else {
            return Ok(Orientation::Upright);
        };
        let mut scores = [0.0; TURNS.len()];
        for (score, turn) in scores.iter_mut().zip(TURNS) {
            let seen = self.refine(frame, face, &[pass], turn)?;
            *score = seen.first().map_or(0.0, |seen| seen.score);
        }
        Ok(decide(upright_score, scores, spec))
    }
}

/// A covered or blurred face scores little in every way up: it is upright unless another way is better. A turned way must be better than
/// every other by the margin, and upright than a way on its side that scores as a face does. Upside down many an upright face
/// scores almost as much.
fn decide(upright: f32, turned: [f32; TURNS.len()], spec: TurnedSpec) -> Orientation {
    let mut ways: Vec<(f32, f32)> = TURNS.into_iter().zip(turned).collect();
    ways.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(turn, score), (_, second), ..] = ways[..] else { return Orientation::Upright };
    if upright >= score {
        let sideways = turned[0].max(turned[2]);
        let is_clear = upright - sideways >= spec.margin || sideways < spec.turned_score;
        if is_clear { Orientation::Upright } else { Orientation::Unclear }
    } else if score - second.max(upright) >= spec.margin {
        Orientation::Turned(turn)
    } else {
        Orientation::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_up_that_scores_best_counts_when_it_is_clear() {
        let spec = TurnedSpec { upright_score: 0.915, margin: 0.015, turned_score: 0.8 };
        assert_eq!(decide(0.86, [0.0, 0.93, 0.0], spec), Orientation::Turned(180.0));
        assert_eq!(decide(0.73, [0.93, 0.71, 0.87], spec), Orientation::Turned(90.0));
        assert_eq!(decide(0.90, [0.0, 0.87, 0.83], spec), Orientation::Upright);
        assert_eq!(decide(0.870, [0.0, 0.875, 0.0], spec), Orientation::Unclear);
        assert_eq!(decide(0.80, [0.93, 0.0, 0.925], spec), Orientation::Unclear);
        // Both lay on their side; then the least clear of some 4500 upright faces.
        assert_eq!(decide(0.9073, [0.8925, 0.8391, 0.8963], spec), Orientation::Unclear);
        assert_eq!(decide(0.8596, [0.8463, 0.0, 0.7865], spec), Orientation::Unclear);
        assert_eq!(decide(0.9133, [0.8139, 0.8916, 0.0], spec), Orientation::Upright);
        assert_eq!(decide(0.9052, [0.0, 0.8960, 0.0], spec), Orientation::Upright);
        // Covered by a mask: hardly better upright than upside down.
        assert_eq!(decide(0.712, [0.0, 0.708, 0.0], spec), Orientation::Upright);
        assert_eq!(decide(0.0, [0.0; 3], spec), Orientation::Upright);
    }
}
