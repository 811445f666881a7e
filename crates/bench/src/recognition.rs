//! `menshen bench accuracy` and `menshen bench identify`: how right recognition is, on a data set.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result, bail};
use serde_json::{Value, json};

use menshen::config::Settings;
use menshen::evaluation::embeddings::{Centring, Embedded, EmbeddingRun, Photos, embed_all, list_images};
use menshen::evaluation::made_up::made_up_person;
use menshen::evaluation::pairs::{mixed_pairs, person_of, similarity};
use menshen::evaluation::statistics::{NO_FACE, OperatingPoint, Pair, rate_at, verification};
use menshen::runtime::models::read_selection;
use menshen_domain::candidate::{Candidate, Scope};
use menshen_domain::face::Embedding;
use menshen_gallery::Gallery;
use menshen_sim::figures::print_figures;

/// One line of the list of pairs.
struct ListedPair {
    fold: u32,
    same: bool,
    photos: [String; 2],
}

/// Verification: ten-fold (or as many folds as the list has) accuracy, and TAR at FAR over all pairs of photos. The second photo
/// of every pair is turned by `tilt_deg` first.
pub fn accuracy(pairs: &Path, images: &Path, tilt_deg: f32, settings: &Settings) -> Result<()> {
    let listed = read_pairs(pairs)?;
    let mut names: Vec<String> = listed.iter().flat_map(|pair| pair.photos.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let photos = Photos { folder: images, names: &names, tilt_deg: 0.0 };
    let (embedded, mut line) = timed_embeddings(settings, photos, Centring::AsDescribed)?;
    let tilted = if tilt_deg == 0.0 {
        None
    } else {
        let (tilted, figures) =
            timed_embeddings(settings, Photos { tilt_deg, ..photos }, Centring::AsDescribed)?;
        line["tilt_deg"] = json!(tilt_deg);
        line["tilted_photos_without_face"] = figures["photos_without_face"].clone();
        Some(tilted)
    };
    let second = tilted.as_ref().unwrap_or(&embedded);
    let pairs: Vec<Pair> = listed
        .iter()
        .map(|ListedPair { fold, same, photos: [a, b] }| Pair {
            fold: *fold,
            same: *same,
            similarity: similarity(embedding_of(&embedded, a), embedding_of(second, b)),
        })
        .collect();
    let found = verification(&pairs).context("the pairs need at least two folds")?;
    line["bench"] = json!("accuracy");
    line["pairs"] = json!(pairs.len());
    line["folds"] = json!(found.folds);
    line["accuracy"] = json!(found.accuracy);
    line["accuracy_std"] = json!(found.accuracy_std);
    line["threshold"] = json!(found.threshold);
    let (genuine, mut impostor) = mixed_pairs(&embedded, second);
    line["genuine_pairs"] = json!(genuine.len());
    line["impostor_pairs"] = json!(impostor.len());
    for (name, far) in [("1e-3", 1e-3), ("1e-4", 1e-4)] {
        note(&mut line, "tar_at_far", name, rate_at(&genuine, &mut impostor, far));
    }
    print_figures(&line);
    Ok(())
}

/// Open-set identification through the box's own gallery.
pub fn identify(images: &Path, settings: &Settings) -> Result<()> {
    let names = list_images(images).map_err(Error::msg)?;
    let photos = Photos { folder: images, names: &names, tilt_deg: 0.0 };
    let (embedded, mut line) = timed_embeddings(settings, photos, Centring::AsDescribed)?;
    let mut people: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &names {
        people.entry(person_of(name)).or_default().push(name);
    }
    let enrolled: Vec<&Vec<&str>> = people.values().filter(|photos| photos.len() > 1).collect();
    let Some(dimension) = embedded.values().flatten().next().map(|e| e.vector.len()) else {
        bail!("{}: no face in any photo", images.display());
    };
    let model = embedded.values().flatten().next().map_or_else(String::new, |e| e.model.clone());
    let mut gallery = Gallery::new(model, dimension, enrolled.len());
    for (index, photos) in enrolled.iter().enumerate() {
        // A person whose photo shows no face is not enrolled, and cannot be found.
        if let Some(embedding) = embedding_of(&embedded, photos[0]) {
            gallery.put(&made_up_person(index, embedding.clone())).map_err(Error::msg)?;
        }
    }
    let mut margins = Margins::default();
    let mut identify = |name: &str, is_right: &dyn Fn(&str) -> bool| {
        let probe = embedding_of(&embedded, name)?;
        let best = gallery.search(&probe.vector, Scope::Everyone, 2);
        margins.note(&best, is_right);
        best.into_iter().next()
    };
    let (mut mated, mut right) = (Vec::new(), 0usize);
    for (index, photos) in enrolled.iter().enumerate() {
        let id = index.to_string();
        for name in &photos[1..] {
            let found = identify(name, &|found| found == id).filter(|found| found.person.id == id);
            right += usize::from(found.is_some());
            // The wrong person on top is no identification at any threshold.
            mated.push(found.map_or(NO_FACE, |found| found.similarity));
        }
    }
    let mut others: Vec<f32> = people
        .values()
        .filter(|photos| photos.len() == 1)
        .map(|photos| identify(photos[0], &|_| false).map_or(NO_FACE, |found| found.similarity))
        .collect();
    line["bench"] = json!("identify");
    line["gallery_people"] = json!(gallery.people());
    line["mated_probes"] = json!(mated.len());
    line["non_mated_probes"] = json!(others.len());
    line["rank_1"] = json!(right as f64 / mated.len().max(1) as f64);
    for (name, fpir) in [("1e-2", 1e-2), ("1e-3", 1e-3)] {
        note(&mut line, "tpir_at_fpir", name, rate_at(&mated, &mut others, fpir));
    }
    margins.report(&mut line, settings)?;
    print_figures(&line);
    Ok(())
}

/// What a least margin over the second best person (`recognition.top2_margin_min`) holds back, at any match threshold.
#[derive(Default)]
struct Margins {
    /// Similarity of the best person, margin over the second, whether it is the right one.
    probes: Vec<(f32, f32, bool)>,
}

/// Margins that are reported: half of the default, the default, twice the default.
const MARGINS: [f32; 3] = [0.025, 0.05, 0.1];

impl Margins {
    fn note(&mut self, best: &[Candidate], is_right: &dyn Fn(&str) -> bool) {
        if let [first, second, ..] = best {
            let margin = first.similarity - second.similarity;
            self.probes.push((first.similarity, margin, is_right(&first.person.id)));
        }
    }

    /// Of the probes above the match threshold: how many were named rightly and wrongly, and how many of each a margin holds back.
    fn report(&self, line: &mut Value, settings: &Settings) -> Result<()> {
        let selection = read_selection(settings)?;
        let threshold = selection.describe(selection.embedder())?.1.similarity_threshold;
        let passed = |right: bool, below: f32| {
            let wanted =
                |probe: &&(f32, f32, bool)| probe.0 >= threshold && probe.2 == right && probe.1 < below;
            self.probes.iter().filter(wanted).count()
        };
        line["named_right"] = json!(passed(true, f32::INFINITY));
        line["named_wrong"] = json!(passed(false, f32::INFINITY));
        for margin in MARGINS {
            line[format!("held_by_lead_{margin}")] =
                json!({ "right": passed(true, margin), "wrong": passed(false, margin) });
        }
        Ok(())
    }
}

pub fn timed_embeddings(
    settings: &Settings,
    photos: Photos<'_>,
    centring: Centring,
) -> Result<(Embedded, Value)> {
    let EmbeddingRun { embedded, wall, cpu } = embed_all(settings, photos, centring).map_err(Error::msg)?;
    let count = photos.names.len() as f64;
    let line = json!({
        "photos": photos.names.len(),
        "photos_without_face": embedded.values().filter(|embedding| embedding.is_none()).count(),
        "photos_per_s": count / wall.as_secs_f64(),
        "cpu_ms_per_photo": cpu.as_secs_f64() * 1000.0 / count,
        "embedder": embedded.values().flatten().next().map(|embedding| &embedding.model),
        "optimised": !cfg!(debug_assertions),
    });
    Ok((embedded, line))
}

fn read_pairs(path: &Path) -> Result<Vec<ListedPair>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            parse_pair(line).with_context(|| {
                format!("{}:{}: expected fold,same,a,b with same 0 or 1", path.display(), index + 1)
            })
        })
        .collect()
}

fn parse_pair(line: &str) -> Option<ListedPair> {
    let [fold, same, a, b] = line.split(',').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
    let same = match same {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    Some(ListedPair { fold: fold.parse().ok()?, same, photos: [a.to_owned(), b.to_owned()] })
}

fn embedding_of<'a>(embedded: &'a Embedded, name: &str) -> Option<&'a Embedding> {
    embedded.get(name)?.as_ref()
}

pub fn note(line: &mut Value, what: &str, at: &str, point: Option<OperatingPoint>) {
    line[format!("{what}_{at}")] = json!(point.map(|point| point.rate));
    line[format!("{what}_{at}_threshold")] = json!(point.map(|point| point.threshold));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_written() {
        let pair = parse_pair("3,1,A/A_1.jpg, B/B_2.jpg").unwrap();
        assert_eq!((pair.fold, pair.same), (3, true));
        assert_eq!(pair.photos, ["A/A_1.jpg", "B/B_2.jpg"]);
        for wrong in ["3,2,a,b", "x,1,a,b", "3,1,a", "3,1,a,b,c"] {
            assert!(parse_pair(wrong).is_none(), "{wrong}");
        }
    }
}
