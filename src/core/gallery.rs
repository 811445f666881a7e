//! The gallery: every enrolled embedding in memory, searched exactly, limited to permission groups.
//!
//! Scores are cosine similarities of unit vectors. The scan is a plain dot product over contiguous rows
//! that the compiler turns into SIMD for the processor it finds at run time.

use std::collections::HashMap;

use super::person::{Person, PersonKind};

/// What a match needs to know of a person, without going to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryPerson {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    /// The registry photo behind the best row.
    pub photo: String,
}

/// One candidate of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub person: GalleryPerson,
    /// Cosine similarity, −1 to 1.
    pub similarity: f32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GalleryError {
    #[error("the gallery is full: {capacity} features")]
    Full { capacity: usize },
    #[error("feature of model `{found}` does not belong into a gallery of `{expected}`")]
    OtherModel { found: String, expected: String },
    #[error("feature has {found} dimensions, the gallery has {expected}")]
    Dimension { found: usize, expected: usize },
}

#[derive(Debug)]
struct Entry {
    id: String,
    name: String,
    kind: PersonKind,
    group_set: u32,
    rows: Vec<u32>,
}

/// Rows and their owners. Removal swaps the last row in, so nothing is ever rebuilt.
#[derive(Debug)]
pub struct Gallery {
    model: String,
    dimension: usize,
    capacity: usize,
    /// `rows × dimension`, contiguous.
    vectors: Vec<f32>,
    row_owner: Vec<u32>,
    row_photo: Vec<String>,
    entries: Vec<Option<Entry>>,
    free_entries: Vec<u32>,
    by_id: HashMap<String, u32>,
    /// Distinct sets of permission groups; there are few, however many people there are.
    group_sets: Vec<Vec<String>>,
}

impl Gallery {
    /// An empty gallery for embeddings of one model. `capacity` counts features, not people.
    pub fn new(model: impl Into<String>, dimension: usize, capacity: usize) -> Self {
        Self {
            model: model.into(),
            dimension,
            capacity,
            vectors: Vec::new(),
            row_owner: Vec::new(),
            row_photo: Vec::new(),
            entries: Vec::new(),
            free_entries: Vec::new(),
            by_id: HashMap::new(),
            group_sets: Vec::new(),
        }
    }

    pub fn people(&self) -> usize {
        self.by_id.len()
    }

    pub fn features(&self) -> usize {
        self.row_owner.len()
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether `person` could be put without exceeding the capacity.
    pub fn has_room_for(&self, person: &Person) -> bool {
        let replaced = self.by_id.get(&person.id).map_or(0, |index| self.rows_of(*index).len());
        self.features() - replaced + person.features.len() <= self.capacity
    }

    /// Adds or replaces a person. On an error nothing has changed.
    pub fn put(&mut self, person: &Person) -> Result<(), GalleryError> {
        for feature in &person.features {
            let embedding = &feature.embedding;
            if embedding.model != self.model {
                return Err(GalleryError::OtherModel {
                    found: embedding.model.clone(),
                    expected: self.model.clone(),
                });
            }
            if embedding.vector.len() != self.dimension {
                return Err(GalleryError::Dimension {
                    found: embedding.vector.len(),
                    expected: self.dimension,
                });
            }
        }
        if !self.has_room_for(person) {
            return Err(GalleryError::Full { capacity: self.capacity });
        }
        self.remove(&person.id);
        let entry = Entry {
            id: person.id.clone(),
            name: person.name.clone(),
            kind: person.kind,
            group_set: self.intern_groups(&person.permission_ids),
            rows: Vec::with_capacity(person.features.len()),
        };
        let index = if let Some(index) = self.free_entries.pop() {
            self.entries[index as usize] = Some(entry);
            index
        } else {
            self.entries.push(Some(entry));
            self.entries.len() as u32 - 1
        };
        for feature in &person.features {
            let row = self.row_owner.len() as u32;
            self.vectors.extend_from_slice(&feature.embedding.vector);
            self.row_owner.push(index);
            self.row_photo.push(feature.photo.clone());
            if let Some(entry) = &mut self.entries[index as usize] {
                entry.rows.push(row);
            }
        }
        self.by_id.insert(person.id.clone(), index);
        Ok(())
    }

    /// Removes a person; `false` when there was none.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(index) = self.by_id.remove(id) else { return false };
        let Some(entry) = self.entries[index as usize].take() else { return false };
        let mut rows = entry.rows;
        // From the back, so that swapping in the last row never moves a row still to be removed.
        rows.sort_unstable_by(|a, b| b.cmp(a));
        for row in rows {
            self.remove_row(row as usize);
        }
        self.free_entries.push(index);
        true
    }

    /// Removes everyone.
    pub fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.model), self.dimension, self.capacity);
    }

    fn remove_row(&mut self, row: usize) {
        let last = self.row_owner.len() - 1;
        if row != last {
            let (head, tail) = self.vectors.split_at_mut(last * self.dimension);
            head[row * self.dimension..][..self.dimension].copy_from_slice(&tail[..self.dimension]);
            let moved_owner = self.row_owner[last] as usize;
            if let Some(entry) = &mut self.entries[moved_owner] {
                for owned in &mut entry.rows {
                    if *owned as usize == last {
                        *owned = row as u32;
                    }
                }
            }
        }
        self.vectors.truncate(last * self.dimension);
        self.row_owner.swap_remove(row);
        self.row_photo.swap_remove(row);
    }

    fn rows_of(&self, index: u32) -> &[u32] {
        self.entries[index as usize].as_ref().map_or(&[], |entry| &entry.rows)
    }

    fn intern_groups(&mut self, groups: &[String]) -> u32 {
        let mut groups = groups.to_vec();
        groups.sort_unstable();
        groups.dedup();
        if let Some(at) = self.group_sets.iter().position(|known| *known == groups) {
            return at as u32;
        }
        self.group_sets.push(groups);
        self.group_sets.len() as u32 - 1
    }

    /// The `limit` best people among those who share a permission group with `groups`, best first; each
    /// person counts with their best feature. A probe of another dimension finds nobody.
    pub fn search(&self, probe: &[f32], groups: &[String], limit: usize) -> Vec<Candidate> {
        if probe.len() != self.dimension || limit == 0 {
            return Vec::new();
        }
        let allowed: Vec<bool> =
            self.group_sets.iter().map(|set| set.iter().any(|group| groups.contains(group))).collect();
        let mut scores = vec![0.0; self.row_owner.len()];
        dot_products(&self.vectors, probe, &mut scores);
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(limit + 1);
        for (row, &score) in scores.iter().enumerate() {
            if best.len() == limit && score <= best[limit - 1].0 {
                continue;
            }
            let owner = self.row_owner[row];
            let Some(entry) = &self.entries[owner as usize] else { continue };
            if !allowed[entry.group_set as usize] {
                continue;
            }
            self.insert_best(&mut best, limit, score, row as u32);
        }
        best.into_iter().filter_map(|(similarity, row)| self.candidate(row, similarity)).collect()
    }

    /// Keeps `best` sorted, at most `limit` long, with one row a person.
    fn insert_best(&self, best: &mut Vec<(f32, u32)>, limit: usize, score: f32, row: u32) {
        let owner = self.row_owner[row as usize];
        if let Some(at) = best.iter().position(|(_, r)| self.row_owner[*r as usize] == owner) {
            if best[at].0 >= score {
                return;
            }
            best.remove(at);
        }
        let at = best.partition_point(|(s, _)| *s >= score);
        best.insert(at, (score, row));
        best.truncate(limit);
    }

    fn candidate(&self, row: u32, similarity: f32) -> Option<Candidate> {
        let entry = self.entries[self.row_owner[row as usize] as usize].as_ref()?;
        let person = GalleryPerson {
            id: entry.id.clone(),
            name: entry.name.clone(),
            kind: entry.kind,
            photo: self.row_photo[row as usize].clone(),
        };
        Some(Candidate { person, similarity })
    }
}

/// `out[i] = rows[i] · probe`, for contiguous rows of the probe's length.
#[multiversion::multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn dot_products(rows: &[f32], probe: &[f32], out: &mut [f32]) {
    const LANES: usize = 16;
    for (row, out) in rows.chunks_exact(probe.len()).zip(out) {
        let mut sums = [0.0f32; LANES];
        let (row_body, row_tail) = row.split_at(row.len() / LANES * LANES);
        let (probe_body, probe_tail) = probe.split_at(row_body.len());
        for (a, b) in row_body.chunks_exact(LANES).zip(probe_body.chunks_exact(LANES)) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let tail: f32 = row_tail.iter().zip(probe_tail).map(|(a, b)| a * b).sum();
        *out = sums.iter().sum::<f32>() + tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::face::Embedding;
    use crate::core::person::{Feature, RegisterType};

    fn person(id: &str, groups: &[&str], vectors: &[[f32; 4]]) -> Person {
        Person {
            id: id.into(),
            name: format!("name of {id}"),
            kind: PersonKind::Employee,
            register_type: RegisterType::Regular,
            permission_ids: groups.iter().map(ToString::to_string).collect(),
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
        let found = gallery.search(&X, &["0".into()], 5);
        assert_eq!(ids(&found), ["a", "b"]);
        assert!((found[1].similarity - 0.8).abs() < 1e-6);
    }

    #[test]
    fn groups_limit_the_search() {
        let mut gallery = Gallery::new("m@1", 4, 10);
        gallery.put(&person("a", &["1", "2"], &[X])).unwrap();
        gallery.put(&person("b", &["0"], &[Y])).unwrap();
        assert_eq!(ids(&gallery.search(&X, &["0".into()], 5)), ["b"]);
        assert_eq!(ids(&gallery.search(&X, &["2".into(), "0".into()], 5)), ["a", "b"]);
        assert!(gallery.search(&X, &["9".into()], 5).is_empty());
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
                let mut found: Vec<_> = g.search(&XY, &["0".into()], 100).into_iter()
                    .map(|c| (c.person.id, (c.similarity * 1e4).round() as i64)).collect();
                found.sort();
                found
            };
            proptest::prop_assert_eq!(key(&gallery), key(&fresh));
        }
    }
}
