//! Several shots of one passage made into one embedding: the weighted mean of the normalised embeddings, without those
//! that disagree with the rest.

use super::face::Embedding;
use super::limits;

/// A shot's embedding as it is kept for fusion.
#[derive(Debug, Clone)]
struct Member {
    embedding: Embedding,
    weight: f32,
    /// Identifies the shot; given by the caller.
    tag: u64,
}

/// The shots of a passage, the best [`limits::SHOTS_KEPT`] of them.
#[derive(Debug, Clone, Default)]
pub struct Fusion {
    members: Vec<Member>,
}

/// The fused embedding.
#[derive(Debug, Clone)]
pub struct Fused {
    /// The weighted mean, of unit length.
    pub embedding: Embedding,
    /// Tags of the shots in it.
    pub used: Vec<u64>,
}

impl Fusion {
    /// Adds a shot. When there are too many the one of the least weight goes.
    pub fn add(&mut self, embedding: Embedding, weight: f32, tag: u64) {
        self.members.push(Member { embedding, weight: weight.max(1e-3), tag });
        if self.members.len() > limits::SHOTS_KEPT {
            let least = (0..self.members.len())
                .min_by(|a, b| self.members[*a].weight.total_cmp(&self.members[*b].weight));
            if let Some(least) = least {
                self.members.remove(least);
            }
        }
    }

    /// Adds all shots of another passage.
    pub fn absorb(&mut self, other: Self) {
        for Member { embedding, weight, tag } in other.members {
            self.add(embedding, weight, tag);
        }
    }

    /// Number of shots kept.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether a shot with this tag is kept.
    pub fn has(&self, tag: u64) -> bool {
        self.members.iter().any(|member| member.tag == tag)
    }

    /// Whether there is no shot.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The mean of the shots that agree. One disagrees when it is less similar to the mean of the others than
    /// `similarity_min`: a hand, a profile, another person. The shot of the greatest weight always stays; of two
    /// that disagree only it is used. `None` without a shot.
    pub fn fuse(&self, similarity_min: f32) -> Option<Fused> {
        let mut used: Vec<&Member> = self.members.iter().collect();
        used.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        loop {
            let worst = (1..used.len())
                .map(|index| (similarity_to_others(&used, index), index))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            match worst {
                Some((similarity, index)) if similarity < similarity_min => {
                    used.remove(index);
                }
                _ => break,
            }
        }
        Some(Fused { embedding: mean(&used)?, used: used.iter().map(|member| member.tag).collect() })
    }
}

fn similarity_to_others(members: &[&Member], index: usize) -> f32 {
    let others: Vec<&Member> =
        members.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, member)| *member).collect();
    mean(&others).and_then(|mean| mean.similarity(&members[index].embedding)).unwrap_or(-1.0)
}

/// Weighted mean, brought to unit length; its `norm` is the weighted mean of the norms. Features of another model than
/// the first shot's are left out.
fn mean(members: &[&Member]) -> Option<Embedding> {
    let first = members.first()?;
    let (model, dimension) = (&first.embedding.model, first.embedding.vector.len());
    let mut vector = vec![0.0f32; dimension];
    let (mut norm, mut weights) = (0.0, 0.0);
    for Member { embedding, weight, .. } in members {
        if embedding.model != *model || embedding.vector.len() != dimension {
            continue;
        }
        for (sum, value) in vector.iter_mut().zip(&embedding.vector) {
            *sum += weight * value;
        }
        norm += weight * embedding.norm;
        weights += weight;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_finite() || length < 1e-6 {
        return None;
    }
    for value in &mut vector {
        *value /= length;
    }
    Some(Embedding { model: model.clone(), vector, norm: norm / weights })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding { model: "m@1".into(), vector: vec![cos, sin], norm: 10.0 }
    }

    fn fusion(shots: &[(f32, f32)]) -> Fusion {
        let mut fusion = Fusion::default();
        for (tag, (degrees, weight)) in shots.iter().enumerate() {
            fusion.add(at(*degrees), *weight, tag as u64);
        }
        fusion
    }

    fn degrees(fused: &Fused) -> f32 {
        fused.embedding.vector[1].atan2(fused.embedding.vector[0]).to_degrees()
    }

    #[test]
    fn the_mean_leans_to_the_better_shot_and_has_unit_length() {
        let fused = fusion(&[(0.0, 3.0), (40.0, 1.0)]).fuse(0.4).unwrap();
        assert!((5.0..15.0).contains(&degrees(&fused)), "{fused:?}");
        let length: f32 = fused.embedding.vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5 && fused.used.len() == 2);
    }

    #[test]
    fn a_shot_that_disagrees_is_left_out() {
        let fused = fusion(&[(0.0, 1.0), (10.0, 1.0), (100.0, 0.9), (5.0, 1.0)]).fuse(0.4).unwrap();
        assert_eq!(fused.used, [0, 1, 3]);
        assert!((degrees(&fused) - 5.0).abs() < 0.1);
        let two = fusion(&[(0.0, 1.0), (120.0, 2.0)]).fuse(0.4).unwrap();
        assert_eq!(
            (two.used.len(), degrees(&two).round() as i32),
            (1, 120),
            "only the better one of two is used"
        );
        assert!(Fusion::default().fuse(0.4).is_none());
    }

    #[test]
    fn the_best_shots_are_kept() {
        let mut fusion = fusion(&[(0.0, 0.1)]);
        for tag in 1..=limits::SHOTS_KEPT as u64 {
            fusion.add(at(50.0), 1.0, tag);
        }
        assert_eq!(fusion.len(), limits::SHOTS_KEPT);
        assert!((degrees(&fusion.fuse(0.4).unwrap()) - 50.0).abs() < 0.1, "the weakest went");
    }

    #[test]
    fn features_of_another_model_are_left_out() {
        let mut fusion = fusion(&[(0.0, 2.0), (10.0, 1.0)]);
        fusion.add(Embedding { model: "n@1".into(), vector: vec![0.0, 1.0], norm: 1.0 }, 1.0, 9);
        assert_eq!(fusion.fuse(0.4).unwrap().used.len(), 2);
    }
}
