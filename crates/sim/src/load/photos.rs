//! The photos of the storm: portraits of a folder, enlarged where they are small.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

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
pub fn prepare(wanted: &Wanted<'_>, folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let paths = portraits(wanted.photos)?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut photos = Vec::new();
    for path in paths.iter().take(wanted.max) {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = fs::read(path).map_err(|error| told(&error))?;
        let photo = enlarged(&bytes, wanted.enlarge).map_err(|error| told(&error))?;
        let file = folder.join(format!("{:05}.jpg", photos.len()));
        fs::write(&file, &photo).map_err(|error| format!("{}: {error}", file.display()))?;
        photos.push(photo);
    }
    Ok(photos)
}

/// The photos of a folder with folders inside, in order; without one it is an error.
fn portraits(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        return Err(format!("there is no .jpg in {}", folder.display()));
    }
    Ok(paths)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
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
