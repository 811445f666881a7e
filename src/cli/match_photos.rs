//! `menshen match`: whether two photos are recognised as one person.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::models::active_embedder;
use super::output::print_line;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::runtime::models::{read_selection, ready_models};
use crate::runtime::problems::Problems;
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::quality::{QualityLevel, judge};
use menshen_domain::score::ScoreMap;
use menshen_domain::status::ProtocolError;
use menshen_domain::text::spoken;
use menshen_vision::FaceAnalyzer;
use menshen_vision::attributes::AttributeNets;
use menshen_vision::photo::decode_photo;
use menshen_vision::quality::measure;

#[derive(Args)]
pub struct MatchArgs {
    #[arg(help = help("First photo", "第一张照片"))]
    a: PathBuf,
    #[arg(help = help("Second photo", "第二张照片"))]
    b: PathBuf,
    #[arg(long, help = help("Estimate age and gender as well", "同时估计年龄与性别"))]
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
    let verdict =
        if same { said!("the same person", "同一人") } else { said!("two people", "不是同一人") };
    print_line(&said!(
        "similarity {similarity:.3}, score {score:.1}, threshold {threshold:.1}: {verdict}",
        "相似度 {similarity:.3}，分数 {score:.1}，阈值 {threshold:.1}：{verdict}",
        threshold = recognition.threshold
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
    let bytes = std::fs::read(path).with_context(|| said!("cannot read {name}", "无法读取 {name}"))?;
    let frame = decode_photo(&bytes).map_err(|error| {
        let refusal = ProtocolError::from(error);
        anyhow!("{name}: {}", refusal.message(spoken()))
    })?;
    let count = analyzer.detect(&frame).context(name.clone())?.len();
    let (face, aligned) = analyzer.largest_face(&frame).context(name.clone())?.ok_or_else(|| {
        anyhow!(said!("{name}: no face found in the picture", "{name}：图片中没有检测到人脸"))
    })?;
    let quality = describe(&measure(&frame, &face, aligned.as_deref().ok()), &face);
    print_line(&said!("{name}: {count} face(s); {quality}", "{name}：{count} 张人脸；{quality}"));
    if let Some(nets) = nets {
        let guessed = nets.estimate(&frame, &face.landmarks).context(name.clone())?;
        print_line(&format!("{name}: {guessed}"));
    }
    let aligned =
        aligned.with_context(|| said!("{name}: the face cannot be aligned", "{name}：人脸无法对齐"))?;
    analyzer.embed(&aligned).context(name)
}

fn describe(measured: &menshen_domain::quality::Measurements, face: &Detection) -> String {
    let judgement = judge(&QualityLevel::High, measured);
    let verdict = if judgement.passed {
        said!("good enough to enrol", "可入库")
    } else {
        let fails: Vec<_> = judgement.fails.iter().map(|check| check.name()).collect();
        let fails = fails.join(", ");
        said!("not good enough to enrol: {fails}", "不可入库：{fails}")
    };
    let pose = measured.head_pose;
    said!(
        "size {size:.0} px, confidence {score:.2}, pose {yaw:.0}/{pitch:.0}/{roll:.0}°, clarity {clarity:.2}, brightness \
         {brightness:.2}; {verdict}",
        "尺寸 {size:.0} 像素，置信度 {score:.2}，姿态 {yaw:.0}/{pitch:.0}/{roll:.0}°，清晰度 {clarity:.2}，亮度 {brightness:.2}；{verdict}",
        size = measured.face_size_px,
        score = face.score,
        yaw = pose.yaw_deg,
        pitch = pose.pitch_deg,
        roll = pose.roll_deg,
        clarity = measured.clarity,
        brightness = measured.brightness
    )
}
