//! Pairs of photos: of one person, and of two.

use menshen_domain::face::Embedding;

use super::embeddings::Embedded;
use super::statistics::NO_FACE;

/// Similarity of two faces; [`NO_FACE`] where one photo has none.
pub fn similarity(a: Option<&Embedding>, b: Option<&Embedding>) -> f32 {
    a.zip(b).and_then(|(a, b)| a.similarity(b)).unwrap_or(NO_FACE)
}

/// Similarities of all pairs of photos of one person, and of two.
pub fn all_pairs(embedded: &Embedded) -> (Vec<f32>, Vec<f32>) {
    mixed_pairs(embedded, embedded)
}

/// The same where the first photo of each pair was embedded in one way and the second in another.
pub fn mixed_pairs(one: &Embedded, another: &Embedded) -> (Vec<f32>, Vec<f32>) {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (index, (name, a)) in one.iter().enumerate() {
        for (other, b) in another.iter().skip(index + 1) {
            let pairs = if person_of(name) == person_of(other) { &mut genuine } else { &mut impostor };
            pairs.push(similarity(a.as_ref(), b.as_ref()));
        }
    }
    (genuine, impostor)
}

/// The sub-folder a photo lies in.
pub fn person_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_one_person_are_distinguished_from_pairs_of_two() {
        let embedding = |x: f32, y: f32| Some(Embedding { model: "m".into(), vector: vec![x, y], norm: 1.0 });
        let embedded = Embedded::from([
            ("a/1.jpg".to_owned(), embedding(1.0, 0.0)),
            ("a/2.jpg".to_owned(), embedding(0.0, 1.0)),
            ("b/1.jpg".to_owned(), None),
        ]);
        assert_eq!(all_pairs(&embedded), (vec![0.0], vec![NO_FACE, NO_FACE]));
    }
}
