//! `menshen match`: whether two photos are recognised as one person, and who is on one. A running box is asked; without one the
//! models are loaded here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::check::is_in_use;
use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::match_online::RunningBox;
use super::models::active_embedder;
use super::output::{print_line, print_note};
use super::photo_figures::{PhotoFigures, describe};
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::runtime::models::{read_selection, ready_models};
use crate::runtime::problems::Problems;
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::quality::{Measurements, QualityLevel, judge};
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
    #[arg(help = help("Second photo; without it the running box says who of its people the first one shows", "第二张照片；省略时由正在运行的门神识别第一张照片中的人员"))]
    b: Option<PathBuf>,
    #[arg(long, value_name = "IP", conflicts_with = "b", help = help("Look among the people who pass at this device; default: the default groups", "仅在该设备的人员中查找；默认为默认组"))]
    device: Option<String>,
    #[arg(long, help = help("Estimate age and gender as well", "同时估计年龄与性别"))]
    attributes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit code 0: the same person, or a person of the box; 2: two people, or nobody.
const DIFFERENT: u8 = 2;

pub fn run(arguments: &MatchArgs) -> anyhow::Result<ExitCode> {
    let mut settings = arguments.config.settings()?;
    let exit = |is_same: bool| if is_same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) };
    if is_in_use(&settings) {
        let running = RunningBox::new(&settings)?;
        let (a, device) = (&arguments.a, arguments.device.as_deref());
        return match &arguments.b {
            Some(b) => running.compare(a, b, arguments.attributes),
            None => running.identify(a, device, arguments.attributes),
        }
        .map(exit);
    }
    let Some(second) = &arguments.b else {
        bail!(said!(
            "no box is running on this data: start it to ask who is on a photo, or name two photos",
            "门神未在运行：识别照片中的人员需先启动门神；或指定两张照片进行比对"
        ));
    };
    print_note(&said!("no box is running: the models are loaded here", "门神未在运行：在本命令中加载模型"));
    settings.recognition.embedder = active_embedder(&settings)?;
    let (models, loader) = ready_models(&settings)?;
    let mut analyzer = models.load(&loader)?;
    let nets = arguments.attributes.then(|| load_attributes(&settings, &loader));
    let mut nets = nets.transpose()?;
    let mut analyze = |path: &Path| analyze(&mut analyzer, nets.as_mut(), path);
    let (first, second) = (analyze(&arguments.a), analyze(second));
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
    Ok(exit(same))
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
    let quality = describe(&figures(&measure(&frame, &face, aligned.as_deref().ok()), &face));
    print_line(&said!("{name}: {count} face(s); {quality}", "{name}：{count} 张人脸；{quality}"));
    if let Some(nets) = nets {
        let guessed = nets.estimate(&frame, &face.landmarks).context(name.clone())?;
        print_line(&format!("{name}: {guessed}"));
    }
    let aligned =
        aligned.with_context(|| said!("{name}: the face cannot be aligned", "{name}：人脸无法对齐"))?;
    analyzer.embed(&aligned).context(name)
}

fn figures(measured: &Measurements, face: &Detection) -> PhotoFigures {
    let judgement = judge(&QualityLevel::High, measured);
    let pose = measured.head_pose;
    PhotoFigures {
        size_px: measured.face_size_px,
        confidence: Some(face.score),
        pose_deg: [pose.yaw_deg, pose.pitch_deg, pose.roll_deg],
        clarity: measured.clarity,
        brightness: measured.brightness,
        is_good: judgement.passed,
        fails: judgement.fails.iter().map(|check| check.name().to_owned()).collect(),
    }
}
