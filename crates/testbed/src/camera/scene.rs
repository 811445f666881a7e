//! Pictures of a scene: a quiet wall, and a portrait that moves across it.

use anyhow::{Context as _, Result};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// One walker's picture, scaled to the scene.
pub struct Walker {
    /// File name of the picture without its ending.
    pub name: String,
    portrait: RgbImage,
}

/// The empty scene.
pub fn background(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = 150 + (y * 60 / height) as i32;
        // A little texture, so that the encoder has something to keep.
        let grain = ((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 13) as i32 % 7 - 3;
        let value = |tint: i32| (shade + tint + grain).clamp(0, 255) as u8;
        Rgb([value(0), value(4), value(10)])
    })
}

impl Walker {
    /// `FILE` or `FILE@mirror`.
    ///
    /// # Errors
    /// When the picture cannot be read.
    pub fn load(text: &str, scene_height: u32) -> Result<Self> {
        let (file, mirrored) = match text.strip_suffix("@mirror") {
            Some(file) => (file, true),
            None => (text, false),
        };
        let picture = image::open(file).with_context(|| file.to_owned())?.into_rgb8();
        let width = (picture.width() * scene_height / picture.height().max(1)).max(2);
        let mut portrait = imageops::resize(&picture, width, scene_height, FilterType::Triangle);
        if mirrored {
            imageops::flip_horizontal_in_place(&mut portrait);
        }
        let name = std::path::Path::new(file)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self { name, portrait })
    }

    /// The scene with the walker `progress` (0–1) of the way from the left edge to the right.
    pub fn draw(&self, background: &RgbImage, progress: f32) -> RgbImage {
        let mut scene = background.clone();
        let (from, to) = (-(self.portrait.width() as f32), background.width() as f32);
        let x = from + (to - from) * progress;
        imageops::replace(&mut scene, &self.portrait, x as i64, 0);
        scene
    }
}
