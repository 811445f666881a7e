//! The feature an event keeps of its face, so that "when was this person here" can be answered later.
//!
//! Components of a unit-length feature lie between −1 and 1; they are kept as 16-bit integers, half the bytes of `f32`. A
//! component is off by at most 1/65534, and a similarity by less than 1/10000, which a test holds it to: a tenth of a score
//! point is five times that.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::face::Embedding;

const SCALE: f32 = i16::MAX as f32;
/// Sums side by side, so that the compiler may use wide registers.
const LANES: usize = 8;

/// A feature with the label of the model it was made with: features of two models are never compared.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFeature {
    /// Label of the model, as in [`Embedding`].
    pub model: String,
    /// Components as 16-bit integers, little-endian.
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    pub vector: Vec<u8>,
}

impl EventFeature {
    /// The feature to keep.
    pub fn of(embedding: &Embedding) -> Self {
        let kept = |value: &f32| ((value.clamp(-1.0, 1.0) * SCALE).round() as i16).to_le_bytes();
        Self { model: embedding.model.clone(), vector: embedding.vector.iter().flat_map(kept).collect() }
    }
}

/// It is personal: neither a log nor a panic shows it.
impl std::fmt::Debug for EventFeature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventFeature").field("model", &self.model).finish_non_exhaustive()
    }
}

/// Cosine similarity of a kept feature (its bytes) and a unit-length one of the same model, −1 to 1; `None` when their
/// dimensions differ.
pub fn similarity(kept: &[u8], probe: &[f32]) -> Option<f32> {
    if kept.len() != probe.len() * 2 {
        return None;
    }
    let number = |bytes: &[u8]| f32::from(i16::from_le_bytes([bytes[0], bytes[1]]));
    let (mut rows, mut probes) = (kept.chunks_exact(2 * LANES), probe.chunks_exact(LANES));
    let mut sums = [0.0f32; LANES];
    for (row, probe) in rows.by_ref().zip(probes.by_ref()) {
        for lane in 0..LANES {
            sums[lane] += number(&row[2 * lane..2 * lane + 2]) * probe[lane];
        }
    }
    let rest = rows.remainder().chunks_exact(2).zip(probes.remainder());
    let rest: f32 = rest.map(|(bytes, value)| number(bytes) * value).sum();
    Some((sums.iter().sum::<f32>() + rest) / SCALE)
}

fn write_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&text)
}

fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| D::Error::custom("a feature is not hexadecimal"))?;
    Ok(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(seed: u32, dimension: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let raw: Vec<f32> = (0..dimension)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
        raw.into_iter().map(|value| value / length).collect()
    }

    fn embedding(vector: Vec<f32>) -> Embedding {
        Embedding { model: "m@1".into(), vector, norm: 1.0 }
    }

    #[test]
    fn the_loss_is_far_below_a_tenth_of_a_point() {
        let mut worst = 0.0f32;
        for dimension in [1, 3, 128, 131, 512] {
            for seed in 0..200 {
                let (a, b) = (embedding(unit(seed, dimension)), embedding(unit(seed + 1000, dimension)));
                let kept = EventFeature::of(&a);
                assert_eq!(kept.vector.len(), 2 * dimension);
                for other in [&a, &b] {
                    let exact = a.similarity(other).unwrap();
                    worst = worst.max((similarity(&kept.vector, &other.vector).unwrap() - exact).abs());
                }
            }
        }
        assert!(worst < 1e-4, "{worst}");
        assert!(worst > 0.0, "something is lost, or this measured nothing");
        assert_eq!(similarity(&EventFeature::of(&embedding(unit(1, 4))).vector, &unit(1, 5)), None);
    }

    #[test]
    fn it_is_written_and_read_and_never_shown() {
        let feature = EventFeature { model: "m@1".into(), vector: vec![0, 1, 0xfe, 0xff] };
        let text = serde_json::to_string(&feature).unwrap();
        assert_eq!(text, r#"{"model":"m@1","vector":"0001feff"}"#);
        assert_eq!(serde_json::from_str::<EventFeature>(&text).unwrap(), feature);
        for wrong in ["0", "0g", "00é"] {
            let text = format!(r#"{{"model":"m","vector":"{wrong}"}}"#);
            assert!(serde_json::from_str::<EventFeature>(&text).is_err(), "{wrong}");
        }
        assert!(!format!("{feature:?}").contains("254"));
    }
}
