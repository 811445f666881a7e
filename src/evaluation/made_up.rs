//! Made-up people with random features, for measuring how search behaves among many.

use menshen_domain::face::Embedding;
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, Feature, Person, PersonKind, RegisterType};
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;
use menshen_gallery::Gallery;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// People enrolled from photos in a bench.
pub const KNOWN_MAX: usize = 1000;

/// Random unit vectors: no face of a clip is among them, so every search compares with everyone.
pub fn made_up_gallery(model: &str, dimension: usize, people: usize) -> Result<Gallery, String> {
    let mut random = StdRng::seed_from_u64(1);
    // Room for those who are known besides.
    let mut gallery = Gallery::new(model, dimension, people + KNOWN_MAX);
    for index in 0..people {
        let vector = unit_vector(&mut random, dimension);
        let embedding = Embedding { model: model.to_owned(), vector, norm: 1.0 };
        gallery.put(&made_up_person(index, embedding)).map_err(|error| error.to_string())?;
    }
    Ok(gallery)
}

pub fn unit_vector(random: &mut StdRng, dimension: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..dimension).map(|_| random.random_range(-1.0..1.0)).collect();
    let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.into_iter().map(|x| x / norm).collect()
}

pub fn made_up_person(index: usize, embedding: Embedding) -> Person {
    Person {
        id: index.to_string(),
        name: format!("person {index}"),
        kind: PersonKind::Employee,
        register_type: RegisterType::Regular,
        permission_ids: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
        registry_groups: vec![DEFAULT_REGISTRY_GROUP.to_owned()],
        info: serde_json::Map::default(),
        features: vec![Feature {
            embedding,
            photo: String::new(),
            photo_sha256: String::new(),
            quality: 1.0,
        }],
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}
