//! The gallery as its users see it, and its search against the plain one.

use std::sync::LazyLock;

use super::*;
use menshen_domain::face::Embedding;
use menshen_domain::person::{Feature, RegisterType};
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;

/// People of permission group 0.
fn zero() -> Scope<'static> {
    static ZERO: LazyLock<[String; 1]> = LazyLock::new(|| ["0".to_owned()]);
    Scope::of_permissions(&*ZERO)
}

fn person(id: &str, groups: &[&str], vectors: &[[f32; 4]]) -> Person {
    Person {
        id: id.into(),
        name: format!("name of {id}"),
        kind: PersonKind::Employee,
        register_type: RegisterType::Regular,
        permission_ids: groups.iter().map(ToString::to_string).collect(),
        registry_groups: vec![DEFAULT_REGISTRY_GROUP.to_owned()],
        info: serde_json::Map::new(),
        features: vectors
            .iter()
            .map(|vector| Feature {
                embedding: Embedding { model: "m@1".into(), vector: vector.to_vec(), norm: 1.0 },
                photo: format!("{id}.jpg"),
                photo_sha256: String::new(),
                quality: 1.0,
            })
            .collect(),
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

fn ids(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|c| c.person.id.as_str()).collect()
}

const X: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const Y: [f32; 4] = [0.0, 1.0, 0.0, 0.0];
const XY: [f32; 4] = [0.8, 0.6, 0.0, 0.0];

#[test]
fn best_first_one_row_a_person() {
    let mut gallery = Gallery::new("m@1", 4, 10);
    gallery.put(&person("a", &["0"], &[Y, X])).unwrap();
    gallery.put(&person("b", &["0"], &[XY])).unwrap();
    let found = gallery.search(&X, zero(), 5);
    assert_eq!(ids(&found), ["a", "b"]);
    assert!((found[1].similarity - 0.8).abs() < 1e-6);
}

#[test]
fn groups_limit_the_search() {
    let mut gallery = Gallery::new("m@1", 4, 10);
    gallery.put(&person("a", &["1", "2"], &[X])).unwrap();
    gallery.put(&person("b", &["0"], &[Y])).unwrap();
    let find = |permissions: &[&str]| {
        let permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
        gallery.search(&X, Scope::of_permissions(&permissions), 5)
    };
    assert_eq!(ids(&find(&["0"])), ["b"]);
    assert_eq!(ids(&find(&["2", "0"])), ["a", "b"]);
    assert!(find(&["9"]).is_empty());
}

#[test]
fn who_is_found_is_in_the_registry_group_and_in_a_permission_group() {
    let of = |id: &str, permission: &str, registry: &[&str]| Person {
        registry_groups: registry.iter().map(ToString::to_string).collect(),
        ..person(id, &[permission], &[X])
    };
    let mut gallery = Gallery::new("m@1", 4, 10);
    gallery.put(&of("both", "0", &["default_group", "vip"])).unwrap();
    gallery.put(&of("vip", "1", &["vip"])).unwrap();
    gallery.put(&of("default", "0", &["default_group"])).unwrap();
    gallery.put(&of("none", "0", &[])).unwrap();
    let find = |gallery: &Gallery, registry: &str, permissions: &[&str]| {
        let permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
        let found = gallery.search(&X, Scope::Groups { registry, permissions: &permissions }, 9);
        let mut found: Vec<String> = found.into_iter().map(|one| one.person.id).collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(find(&gallery, "default_group", &["0"]), "both default");
    assert_eq!(find(&gallery, "vip", &["0", "1"]), "both vip");
    assert_eq!(find(&gallery, "vip", &["1"]), "vip");
    assert_eq!(find(&gallery, "", &["0", "1"]), "");
    assert_eq!(gallery.search(&X, Scope::Everyone, 9).len(), 4, "whoever is in no group too");
    assert_eq!(gallery.registry_groups(), ["default_group", "vip"].map(str::to_owned).into());

    // Groups that nobody is in any more are no groups, and their place is used again.
    gallery.remove("vip");
    gallery.put(&of("both", "0", &["default_group"])).unwrap();
    assert_eq!(gallery.registry_groups(), ["default_group".to_owned()].into());
    assert_eq!(gallery.permission_groups(), ["0".to_owned()].into());
    for visit in 0..1000 {
        gallery.put(&of("default", &format!("visit-{visit}"), &["vip"])).unwrap();
    }
    assert!(gallery.group_sets.len() <= 4, "{}", gallery.group_sets.len());
    assert_eq!(find(&gallery, "vip", &["visit-999"]), "default");
    assert_eq!(find(&gallery, "default_group", &["0"]), "both");
}

#[test]
fn capacity_counts_features_and_replacing_is_free() {
    let mut gallery = Gallery::new("m@1", 4, 2);
    gallery.put(&person("a", &["0"], &[X, Y])).unwrap();
    assert_eq!(gallery.put(&person("b", &["0"], &[X])), Err(GalleryError::Full { capacity: 2 }));
    gallery.put(&person("a", &["0"], &[XY, Y])).unwrap();
    assert_eq!(gallery.features(), 2);
}

#[test]
fn another_models_feature_is_refused() {
    let mut gallery = Gallery::new("other@1", 4, 2);
    assert!(matches!(gallery.put(&person("a", &["0"], &[X])), Err(GalleryError::OtherModel { .. })));
}

proptest::proptest! {
    /// Any sequence of puts and removals leaves the same answers as a gallery built from what is left.
    #[test]
    fn removal_never_disturbs_the_others(ops in proptest::collection::vec((0u8..8, 0usize..4), 1..60)) {
        let mut gallery = Gallery::new("m@1", 4, 1000);
        let mut left = std::collections::BTreeMap::new();
        for (step, (who, rows)) in ops.into_iter().enumerate() {
            let id = format!("p{who}");
            if rows == 0 {
                proptest::prop_assert_eq!(gallery.remove(&id), left.remove(&id).is_some());
            } else {
                let angle = step as f32;
                let vectors: Vec<_> =
                    (0..rows).map(|r| [angle.cos(), angle.sin(), r as f32 / 10.0, 0.0]).collect();
                let p = person(&id, &["0"], &vectors);
                gallery.put(&p).unwrap();
                left.insert(id, p);
            }
        }
        let mut fresh = Gallery::new("m@1", 4, 1000);
        for p in left.values() {
            fresh.put(p).unwrap();
        }
        proptest::prop_assert_eq!(gallery.features(), fresh.features());
        let key = |g: &Gallery| {
            let mut found: Vec<_> = g.search(&XY, zero(), 100).into_iter()
                .map(|c| (c.person.id, (c.similarity * 1e4).round() as i64)).collect();
            found.sort();
            found
        };
        proptest::prop_assert_eq!(key(&gallery), key(&fresh));
    }
}

/// A generator of its own: core has no randomness.
struct Random(u64);

impl Random {
    fn unit(&mut self, dimension: usize) -> Vec<f32> {
        let raw: Vec<f32> = (0..dimension)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .collect();
        let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
        raw.into_iter().map(|v| v / norm).collect()
    }
}

fn of_vectors(id: usize, group: &str, vectors: Vec<Vec<f32>>) -> Person {
    let mut made = person(&id.to_string(), &[group], &[]);
    made.features = vectors
        .into_iter()
        .map(|vector| Feature {
            embedding: Embedding { model: "m@1".into(), vector, norm: 1.0 },
            photo: String::new(),
            photo_sha256: String::new(),
            quality: 1.0,
        })
        .collect();
    made
}

fn exact(found: &[Candidate]) -> Vec<(&str, u32)> {
    found.iter().map(|c| (c.person.id.as_str(), c.similarity.to_bits())).collect()
}

/// The promise of `rows`: not nearly, but bit by bit the answer of the plain scan.
#[test]
fn the_fast_search_answers_as_the_plain_one_on_ten_thousand_probes() {
    const DIMENSION: usize = 128;
    let mut random = Random(42);
    let mut gallery = Gallery::new("m@1", DIMENSION, 10_000);
    let mut vectors = Vec::new();
    for id in 0..1000 {
        let photos: Vec<_> = (0..=id % 2).map(|_| random.unit(DIMENSION)).collect();
        vectors.extend(photos.clone());
        gallery.put(&of_vectors(id, if id % 3 == 0 { "1" } else { "0" }, photos)).unwrap();
    }
    let (one, both) = (["1".to_owned()], ["0".to_owned(), "1".to_owned()]);
    for index in 0..10_000usize {
        let mut probe = random.unit(DIMENSION);
        if index % 2 == 0 {
            // A person who is enrolled, more or less like themselves.
            let share = (index % 17) as f32 / 17.0;
            for (value, own) in probe.iter_mut().zip(&vectors[index % vectors.len()]) {
                *value = share * own + (1.0 - share) * *value;
            }
        }
        let groups = Scope::of_permissions(if index % 5 == 0 { &one } else { &both });
        let limit = 1 + index % 3;
        let found = gallery.search(&probe, groups, limit);
        assert_eq!(exact(&found), exact(&gallery.search_plain(&probe, groups, limit)), "probe {index}");
        assert_eq!(found.len(), limit);
    }
}

#[test]
fn a_batch_answers_as_one_after_the_other() {
    let mut random = Random(7);
    let mut gallery = Gallery::new("m@1", 100, 5000);
    for id in 0..3000 {
        gallery.put(&of_vectors(id, "0", vec![random.unit(100)])).unwrap();
    }
    let probes: Vec<Vec<f32>> = (0..9).map(|_| random.unit(100)).collect();
    let probes: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
    let together = gallery.search_batch(&probes, zero(), 4);
    for (probe, found) in probes.iter().zip(&together) {
        assert_eq!(exact(found), exact(&gallery.search(probe, zero(), 4)));
    }
    assert!(gallery.search_batch(&[&[1.0]], zero(), 4)[0].is_empty(), "another dimension");
}

/// Removal over the borders of blocks, and of the slabs of two blocks that long rows lie in.
#[test]
fn rows_move_between_blocks_and_slabs_and_are_still_found() {
    rows_move_and_are_still_found(64);
    rows_move_and_are_still_found(1024);
}

fn rows_move_and_are_still_found(dimension: usize) {
    let mut random = Random(3);
    let mut gallery = Gallery::new("m@1", dimension, 5000);
    let vectors: Vec<_> = (0..2100).map(|_| random.unit(dimension)).collect();
    for (id, vector) in vectors.iter().enumerate() {
        gallery.put(&of_vectors(id, "0", vec![vector.clone()])).unwrap();
    }
    for id in (0..2100).step_by(2) {
        assert!(gallery.remove(&id.to_string()));
    }
    assert_eq!(gallery.features(), 1050);
    for (id, vector) in vectors.iter().enumerate() {
        let found = gallery.search(vector, zero(), 1);
        assert_eq!(found[0].person.id == id.to_string(), id % 2 == 1, "{id}");
        assert!(id % 2 == 0 || found[0].similarity > 0.999);
    }
    for id in (1..2100).step_by(2) {
        assert!(gallery.remove(&id.to_string()));
    }
    assert!(gallery.search(&vectors[1], zero(), 1).is_empty());
    gallery.put(&of_vectors(0, "0", vec![vectors[0].clone()])).unwrap();
    assert_eq!(ids(&gallery.search(&vectors[0], zero(), 1)), ["0"], "filled again after it was empty");
}

/// Vectors that are no unit vectors, or no numbers, break nothing.
#[test]
fn odd_vectors_change_nothing_for_the_others() {
    let mut gallery = Gallery::new("m@1", 4, 10);
    gallery.put(&person("zero", &["0"], &[[0.0; 4]])).unwrap();
    gallery.put(&person("long", &["0"], &[[0.0, 30.0, 0.0, 0.0]])).unwrap();
    gallery.put(&person("x", &["0"], &[X])).unwrap();
    assert_eq!(ids(&gallery.search(&X, zero(), 1)), ["x"]);
    assert_eq!(ids(&gallery.search(&Y, zero(), 1)), ["long"]);
    assert_eq!(gallery.search(&[f32::NAN, 0.0, 0.0, 0.0], zero(), 1).len(), 1);
}

#[test]
fn features_of_another_model_are_neither_put_nor_searched() {
    let other = |x: [f32; 4]| Embedding { model: "other@2".into(), vector: x.to_vec(), norm: 1.0 };
    let mut both = person("a", &["0"], &[X]);
    both.features.push(Feature { embedding: other(Y), ..both.features[0].clone() });
    let mut gallery = Gallery::new("m@1", 4, 1);
    assert!(gallery.has_room_for(&both), "one feature of its model, one of another's");
    gallery.put(&both).unwrap();
    assert_eq!(gallery.features(), 1);
    assert!(gallery.search(&Y, zero(), 1)[0].similarity < 0.1, "the other model's feature is not in it");
    assert!(matches!(gallery.find(&other(X), zero(), 1), Err(GalleryError::OtherModel { .. })));
    let own = Embedding { model: "m@1".into(), ..other(X) };
    assert_eq!(ids(&gallery.find(&own, zero(), 1).unwrap()), ["a"]);
}

#[test]
fn people_who_are_not_valid_now_are_passed_over_however_similar() {
    let at = Moment { wall_ms: 1_772_337_600_000, utc_offset_min: 480, is_plausible: true };
    let mut gallery = Gallery::new("m@1", 4, 1000);
    for visit in 0..40 {
        let mut old = person(&format!("visit-{visit}"), &["0"], &[X]);
        old.info.insert("end_time".to_owned(), "2026-02-01".into());
        gallery.put(&old).unwrap();
    }
    gallery.put(&person("today", &["0"], &[XY])).unwrap();
    gallery.put(&person("other", &["0"], &[Y])).unwrap();
    let probe = |x: [f32; 4]| Embedding { model: "m@1".into(), vector: x.to_vec(), norm: 1.0 };
    let found = gallery.find_at(&[&probe(X), &probe(Y)], zero(), 2, at).unwrap();
    let mixed = Embedding { model: "n@2".into(), ..probe(X) };
    assert!(gallery.find_at(&[&probe(X), &mixed], zero(), 2, at).is_err());
    assert_eq!((ids(&found[0]), ids(&found[1])), (vec!["today", "other"], vec!["other", "today"]));
    assert!(
        !gallery.is_valid("visit-1", at) && gallery.is_valid("today", at) && !gallery.is_valid("nobody", at)
    );
}
