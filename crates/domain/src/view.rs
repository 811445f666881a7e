//! How a camera's picture is processed: which way up, regions of interest and the least size of a face.

use super::face::BBox;
use super::pixel::PixelAspect;

/// A rectangle in shares of the picture's width and height, 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

/// Smallest side of a region: a twentieth of 1080 lines is about the smallest face that can be recognised.
pub const REGION_SIDE_MIN: f32 = 0.05;

/// Why four numbers are no [`Region`]: `[left, top, right, bottom]`.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RegionError {
    /// One is no share.
    #[error("[{}, {}, {}, {}] must be shares of the picture, 0 to 1: [left, top, right, bottom]", .0[0], .0[1], .0[2], .0[3])]
    NotShares([f32; 4]),
    /// Narrower or lower than [`REGION_SIDE_MIN`], or turned round.
    #[error(
        "[{}, {}, {}, {}] must be at least {REGION_SIDE_MIN} wide and high, with left before right and top before bottom",
        .0[0], .0[1], .0[2], .0[3]
    )]
    TooSmall([f32; 4]),
}

impl Region {
    /// From `[left, top, right, bottom]`.
    ///
    /// # Errors
    ///
    /// When they are no shares of a picture, or the region is smaller than [`REGION_SIDE_MIN`].
    pub fn new([left, top, right, bottom]: [f32; 4]) -> Result<Self, RegionError> {
        let given = [left, top, right, bottom];
        if !given.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err(RegionError::NotShares(given));
        }
        if right - left < REGION_SIDE_MIN || bottom - top < REGION_SIDE_MIN {
            return Err(RegionError::TooSmall(given));
        }
        Ok(Self { left, top, right, bottom })
    }

    fn includes(&self, x: f32, y: f32) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

/// A part of a picture in whole pixels, all of them even, so that half-size chroma stays half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// By how much a camera's picture is turned clockwise before it is processed: for a camera that hangs upside down or on its side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

/// A number is no [`Rotation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 0, 90, 180 or 270, degrees clockwise")]
pub struct RotationError;

impl Rotation {
    /// From degrees.
    ///
    /// # Errors
    ///
    /// When it is no quarter turn.
    pub fn from_degrees(degrees: u32) -> Result<Self, RotationError> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            _ => Err(RotationError),
        }
    }

    /// In degrees, clockwise.
    pub fn degrees(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

/// How one camera's picture is processed. The default is all of it, as it comes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Faces whose middle is outside all of them are ignored; empty: the whole picture.
    pub regions: Vec<Region>,
    /// Shorter side of a face, px of the picture; `None`: as for every camera.
    pub face_min_px: Option<f32>,
    /// Which way the picture is turned first; regions are those of the turned picture.
    pub rotation: Rotation,
    /// Form of its pixels; `None`: what the stream says.
    pub pixel_aspect: Option<PixelAspect>,
}

/// What is processed around the regions, as a share of their size: a face in a region's corner has to be seen whole.
const MARGIN: f32 = 0.25;
/// A window that takes in more than this share of the picture is not worth one.
const WORTH_MAX: f32 = 0.9;

impl View {
    /// The part of a picture that has to be processed; `None` for all of it.
    pub fn window(&self, width: u32, height: u32) -> Option<Window> {
        let first = *self.regions.first()?;
        let around = self.regions.iter().fold(first, |sum, region| Region {
            left: sum.left.min(region.left),
            top: sum.top.min(region.top),
            right: sum.right.max(region.right),
            bottom: sum.bottom.max(region.bottom),
        });
        let (wider, higher) = ((around.right - around.left) * MARGIN, (around.bottom - around.top) * MARGIN);
        let span = |from: f32, to: f32, side: u32| {
            let from = (from.max(0.0) * side as f32) as u32 / 2 * 2;
            let to = ((to.min(1.0) * side as f32).ceil() as u32).min(side) / 2 * 2;
            (from, to.saturating_sub(from))
        };
        let (x, across) = span(around.left - wider, around.right + wider, width);
        let (y, down) = span(around.top - higher, around.bottom + higher, height);
        let share = (across as f32 * down as f32) / (width as f32 * height as f32);
        let least = super::limits::FRAME_SIDE_MIN_PX;
        (share <= WORTH_MAX && across >= least && down >= least).then_some(Window {
            x,
            y,
            width: across,
            height: down,
        })
    }

    /// Whether a face in a picture of this size is in a region.
    pub fn includes(&self, face: &BBox, width: u32, height: u32) -> bool {
        let (x, y) = face.center();
        let (x, y) = (x / width as f32, y / height as f32);
        self.regions.is_empty() || self.regions.iter().any(|region| region.includes(x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(regions: &[[f32; 4]]) -> View {
        View {
            regions: regions.iter().map(|region| Region::new(*region).unwrap()).collect(),
            ..View::default()
        }
    }

    #[test]
    fn a_window_takes_in_all_regions_and_a_margin() {
        let door = view(&[[0.4, 0.5, 0.6, 0.9]]);
        // A quarter of 20 % and of 40 % on each side: 35–65 % and 40–100 %.
        let window = door.window(1920, 1080).unwrap();
        assert_eq!(window, Window { x: 672, y: 432, width: 576, height: 648 });
        let two = view(&[[0.0, 0.0, 0.1, 0.2], [0.2, 0.1, 0.4, 0.3]]).window(100, 100).unwrap();
        assert_eq!((two.x, two.y), (0, 0));
        assert!(two.width >= 50 && two.height >= 37, "{two:?}");
        for whole in [view(&[]), view(&[[0.0, 0.0, 1.0, 1.0]]), view(&[[0.1, 0.1, 0.9, 0.9]])] {
            assert_eq!(whole.window(1920, 1080), None);
        }
    }

    #[test]
    fn faces_are_told_by_their_middle() {
        let door = view(&[[0.4, 0.5, 0.6, 0.9]]);
        let face = |x: f32, y: f32| BBox { x1: x - 90.0, y1: y - 90.0, x2: x + 90.0, y2: y + 90.0 };
        assert!(door.includes(&face(960.0, 700.0), 1920, 1080));
        assert!(!door.includes(&face(700.0, 700.0), 1920, 1080));
        assert!(!door.includes(&face(960.0, 500.0), 1920, 1080));
        assert!(view(&[]).includes(&face(0.0, 0.0), 1920, 1080));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (region, expected) in [
            ([0.5, 0.1, 0.4, 0.9], "left before right"),
            ([0.0, 0.0, 0.01, 1.0], "at least"),
            ([0.0, 0.0, 1.0, 1.5], "shares"),
            ([f32::NAN, 0.0, 1.0, 1.0], "shares"),
        ] {
            let problem = Region::new(region).unwrap_err();
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn windows_lie_in_the_picture(
            sides in proptest::array::uniform4(0.0f32..=1.0), width in 16u32..4000, height in 16u32..4000,
        ) {
            if let Ok(region) = Region::new(sides)
                && let Some(window) = (View { regions: vec![region], ..View::default() }).window(width, height)
            {
                proptest::prop_assert!(window.x + window.width <= width && window.y + window.height <= height);
                proptest::prop_assert!([window.x, window.y, window.width, window.height].iter().all(|px| px % 2 == 0));
            }
        }
    }
}
