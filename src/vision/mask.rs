//! Whether a face wears a mask, from the aligned crop: brightness, colour, edges and dark spots of small squares, each
//! averaged with its mirror image, and a network of eight units over them. A face without a mask has a mouth and nostrils
//! where these squares look for them.
//!
//! `benches/mask/train.py` learns the weights and says how good they are; its `features` and this file must be changed
//! together. Learned from made-up masks only (README, Limits).

use std::sync::LazyLock;

use base64::Engine as _;
use serde::Deserialize;

use super::align::ALIGNED_SIDE;

/// Side of a square, px, and squares a row.
const CELL: usize = 8;
const CELLS: usize = ALIGNED_SIDE / CELL;
/// The uppermost row that is looked at: the eyebrows.
const TOP: usize = 3;
/// Rows and columns of the squares that lie on the face whatever its shape; their brightness is the measure of the rest.
const FACE_ROWS: std::ops::Range<usize> = 3..12;
const FACE_COLUMNS: std::ops::Range<usize> = 2..12;
const PLANES: usize = 6;
const FEATURES: usize = (CELLS - TOP) * (CELLS / 2) * PLANES;
/// Features are kept within this.
const BOUND: f32 = 6.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scale: Vec<f32>,
    bias: Vec<f32>,
    out: Vec<f32>,
    out_bias: f32,
    weights: String,
}

struct Network {
    /// Of each hidden unit: its weights, its bias, and what it counts.
    units: Vec<(Vec<f32>, f32, f32)>,
    bias: f32,
}

/// `None` cannot be: a test reads the file.
static NETWORK: LazyLock<Option<Network>> = LazyLock::new(|| read(include_str!("mask/weights.toml")));

fn read(text: &str) -> Option<Network> {
    let File { scale, bias, out, out_bias, weights } = toml::from_str(text).ok()?;
    let weights = base64::prelude::BASE64_STANDARD.decode(weights).ok()?;
    if bias.len() != scale.len() || out.len() != scale.len() || weights.len() != FEATURES * scale.len() {
        return None;
    }
    let units =
        weights.chunks_exact(FEATURES).zip(scale).zip(bias).zip(out).map(|(((row, scale), bias), out)| {
            (row.iter().map(|byte| f32::from(byte.cast_signed()) * scale).collect(), bias, out)
        });
    Some(Network { units: units.collect(), bias: out_bias })
}

/// Probability of a mask, 0–1, of an aligned face (packed RGB, 112 × 112); `None` for anything else.
pub fn probability(aligned: &[u8]) -> Option<f32> {
    if aligned.len() != ALIGNED_SIDE * ALIGNED_SIDE * 3 {
        return None;
    }
    let network = NETWORK.as_ref()?;
    let features = features(aligned);
    let mut sum = network.bias;
    for (weights, bias, out) in &network.units {
        let hidden: f32 = weights.iter().zip(&features).map(|(weight, feature)| weight * feature).sum();
        sum += out * (hidden + bias).max(0.0);
    }
    Some(1.0 / (1.0 + (-sum).exp()))
}

/// What is measured of one square.
#[derive(Clone, Copy, Default)]
struct Cell {
    light: f32,
    blue: f32,
    red: f32,
    across: f32,
    down: f32,
    darkest: f32,
}

fn features(aligned: &[u8]) -> Vec<f32> {
    let cells = cells(aligned);
    let face = || FACE_ROWS.flat_map(|row| FACE_COLUMNS.map(move |column| row * CELLS + column));
    let count = face().count() as f32;
    let mean = face().map(|at| cells[at].light).sum::<f32>() / count;
    let variance = face().map(|at| (cells[at].light - mean).powi(2)).sum::<f32>() / count;
    let spread = variance.sqrt() + 0.03;
    let planes = |cell: Cell| {
        let Cell { light, blue, red, across, down, darkest } = cell;
        [light - mean, blue - light, red - light, 4.0 * across, 4.0 * down, light - darkest]
            .map(|value| value / spread)
    };
    let mut features = Vec::with_capacity(FEATURES);
    for row in TOP..CELLS {
        for column in 0..CELLS / 2 {
            let left = planes(cells[row * CELLS + column]);
            let right = planes(cells[row * CELLS + CELLS - 1 - column]);
            let both = left.into_iter().zip(right).map(|(a, b)| f32::midpoint(a, b).clamp(-BOUND, BOUND));
            features.extend(both);
        }
    }
    features
}

fn cells(aligned: &[u8]) -> Vec<Cell> {
    let luma: Vec<f32> = aligned
        .chunks_exact(3)
        .map(|p| (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])) / 255.0)
        .collect();
    let smooth = smoothed(&luma);
    let last = ALIGNED_SIDE - 1;
    let area = (CELL * CELL) as f32;
    let mut cells = vec![Cell { darkest: 1.0, ..Cell::default() }; CELLS * CELLS];
    for y in 0..ALIGNED_SIDE {
        for x in 0..ALIGNED_SIDE {
            let at = y * ALIGNED_SIDE + x;
            let cell = &mut cells[y / CELL * CELLS + x / CELL];
            cell.light += luma[at] / area;
            cell.red += f32::from(aligned[at * 3]) / 255.0 / area;
            cell.blue += f32::from(aligned[at * 3 + 2]) / 255.0 / area;
            if x > 0 && x < last {
                cell.across += (smooth[at + 1] - smooth[at - 1]).abs() / area;
            }
            if y > 0 && y < last {
                cell.down += (smooth[at + ALIGNED_SIDE] - smooth[at - ALIGNED_SIDE]).abs() / area;
            }
            cell.darkest = cell.darkest.min(smooth[at]);
        }
    }
    cells
}

/// A quarter, a half, a quarter, down and across; the edge goes on beyond itself.
fn smoothed(luma: &[f32]) -> Vec<f32> {
    let last = ALIGNED_SIDE - 1;
    let pass = |from: &[f32], step: usize, place: fn(usize) -> usize| -> Vec<f32> {
        (0..from.len())
            .map(|at| {
                let before = if place(at) == 0 { at } else { at - step };
                let after = if place(at) == last { at } else { at + step };
                (from[before] + 2.0 * from[at] + from[after]) / 4.0
            })
            .collect()
    };
    let down = pass(luma, ALIGNED_SIDE, |at| at / ALIGNED_SIDE);
    pass(&down, 1, |at| at % ALIGNED_SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the made picture below, as `features` of train.py gives them.
    const REFERENCE_SUM: f32 = 171.980;
    const REFERENCE_WEIGHTED: f32 = 498.803;

    #[test]
    fn the_weights_are_whole() {
        let network = NETWORK.as_ref().expect("weights.toml can be read");
        assert!(network.units.iter().all(|(weights, ..)| weights.len() == FEATURES));
        assert!(
            read("scale = [1.0]\nbias = [0.0]\nout = [1.0]\nout_bias = 0.0\nweights = \"AAAA\"").is_none()
        );
    }

    #[test]
    fn features_are_those_that_were_learned_from() {
        // In train.py: i = np.arange(112 * 112); x, y = i % 112, i // 112; the planes as here.
        let crop: Vec<u8> = (0..ALIGNED_SIDE * ALIGNED_SIDE)
            .flat_map(|at| {
                let (x, y) = (at % ALIGNED_SIDE, at / ALIGNED_SIDE);
                [(x * 2 + y) % 256, (x * y / 16) % 256, (x * x / 50 + 3 * y) % 256].map(|value| value as u8)
            })
            .collect();
        let features = features(&crop);
        let sum: f32 = features.iter().sum();
        let weighted: f32 = features.iter().enumerate().map(|(at, value)| value * (at % 7) as f32).sum();
        assert!((sum - REFERENCE_SUM).abs() < 0.01, "{sum}");
        assert!((weighted - REFERENCE_WEIGHTED).abs() < 0.05, "{weighted}");
    }

    #[test]
    fn what_is_no_aligned_face_is_not_measured() {
        assert_eq!(probability(&[0; 300]), None);
        let flat = probability(&vec![128; ALIGNED_SIDE * ALIGNED_SIDE * 3]);
        assert!(flat.is_some_and(|value| (0.0..=1.0).contains(&value)));
    }
}
