//! Living faces and pictures held up to a camera.

use super::*;

/// Plays one face whose shots are as live as `scores` says, one after the other and over again, then quiet.
fn show(face: Face, scores: &[f32], frames: u32) -> (Vec<(u64, String)>, Vec<PassageView>, Vec<Reason>) {
    let rules = PassageRules { liveness_min: Some(0.5), ..PassageRules::default() };
    let mut passages = Passages::new(rules);
    let mut story = Story::default();
    let (mut views, mut shots) = (Vec::new(), 0);
    for step in 0..frames + 40 {
        let now_ms = u64::from(step) * 100;
        let faces = if step < frames { vec![observation(face)] } else { Vec::new() };
        for request in passages.observe(now_ms, &faces) {
            let liveness = Some(scores[shots % scores.len()]);
            shots += 1;
            passages.identify(request, Shot { liveness, ..shot(face, now_ms) }, Vec::new());
        }
        let facts = passages.collect(now_ms);
        story.now_ms = now_ms;
        story.record(&facts);
        for fact in facts {
            if let PassageFact::Identified(view) | PassageFact::Ended(view) = fact {
                views.push(view);
            }
        }
    }
    (story.reported, views, story.missed)
}

fn names(reported: &[(u64, String)]) -> Vec<&str> {
    reported.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn liveness_can_be_asked_for_during_a_passage() {
    let mut passages = Passages::new(PassageRules::default());
    passages.set_liveness_min(Some(0.5));
    let face = known(0.0, "1001", SURE);
    for step in 0..10 {
        for request in passages.observe(step * 100, &[observation(face)]) {
            passages.identify(request, Shot { liveness: Some(0.1), ..shot(face, step * 100) }, Vec::new());
        }
        assert!(passages.collect(step * 100).is_empty(), "a picture is not named");
    }
}

#[test]
fn a_living_face_is_named_by_its_second_shot() {
    let (reported, views, _) = show(known(0.0, "1001", SURE), &[0.9], 10);
    assert_eq!(names(&reported), ["+1001", "-1001"]);
    assert!((100..=300).contains(&reported[0].0), "{reported:?}");
    assert_eq!(views[0].liveness.map(|l| l.is_live), Some(true));
}

#[test]
fn a_picture_is_never_named_and_the_event_says_why() {
    let (reported, views, _) = show(known(0.0, "1001", SURE), &[0.1], 30);
    assert_eq!(names(&reported), ["-?"]);
    let view = &views[0];
    assert_eq!(view.not_live.as_ref().map(|who| who.person.id.as_str()), Some("1001"));
    assert_eq!(view.trace.reason, Some(Reason::NotLive));
    let liveness = view.liveness.unwrap();
    assert!(!liveness.is_live && (liveness.score - 0.1).abs() < 1e-6);
}

#[test]
fn one_lucky_shot_of_a_picture_names_no_person() {
    let (reported, ..) = show(known(0.0, "1001", SURE), &[1.0, 0.1, 0.1, 0.2], 40);
    assert_eq!(names(&reported), ["-?"]);
}

#[test]
fn a_living_face_that_was_seen_badly_first_is_named_later() {
    let (reported, ..) = show(known(0.0, "1001", SURE), &[0.2, 0.9, 0.9, 0.9], 20);
    assert_eq!(names(&reported), ["+1001", "-1001"]);
}

#[test]
fn between_the_marks_liveness_is_asked_for_as_well() {
    assert_eq!(names(&show(known(0.0, "1001", LIKELY), &[0.9], 20).0), ["+1001", "-1001"]);
    assert_eq!(names(&show(known(0.0, "1001", LIKELY), &[0.1], 20).0), ["-?"]);
}

#[test]
fn a_single_shot_counts_at_the_end_and_a_picture_shown_briefly_is_told() {
    let (reported, ..) = show(known(0.0, "1001", SURE), &[0.9], 1);
    assert_eq!(names(&reported), ["+1001", "-1001"]);
    assert!(reported[0].0 > 2500, "only when it is over: {reported:?}");
    let (reported, views, missed) = show(known(0.0, "1001", SURE), &[0.1], 1);
    assert_eq!(names(&reported), ["-?"]);
    assert!(missed.is_empty() && views[0].not_live.is_some());
}

#[test]
fn a_living_strangers_shots_do_not_vouch_for_the_picture_they_hold_up() {
    let rules = PassageRules { liveness_min: Some(0.5), ..PassageRules::default() };
    let mut passages = Passages::new(rules);
    let (own, picture) = (stranger(0.0), known(0.0, "1001", SURE));
    let mut reported = Vec::new();
    for step in 0..80u64 {
        let face = if step < 20 { own } else { picture };
        let faces = if step < 40 { vec![observation(face)] } else { Vec::new() };
        for request in passages.observe(step * 100, &faces) {
            let liveness = Some(if step < 20 { 1.0 } else { 0.0 });
            passages.identify(request, Shot { liveness, ..shot(face, step * 100) }, Vec::new());
        }
        reported.extend(passages.collect(step * 100));
    }
    assert!(reported.iter().all(|fact| !matches!(fact, PassageFact::Identified(_))), "{reported:?}");
    let Some(PassageFact::Ended(view)) = reported.last() else { panic!("{reported:?}") };
    assert_eq!(view.trace.reason, Some(Reason::NotLive));
}

#[test]
fn a_stranger_is_told_with_their_liveness() {
    let (reported, views, _) = show(stranger(0.0), &[0.2], 20);
    assert_eq!(names(&reported), ["-?"]);
    assert_eq!(views[0].liveness.map(|l| l.is_live), Some(false));
    assert_eq!(views[0].trace.reason, Some(Reason::BelowThreshold));
}
