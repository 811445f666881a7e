//! Deleting people, and finding what the registry holds of those who are to be erased.

use std::collections::BTreeSet;

use super::deps::{RegistryDeps, remove_photos, report_size};
use crate::ports::store::StoreError;
use menshen_domain::candidate::Scope;
use menshen_domain::erasure::ErasedPerson;
use menshen_domain::person::{Person, PersonKind};

/// Strangers who have one person's face: more are of no use to anybody.
const ALIASES_MAX: usize = 64;

/// Deletes rows, places in the gallery and photos; returns the records that existed.
pub fn delete(deps: &RegistryDeps, ids: &[String]) -> Result<Vec<Person>, StoreError> {
    let _committing = deps.committing();
    let gone = deps.store.delete(ids)?;
    let recogniser = deps.recogniser.get();
    let mut gallery = recogniser.write();
    for id in ids {
        gallery.remove(id);
    }
    drop(gallery);
    remove_photos(&*deps.pictures, &gone, &[]);
    report_size(&deps.recogniser);
    Ok(gone)
}

/// Each id once, with the name and the strangers who have that face: a person may have been a stranger first.
pub fn find(deps: &RegistryDeps, ids: Vec<String>) -> Result<Vec<ErasedPerson>, StoreError> {
    let mut seen = BTreeSet::new();
    let mut people = Vec::new();
    for id in ids {
        if !seen.insert(id.clone()) {
            continue;
        }
        let mut person = ErasedPerson { id, ..ErasedPerson::default() };
        if let Some(record) = deps.store.get(&person.id)? {
            person.aliases = aliases(deps, &record);
            person.name = record.name;
        }
        people.push(person);
    }
    Ok(people)
}

fn aliases(deps: &RegistryDeps, person: &Person) -> Vec<String> {
    let recogniser = deps.recogniser.get();
    let gallery = recogniser.read();
    let similarity_pass = recogniser.match_threshold(&deps.tuning.load());
    let found = person
        .features_of(gallery.model())
        .flat_map(|feature| gallery.search(&feature.embedding.vector, Scope::Everyone, ALIASES_MAX))
        .filter(|one| one.similarity >= similarity_pass && one.person.id != person.id)
        .filter(|one| one.person.kind == PersonKind::Stranger)
        .map(|one| one.person.id);
    found.collect::<BTreeSet<_>>().into_iter().collect()
}
