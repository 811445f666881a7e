//! Gates that open for anyone.

use super::*;

/// Plays frames of one face whose candidate is of `kind`, and tells after which frame the gate was told of it.
fn told(rules: &PassageRules, kind: PersonKind, similarity: f32, liveness: Option<f32>) -> Vec<u32> {
    let mut passages = Passages::new(rules.clone());
    let mut told = Vec::new();
    for frame in 0..20 {
        let now_ms = u64::from(frame) * 100;
        let face = known(200.0, "somebody", similarity);
        for request in passages.observe(now_ms, &[observation(face)]) {
            let mut shot = shot(face, now_ms);
            shot.liveness = liveness;
            shot.candidates[0].person.kind = kind;
            passages.identify(request, shot, Vec::new());
        }
        told.extend(passages.take_unnamed_passing().iter().map(|_| frame));
        passages.collect(now_ms);
    }
    told
}

#[test]
fn a_face_nobody_knows_is_told_once_and_soon() {
    let told = told(&PassageRules::default(), PersonKind::Employee, 0.1, None);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0] <= 4, "with the second shot: {told:?}");
}

#[test]
fn who_may_be_on_the_blacklist_is_never_told() {
    let rules = PassageRules::default();
    for similarity in [rules.match_threshold - rules.top2_margin_min, LIKELY, SURE] {
        assert_eq!(told(&rules, PersonKind::Blacklist, similarity, None), Vec::<u32>::new(), "{similarity}");
    }
    // As like as anybody is to anybody.
    assert_eq!(told(&rules, PersonKind::Blacklist, 0.1, None).len(), 1);
}

#[test]
fn who_is_named_opens_the_gate_by_the_name() {
    assert_eq!(told(&PassageRules::default(), PersonKind::Employee, SURE, None), Vec::<u32>::new());
}

#[test]
fn a_picture_of_a_face_is_nobody() {
    let rules = PassageRules { liveness_min: Some(0.5), ..PassageRules::default() };
    assert_eq!(told(&rules, PersonKind::Employee, 0.1, Some(0.2)), Vec::<u32>::new());
    assert_eq!(told(&rules, PersonKind::Employee, 0.1, None), Vec::<u32>::new(), "not measured");
    assert_eq!(told(&rules, PersonKind::Employee, 0.1, Some(0.9)).len(), 1);
}

#[test]
fn each_passage_is_told_by_itself() {
    let mut passages = Passages::new(PassageRules::default());
    let mut told = Vec::new();
    for frame in 0..10 {
        let now_ms = frame * 100;
        let faces = [stranger(100.0), Face { looks: [0.0, 1.0], ..stranger(500.0) }];
        let seen: Vec<_> = faces.into_iter().map(observation).collect();
        for request in passages.observe(now_ms, &seen) {
            passages.identify(request, shot(faces[request.index], now_ms), Vec::new());
        }
        told.extend(passages.take_unnamed_passing());
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 2);
}
