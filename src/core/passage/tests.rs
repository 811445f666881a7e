//! Scenes played frame by frame, every 100 ms.

use super::*;
use crate::core::face::BBox;
use crate::core::gallery::GalleryPerson;
use crate::core::person::PersonKind;
use crate::core::quality::{QualityLevel, judge};

const MODEL: &str = "m@1";
/// The default rules' pass mark is 0.363, sure is 0.443.
const SURE: f32 = 0.6;
const LIKELY: f32 = 0.4;

/// Somebody in the picture: where, and whom the gallery would answer with at what similarity.
#[derive(Clone, Copy)]
struct Face {
    x: f32,
    looks: [f32; 2],
    best: Option<(&'static str, f32)>,
}

fn known(x: f32, id: &'static str, similarity: f32) -> Face {
    // Everyone has an own direction, so that two people never look alike.
    let angle = id.bytes().map(f32::from).sum::<f32>();
    Face { x, looks: [angle.cos(), angle.sin()], best: Some((id, similarity)) }
}

fn stranger(x: f32) -> Face {
    Face { x, looks: [1.0, 0.0], best: None }
}

fn observation(face: Face) -> Observation {
    let bbox = BBox { x1: face.x, y1: 100.0, x2: face.x + 100.0, y2: 220.0 };
    let measurements = Measurements {
        bbox,
        detector_score: 0.9,
        face_size_px: 100.0,
        brightness: 0.5,
        clarity: 0.8,
        head_pose: crate::core::face::HeadPose::default(),
        partial: false,
        mask: None,
        occlusion: None,
    };
    let judgement = judge(&QualityLevel::Low, &measurements);
    Observation {
        detection: Detection { bbox, landmarks: [[0.0; 2]; 5], score: 0.9 },
        measurements,
        judgement,
    }
}

fn shot(face: Face, now_ms: u64) -> Shot {
    let best = face.best.map(|(id, similarity)| Candidate {
        person: GalleryPerson {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: PersonKind::Employee,
            photo: String::new(),
        },
        similarity,
    });
    Shot {
        frame: Frame::from_rgb(32, 32, vec![0; 32 * 32 * 3], now_ms).unwrap(),
        taken_ms: now_ms,
        observation: observation(face),
        embedding: Embedding { model: MODEL.to_owned(), vector: face.looks.to_vec(), norm: 10.0 },
        best,
    }
}

/// What was told, as text: `+1001` identified, `-1001` ended, `-?` a stranger's end; with the time.
#[derive(Default)]
struct Story {
    passages: Option<Passages>,
    told: Vec<(u64, String)>,
    embedded: u32,
    now_ms: u64,
}

impl Story {
    fn frame(&mut self, faces: &[Face]) {
        let passages = self.passages.get_or_insert_with(|| Passages::new(PassageRules::default()));
        let observations: Vec<_> = faces.iter().copied().map(observation).collect();
        for request in passages.observe(self.now_ms, &observations) {
            self.embedded += 1;
            passages.identify(request.passage, shot(faces[request.index], self.now_ms));
        }
        self.collect();
        self.now_ms += 100;
    }

    /// Plays `frames` frames of one scene, moving everybody by `step` each.
    fn play(&mut self, frames: u32, step: f32, faces: &[Face]) {
        for index in 0..frames {
            let moved: Vec<_> =
                faces.iter().map(|face| Face { x: face.x + step * index as f32, ..*face }).collect();
            self.frame(&moved);
        }
    }

    fn quiet(&mut self, frames: u32) {
        self.play(frames, 0.0, &[]);
    }

    fn collect(&mut self) {
        let facts = self.passages.as_mut().map(|passages| passages.collect(self.now_ms)).unwrap_or_default();
        self.tell(&facts);
    }

    fn tell(&mut self, facts: &[PassageFact]) {
        for fact in facts {
            let (sign, view) = match fact {
                PassageFact::Identified(view) => ('+', view),
                PassageFact::Ended(view) => ('-', view),
            };
            let who = view.identity.as_ref().map_or("?", |who| who.person.id.as_str());
            self.told.push((self.now_ms, format!("{sign}{who}")));
        }
    }

    fn assert_told(&self, expected: &[&str]) {
        let told: Vec<_> = self.told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(told, expected, "{:?}", self.told);
    }
}

#[test]
fn a_sure_shot_is_told_at_once_and_once() {
    let mut story = Story::default();
    story.play(20, 10.0, &[known(0.0, "1001", SURE)]);
    assert_eq!(story.told[0].0, 0, "at the first frame");
    story.quiet(30);
    story.assert_told(&["+1001", "-1001"]);
    assert!(story.embedded < 5, "a known face is not embedded over and over: {}", story.embedded);
}

#[test]
fn a_likely_shot_needs_a_second_one() {
    let mut story = Story::default();
    story.play(1, 0.0, &[known(0.0, "1001", LIKELY)]);
    story.assert_told(&[]);
    story.play(5, 0.0, &[known(0.0, "1001", LIKELY)]);
    story.assert_told(&["+1001"]);
}

#[test]
fn a_likely_shot_without_a_second_is_believed_at_the_end() {
    let mut story = Story::default();
    story.play(1, 0.0, &[known(0.0, "1001", LIKELY)]);
    story.quiet(30);
    story.assert_told(&["+1001", "-1001"]);
}

#[test]
fn two_likely_shots_of_different_people_are_nobody_yet() {
    let mut story = Story::default();
    story.frame(&[known(0.0, "1001", LIKELY)]);
    story.frame(&[known(0.0, "1002", LIKELY)]);
    story.frame(&[known(0.0, "1002", LIKELY)]);
    story.assert_told(&[]);
}

#[test]
fn a_stranger_is_told_at_the_end_and_only_when_seen_often_enough() {
    let mut story = Story::default();
    story.play(2, 0.0, &[stranger(0.0)]);
    story.quiet(30);
    story.assert_told(&[]);
    story.play(3, 0.0, &[stranger(0.0)]);
    story.quiet(30);
    story.assert_told(&["-?"]);
}

#[test]
fn who_is_lost_for_a_moment_and_comes_back_elsewhere_is_one_passage() {
    for face in [known(0.0, "1001", SURE), stranger(0.0)] {
        let mut story = Story::default();
        story.play(5, 0.0, &[face]);
        story.quiet(15);
        story.play(5, 0.0, &[Face { x: 900.0, ..face }]);
        story.quiet(30);
        let ends = story.told.iter().filter(|(_, text)| text.starts_with('-')).count();
        assert_eq!(ends, 1, "{:?}", story.told);
    }
}

#[test]
fn who_comes_back_after_the_gap_is_a_new_passage() {
    let mut story = Story::default();
    for _ in 0..2 {
        story.play(5, 0.0, &[known(0.0, "1001", SURE)]);
        story.quiet(30);
    }
    story.assert_told(&["+1001", "-1001", "+1001", "-1001"]);
}

#[test]
fn two_people_side_by_side_are_two_passages() {
    let mut story = Story::default();
    story.play(10, 10.0, &[known(0.0, "1001", SURE), known(400.0, "1002", SURE)]);
    story.quiet(30);
    story.assert_told(&["+1001", "+1002", "-1001", "-1002"]);
}

#[test]
fn a_track_that_turns_out_to_be_somebody_else_starts_their_own_passage() {
    let mut story = Story::default();
    story.play(3, 0.0, &[known(0.0, "1001", SURE)]);
    // The same place, another person, seen in better light, so that the face is looked at again.
    for _ in 0..20 {
        let passages = story.passages.as_mut().unwrap();
        let other = known(0.0, "1002", SURE);
        passages.observe(story.now_ms, &[observation(other)]);
        passages.identify(1, shot(other, story.now_ms));
        story.collect();
        story.now_ms += 100;
    }
    story.quiet(30);
    let mut told: Vec<_> = story.told.iter().map(|(_, text)| text.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["+1001", "+1002", "-1001", "-1002"]);
}

#[test]
fn who_lingers_is_told_again_after_the_longest_passage() {
    let mut story = Story::default();
    story.play(1300, 0.0, &[known(0.0, "1001", SURE)]);
    let told: Vec<_> = story.told.iter().filter(|(_, text)| text == "+1001").map(|(at, _)| *at).collect();
    assert_eq!(told.len(), 3, "one a minute: {told:?}");
}

#[test]
fn closing_a_camera_ends_what_is_open() {
    let mut story = Story::default();
    story.play(3, 0.0, &[known(0.0, "1001", SURE), stranger(500.0)]);
    let facts = story.passages.as_mut().unwrap().finish();
    story.tell(&facts);
    story.assert_told(&["+1001", "-1001", "-?"]);
    assert!(story.passages.unwrap().is_empty());
}

#[test]
fn a_poor_face_is_followed_but_not_looked_at() {
    let mut passages = Passages::new(PassageRules::default());
    let mut poor = observation(stranger(0.0));
    poor.judgement.passed = false;
    for now_ms in [0, 100, 200, 300] {
        assert!(passages.observe(now_ms, std::slice::from_ref(&poor)).is_empty());
    }
    assert!(passages.finish().is_empty(), "without a shot there is nothing to tell");
}

/// Renews every stale shot as `n@2` sees it; how many there were.
fn swap(passages: &mut Passages, best: Option<(&'static str, f32)>) -> usize {
    let stale = passages.stale_shots("n@2");
    let count = stale.len();
    for (key, shot) in stale {
        passages.renew(key, of_model("n@2", shot, best));
    }
    count
}

/// The shot as another model sees it.
fn of_model(model: &str, mut shot: Shot, best: Option<(&'static str, f32)>) -> Shot {
    shot.embedding.model = model.to_owned();
    shot.best = super::tests::shot(Face { best, ..known(0.0, "x", 0.0) }, shot.taken_ms).best;
    shot
}

#[test]
fn a_swap_in_the_middle_keeps_the_passage_and_mixes_nothing() {
    // Told under the old model; the new one finds the same person, with a similarity of its own.
    let mut story = Story::default();
    story.play(5, 2.0, &[known(0.0, "1001", SURE)]);
    let passages = story.passages.as_mut().unwrap();
    assert_eq!(swap(passages, Some(("1001", 0.45))), 1);
    story.now_ms += 5000;
    let facts = story.passages.as_mut().unwrap().collect(story.now_ms);
    let [PassageFact::Ended(view)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!(view.shot.embedding.model, "n@2");
    let who = view.identity.as_ref().unwrap();
    assert_eq!((who.person.id.as_str(), who.similarity), ("1001", 0.45));
}

#[test]
fn what_the_new_model_cannot_confirm_stays_as_the_old_one_told_it() {
    for again in [None, Some(None), Some(Some(("2002", 0.9)))] {
        let mut story = Story::default();
        story.play(5, 2.0, &[known(0.0, "1001", SURE)]);
        let passages = story.passages.as_mut().unwrap();
        if let Some(best) = again {
            swap(passages, best);
        }
        let facts = passages.collect(story.now_ms + 5000);
        let [PassageFact::Ended(view)] = &facts[..] else { panic!("{facts:?}") };
        assert_eq!(view.shot.embedding.model, MODEL, "shot and similarity are of one model");
        let who = view.identity.as_ref().unwrap();
        assert_eq!((who.person.id.as_str(), who.similarity), ("1001", SURE));
    }
}

#[test]
fn somebody_not_yet_known_is_judged_anew() {
    let mut story = Story::default();
    story.play(4, 2.0, &[stranger(0.0)]);
    assert!(story.told.is_empty());
    let passages = story.passages.as_mut().unwrap();
    swap(passages, Some(("1001", SURE)));
    let facts = passages.collect(story.now_ms);
    let [PassageFact::Identified(view)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((view.key, view.shot.embedding.model.as_str()), (1, "n@2"));
    // Nothing is embedded twice.
    assert_eq!(swap(story.passages.as_mut().unwrap(), None), 0);
}
