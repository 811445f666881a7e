//! A coarse grid of a frame's brightness, for deciding whether anything moves.

use menshen_domain::frame::{Frame, PixelFormat};
use menshen_domain::frame_gate::MotionGrid;

/// Every so many pixels one is read: sixteen to a cell of [`CELL_PX`].
const STEP_PX: usize = 4;
/// Half the side of the smallest face that is followed by default: such a face fills a cell wherever it is.
const CELL_PX: usize = 16;

/// The mean brightness of each cell: luma, or the green of an RGB frame.
pub fn motion_grid(frame: &Frame) -> MotionGrid {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let (columns, rows) = (width.div_ceil(CELL_PX), height.div_ceil(CELL_PX));
    let plane = frame.plane(0);
    let stride = frame.planes[0].stride;
    let (pixel, offset) = if frame.format == PixelFormat::Rgb { (3, 1) } else { (1, 0) };
    let mut cells = Vec::with_capacity(columns * rows);
    let mut sums = vec![0u16; columns];
    for top in (0..height).step_by(CELL_PX) {
        sums.fill(0);
        let mut lines = 0u16;
        for y in (top..(top + CELL_PX).min(height)).step_by(STEP_PX) {
            let line = &plane[y * stride..][..width * pixel];
            for (sum, cell) in sums.iter_mut().zip(line.chunks(CELL_PX * pixel)) {
                *sum += cell
                    .iter()
                    .skip(offset)
                    .step_by(STEP_PX * pixel)
                    .map(|value| u16::from(*value))
                    .sum::<u16>();
            }
            lines += 1;
        }
        for (column, sum) in sums.iter().enumerate() {
            let across = (width - column * CELL_PX).min(CELL_PX).div_ceil(STEP_PX) as u16;
            cells.push((sum / (lines * across)) as u8);
        }
    }
    MotionGrid { cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_means_also_at_the_borders() {
        let frame = Frame::from_rgb(40, 20, vec![100; 40 * 20 * 3], 0).unwrap();
        assert_eq!(motion_grid(&frame).cells, [100; 6]);
    }

    #[test]
    fn a_change_shows_in_its_cell_only() {
        let mut rgb = vec![100; 64 * 32 * 3];
        for y in 16..32 {
            rgb[(y * 64 + 32) * 3..(y * 64 + 48) * 3].fill(180);
        }
        let frame = Frame::from_rgb(64, 32, rgb, 0).unwrap();
        assert_eq!(motion_grid(&frame).cells, [100, 100, 100, 100, 100, 100, 180, 100]);
    }
}
