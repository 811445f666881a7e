//! What a change of the embedder does to passages that go on.

use super::*;

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
    shot.candidates = super::shot(Face { best, ..known(0.0, "x", 0.0) }, shot.taken_ms).candidates;
    shot
}

#[test]
fn a_swap_in_the_middle_keeps_the_passage_and_mixes_nothing() {
    // Reported under the old model; the new one finds the same person, with a similarity of its own.
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
fn a_person_not_yet_known_is_judged_again() {
    let mut story = Story::default();
    story.play(4, 2.0, &[stranger(0.0)]);
    assert!(story.reported.is_empty());
    let passages = story.passages.as_mut().unwrap();
    swap(passages, Some(("1001", SURE)));
    let facts = passages.collect(story.now_ms);
    let [PassageFact::Identified(view)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((view.key, view.shot.embedding.model.as_str()), (1, "n@2"));
    // Nothing is embedded twice.
    assert_eq!(swap(story.passages.as_mut().unwrap(), None), 0);
}
