//! `menshen bench fiqa`: how good the photos of a folder are, as enrolment and `fiqa` judge them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result};
use cpu_time::ThreadTime;
use serde_json::{Value, json};

use super::product::ready_models;
use menshen::config::Settings;
use menshen::evaluation::embeddings::{list_images, progress};
use menshen_domain::quality::{LevelName, QualityLevel};
use menshen_domain::status::ProtocolError;
use menshen_sim::figures::print_figures;

/// A line of JSON a photo, and one of them all: how many pass `level`, which checks the others fail, what is covered.
pub fn fiqa(images: &Path, level: &str, settings: &Settings) -> Result<()> {
    let named = LevelName::parse(level)
        .with_context(|| format!("no level `{level}`; there are high, middle, low, custom and no"))?;
    let level = QualityLevel::named(named, &settings.recognition.custom_level);
    let names = list_images(images).map_err(Error::msg)?;
    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader).map_err(Error::msg)?;
    let (mut passed, mut judging_s) = (0usize, 0.0);
    let (mut fails, mut refused) = (BTreeMap::<String, usize>::new(), BTreeMap::<i64, usize>::new());
    let (mut covered, mut covered_any) = ([0usize; 3], 0usize);
    for (index, name) in names.iter().enumerate() {
        let path = images.join(name);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let started = ThreadTime::now();
        let judged = analyzer.judge_photo(&bytes, &level);
        judging_s += started.elapsed().as_secs_f64();
        print_figures(&match judged {
            Err(error) => {
                let refusal = ProtocolError::from(error);
                let code = refusal.code.code();
                *refused.entry(code).or_default() += 1;
                json!({ "photo": name, "code": code, "refused": refusal.to_string() })
            }
            Ok(quality) => {
                passed += usize::from(quality.passed);
                for check in &quality.fails {
                    *fails.entry(check.clone()).or_default() += 1;
                }
                let parts = quality.occlusion.unwrap_or_default();
                for (count, part) in covered.iter_mut().zip(parts) {
                    *count += usize::from(part);
                }
                covered_any += usize::from(parts.contains(&true));
                json!({ "photo": name, "quality": quality })
            }
        });
        progress(index + 1, names.len());
    }
    let [left_eye, right_eye, mouth] = covered;
    let refused: BTreeMap<String, Value> =
        refused.into_iter().map(|(code, count)| (code.to_string(), count.into())).collect();
    print_figures(&json!({
        "bench": "fiqa",
        "photos": names.len(),
        "passed": passed,
        "fails": fails,
        "refused_by_code": refused,
        "covered": { "left_eye": left_eye, "right_eye": right_eye, "mouth": mouth, "any": covered_any },
        "cpu_ms_per_photo": judging_s * 1000.0 / names.len().max(1) as f64,
        "optimised": !cfg!(debug_assertions),
    }));
    Ok(())
}
