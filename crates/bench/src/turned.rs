//! Faces that lie on their side or stand on their head: recognised, refused, or mistaken.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result};
use image::{RgbImage, imageops};
use menshen::config::Settings;
use menshen::evaluation::embeddings::{list_images, progress};
use menshen::evaluation::pairs::person_of;
use menshen_domain::face::Embedding;
use menshen_domain::frame::Frame;
use menshen_sim::figures::print_figures;
use menshen_vision::FaceAnalyzer;
use menshen_vision::photo::decode_photo;
use serde_json::json;

use super::product::ready_models;

/// What came of a photo.
enum Seen {
    NoFace,
    Refused,
    Embedded(Embedding),
}

/// Enrols one photo each of up to `people` people who have two, and looks for them with the other, turned by 0, 90, 180 and 270 degrees.
/// One line a turn.
pub fn turned(images: &Path, people: usize, settings: &Settings) -> Result<()> {
    let names = list_images(images).map_err(Error::msg)?;
    let mut photos: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &names {
        photos.entry(person_of(name)).or_default().push(name);
    }
    let photos: Vec<[&str; 2]> =
        photos.values().filter_map(|photos| Some([*photos.first()?, *photos.get(1)?])).take(people).collect();
    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader)?;
    let threshold = analyzer.scale().similarity_threshold;
    let mut enrolled = Vec::new();
    for [photo, _] in &photos {
        enrolled.push(embed(&mut analyzer, &images.join(photo), 0)?);
    }
    for turns in 0..4u32 {
        let (mut recognised, mut refused, mut no_face, mut below) = (0, 0, 0, 0);
        let mut probes = Vec::new();
        for (index, ([_, photo], known)) in photos.iter().zip(&enrolled).enumerate() {
            match embed(&mut analyzer, &images.join(photo), turns)? {
                Seen::NoFace => no_face += 1,
                Seen::Refused => refused += 1,
                Seen::Embedded(probe) => {
                    let is_right = matches!(known, Seen::Embedded(known)
                        if probe.similarity(known).is_some_and(|found| found >= threshold));
                    *(if is_right { &mut recognised } else { &mut below }) += 1;
                    probes.push(probe);
                }
            }
            progress(index + 1, photos.len());
        }
        let pairs = probes
            .iter()
            .enumerate()
            .flat_map(|(index, a)| probes[index + 1..].iter().filter_map(|b| a.similarity(b)));
        let (mut impostors, mut above) = (0u64, 0u64);
        for similarity in pairs {
            impostors += 1;
            above += u64::from(similarity >= threshold);
        }
        print_figures(&json!({
            "bench": "turned", "turned_deg": turns * 90, "people": photos.len(), "recognised": recognised, "refused": refused,
            "no_face": no_face, "not_recognised": below, "impostor_pairs": impostors, "impostors_above_threshold": above,
            "false_match_rate": above as f64 / impostors.max(1) as f64, "threshold": threshold,
            "optimised": !cfg!(debug_assertions),
        }));
    }
    Ok(())
}

fn embed(analyzer: &mut FaceAnalyzer, path: &Path, turns: u32) -> Result<Seen> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let frame = decode_photo(&bytes).with_context(|| path.display().to_string())?;
    let (width, height) = (frame.width, frame.height);
    let picture = RgbImage::from_raw(width, height, frame.data.to_vec()).context("a photo without pixels")?;
    let picture = match turns {
        0 => picture,
        1 => imageops::rotate90(&picture),
        2 => imageops::rotate180(&picture),
        _ => imageops::rotate270(&picture),
    };
    let (width, height) = picture.dimensions();
    let frame = Frame::from_rgb(width, height, picture.into_raw(), 0)?;
    Ok(match analyzer.largest_face(&frame)? {
        None => Seen::NoFace,
        Some((_, Err(_))) => Seen::Refused,
        Some((_, Ok(aligned))) => Seen::Embedded(analyzer.embed(&aligned)?),
    })
}
