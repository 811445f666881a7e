//! Dot products of 8-bit rows with an 8-bit probe, with the widest instructions the processor has.
//!
//! The only unsafe code of the program. Values lie in −127..=127 (never −128) and rows are padded with zeros to
//! whole [`STEP`]s, so no kernel has a remainder to care for.

/// Rows are this many bytes long, or a multiple of it: the widest register.
pub const STEP: usize = 64;

/// `out[i] = rows[i] · probe`; `rows` holds `out.len()` rows of the probe's length, which is a multiple of [`STEP`].
pub type Kernel = fn(rows: &[i8], probe: &[i8], out: &mut [i32]);

/// The fastest kernel of this processor, and what it is called.
pub fn fastest() -> (Kernel, &'static str) {
    available().swap_remove(0)
}

/// All kernels this processor can run, fastest first.
pub fn available() -> Vec<(Kernel, &'static str)> {
    let mut found: Vec<(Kernel, &'static str)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            found.push((avx512_vnni, "avx512-vnni"));
        }
        if is_x86_feature_detected!("avx2") {
            found.push((avx2, "avx2"));
        }
    }
    found.push((portable, "portable"));
    found
}

fn check(rows: &[i8], probe: &[i8], out: &[i32]) {
    assert!(probe.len().is_multiple_of(STEP) && rows.len() == probe.len() * out.len());
}

/// What the compiler makes of plain code for the processor it finds: on ARM, NEON and its dot-product extension.
#[multiversion::multiversion(targets("aarch64+neon+dotprod", "aarch64+neon", "x86_64+sse4.1"))]
fn portable(rows: &[i8], probe: &[i8], out: &mut [i32]) {
    check(rows, probe, out);
    if probe.is_empty() {
        return;
    }
    for (row, out) in rows.chunks_exact(probe.len()).zip(out) {
        *out = row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2(rows: &[i8], probe: &[i8], out: &mut [i32]) {
    check(rows, probe, out);
    // SAFETY: `available` hands this out only where AVX2 was detected; the lengths were checked.
    unsafe { x86::avx2(rows, probe, out) }
}

#[cfg(target_arch = "x86_64")]
fn avx512_vnni(rows: &[i8], probe: &[i8], out: &mut [i32]) {
    check(rows, probe, out);
    // SAFETY: `available` hands this out only where AVX-512F and VNNI were detected; the lengths were checked.
    unsafe { x86::avx512_vnni(rows, probe, out) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_add_epi32, _mm_cvtsi128_si32, _mm_prefetch, _mm_set1_epi32,
        _mm_shuffle_epi32, _mm_storeu_si128, _mm_sub_epi32, _mm256_abs_epi8, _mm256_add_epi32,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sign_epi8, _mm512_add_epi32,
        _mm512_castsi512_si256, _mm512_dpbusd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
        _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
    };

    /// Bytes ahead of a row that are asked for: the processor itself stops at the end of each page.
    const AHEAD: usize = 4096;
    const CACHE_LINE: usize = 64;

    #[inline]
    fn fetch_ahead(row: &[i8]) {
        for line in (0..row.len()).step_by(CACHE_LINE) {
            let ahead = row.as_ptr().wrapping_add(AHEAD + line);
            // SAFETY: a prefetch reads nothing; an address outside of everything is ignored.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead) };
        }
    }

    /// # Safety
    /// The processor has AVX2; `rows` holds `out.len()` rows of `probe.len()` bytes, a multiple of 32.
    #[allow(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
    #[target_feature(enable = "avx2")]
    pub unsafe fn avx2(rows: &[i8], probe: &[i8], out: &mut [i32]) {
        let ones = _mm256_set1_epi16(1);
        for (row, out) in rows.chunks_exact(probe.len().max(1)).zip(out) {
            let mut sum = _mm256_setzero_si256();
            fetch_ahead(row);
            for (a, b) in row.chunks_exact(32).zip(probe.chunks_exact(32)) {
                // SAFETY: both chunks are 32 bytes long; the loads need no alignment.
                let (a, b) = unsafe {
                    (
                        _mm256_loadu_si256(a.as_ptr().cast::<__m256i>()),
                        _mm256_loadu_si256(b.as_ptr().cast::<__m256i>()),
                    )
                };
                // |a| · (b with a's sign); two products sum to 2 · 127² at most, which fits 16 bits.
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
            }
            let halves = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let pairs = _mm_add_epi32(halves, _mm_shuffle_epi32::<0b01_00_11_10>(halves));
            *out = _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)));
        }
    }

    /// # Safety
    /// The processor has AVX-512F and VNNI; `rows` holds `out.len()` rows of `probe.len()` bytes, a multiple of 64.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn avx512_vnni(rows: &[i8], probe: &[i8], out: &mut [i32]) {
        // The instruction multiplies unsigned with signed: rows go in as row + 128, which adds 128 · Σ probe.
        let offset = 128 * probe.iter().map(|value| i32::from(*value)).sum::<i32>();
        let length = probe.len().max(1);
        let (fours, rest) = out.as_chunks_mut::<4>();
        let (rows_of_fours, rows_of_rest) = rows.split_at(fours.len() * 4 * length);
        for (rows, out) in rows_of_fours.chunks_exact(4 * length).zip(fours) {
            fetch_ahead(rows);
            let [a, b, c, d] = std::array::from_fn(|row| lanes(&rows[row * length..][..length], probe));
            // Each quarter of `quarters` holds a sum of a, one of b, of c and of d: one reduction for four rows.
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            let halves =
                _mm256_add_epi32(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64::<1>(quarters));
            let sums = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            let sums = _mm_sub_epi32(sums, _mm_set1_epi32(offset));
            // SAFETY: `out` is 16 bytes long; the store needs no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
        }
        for (row, out) in rows_of_rest.chunks_exact(length).zip(rest) {
            *out = _mm512_reduce_add_epi32(lanes(row, probe)) - offset;
        }
    }

    /// Sixteen sums that make up `(row + 128) · probe`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn lanes(row: &[i8], probe: &[i8]) -> __m512i {
        let flip = _mm512_set1_epi8(-128);
        let mut sum = _mm512_setzero_si512();
        for (a, b) in row.chunks_exact(64).zip(probe.chunks_exact(64)) {
            // SAFETY: both chunks are 64 bytes long; the loads need no alignment.
            let (a, b) =
                unsafe { (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast())) };
            sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(a, flip), b);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kernels_agree_with_plain_arithmetic() {
        let mut state = 7u32;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as i32 - 128).clamp(-127, 127) as i8
        };
        for length in [64, 128, 512] {
            let mut rows: Vec<i8> = (0..length * 9).map(|_| value()).collect();
            let mut probe: Vec<i8> = (0..length).map(|_| value()).collect();
            // The extremes too: nothing may saturate.
            rows[..length].fill(127);
            rows[length..2 * length].fill(-127);
            for round in 0..3 {
                if round > 0 {
                    probe.fill(if round == 1 { 127 } else { -127 });
                }
                let expected: Vec<i32> = rows
                    .chunks(length)
                    .map(|row| row.iter().zip(&probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum())
                    .collect();
                for (kernel, name) in available() {
                    let mut found = vec![0; 9];
                    kernel(&rows, &probe, &mut found);
                    assert_eq!(found, expected, "{name}, {length}");
                }
            }
        }
    }
}
