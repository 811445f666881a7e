//! The rows of the gallery: every feature twice, as 8-bit integers to be scanned and as it is to be ranked.
//!
//! The scan is exact. An 8-bit row differs from the real one by a known distance, so the similarity computed with
//! it lies within a known bound of the real one; every row that could belong to the best within that bound is ranked
//! again with the real vectors. So the answer is the one a scan of the real vectors gives, at a quarter of the memory
//! traffic.
//!
//! Rows lie in blocks of a fixed size, and their integers in slabs of some blocks: growing never copies what is there,
//! so that a search waits for a writer for microseconds only.

use super::kernel::{Kernel, STEP, fastest};
use super::slab::Slab;

/// Rows in one block. The scores of a block stay in the first-level cache.
const BLOCK_ROWS: usize = 1024;
/// What f32 sums of some hundred products may be off by.
const ROUNDING: f32 = 1e-5;

/// Who a row belongs to, and where they are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOwner {
    pub entry: u32,
    pub group_set: u32,
}

/// All of up to [`BLOCK_ROWS`] rows but their integers, which lie in the slabs.
#[derive(Debug, Default)]
struct Block {
    /// What a quantised row is to be multiplied with.
    scales: Vec<f32>,
    /// `rows × dimension`.
    vectors: Vec<f32>,
    owners: Vec<RowOwner>,
}

/// A vector as integers: `vector ≈ scale × values`.
struct Quantised {
    values: Vec<i8>,
    scale: f32,
    /// Length of the vector, and of the difference between it and its integers.
    norm: f32,
    error: f32,
}

#[derive(Debug)]
pub struct Rows {
    dimension: usize,
    /// Bytes a quantised row takes.
    stride: usize,
    blocks: Vec<Block>,
    /// `rows × stride`, of some blocks each.
    slabs: Vec<Slab>,
    len: usize,
    kernel: Kernel,
    /// Largest of all rows there ever were.
    norm_max: f32,
    error_max: f32,
}

/// A row and its similarity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub row: u32,
    pub entry: u32,
    pub similarity: f32,
}

impl Rows {
    pub fn new(dimension: usize) -> Self {
        Self::with_kernel(dimension, fastest().0)
    }

    pub(super) fn with_kernel(dimension: usize, kernel: Kernel) -> Self {
        let stride = dimension.next_multiple_of(STEP);
        Self {
            dimension,
            stride,
            blocks: Vec::new(),
            slabs: Vec::new(),
            len: 0,
            kernel,
            norm_max: 0.0,
            error_max: 0.0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// `vector` has the gallery's dimension.
    pub fn push(&mut self, vector: &[f32], owner: RowOwner) {
        let quantised = quantise(vector, self.stride);
        self.norm_max = self.norm_max.max(quantised.norm);
        self.error_max = self.error_max.max(quantised.error);
        if self.len.is_multiple_of(BLOCK_ROWS) {
            self.blocks.push(Block::with_room(self.dimension));
        }
        if self.len.is_multiple_of(self.slab_rows()) {
            self.slabs.push(Slab::new(self.slab_rows() * self.stride));
        }
        self.quantised_mut(self.len).copy_from_slice(&quantised.values);
        if let Some(block) = self.blocks.last_mut() {
            block.scales.push(quantised.scale);
            block.vectors.extend_from_slice(vector);
            block.owners.push(owner);
            self.len += 1;
        }
    }

    /// Rows of one slab: whole blocks.
    fn slab_rows(&self) -> usize {
        Slab::blocks(BLOCK_ROWS * self.stride) * BLOCK_ROWS
    }

    /// The integers of `count` rows from `row` on, all of one block.
    fn quantised(&self, row: usize, count: usize) -> &[i8] {
        let slab = self.slabs[row / self.slab_rows()].bytes();
        &slab[row % self.slab_rows() * self.stride..][..count * self.stride]
    }

    fn quantised_mut(&mut self, row: usize) -> &mut [i8] {
        let (slab_rows, stride) = (self.slab_rows(), self.stride);
        &mut self.slabs[row / slab_rows].bytes_mut()[row % slab_rows * stride..][..stride]
    }

    pub fn owner(&self, row: usize) -> RowOwner {
        self.blocks[row / BLOCK_ROWS].owners[row % BLOCK_ROWS]
    }

    /// Removes a row by moving the last one into its place.
    pub fn swap_remove(&mut self, row: usize) {
        let dimension = self.dimension;
        let Some(mut last) = self.blocks.pop() else { return };
        let from = last.owners.len() - 1;
        // The row may lie in the block just taken out.
        let at = row % BLOCK_ROWS;
        if row / BLOCK_ROWS == self.blocks.len() {
            last.vectors.copy_within(from * dimension.., at * dimension);
            last.scales[at] = last.scales[from];
            last.owners[at] = last.owners[from];
        } else {
            let block = &mut self.blocks[row / BLOCK_ROWS];
            block.vectors[at * dimension..][..dimension].copy_from_slice(&last.vectors[from * dimension..]);
            block.scales[at] = last.scales[from];
            block.owners[at] = last.owners[from];
        }
        last.vectors.truncate(from * dimension);
        last.scales.truncate(from);
        last.owners.truncate(from);
        if from > 0 {
            self.blocks.push(last);
        }
        self.len -= 1;
        let integers = self.quantised(self.len, 1).to_vec();
        self.quantised_mut(row).copy_from_slice(&integers);
        if self.len.is_multiple_of(self.slab_rows()) {
            self.slabs.pop();
        }
    }

    /// For each probe the `limit` best entries of the allowed group sets, best first, each with its best row.
    /// All probes go through a block before the next: it is read from memory once.
    pub fn search(&self, probes: &[&[f32]], allowed: &[bool], limit: usize) -> Vec<Vec<Hit>> {
        let mut scans: Vec<Scan> = probes.iter().map(|probe| Scan::new(self, probe, limit)).collect();
        let mut scratch = Scratch::default();
        for (index, block) in self.blocks.iter().enumerate() {
            let quantised = self.quantised(index * BLOCK_ROWS, block.owners.len());
            for scan in &mut scans {
                (self.kernel)(quantised, &scan.probe.values, &mut scratch.dots[..block.owners.len()]);
                scan.take(block, index * BLOCK_ROWS, &mut scratch, allowed);
            }
        }
        scans.into_iter().zip(probes).map(|(scan, probe)| self.rank(scan, probe, limit)).collect()
    }

    /// Ranks what the scan left over, with the real vectors, in the order of the rows.
    fn rank(&self, scan: Scan, probe: &[f32], limit: usize) -> Vec<Hit> {
        let mut best = Vec::with_capacity(limit + 1);
        for (row, score) in &scan.left {
            if *score < scan.threshold {
                continue;
            }
            let block = &self.blocks[*row as usize / BLOCK_ROWS];
            let at = *row as usize % BLOCK_ROWS;
            let vector = &block.vectors[at * self.dimension..][..self.dimension];
            let hit = Hit { row: *row, entry: block.owners[at].entry, similarity: dot(vector, probe) };
            insert_best(&mut best, limit, hit);
        }
        best
    }

    /// The same answer from the real vectors alone: what [`search`](Self::search) is tested and measured against.
    pub fn search_plain(&self, probe: &[f32], allowed: &[bool], limit: usize) -> Vec<Hit> {
        let mut best = Vec::with_capacity(limit + 1);
        for (index, block) in self.blocks.iter().enumerate() {
            for (at, (vector, owner)) in
                block.vectors.chunks_exact(self.dimension.max(1)).zip(&block.owners).enumerate()
            {
                let similarity = dot(vector, probe);
                if allowed[owner.group_set as usize] {
                    let row = (index * BLOCK_ROWS + at) as u32;
                    insert_best(&mut best, limit, Hit { row, entry: owner.entry, similarity });
                }
            }
        }
        best
    }
}

impl Block {
    fn with_room(dimension: usize) -> Self {
        Self {
            scales: Vec::with_capacity(BLOCK_ROWS),
            vectors: Vec::with_capacity(BLOCK_ROWS * dimension),
            owners: Vec::with_capacity(BLOCK_ROWS),
        }
    }
}

/// What is known of the rows of one block, for one probe.
struct Scratch {
    dots: [i32; BLOCK_ROWS],
    scores: [f32; BLOCK_ROWS],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { dots: [0; BLOCK_ROWS], scores: [0.0; BLOCK_ROWS] }
    }
}

/// One probe on its way through the blocks.
struct Scan {
    probe: Quantised,
    limit: usize,
    /// Twice what a similarity of integers may be off by: a row this far below another may still be above it.
    slack: f32,
    /// Best similarities so far, one an entry.
    best: Vec<Hit>,
    /// Rows below cannot be among the best.
    threshold: f32,
    /// Rows that may be among the best.
    left: Vec<(u32, f32)>,
}

impl Scan {
    fn new(rows: &Rows, probe: &[f32], limit: usize) -> Self {
        let probe = quantise(probe, rows.stride);
        // |v·p − v̂·p̂| = |(v−v̂)·p + v̂·(p−p̂)|, and Cauchy-Schwarz twice.
        let off = rows.error_max * probe.norm + (rows.norm_max + rows.error_max) * probe.error;
        Self {
            probe,
            limit,
            slack: 2.0 * (off + ROUNDING),
            best: Vec::with_capacity(limit + 1),
            threshold: f32::NEG_INFINITY,
            left: Vec::new(),
        }
    }

    fn take(&mut self, block: &Block, first_row: usize, scratch: &mut Scratch, allowed: &[bool]) {
        let Scratch { dots, scores } = scratch;
        let hits = score(dots, &block.scales, self.probe.scale, self.threshold, scores);
        for (group, scores) in scores[..block.scales.len()].chunks(GROUP).enumerate() {
            if !hits[group] {
                continue;
            }
            for (offset, score) in scores.iter().enumerate() {
                let at = group * GROUP + offset;
                let owner = block.owners[at];
                if *score >= self.threshold && allowed[owner.group_set as usize] {
                    self.keep((first_row + at) as u32, owner.entry, *score);
                }
            }
        }
    }

    fn keep(&mut self, row: u32, entry: u32, score: f32) {
        self.left.push((row, score));
        insert_best(&mut self.best, self.limit, Hit { row, entry, similarity: score });
        if self.best.len() == self.limit
            && let Some(worst) = self.best.last()
        {
            self.threshold = worst.similarity - self.slack;
        }
    }
}

/// Rows that are passed over together when none of them reaches the threshold.
const GROUP: usize = 64;

/// `scores = dots × scales × scale`, and which groups hold a score of `threshold` or more.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2", "aarch64+neon"))]
fn score(
    dots: &[i32; BLOCK_ROWS],
    scales: &[f32],
    scale: f32,
    threshold: f32,
    scores: &mut [f32; BLOCK_ROWS],
) -> [bool; BLOCK_ROWS / GROUP] {
    let mut hits = [false; BLOCK_ROWS / GROUP];
    let groups = dots.chunks(GROUP).zip(scales.chunks(GROUP)).zip(scores.chunks_mut(GROUP));
    for (hit, ((dots, scales), scores)) in hits.iter_mut().zip(groups) {
        // No branch: so the compiler can take many at once.
        let mut reached = 0;
        for ((score, dot), own_scale) in scores.iter_mut().zip(dots).zip(scales) {
            *score = *dot as f32 * own_scale * scale;
            reached |= u32::from(*score >= threshold);
        }
        *hit = reached != 0;
    }
    hits
}

/// Keeps `best` sorted, at most `limit` long, with one row an entry; of equal ones the first stays first.
fn insert_best(best: &mut Vec<Hit>, limit: usize, hit: Hit) {
    if best.len() == limit && best.last().is_some_and(|worst| hit.similarity <= worst.similarity) {
        return;
    }
    if let Some(at) = best.iter().position(|known| known.entry == hit.entry) {
        if best[at].similarity >= hit.similarity {
            return;
        }
        best.remove(at);
    }
    let at = best.partition_point(|known| known.similarity >= hit.similarity);
    best.insert(at, hit);
    best.truncate(limit);
}

/// The largest component becomes ±127; padded with zeros to `stride`.
fn quantise(vector: &[f32], stride: usize) -> Quantised {
    let largest = vector.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    // A zero vector, or one that is no number, is similar to no person.
    let scale = if largest.is_finite() && largest > 0.0 { largest / 127.0 } else { 1.0 };
    let mut values: Vec<i8> = vector.iter().map(|value| (value / scale).round() as i8).collect();
    let length = |parts: &mut dyn Iterator<Item = f32>| parts.map(|part| part * part).sum::<f32>().sqrt();
    let norm = length(&mut vector.iter().copied());
    let error = length(&mut vector.iter().zip(&values).map(|(v, q)| v - f32::from(*q) * scale));
    values.resize(stride, 0);
    Quantised { values, scale, norm, error }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (a_body, a_tail) = a.split_at(a.len() / LANES * LANES);
    let (b_body, b_tail) = b.split_at(a_body.len());
    for (a, b) in a_body.chunks_exact(LANES).zip(b_body.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f32>()
}
