//! Tracking faces from frame to frame: detections are associated with tracks whose motion is extrapolated, by overlap,
//! distance and the layout of the landmarks. Identity plays no part here; where an association could have been another one
//! it is marked ambiguous, and the passage compares the face again.
//!
//! Two rounds, as in ByteTrack (Zhang et al., ECCV 2022): detections of a high score first, greedily, best pair first; then
//! those of a low score (half covered, half turned away), which may only continue a track that overlaps them and never begin
//! one. The velocity is taken over the whole gap when a track is found again, as in OC-SORT (Cao et al., CVPR 2023), so that
//! a wrong guess during an occlusion does not last.

use super::face::{BBox, Detection, Landmarks};

/// Identifies a track within one camera; never reused.
pub type TrackId = u64;

/// Weight of the newest step in the velocity estimate; half keeps up with walking and forgives one jump.
const VELOCITY_GAIN: f32 = 0.5;
/// A face further away than this many face sizes (at the usual frame distance) is another face.
const REACH_FACE_SIZES: f32 = 1.0;
/// Reach grows with the time since the track was seen, by this many face sizes a second of silence:
/// a brisk walker at 2 m/s with a 0.2 m face moves ten sizes a second, half of which prediction covers.
const REACH_GROWTH_PER_S: f32 = 4.0;
/// A face that more than doubles or halves between two frames is another face.
const SIZE_RATIO_MAX: f32 = 2.0;
/// What the layout of the landmarks within the box can add to an affinity; it decides between two faces close together,
/// and alone associates nothing.
const LAYOUT_WEIGHT: f32 = 0.5;
/// Mean distance of landmarks, in face sizes, at which two layouts have nothing in common: a head turned by about 40
/// degrees from one frame to the next.
const LAYOUT_REACH: f32 = 0.2;
/// A face of a low score must overlap the place its track is expected at by this much (intersection over union).
const LOW_SCORE_IOU_MIN: f32 = 0.3;
/// A track continues on faces of a low score for this long: a hand before the face, not a pattern on the wall.
const LOW_SCORE_MAX_MS: u64 = 1000;
/// Where the second best association is this close to the best, it could have been that one: faces within half a face
/// size.
const RIVAL_MARGIN: f32 = 1.25;
/// Unseen for this long, another person may be in the same place.
const AMBIGUOUS_AFTER_MS: u64 = 300;

/// The track a detection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackLink {
    /// The track.
    pub track: TrackId,
    /// It could have been another one: two came close, or it was out of sight. The identity should be checked again.
    pub is_ambiguous: bool,
}

#[derive(Debug, Clone)]
struct Track {
    id: TrackId,
    bbox: BBox,
    layout: Option<Landmarks>,
    /// Pixels a millisecond.
    velocity: (f32, f32),
    seen_ms: u64,
    /// When it was last a face of a high score.
    high_score_ms: u64,
}

/// The landmarks in units of the box; `None` where there is no box to speak of.
fn layout(face: &Detection) -> Option<Landmarks> {
    let (w, h) = (face.bbox.width(), face.bbox.height());
    (w >= 1.0 && h >= 1.0)
        .then(|| face.landmarks.map(|[x, y]| [(x - face.bbox.x1) / w, (y - face.bbox.y1) / h]))
}

impl Track {
    fn predicted(&self, now_ms: u64) -> BBox {
        let dt = now_ms.saturating_sub(self.seen_ms) as f32;
        self.bbox.shifted(self.velocity.0 * dt, self.velocity.1 * dt)
    }

    /// How well `face` continues this track: above 0 when it may, larger is better.
    fn affinity(&self, face: &Detection, now_ms: u64) -> f32 {
        let size = self.bbox.width().max(1.0);
        let ratio = face.bbox.width().max(1.0) / size;
        if !(1.0 / SIZE_RATIO_MAX..=SIZE_RATIO_MAX).contains(&ratio) {
            return 0.0;
        }
        let predicted = self.predicted(now_ms);
        let ((px, py), (fx, fy)) = (predicted.center(), face.bbox.center());
        let distance_sizes = (px - fx).hypot(py - fy) / size;
        let silence_s = now_ms.saturating_sub(self.seen_ms) as f32 / 1000.0;
        let reach = REACH_FACE_SIZES + REACH_GROWTH_PER_S * silence_s.min(0.5);
        let place = predicted.iou(&face.bbox) + (1.0 - distance_sizes / reach).max(0.0);
        if place > 0.0 { place + LAYOUT_WEIGHT * self.resemblance(face) } else { 0.0 }
    }

    /// How alike the landmarks lie in their boxes, 0–1: two people rarely hold their heads the same way.
    fn resemblance(&self, face: &Detection) -> f32 {
        let (Some(before), Some(now)) = (self.layout, layout(face)) else { return 0.0 };
        let apart: f32 =
            before.iter().zip(now).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).sum::<f32>() / 5.0;
        (1.0 - apart / LAYOUT_REACH).max(0.0)
    }

    fn advance(&mut self, face: &Detection, now_ms: u64, is_high_score: bool) {
        let dt = now_ms.saturating_sub(self.seen_ms).max(1) as f32;
        let ((ox, oy), (nx, ny)) = (self.bbox.center(), face.bbox.center());
        let step = ((nx - ox) / dt, (ny - oy) / dt);
        self.velocity.0 += VELOCITY_GAIN * (step.0 - self.velocity.0);
        self.velocity.1 += VELOCITY_GAIN * (step.1 - self.velocity.1);
        self.bbox = face.bbox;
        self.seen_ms = now_ms;
        if is_high_score {
            self.layout = layout(face);
            self.high_score_ms = now_ms;
        }
    }
}

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    tracks: Vec<Track>,
    next_id: TrackId,
    /// A track unseen for longer is forgotten.
    lost_after_ms: u64,
    /// Detector's confidence from which a face has a high score, 0–1.
    high_score_min: f32,
}

impl Tracker {
    /// `lost_after_ms`: a track unseen for longer is forgotten. `high_score_min`: detector's confidence of the first round, 0–1.
    pub fn new(lost_after_ms: u64, high_score_min: f32) -> Self {
        Self { tracks: Vec::new(), next_id: 1, lost_after_ms, high_score_min }
    }

    /// Replaces the confidence of the first round, 0–1.
    pub fn set_high_score_min(&mut self, score: f32) {
        self.high_score_min = score;
    }

    /// Gives every detection of a frame its track, old or new; one track a detection. A detection of a low score that
    /// continues no track has none.
    pub fn update(&mut self, now_ms: u64, detections: &[Detection]) -> Vec<Option<TrackLink>> {
        self.tracks.retain(|track| now_ms.saturating_sub(track.seen_ms) <= self.lost_after_ms);
        let mut links = vec![None; detections.len()];
        let mut is_taken = vec![false; self.tracks.len()];
        self.link_high_scores(now_ms, detections, &mut links, &mut is_taken);
        self.link_low_scores(now_ms, detections, &mut links, &is_taken);
        for (link, detection) in links.iter_mut().zip(detections) {
            if link.is_none() && detection.score >= self.high_score_min {
                *link = Some(TrackLink { track: self.begin(detection, now_ms), is_ambiguous: false });
            }
        }
        links
    }

    fn link_high_scores(
        &mut self,
        now_ms: u64,
        detections: &[Detection],
        links: &mut [Option<TrackLink>],
        is_taken: &mut [bool],
    ) {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (d, detection) in
                detections.iter().enumerate().filter(|(_, d)| d.score >= self.high_score_min)
            {
                let affinity = track.affinity(detection, now_ms);
                if affinity > 0.0 {
                    pairs.push((affinity, t, d));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        for &(affinity, t, d) in &pairs {
            if is_taken[t] || links[d].is_some() {
                continue;
            }
            // Another track nearly as good for this face, or another face for this track, is a rival.
            let has_rival = pairs.iter().any(|&(rival, other_t, other_d)| {
                (other_t == t) != (other_d == d) && rival > affinity - RIVAL_MARGIN
            });
            let was_away = now_ms.saturating_sub(self.tracks[t].high_score_ms) > AMBIGUOUS_AFTER_MS;
            is_taken[t] = true;
            links[d] = Some(TrackLink { track: self.tracks[t].id, is_ambiguous: has_rival || was_away });
            self.tracks[t].advance(&detections[d], now_ms, true);
        }
    }

    fn link_low_scores(
        &mut self,
        now_ms: u64,
        detections: &[Detection],
        links: &mut [Option<TrackLink>],
        is_taken: &[bool],
    ) {
        for (t, track) in self.tracks.iter_mut().enumerate().filter(|(t, _)| !is_taken[*t]) {
            debug_assert!(!is_taken[t], "the first round has gone before");
            if now_ms.saturating_sub(track.high_score_ms) > LOW_SCORE_MAX_MS {
                continue;
            }
            let place = track.predicted(now_ms);
            let best = detections
                .iter()
                .enumerate()
                .filter(|(d, face)| face.score < self.high_score_min && links[*d].is_none())
                .map(|(d, face)| (place.iou(&face.bbox), d))
                .filter(|(overlap, _)| *overlap >= LOW_SCORE_IOU_MIN)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, d)) = best {
                links[d] = Some(TrackLink { track: track.id, is_ambiguous: false });
                track.advance(&detections[d], now_ms, false);
            }
        }
    }

    fn begin(&mut self, face: &Detection, now_ms: u64) -> TrackId {
        let id = self.next_id;
        self.next_id += 1;
        let (bbox, layout) = (face.bbox, layout(face));
        let track = Track { id, bbox, layout, velocity: (0.0, 0.0), seen_ms: now_ms, high_score_ms: now_ms };
        self.tracks.push(track);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face with its nose at `nose`, in box widths.
    fn turned(x: f32, y: f32, nose: f32) -> Detection {
        let at = |dx: f32, dy: f32| [x + dx * 100.0, y + dy * 100.0];
        Detection {
            bbox: BBox { x1: x, y1: y, x2: x + 100.0, y2: y + 100.0 },
            landmarks: [at(0.3, 0.4), at(0.7, 0.4), at(nose, 0.6), at(0.35, 0.8), at(0.65, 0.8)],
            score: 0.9,
        }
    }

    fn face(x: f32, y: f32) -> Detection {
        turned(x, y, 0.5)
    }

    fn low_score(x: f32, y: f32) -> Detection {
        Detection { score: 0.5, ..face(x, y) }
    }

    fn tracker() -> Tracker {
        Tracker::new(1000, 0.7)
    }

    fn ids(links: &[Option<TrackLink>]) -> Vec<Option<TrackId>> {
        links.iter().map(|link| link.map(|link| link.track)).collect()
    }

    #[test]
    fn a_walker_keeps_the_track_over_dropped_frames() {
        let mut tracker = tracker();
        let first = tracker.update(0, &[face(0.0, 0.0)]);
        for step in 1..6u16 {
            assert_eq!(tracker.update(u64::from(step) * 66, &[face(f32::from(step) * 30.0, 0.0)]), first);
        }
        // 400 ms nothing, the walker went on: the same, to be checked again.
        let again = tracker.update(330 + 400, &[face(150.0 + 180.0, 0.0)]);
        assert_eq!(ids(&again), ids(&first));
        assert!(again[0].unwrap().is_ambiguous && !first[0].unwrap().is_ambiguous);
    }

    #[test]
    fn two_who_cross_keep_their_own_tracks_and_are_looked_at_again() {
        let mut tracker = tracker();
        let start = tracker.update(0, &[face(0.0, 0.0), face(600.0, 30.0)]);
        let (mut last, mut ambiguous) = (start.clone(), 0);
        for step in 1..=20u16 {
            let moved = f32::from(step) * 30.0;
            last = tracker.update(u64::from(step) * 66, &[face(moved, 0.0), face(600.0 - moved, 30.0)]);
            ambiguous += last.iter().flatten().filter(|link| link.is_ambiguous).count();
        }
        assert_eq!(ids(&last), ids(&start));
        assert!((2..12).contains(&ambiguous), "ambiguous when close, and only then: {ambiguous}");
    }

    #[test]
    fn of_two_in_one_place_the_layout_of_the_landmarks_decides() {
        let mut tracker = tracker();
        let start = tracker.update(0, &[turned(0.0, 0.0, 0.35), turned(40.0, 0.0, 0.65)]);
        let next = tracker.update(66, &[turned(18.0, 0.0, 0.65), turned(22.0, 0.0, 0.35)]);
        assert_eq!(ids(&next), [start[1].map(|l| l.track), start[0].map(|l| l.track)]);
    }

    #[test]
    fn a_faint_face_goes_on_with_a_track_and_begins_none() {
        let mut tracker = tracker();
        assert_eq!(tracker.update(0, &[low_score(0.0, 0.0)]), [None]);
        let first = tracker.update(66, &[face(0.0, 0.0)]);
        let last_ms =
            (2..40u64).take_while(|i| tracker.update(i * 66, &[low_score(5.0, 0.0)]) == first).last();
        assert_eq!(last_ms.map(|i| i * 66), Some(1056), "for a second, then it is no face");
        let mut tracker = self::tracker();
        let first = tracker.update(0, &[face(0.0, 0.0)]);
        tracker.update(66, &[low_score(10.0, 0.0)]);
        assert_eq!(tracker.update(132, &[face(20.0, 0.0)]), first, "covered for a moment");
        assert_eq!(tracker.update(198, &[low_score(300.0, 0.0)]), [None], "elsewhere");
    }

    #[test]
    fn a_face_elsewhere_is_a_new_track() {
        let mut tracker = tracker();
        let a = tracker.update(0, &[face(0.0, 0.0)]);
        let b = tracker.update(66, &[face(800.0, 0.0)]);
        assert_ne!(ids(&a), ids(&b));
        let later = tracker.update(5000, &[face(0.0, 0.0)]);
        assert_ne!(ids(&later), ids(&a), "a forgotten track never comes back");
    }
}
