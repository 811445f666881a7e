//! Following faces from frame to frame by where they are: greedy association of detections with tracks
//! whose motion is extrapolated. Who they are is not looked at here.

use super::face::{BBox, Detection};

/// Identifies a track within one camera; never reused.
pub type TrackId = u64;

/// Weight of the newest step in the velocity estimate; half keeps up with walking and forgives one jump.
const VELOCITY_GAIN: f32 = 0.5;
/// A face further away than this many face sizes (at the usual frame distance) is another face.
const REACH_FACE_SIZES: f32 = 1.0;
/// Reach grows with the time since the track was seen, by this many face sizes a second of silence:
/// a brisk walker at 2 m/s with a 0.2 m face moves ten sizes a second, half of which prediction covers.
const REACH_GROWTH_PER_S: f32 = 4.0;
/// A face that more than doubles or halves between two looks is another face.
const SIZE_RATIO_MAX: f32 = 2.0;

#[derive(Debug, Clone)]
struct Track {
    id: TrackId,
    bbox: BBox,
    /// Pixels a millisecond.
    velocity: (f32, f32),
    seen_ms: u64,
}

impl Track {
    fn predicted(&self, now_ms: u64) -> BBox {
        let dt = now_ms.saturating_sub(self.seen_ms) as f32;
        self.bbox.shifted(self.velocity.0 * dt, self.velocity.1 * dt)
    }

    /// How well `face` continues this track: above 0 when it may, larger is better.
    fn affinity(&self, face: &BBox, now_ms: u64) -> f32 {
        let size = self.bbox.width().max(1.0);
        let ratio = face.width().max(1.0) / size;
        if !(1.0 / SIZE_RATIO_MAX..=SIZE_RATIO_MAX).contains(&ratio) {
            return 0.0;
        }
        let predicted = self.predicted(now_ms);
        let ((px, py), (fx, fy)) = (predicted.center(), face.center());
        let distance_sizes = (px - fx).hypot(py - fy) / size;
        let silence_s = now_ms.saturating_sub(self.seen_ms) as f32 / 1000.0;
        let reach = REACH_FACE_SIZES + REACH_GROWTH_PER_S * silence_s.min(0.5);
        predicted.iou(face) + (1.0 - distance_sizes / reach).max(0.0)
    }

    fn advance(&mut self, face: BBox, now_ms: u64) {
        let dt = now_ms.saturating_sub(self.seen_ms).max(1) as f32;
        let ((ox, oy), (nx, ny)) = (self.bbox.center(), face.center());
        let step = ((nx - ox) / dt, (ny - oy) / dt);
        self.velocity.0 += VELOCITY_GAIN * (step.0 - self.velocity.0);
        self.velocity.1 += VELOCITY_GAIN * (step.1 - self.velocity.1);
        self.bbox = face;
        self.seen_ms = now_ms;
    }
}

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    tracks: Vec<Track>,
    next_id: TrackId,
    /// A track unseen for longer is forgotten.
    lost_after_ms: u64,
}

impl Tracker {
    pub fn new(lost_after_ms: u64) -> Self {
        Self { tracks: Vec::new(), next_id: 1, lost_after_ms }
    }

    /// Gives every detection of a frame its track, old or new; one track a detection.
    pub fn update(&mut self, now_ms: u64, detections: &[Detection]) -> Vec<TrackId> {
        self.tracks.retain(|track| now_ms.saturating_sub(track.seen_ms) <= self.lost_after_ms);
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (d, detection) in detections.iter().enumerate() {
                let affinity = track.affinity(&detection.bbox, now_ms);
                if affinity > 0.0 {
                    pairs.push((affinity, t, d));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut track_taken = vec![false; self.tracks.len()];
        let mut assigned = vec![None; detections.len()];
        for (_, t, d) in pairs {
            if !track_taken[t] && assigned[d].is_none() {
                track_taken[t] = true;
                assigned[d] = Some(self.tracks[t].id);
                self.tracks[t].advance(detections[d].bbox, now_ms);
            }
        }
        assigned
            .into_iter()
            .zip(detections)
            .map(|(id, detection)| id.unwrap_or_else(|| self.begin(detection.bbox, now_ms)))
            .collect()
    }

    fn begin(&mut self, bbox: BBox, now_ms: u64) -> TrackId {
        let id = self.next_id;
        self.next_id += 1;
        self.tracks.push(Track { id, bbox, velocity: (0.0, 0.0), seen_ms: now_ms });
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, y: f32) -> Detection {
        Detection {
            bbox: BBox { x1: x, y1: y, x2: x + 100.0, y2: y + 100.0 },
            landmarks: [[0.0; 2]; 5],
            score: 0.9,
        }
    }

    #[test]
    fn a_walker_keeps_the_track_over_dropped_frames() {
        let mut tracker = Tracker::new(1000);
        let first = tracker.update(0, &[face(0.0, 0.0)]);
        for step in 1..6u16 {
            assert_eq!(tracker.update(u64::from(step) * 66, &[face(f32::from(step) * 30.0, 0.0)]), first);
        }
        // 400 ms nothing, the walker went on.
        assert_eq!(tracker.update(330 + 400, &[face(150.0 + 180.0, 0.0)]), first);
    }

    #[test]
    fn two_who_cross_keep_their_own_tracks() {
        let mut tracker = Tracker::new(1000);
        let start = tracker.update(0, &[face(0.0, 0.0), face(600.0, 30.0)]);
        let mut last = start.clone();
        for step in 1..=20u16 {
            let moved = f32::from(step) * 30.0;
            last = tracker.update(u64::from(step) * 66, &[face(moved, 0.0), face(600.0 - moved, 30.0)]);
        }
        assert_eq!(last, start);
    }

    #[test]
    fn a_face_elsewhere_is_a_new_track() {
        let mut tracker = Tracker::new(1000);
        let a = tracker.update(0, &[face(0.0, 0.0)]);
        let b = tracker.update(66, &[face(800.0, 0.0)]);
        assert_ne!(a, b);
        assert_ne!(tracker.update(5000, &[face(0.0, 0.0)]), a, "a forgotten track never comes back");
    }
}
