//! `menshen match`: two photos, and whether the box takes them for one person, in words.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::ConfigArgs;
use super::models::active_embedder;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::runtime::models::{read_selection, ready_models};
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::quality::{QualityLevel, judge};
use menshen_domain::score::ScoreMap;
use menshen_domain::status::{Language, ProtocolError};
use menshen_models::ModelError;
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
    /// Guess age and gender as well 同时估计年龄与性别
    #[arg(long)]
    attributes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit code 0: the same person; 2: two people.
const DIFFERENT: u8 = 2;

pub fn run(arguments: &MatchArgs) -> Result<ExitCode, Vec<String>> {
    let mut settings = arguments.config.settings()?;
    settings.recognition.embedder = active_embedder(&settings)?;
    let (models, loader) = ready_models(&settings)?;
    let mut analyzer = models.load(&loader).map_err(|error| vec![error.to_string()])?;
    let nets = arguments.attributes.then(|| load_attributes(&settings, &loader));
    let mut nets = nets.transpose().map_err(|error| vec![error.to_string()])?;
    let mut look = |path: &Path| look(&mut analyzer, nets.as_mut(), path);
    let (first, second) = (look(&arguments.a), look(&arguments.b));
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => return Err([first.err(), second.err()].into_iter().flatten().collect()),
    };
    let similarity = first.similarity(&second).unwrap_or(-1.0);
    let spec = models.embedder_spec();
    let recognition = &settings.recognition;
    let map = ScoreMap::new(recognition.score_range, spec.similarity_min, spec.similarity_threshold);
    let score = map.score(similarity);
    let same = score >= recognition.threshold;
    let (zh, en) = if same { ("同一人", "the same person") } else { ("不是同一人", "two people") };
    say(&format!(
        "similarity 相似度 {similarity:.3}, score 分数 {score:.1}, pass mark 阈值 {:.1}: {en} {zh}",
        recognition.threshold
    ));
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn load_attributes(settings: &Settings, loader: &OrtLoader) -> Result<AttributeNets, ModelError> {
    Ok(read_selection(settings)?.attributes()?.load(loader)?)
}

/// The largest face's embedding; its quality is said, with `nets` also its age and gender, and neither decides.
fn look(
    analyzer: &mut FaceAnalyzer,
    nets: Option<&mut AttributeNets>,
    path: &Path,
) -> Result<Embedding, String> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let refused = |code: &str| format!("{name}: {code}");
    let frame = decode_photo(&bytes).map_err(|error| {
        let refusal = ProtocolError::from(error);
        refused(&format!("{} {}", refusal.message(Language::En), refusal.message(Language::Zh)))
    })?;
    let faces = analyzer.detect(&frame).map_err(|error| refused(&error.to_string()))?;
    let count = faces.len();
    let (face, aligned) = analyzer
        .largest_face(&frame)
        .map_err(|error| refused(&error.to_string()))?
        .ok_or_else(|| refused("no face found in the picture 图片中没有检测到人脸"))?;
    let quality = describe(&measure(&frame, &face, aligned.as_deref()), &face);
    say(&format!("{name}: {count} face(s) 张人脸; {quality}"));
    if let Some(nets) = nets {
        let guessed = nets.estimate(&frame, &face.landmarks).map_err(|error| refused(&error.to_string()))?;
        say(&format!("{name}: {guessed}"));
    }
    let aligned = aligned.ok_or_else(|| refused("the face cannot be aligned 人脸无法对齐"))?;
    analyzer.embed(&aligned).map_err(|error| refused(&error.to_string()))
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

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
fn say(line: &str) {
    println!("{line}");
}
