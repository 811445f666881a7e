//! The photos of a load: portraits of a folder, enlarged where they are small.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

const JPEG_QUALITY: u8 = 92;

/// What photos a run wants.
pub struct Wanted<'a> {
    /// Folder of portraits, with folders inside.
    pub photos: &'a Path,
    /// At most so many.
    pub max: usize,
    pub enlarge: u32,
}

/// Reads, enlarges and keeps them in `folder`, where a peer finds them too.
pub fn prepare(wanted: &Wanted<'_>, folder: &Path) -> Result<Vec<Vec<u8>>> {
    let paths = portraits(wanted.photos)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut photos = Vec::new();
    for path in paths.iter().take(wanted.max) {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let photo = enlarged(&bytes, wanted.enlarge).with_context(|| path.display().to_string())?;
        let file = folder.join(format!("{:05}.jpg", photos.len()));
        fs::write(&file, &photo).with_context(|| file.display().to_string())?;
        photos.push(photo);
    }
    Ok(photos)
}

/// The photos of a folder with folders inside, in order; without one it is an error.
fn portraits(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        bail!("there is no .jpg in {}", folder.display());
    }
    Ok(paths)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "jpg") {
            paths.push(path);
        }
    }
    Ok(())
}

fn enlarged(bytes: &[u8], factor: u32) -> image::ImageResult<Vec<u8>> {
    if factor <= 1 {
        return Ok(bytes.to_vec());
    }
    let picture = image::load_from_memory(bytes)?.into_rgb8();
    let (width, height) = picture.dimensions();
    let large = image::imageops::resize(&picture, width * factor, height * factor, FilterType::CatmullRom);
    let mut out = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY).encode_image(&large)?;
    Ok(out.into_inner())
}
