//! What the values of a pixel mean, and its form.

/// Which of the ITU's matrices made luma and chroma of red, green and blue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.601: SD, and JPEG.
    #[default]
    Bt601,
    /// ITU-R BT.709: HD.
    Bt709,
}

/// Which values of luma and chroma are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// 16–235 (chroma 16–240): "TV", "limited".
    #[default]
    Limited,
    /// 0–255: "PC", "full", and JPEG.
    Full,
}

/// How luma and chroma become red, green and blue; of no meaning in RGB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Colour {
    /// The matrix.
    pub matrix: Matrix,
    /// The range.
    pub range: Range,
}

/// Width of a pixel to its height as it is to be shown, `across:down`. Not 1:1 in anamorphic pictures (D1, 960H) and in
/// sub-streams of half the height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelAspect {
    across: u32,
    down: u32,
}

/// A pixel is at most this many times as wide as high, or as high as wide; H.264's table ends at 160:99.
const PIXEL_ASPECT_MAX: u32 = 4;

impl PixelAspect {
    /// As wide as high.
    pub const SQUARE: Self = Self { across: 1, down: 1 };

    /// `None` where one is zero, or one is more than four times the other: no camera has such pixels.
    pub fn new(across: u32, down: u32) -> Option<Self> {
        let fits = |a: u32, b: u32| u64::from(a) <= u64::from(b) * u64::from(PIXEL_ASPECT_MAX);
        (across > 0 && down > 0 && fits(across, down) && fits(down, across)).then_some(Self { across, down })
    }

    /// Whether a pixel is as wide as high.
    pub fn is_square(self) -> bool {
        self.across == self.down
    }

    /// Size of a picture of `width` × `height` such pixels in square ones, even. No direction gets fewer pixels than it has, but
    /// where a side would be longer than a frame's may be.
    pub fn squared(self, width: u32, height: u32) -> (u32, u32) {
        let stretched = |side: u32, by: u32, to: u32| {
            let longer = (u64::from(side) * u64::from(by) / u64::from(to)) as u32;
            (longer.min(super::limits::FRAME_SIDE_MAX_PX) / 2 * 2).max(2)
        };
        if self.across > self.down {
            (stretched(width, self.across, self.down), height)
        } else {
            (width, stretched(height, self.down, self.across))
        }
    }
}

impl Default for PixelAspect {
    fn default() -> Self {
        Self::SQUARE
    }
}

impl std::fmt::Display for PixelAspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.across, self.down)
    }
}

impl std::str::FromStr for PixelAspect {
    type Err = PixelAspectError;

    /// From `16:11`.
    fn from_str(text: &str) -> Result<Self, PixelAspectError> {
        let sides = text
            .split_once([':', '/'])
            .and_then(|(across, down)| Some((across.trim().parse().ok()?, down.trim().parse().ok()?)));
        sides.and_then(|(across, down)| Self::new(across, down)).ok_or(PixelAspectError)
    }
}

/// A text is no [`PixelAspect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be width:height of a pixel, such as 16:11 or 1:2, at most {PIXEL_ASPECT_MAX}:1")]
pub struct PixelAspectError;
