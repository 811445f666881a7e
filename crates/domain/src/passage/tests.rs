//! Scenes played frame by frame, every 100 ms.

use super::*;
use crate::candidate::GalleryPerson;
use crate::explain::Reason;
use crate::face::{BBox, Detection};
use crate::frame::Frame;
use crate::person::PersonKind;
use crate::quality::{self, Measurements, QualityLevel};

#[path = "all_pass_tests.rs"]
mod all_pass;
#[path = "liveness_tests.rs"]
mod liveness;
#[path = "swap_tests.rs"]
mod swap;

const MODEL: &str = "m@1";
/// The default rules' match threshold is 0.363, with the high-confidence margin 0.443.
const SURE: f32 = 0.6;
const LIKELY: f32 = 0.4;

/// A person in the picture: where, and the candidate the gallery would answer with.
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
        head_pose: crate::face::HeadPose::default(),
        partial: false,
        mask: None,
        occlusion: None,
    };
    let judgement = quality::judge(&QualityLevel::Low, &measurements);
    Observation {
        detection: Detection { bbox, landmarks: [[0.0; 2]; 5], score: 0.9 },
        measurements,
        judgement,
    }
}

fn shot(face: Face, now_ms: u64) -> Shot {
    let best = face.best.map(|(id, similarity)| candidate(id, similarity));
    Shot {
        frame: Frame::from_rgb(32, 32, vec![0; 32 * 32 * 3], now_ms).unwrap(),
        taken_ms: now_ms,
        observation: observation(face),
        embedding: Embedding { model: MODEL.to_owned(), vector: face.looks.to_vec(), norm: 10.0 },
        liveness: None,
        candidates: best.into_iter().collect(),
    }
}

fn candidate(id: &str, similarity: f32) -> Candidate {
    let person = GalleryPerson {
        id: id.to_owned(),
        name: id.to_owned(),
        kind: PersonKind::Employee,
        photo: String::new(),
    };
    Candidate { person, similarity }
}

/// What was reported, as text: `+1001` identified, `-1001` ended, `-?` a stranger's end; with the time.
#[derive(Default)]
struct Story {
    passages: Option<Passages>,
    reported: Vec<(u64, String)>,
    missed: Vec<Reason>,
    embedded: u32,
    now_ms: u64,
}

impl Story {
    fn frame(&mut self, faces: &[Face]) {
        let passages = self.passages.get_or_insert_with(|| Passages::new(PassageRules::default()));
        let observations: Vec<_> = faces.iter().copied().map(observation).collect();
        for request in passages.observe(self.now_ms, &observations) {
            self.embedded += 1;
            passages.identify(request, shot(faces[request.index], self.now_ms), Vec::new());
        }
        self.collect();
        self.now_ms += 100;
    }

    /// Plays `frames` frames of one scene, moving every person by `step` each.
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
        self.record(&facts);
    }

    fn record(&mut self, facts: &[PassageFact]) {
        for fact in facts {
            let (sign, view) = match fact {
                PassageFact::Identified(view) => ('+', view),
                PassageFact::Ended(view) => ('-', view),
                PassageFact::Missed(reason) => {
                    self.missed.push(*reason);
                    continue;
                }
            };
            let who = view.identity.as_ref().map_or("?", |who| who.person.id.as_str());
            self.reported.push((self.now_ms, format!("{sign}{who}")));
        }
    }

    fn assert_told(&self, expected: &[&str]) {
        let reported: Vec<_> = self.reported.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(reported, expected, "{:?}", self.reported);
    }
}

#[test]
fn a_sure_shot_is_told_at_once_and_once() {
    let mut story = Story::default();
    story.play(20, 10.0, &[known(0.0, "1001", SURE)]);
    assert_eq!(story.reported[0].0, 0, "at the first frame");
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
fn two_matches_of_different_people_name_no_person_yet() {
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
        let ends = story.reported.iter().filter(|(_, text)| text.starts_with('-')).count();
        assert_eq!(ends, 1, "{:?}", story.reported);
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
fn a_track_that_turns_out_to_be_another_person_starts_their_own_passage() {
    let mut story = Story::default();
    story.play(3, 0.0, &[known(0.0, "1001", SURE)]);
    // The same place, another person, and the face is embedded again.
    for _ in 0..20 {
        let passages = story.passages.as_mut().unwrap();
        let other = known(0.0, "1002", SURE);
        passages.observe(story.now_ms, &[observation(other)]);
        let request = EmbedRequest { index: 0, passage: 1, track: 1 };
        passages.identify(request, shot(other, story.now_ms), Vec::new());
        story.collect();
        story.now_ms += 100;
    }
    story.quiet(30);
    let mut reported: Vec<_> = story.reported.iter().map(|(_, text)| text.as_str()).collect();
    reported.sort_unstable();
    assert_eq!(reported, ["+1001", "+1002", "-1001", "-1002"]);
}

#[test]
fn who_lingers_is_told_again_after_the_longest_passage() {
    let mut story = Story::default();
    story.play(1300, 0.0, &[known(0.0, "1001", SURE)]);
    let reported: Vec<_> =
        story.reported.iter().filter(|(_, text)| text == "+1001").map(|(at, _)| *at).collect();
    assert_eq!(reported.len(), 3, "one a minute: {reported:?}");
}

#[test]
fn closing_a_camera_ends_what_is_open() {
    let mut story = Story::default();
    story.play(3, 0.0, &[known(0.0, "1001", SURE), stranger(500.0)]);
    let facts = story.passages.as_mut().unwrap().finish();
    story.record(&facts);
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
    let facts = passages.finish();
    assert!(matches!(facts[..], [PassageFact::Missed(Reason::NoShot)]), "without a shot: {facts:?}");
}

/// Brings a shot of the first passage's first track, with what the gallery says of it and of all shots together.
fn bring(story: &mut Story, face: Face, candidates: &[(&str, f32)], fused: &[(&str, f32)]) {
    let passages = story.passages.get_or_insert_with(|| Passages::new(PassageRules::default()));
    let answer = |all: &[(&str, f32)]| all.iter().map(|(id, s)| candidate(id, *s)).collect::<Vec<_>>();
    for request in passages.observe(story.now_ms, &[observation(face)]) {
        let shot = Shot { candidates: answer(candidates), ..shot(face, story.now_ms) };
        passages.identify(request, shot, answer(fused));
    }
    story.collect();
    story.now_ms += 200;
}

#[test]
fn shots_too_weak_alone_name_a_person_together() {
    let mut story = Story::default();
    let face = known(0.0, "1001", 0.3);
    bring(&mut story, face, &[("1001", 0.33)], &[]);
    story.assert_told(&[]);
    bring(&mut story, face, &[("1001", 0.35)], &[("1001", 0.38), ("1002", 0.1)]);
    story.assert_told(&["+1001"]);
    let PassageFact::Ended(view) = &story.passages.as_mut().unwrap().finish()[0] else { panic!("ended") };
    assert_eq!((view.trace.basis, view.trace.shots.len()), (DecisionBasis::Fusion, 2));
    assert!((view.identity.as_ref().unwrap().similarity - 0.38).abs() < 1e-6);
}

#[test]
fn shots_together_outvote_two_that_were_chance() {
    let mut story = Story::default();
    let face = stranger(0.0);
    for (single, fused) in
        [(0.2, None), (0.3, Some(0.25)), (0.3, Some(0.3)), (LIKELY, Some(0.31)), (LIKELY, Some(0.32))]
    {
        let fused: Vec<_> = fused.map(|fused| ("1001", fused)).into_iter().collect();
        bring(&mut story, face, &[("1001", single)], &fused);
    }
    story.quiet(30);
    story.assert_told(&["-?"]);
}

#[test]
fn a_lookalike_in_the_same_picture_is_not_the_person() {
    let (anna, twin) = (known(0.0, "1001", 0.9), Face { looks: [0.0, 1.0], ..known(400.0, "1001", SURE) });
    let mut story = Story::default();
    story.play(10, 10.0, &[anna, twin]);
    story.quiet(30);
    story.assert_told(&["+1001", "-1001", "-?"]);

    // Even when the other one was seen first: then both carry the name, the first having been reported.
    let mut story = Story::default();
    story.play(5, 10.0, &[twin]);
    story.play(10, 10.0, &[Face { x: twin.x + 50.0, ..twin }, anna]);
    story.quiet(30);
    story.assert_told(&["+1001", "+1001", "-1001", "-1001"]);
}

#[test]
fn of_two_who_look_alike_the_more_similar_is_named_after_three_shots() {
    let (close, fused) = ([("1001", 0.7), ("1002", 0.69)], [("1002", 0.74), ("1001", 0.72)]);
    let mut story = Story::default();
    let face = known(0.0, "1001", SURE);
    bring(&mut story, face, &close, &[]);
    bring(&mut story, face, &close, &fused);
    story.assert_told(&[]);
    bring(&mut story, face, &close, &fused);
    story.assert_told(&["+1002"]);
    let facts = story.passages.as_mut().unwrap().finish();
    let [PassageFact::Ended(view)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!(view.trace.basis, DecisionBasis::MoreSimilar);
}

#[test]
fn a_lead_that_grows_in_the_shots_together_is_enough() {
    let mut story = Story::default();
    let face = known(0.0, "1001", SURE);
    bring(&mut story, face, &[("1001", 0.6), ("1002", 0.58)], &[]);
    bring(&mut story, face, &[("1002", 0.6), ("1001", 0.58)], &[("1001", 0.64), ("1002", 0.55)]);
    story.assert_told(&["+1001"]);
}

#[test]
fn no_guess_between_a_person_and_the_blacklist_while_a_door_could_open() {
    let mut story = Story::default();
    let face = known(0.0, "1001", SURE);
    let mut listed = candidate("9001", 0.68);
    listed.person.kind = PersonKind::Blacklist;
    for _ in 0..6 {
        let passages = story.passages.get_or_insert_with(|| Passages::new(PassageRules::default()));
        for request in passages.observe(story.now_ms, &[observation(face)]) {
            let both = vec![candidate("1001", 0.7), listed.clone()];
            passages.identify(request, Shot { candidates: both.clone(), ..shot(face, story.now_ms) }, both);
        }
        story.collect();
        story.now_ms += 200;
    }
    story.assert_told(&[]);
    story.quiet(30);
    story.assert_told(&["+1001", "-1001"]);
}

#[test]
fn a_track_taken_over_out_of_sight_goes_to_whom_it_shows() {
    let mut story = Story::default();
    story.play(5, 0.0, &[known(0.0, "1001", SURE)]);
    // Half a second no face is seen; then a stranger is in the same place.
    story.quiet(5);
    let other = Face {
        looks: [-known(0.0, "1001", SURE).looks[1], known(0.0, "1001", SURE).looks[0]],
        ..stranger(0.0)
    };
    story.play(12, 0.0, &[other]);
    story.quiet(30);
    story.assert_told(&["+1001", "-1001", "-?"]);
}

#[test]
fn the_same_person_after_an_ambiguity_stays_one_passage() {
    let mut story = Story::default();
    for face in [known(0.0, "1001", SURE), stranger(0.0)] {
        story.play(5, 0.0, &[face]);
        story.quiet(5);
        story.play(8, 0.0, &[face]);
        story.quiet(30);
    }
    story.assert_told(&["+1001", "-1001", "-?"]);
}

#[test]
fn the_rest_of_a_persons_passage_is_no_stranger() {
    let mut story = Story::default();
    let anna = known(0.0, "1001", SURE);
    story.play(5, 0.0, &[anna]);
    story.quiet(12);
    // Seen again elsewhere, turned away: like no photo of the gallery, and still like before.
    let looks =
        [(anna.looks[0] + 1.9 * anna.looks[1]) / 2.147, (anna.looks[1] - 1.9 * anna.looks[0]) / 2.147];
    assert!((looks[0].hypot(looks[1]) - 1.0).abs() < 0.01);
    let likeness = looks[0] * anna.looks[0] + looks[1] * anna.looks[1];
    assert!((0.30..0.50).contains(&likeness), "{likeness}");
    story.play(6, 0.0, &[Face { x: 900.0, looks, best: None }]);
    story.quiet(40);
    story.assert_told(&["+1001", "-1001"]);
    assert!(story.missed.is_empty());
}

#[test]
fn a_face_that_was_never_whole_is_no_strangers_event() {
    let mut passages = Passages::new(PassageRules::default());
    let mut story = Story::default();
    for step in 0..8 {
        let mut edge = observation(stranger(0.0));
        edge.measurements.partial = true;
        for request in passages.observe(step * 200, std::slice::from_ref(&edge)) {
            let taken = Shot { observation: edge.clone(), ..shot(stranger(0.0), step * 200) };
            passages.identify(request, taken, Vec::new());
        }
    }
    story.record(&passages.finish());
    story.assert_told(&[]);
    assert_eq!(story.missed, [Reason::Partial]);
}

#[test]
fn reasons_for_reporting_no_person_are_given() {
    for (check, reason) in [
        (crate::quality::Check::FaceSize, Reason::TooSmall),
        (crate::quality::Check::HeadPose, Reason::TurnedAway),
    ] {
        let mut passages = Passages::new(PassageRules::default());
        let mut story = Story::default();
        let mut poor = observation(stranger(0.0));
        (poor.judgement.passed, poor.judgement.fails) = (false, vec![check]);
        for step in 0..4 {
            assert!(passages.observe(step * 100, std::slice::from_ref(&poor)).is_empty());
        }
        story.record(&passages.finish());
        assert_eq!(story.missed, [reason]);
    }
    let mut story = Story::default();
    story.play(2, 0.0, &[stranger(0.0)]);
    story.quiet(30);
    assert_eq!(story.missed, [Reason::TooBrief]);
}

#[test]
fn a_stranger_who_stays_is_looked_at_less_and_less() {
    let mut story = Story::default();
    story.play(300, 0.0, &[stranger(0.0)]);
    assert!((40..75).contains(&story.embedded), "thirty seconds: {}", story.embedded);
}

#[test]
fn a_faint_face_keeps_a_passage_going_and_begins_none() {
    let low_score = |x: f32| {
        let mut face = observation(known(x, "1001", SURE));
        face.detection.score = 0.5;
        face
    };
    let mut passages = Passages::new(PassageRules { gap_ms: 500, ..PassageRules::default() });
    assert!(passages.observe(0, &[low_score(0.0)]).is_empty() && passages.is_empty());
    let request = passages.observe(100, &[observation(known(0.0, "1001", SURE))])[0];
    passages.identify(request, shot(known(0.0, "1001", SURE), 100), Vec::new());
    for step in 2..9 {
        assert!(passages.observe(step * 100, &[low_score(0.0)]).is_empty(), "not worth an embedding");
    }
    assert_eq!(passages.collect(1200).len(), 1, "identified, and seen 400 ms ago");
    assert!(matches!(passages.collect(1400)[..], [PassageFact::Ended(_)]));
}
