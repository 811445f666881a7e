//! The gallery: every enrolled embedding in memory, searched exactly, limited to groups of people.
//!
//! Embeddings are unit vectors of `f32`, all of one model and one dimension; scores are cosine similarities, −1 to 1.
//! `rows` explains why the search is both exact and fast, `kernel` holds the SIMD code, `slab` the huge pages.
//!
//! It must never know where people come from or what a score leads to: no files, no clock (the moment of a search is an
//! argument), no network, no threads, no thresholds. It holds the program's only unsafe code.

#![deny(missing_docs)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod kernel;
mod rows;
mod slab;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use self::rows::{Hit, RowOwner, Rows};
use menshen_domain::candidate::{Candidate, GalleryPerson, Scope};
use menshen_domain::face::Embedding;
use menshen_domain::person::{Person, PersonKind};
use menshen_domain::validity::{Moment, Validity};

/// Which instructions the search uses on this processor.
pub fn kernel_name() -> &'static str {
    kernel::fastest().1
}

/// Why a person cannot be put, or a probe cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GalleryError {
    /// There is no room for the person's features.
    #[error("the gallery is full: {capacity} features")]
    Full {
        /// Features the gallery holds at most.
        capacity: usize,
    },
    /// Similarities between features of two models mean nothing.
    #[error("feature of model `{found}` does not belong into a gallery of `{expected}`")]
    OtherModel {
        /// The feature's model.
        found: String,
        /// The gallery's model.
        expected: String,
    },
    /// A feature of another length.
    #[error("feature has {found} dimensions, the gallery has {expected}")]
    Dimension {
        /// The feature's length.
        found: usize,
        /// The gallery's.
        expected: usize,
    },
}

#[derive(Debug)]
struct Entry {
    id: String,
    name: String,
    kind: PersonKind,
    validity: Validity,
    group_set: u32,
    rows: Vec<u32>,
}

/// The groups of a person, which are those of many others too.
#[derive(Debug)]
struct GroupSet {
    permissions: Vec<String>,
    registry: Vec<String>,
    /// How many have exactly these; one that nobody has is used again.
    people: usize,
}

impl GroupSet {
    fn is_in(&self, scope: Scope<'_>) -> bool {
        match scope {
            Scope::Everyone => true,
            Scope::Groups { registry, permissions } => {
                self.registry.iter().any(|group| group == registry)
                    && self.permissions.iter().any(|group| permissions.contains(group))
            }
        }
    }
}

/// Rows and their owners. Removal swaps the last row in, so nothing is ever rebuilt.
#[derive(Debug)]
pub struct Gallery {
    model: String,
    dimension: usize,
    capacity: usize,
    rows: Rows,
    row_photo: Vec<String>,
    entries: Vec<Option<Entry>>,
    free_entries: Vec<u32>,
    by_id: HashMap<String, u32>,
    /// Distinct sets of groups; there are few, however many people there are. So groups cost a search nothing: each set is
    /// looked at once, and a row only names its set.
    group_sets: Vec<GroupSet>,
}

impl Gallery {
    /// An empty gallery for embeddings of one model. `capacity` counts features, not people.
    pub fn new(model: impl Into<String>, dimension: usize, capacity: usize) -> Self {
        Self {
            model: model.into(),
            dimension,
            capacity,
            rows: Rows::new(dimension),
            row_photo: Vec::new(),
            entries: Vec::new(),
            free_entries: Vec::new(),
            by_id: HashMap::new(),
            group_sets: Vec::new(),
        }
    }

    /// People who are enrolled.
    pub fn people(&self) -> usize {
        self.by_id.len()
    }

    /// Features of all people.
    pub fn features(&self) -> usize {
        self.rows.len()
    }

    /// Features the gallery holds at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Everyone's id, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    /// Every permission group that has a member.
    pub fn permission_groups(&self) -> BTreeSet<String> {
        self.used_sets().flat_map(|set| &set.permissions).cloned().collect()
    }

    /// Every registry group that has a member.
    pub fn registry_groups(&self) -> BTreeSet<String> {
        self.used_sets().flat_map(|set| &set.registry).cloned().collect()
    }

    fn used_sets(&self) -> impl Iterator<Item = &GroupSet> {
        self.group_sets.iter().filter(|set| set.people > 0)
    }

    /// Id of the model whose features are held.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether `person` could be put without exceeding the capacity.
    pub fn has_room_for(&self, person: &Person) -> bool {
        let replaced = self.by_id.get(&person.id).map_or(0, |index| self.rows_of(*index).len());
        self.features() - replaced + person.features_of(&self.model).count() <= self.capacity
    }

    /// Adds or replaces a person, with the features of the gallery's model; those of others are left out.
    ///
    /// # Errors
    ///
    /// When no feature is the gallery's model's, one has another dimension, or there is no room. Nothing has changed then.
    pub fn put(&mut self, person: &Person) -> Result<(), GalleryError> {
        let mut any = false;
        for feature in person.features_of(&self.model) {
            let found = feature.embedding.vector.len();
            if found != self.dimension {
                return Err(GalleryError::Dimension { found, expected: self.dimension });
            }
            any = true;
        }
        if let (false, Some(other)) = (any, person.features.first()) {
            return Err(self.other_model(&other.embedding.model));
        }
        if !self.has_room_for(person) {
            return Err(GalleryError::Full { capacity: self.capacity });
        }
        self.remove(&person.id);
        let group_set = self.intern_groups(person);
        self.group_sets[group_set as usize].people += 1;
        let entry = Entry {
            id: person.id.clone(),
            name: person.name.clone(),
            kind: person.kind,
            validity: Validity::of(&person.info).unwrap_or(Validity::UNREADABLE),
            group_set,
            rows: Vec::with_capacity(person.features.len()),
        };
        let index = if let Some(index) = self.free_entries.pop() {
            self.entries[index as usize] = Some(entry);
            index
        } else {
            self.entries.push(Some(entry));
            self.entries.len() as u32 - 1
        };
        for feature in person.features.iter().filter(|feature| feature.embedding.model == self.model) {
            let row = self.rows.len() as u32;
            self.rows.push(&feature.embedding.vector, RowOwner { entry: index, group_set });
            self.row_photo.push(feature.photo.clone());
            if let Some(entry) = &mut self.entries[index as usize] {
                entry.rows.push(row);
            }
        }
        self.by_id.insert(person.id.clone(), index);
        Ok(())
    }

    fn other_model(&self, found: &str) -> GalleryError {
        GalleryError::OtherModel { found: found.to_owned(), expected: self.model.clone() }
    }

    /// Removes a person; `false` when there was none.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(index) = self.by_id.remove(id) else { return false };
        let Some(entry) = self.entries[index as usize].take() else { return false };
        self.group_sets[entry.group_set as usize].people -= 1;
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
        let last = self.rows.len() - 1;
        let moved = self.rows.owner(last).entry as usize;
        if row != last
            && let Some(entry) = &mut self.entries[moved]
        {
            for owned in &mut entry.rows {
                if *owned as usize == last {
                    *owned = row as u32;
                }
            }
        }
        self.rows.swap_remove(row);
        self.row_photo.swap_remove(row);
    }

    fn rows_of(&self, index: u32) -> &[u32] {
        self.entries[index as usize].as_ref().map_or(&[], |entry| &entry.rows)
    }

    /// The set of this person's groups, made if there is none.
    fn intern_groups(&mut self, person: &Person) -> u32 {
        let sorted = |groups: &[String]| {
            let mut groups = groups.to_vec();
            groups.sort_unstable();
            groups.dedup();
            groups
        };
        let (permissions, registry) = (sorted(&person.permission_ids), sorted(&person.registry_groups));
        let is_same = |set: &GroupSet| set.permissions == permissions && set.registry == registry;
        if let Some(at) = self.group_sets.iter().position(is_same) {
            return at as u32;
        }
        let set = GroupSet { permissions, registry, people: 0 };
        if let Some(at) = self.group_sets.iter().position(|known| known.people == 0) {
            self.group_sets[at] = set;
            return at as u32;
        }
        self.group_sets.push(set);
        self.group_sets.len() as u32 - 1
    }

    /// The `limit` best people of `scope`, best first; each person counts with their best feature. A probe of another
    /// dimension finds no candidate.
    pub fn search(&self, probe: &[f32], scope: Scope<'_>, limit: usize) -> Vec<Candidate> {
        self.search_batch(&[probe], scope, limit).pop().unwrap_or_default()
    }

    /// [`search`](Self::search) for an embedding that knows its model.
    ///
    /// # Errors
    ///
    /// [`GalleryError::OtherModel`] for an embedding of another model.
    pub fn find(
        &self,
        probe: &Embedding,
        scope: Scope<'_>,
        limit: usize,
    ) -> Result<Vec<Candidate>, GalleryError> {
        if probe.model != self.model {
            return Err(self.other_model(&probe.model));
        }
        Ok(self.search(&probe.vector, scope, limit))
    }

    /// Several probes at once, which is faster than one after the other in a large gallery.
    pub fn search_batch(&self, probes: &[&[f32]], scope: Scope<'_>, limit: usize) -> Vec<Vec<Candidate>> {
        if limit == 0 || probes.iter().any(|probe| probe.len() != self.dimension) {
            return vec![Vec::new(); probes.len()];
        }
        let found = self.rows.search(probes, &self.allowed(scope), limit);
        found.into_iter().map(|hits| self.candidates(&hits)).collect()
    }

    /// As [`find`](Self::find), several probes at once, among the people who are valid at that moment (`start_time`,
    /// `end_time`).
    ///
    /// # Errors
    ///
    /// [`GalleryError::OtherModel`] when one of the embeddings is of another model.
    pub fn find_at(
        &self,
        probes: &[&Embedding],
        scope: Scope<'_>,
        limit: usize,
        at: Moment,
    ) -> Result<Vec<Vec<Candidate>>, GalleryError> {
        if let Some(other) = probes.iter().find(|probe| probe.model != self.model) {
            return Err(self.other_model(&other.model));
        }
        let probes: Vec<&[f32]> = probes.iter().map(|probe| probe.vector.as_slice()).collect();
        let mut asked = limit;
        loop {
            let mut found = self.search_batch(&probes, scope, asked);
            let is_all = found.iter().all(|hits| hits.len() < asked);
            for hits in &mut found {
                hits.retain(|candidate| self.is_valid(&candidate.person.id, at));
            }
            // People who are not valid may come before those who are, however many: a visitor has an id a visit.
            if is_all || found.iter().all(|hits| hits.len() >= limit) {
                for hits in &mut found {
                    hits.truncate(limit);
                }
                return Ok(found);
            }
            asked = asked.saturating_mul(4);
        }
    }

    /// Whether a person is enrolled and valid at that moment.
    pub fn is_valid(&self, id: &str, at: Moment) -> bool {
        let entry = self.by_id.get(id).and_then(|index| self.entries[*index as usize].as_ref());
        entry.is_some_and(|entry| entry.validity.holds(at))
    }

    /// [`search`](Self::search) without its short cut: slower, with the same answers, to test and measure against.
    pub fn search_plain(&self, probe: &[f32], scope: Scope<'_>, limit: usize) -> Vec<Candidate> {
        if limit == 0 || probe.len() != self.dimension {
            return Vec::new();
        }
        self.candidates(&self.rows.search_plain(probe, &self.allowed(scope), limit))
    }

    /// Which of the known sets of groups are searched.
    fn allowed(&self, scope: Scope<'_>) -> Vec<bool> {
        self.group_sets.iter().map(|set| set.is_in(scope)).collect()
    }

    fn candidates(&self, hits: &[Hit]) -> Vec<Candidate> {
        hits.iter().filter_map(|hit| self.candidate(hit)).collect()
    }

    fn candidate(&self, hit: &Hit) -> Option<Candidate> {
        let entry = self.entries[hit.entry as usize].as_ref()?;
        let person = GalleryPerson {
            id: entry.id.clone(),
            name: entry.name.clone(),
            kind: entry.kind,
            photo: self.row_photo[hit.row as usize].clone(),
        };
        Some(Candidate { person, similarity: hit.similarity })
    }
}
