//! Memory for quantised rows in large pages.
//!
//! A scan reads every row once, from front to back. With pages of 4 KB it takes 8.4 ms among a million rows of 128,
//! with large ones 5.2 (measured in turns, three times each, on an EPYC): fewer pages to look up, and the processor
//! stops fetching ahead at the end of each. So rows lie in slabs that ask the kernel for pages of 2 MB (`madvise`,
//! `MADV_HUGEPAGE`). Where it has none to give, or `/sys/kernel/mm/transparent_hugepage/enabled` is `never`, the same
//! memory comes in small pages: the answers are the same, later. `menshen bench search` reports which it was
//! (`large_page_bytes`).

use std::alloc::{Layout, handle_alloc_error};

use memmap2::{Advice, MmapMut};

/// A large page of x86-64, and of ARM where small ones have 4 KB.
const LARGE_PAGE: usize = 2 << 20;

/// Zeroed memory that begins with a large page and is never moved. A slab of one page is resident as a whole once
/// its first byte is written.
#[derive(Debug)]
pub struct Slab {
    map: MmapMut,
    /// Where the first large page of `map` begins.
    start: usize,
    len: usize,
}

impl Slab {
    /// How many blocks of `block_bytes` a slab should hold: what fits into a large page, and one at least.
    pub fn blocks(block_bytes: usize) -> usize {
        (LARGE_PAGE / block_bytes.max(1)).max(1)
    }

    /// `len` bytes. Ends the program where memory is out, as any allocation does.
    pub fn new(len: usize) -> Self {
        // The kernel starts a mapping at any small page: room to begin at a large one. What is never touched takes
        // no memory.
        let room = len.next_multiple_of(LARGE_PAGE) + LARGE_PAGE;
        let Ok(map) = MmapMut::map_anon(room) else { handle_alloc_error(Layout::new::<[u8; LARGE_PAGE]>()) };
        let start = map.as_ptr().align_offset(LARGE_PAGE);
        // Advice: a kernel without large pages refuses it, and the memory is as good.
        let _ = map.advise_range(Advice::HugePage, start, room - LARGE_PAGE);
        Self { map, start, len }
    }

    pub fn bytes(&self) -> &[i8] {
        bytemuck::cast_slice(&self.map[self.start..][..self.len])
    }

    pub fn bytes_mut(&mut self) -> &mut [i8] {
        bytemuck::cast_slice_mut(&mut self.map[self.start..][..self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_begin_with_a_large_page_and_hold_what_was_asked_for() {
        for len in [1, 4096, LARGE_PAGE, LARGE_PAGE + 1, 3 * LARGE_PAGE] {
            let mut slab = Slab::new(len);
            assert_eq!(slab.bytes().as_ptr().addr() % LARGE_PAGE, 0);
            assert_eq!(slab.bytes().len(), len);
            assert!(slab.bytes().iter().all(|byte| *byte == 0));
            slab.bytes_mut().fill(-1);
            assert!(slab.bytes().iter().all(|byte| *byte == -1));
        }
    }

    #[test]
    fn a_slab_holds_one_block_however_large() {
        assert_eq!(Slab::blocks(128 << 10), 16);
        assert_eq!(Slab::blocks(192 << 10), 10);
        assert_eq!(Slab::blocks(LARGE_PAGE), 1);
        assert_eq!(Slab::blocks(8 * LARGE_PAGE), 1);
        assert_eq!(Slab::blocks(0), LARGE_PAGE);
    }
}
