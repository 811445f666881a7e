//! An aligned crop as a grid of squares: of each the brightness, colour, edges and dark spots, relative to the face's own light.

use crate::align::ALIGNED_SIDE;

/// Side of a square, px, and squares a row.
const CELL: usize = 8;
const CELLS: usize = ALIGNED_SIDE / CELL;
/// The uppermost row that is used: the eyebrows.
const TOP: usize = 3;
/// Rows and columns of the squares that lie on the face whatever its shape; their brightness is the measure of the rest.
const FACE_ROWS: std::ops::Range<usize> = 3..12;
const FACE_COLUMNS: std::ops::Range<usize> = 2..12;
const PLANES: usize = 6;
/// Features are kept within this.
const BOUND: f32 = 6.0;
/// Features of a face as it is.
pub const ONE_SIDE: usize = (CELLS - TOP) * CELLS * PLANES;
/// Features of a face whose halves are averaged.
pub const BOTH_SIDES: usize = ONE_SIDE / 2;

/// Rows of squares from the eyebrows down, each as many measures as there are planes.
pub struct GridFeatures(Vec<[f32; PLANES]>);

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

impl GridFeatures {
    /// Measures a crop; `None` of what is not 112 × 112 × 3 bytes.
    pub fn of(aligned: &[u8]) -> Option<Self> {
        if aligned.len() != ALIGNED_SIDE * ALIGNED_SIDE * 3 {
            return None;
        }
        let cells = cells(aligned);
        let face = || FACE_ROWS.flat_map(|row| FACE_COLUMNS.map(move |column| row * CELLS + column));
        let count = face().count() as f32;
        let mean = face().map(|at| cells[at].light).sum::<f32>() / count;
        let variance = face().map(|at| (cells[at].light - mean).powi(2)).sum::<f32>() / count;
        let spread = variance.sqrt() + 0.03;
        let planes = |cell: &Cell| {
            let Cell { light, blue, red, across, down, darkest } = *cell;
            [light - mean, blue - light, red - light, 4.0 * across, 4.0 * down, light - darkest]
                .map(|value| value / spread)
        };
        Some(Self(cells[TOP * CELLS..].iter().map(planes).collect()))
    }

    /// [`ONE_SIDE`] features.
    pub fn one_side(&self) -> Vec<f32> {
        self.0.iter().flatten().map(|value| value.clamp(-BOUND, BOUND)).collect()
    }

    /// As [`one_side`](Self::one_side), of the mirrored face: edges have no direction, so only places change.
    pub fn mirrored(&self) -> Vec<f32> {
        let places = self.0.chunks_exact(CELLS).flat_map(|row| row.iter().rev());
        places.flatten().map(|value| value.clamp(-BOUND, BOUND)).collect()
    }

    /// [`BOTH_SIDES`] features: each square averaged with its mirror image.
    pub fn both_sides(&self) -> Vec<f32> {
        let halves = self
            .0
            .chunks_exact(CELLS)
            .flat_map(|row| row[..CELLS / 2].iter().flatten().zip(row[CELLS / 2..].iter().rev().flatten()));
        halves.map(|(left, right)| f32::midpoint(*left, *right).clamp(-BOUND, BOUND)).collect()
    }
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

/// A quarter, a half, a quarter, down and across; the edge is repeated beyond itself.
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

    /// Of the made picture below, as `features` of train.py gives them, and `eye_features` of occlusion.py of the picture
    /// and of its mirror image.
    const BOTH: [f32; 2] = [171.980, 498.803];
    const SEEN: [f32; 2] = [343.961, 968.220];
    const MIRRORED: [f32; 2] = [343.961, 1097.785];

    #[test]
    fn features_are_those_that_were_learned_from() {
        // In train.py: i = np.arange(112 * 112); x, y = i % 112, i // 112; the planes as here.
        let crop: Vec<u8> = (0..ALIGNED_SIDE * ALIGNED_SIDE)
            .flat_map(|at| {
                let (x, y) = (at % ALIGNED_SIDE, at / ALIGNED_SIDE);
                [(x * 2 + y) % 256, (x * y / 16) % 256, (x * x / 50 + 3 * y) % 256].map(|value| value as u8)
            })
            .collect();
        let grid = GridFeatures::of(&crop).unwrap();
        for (features, count, expected) in [
            (grid.both_sides(), BOTH_SIDES, BOTH),
            (grid.one_side(), ONE_SIDE, SEEN),
            (grid.mirrored(), ONE_SIDE, MIRRORED),
        ] {
            assert_eq!(features.len(), count);
            let sum: f32 = features.iter().sum();
            let weighted: f32 = features.iter().enumerate().map(|(at, value)| value * (at % 7) as f32).sum();
            assert!(
                (sum - expected[0]).abs() < 0.01 && (weighted - expected[1]).abs() < 0.05,
                "{sum} {weighted}"
            );
        }
    }
}
