//! One hidden layer of rectified units, and a probability.

use base64::Engine as _;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scale: Vec<f32>,
    bias: Vec<f32>,
    out: Vec<f32>,
    out_bias: f32,
    weights: String,
}

/// A small network, its weights read from text.
pub struct Network {
    /// Of each hidden unit: its weights, its bias, and what it counts.
    units: Vec<(Vec<f32>, f32, f32)>,
    bias: f32,
}

impl Network {
    /// `None` where the file does not hold weights for `features` features.
    pub fn read(text: &str, features: usize) -> Option<Self> {
        let File { scale, bias, out, out_bias, weights } = toml::from_str(text).ok()?;
        let weights = base64::prelude::BASE64_STANDARD.decode(weights).ok()?;
        if bias.len() != scale.len() || out.len() != scale.len() || weights.len() != features * scale.len() {
            return None;
        }
        let units = weights.chunks_exact(features).zip(scale).zip(bias).zip(out).map(
            |(((row, scale), bias), out)| {
                (row.iter().map(|byte| f32::from(byte.cast_signed()) * scale).collect(), bias, out)
            },
        );
        Some(Self { units: units.collect(), bias: out_bias })
    }

    /// Probability of what it was taught, 0–1.
    pub fn probability(&self, features: &[f32]) -> f32 {
        let mut sum = self.bias;
        for (weights, bias, out) in &self.units {
            let hidden: f32 = weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum();
            sum += out * (hidden + bias).max(0.0);
        }
        1.0 / (1.0 + (-sum).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_whole_or_not_at_all() {
        // Two units over three features: 1, 2, 3 and −1, −2, −3.
        let text = "scale = [1.0, 1.0]\nbias = [0.5, 0.5]\nout = [1.0, 2.0]\nout_bias = -1.0\nweights = \"AQID//79\"";
        let network = Network::read(text, 3).unwrap();
        assert!((network.probability(&[1.0, 0.0, 0.0]) - 1.0 / (1.0 + (-0.5f32).exp())).abs() < 1e-6);
        assert!((network.probability(&[0.0, 0.0, -1.0]) - 1.0 / (1.0 + (-6.0f32).exp())).abs() < 1e-6);
        assert!(Network::read(text, 4).is_none(), "of another number of features");
        assert!(Network::read(&text.replace("[0.5, 0.5]", "[0.5]"), 3).is_none());
        assert!(Network::read(&text.replace("AQID", "!"), 3).is_none());
    }
}
