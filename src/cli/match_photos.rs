//! `menshen match`: whether two photos are recognised as one person.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::config_args::ConfigArgs;
use super::models::active_embedder;
use super::output::print_line;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::runtime::models::{read_selection, ready_models};
use crate::runtime::problems::Problems;
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::quality::{QualityLevel, judge};
use menshen_domain::score::ScoreMap;
use menshen_domain::status::{Language, ProtocolError};
use menshen_vision::FaceAnalyzer;
use menshen_vision::attributes::AttributeNets;
use menshen_vision::photo::decode_photo;
use menshen_vision::quality::measure;

#[derive(Args)]
pub struct MatchArgs {
    /// First photo 第一张照片
    a: PathBuf,
    /// Second photo 第二张照片
    b: PathBuf,
    /// Estimate age and gender as well 同时估计年龄与性别
    #[arg(long)]
    attributes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit code 0: the same person; 2: two people.
const DIFFERENT: u8 = 2;

pub fn run(arguments: &MatchArgs) -> anyhow::Result<ExitCode> {
    let mut settings = arguments.config.settings()?;
    settings.recognition.embedder = active_embedder(&settings)?;
    let (models, loader) = ready_models(&settings)?;
    let mut analyzer = models.load(&loader)?;
    let nets = arguments.attributes.then(|| load_attributes(&settings, &loader));
    let mut nets = nets.transpose()?;
    let mut analyze = |path: &Path| analyze(&mut analyzer, nets.as_mut(), path);
    let (first, second) = (analyze(&arguments.a), analyze(&arguments.b));
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => {
            let errors = [first.err(), second.err()].into_iter().flatten();
            return Err(errors.collect::<Problems>().into());
        }
    };
    let similarity = first.similarity(&second).unwrap_or(-1.0);
    let spec = models.embedder_spec();
    let recognition = &settings.recognition;
    let map = ScoreMap::new(recognition.score_range, spec.similarity_min, spec.similarity_threshold);
    let score = map.score(similarity);
    let same = score >= recognition.threshold;
    let (zh, en) = if same { ("同一人", "the same person") } else { ("不是同一人", "two people") };
    print_line(&format!(
        "similarity 相似度 {similarity:.3}, score 分数 {score:.1}, threshold 阈值 {:.1}: {en} {zh}",
        recognition.threshold
    ));
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn load_attributes(settings: &Settings, loader: &OrtLoader) -> anyhow::Result<AttributeNets> {
    Ok(read_selection(settings)?.attributes()?.load(loader)?)
}

/// The largest face's embedding. Prints its quality, with `nets` also its age and gender; neither decides.
fn analyze(
    analyzer: &mut FaceAnalyzer,
    nets: Option<&mut AttributeNets>,
    path: &Path,
) -> anyhow::Result<Embedding> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let frame = decode_photo(&bytes).map_err(|error| {
        let refusal = ProtocolError::from(error);
        anyhow!("{name}: {} {}", refusal.message(Language::En), refusal.message(Language::Zh))
    })?;
    let count = analyzer.detect(&frame).context(name.clone())?.len();
    let (face, aligned) = analyzer
        .largest_face(&frame)
        .context(name.clone())?
        .ok_or_else(|| anyhow!("{name}: no face found in the picture 图片中没有检测到人脸"))?;
    let quality = describe(&measure(&frame, &face, aligned.as_deref().ok()), &face);
    print_line(&format!("{name}: {count} face(s) 张人脸; {quality}"));
    if let Some(nets) = nets {
        let guessed = nets.estimate(&frame, &face.landmarks).context(name.clone())?;
        print_line(&format!("{name}: {guessed}"));
    }
    let aligned = aligned.with_context(|| format!("{name}: the face cannot be aligned 人脸无法对齐"))?;
    analyzer.embed(&aligned).context(name)
}

fn describe(measured: &menshen_domain::quality::Measurements, face: &Detection) -> String {
    let judgement = judge(&QualityLevel::High, measured);
    let verdict = if judgement.passed {
        "good enough to enrol 可入库".to_owned()
    } else {
        let fails: Vec<_> = judgement.fails.iter().map(|check| check.name()).collect();
        format!("not good enough to enrol 不可入库: {}", fails.join(", "))
    };
    let pose = measured.head_pose;
    format!(
        "size 尺寸 {:.0} px, confidence 置信度 {:.2}, pose 姿态 {:.0}/{:.0}/{:.0}°, clarity 清晰度 {:.2}, brightness 亮度 {:.2}; {verdict}",
        measured.face_size_px,
        face.score,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
        measured.clarity,
        measured.brightness
    )
}
