//! `menshen models optimize NAME --int8 --images DIR`: an embedder in 8-bit integers for the accelerator, accepted only if it
//! recognises as well.

use std::path::Path;

use anyhow::{Context as _, Error, bail};

use crate::adapters::onnx::OrtLoader;
use crate::cli::language::said;
use crate::cli::output::print_line;
use crate::config::Settings;
use crate::evaluation::embeddings::{Embedded, Photos, embed_with, list_images};
use crate::evaluation::pairs::mixed_pairs;
use crate::evaluation::statistics::rate_at;
use crate::runtime::models::read_selection;
use menshen_models::equivalence::{cosine, verify_int8};
use menshen_models::optimize::{Calibration, Calibrator, Loss, Ranges, Rates, write_int8};
use menshen_models::{Backend, ModelSet};
use menshen_vision::inference::InferenceLoader as _;
use menshen_vision::photo::decode_photo;

/// Faces the ranges are measured on; more of them changed nothing on SFace.
const FACES: usize = 200;
/// Where the rates are given.
const FALSE_MATCH_RATE: f64 = 1e-3;

/// Measures, makes, measures again, and writes `int8.toml` beside the model if the loss is acceptable.
pub fn optimize_int8(settings: &Settings, names: &[String], images: &Path) -> anyhow::Result<()> {
    let name = match names {
        [] => &settings.recognition.embedder,
        [name] => name,
        _ => bail!(said!("--int8 takes one model at a time", "--int8 每次只能处理一个模型")),
    };
    optimize_one(settings, name, images).with_context(|| name.clone())
}

fn optimize_one(settings: &Settings, name: &str, images: &Path) -> anyhow::Result<()> {
    let loader = OrtLoader::new(&settings.onnxruntime, &settings.provider)?;
    let Some(accelerator) = loader.accelerator() else {
        bail!(said!(
            "8-bit integers are for accelerators (ONNX Runtime's own kernels are no faster with them): run \
             scripts/setup --openvino and set runtime.accelerator, for example \"openvino:CPU\"",
            "8 位整数用于加速器（ONNX Runtime 自身并不会更快）：请运行 scripts/setup --openvino 并设置 runtime.accelerator，如 \"openvino:CPU\""
        ));
    };
    let selection = read_selection(settings)?;
    let ready = selection.load(name, Backend::Cpu(&loader))?;
    let models = ready.models;
    let model = models.embedder_model().clone();
    let photos = list_images(images).map_err(Error::msg)?;
    let (measured, others) = split(&photos);

    let (ranges, faces) = calibrate(&models, &loader, images, &measured)?;
    let path = write_int8(&model, &ranges)?;
    let least = verify_int8(&model, &loader, &path)?;
    print_line(&said!(
        "{name}: ranges of {count} values measured on {faces} faces; cosine {least:.4} on made pictures",
        "{name}：在 {faces} 张人脸上测得 {count} 个值的范围；合成图片上余弦 {least:.4}",
        count = ranges.len()
    ));

    let photos = Photos { folder: images, names: &others, tilt_deg: 0.0 };
    let embed = |models: &ModelSet| {
        let done = embed_with(models, &loader, settings.recognition.workers, photos);
        done.map(|done| done.embedded).map_err(Error::msg)
    };
    print_line(&said!(
        "embedding {count} other photos as the model came, then in 8-bit integers on {accelerator}",
        "对另外 {count} 张照片先用原模型、再用 {accelerator} 上的 8 位整数提取特征",
        count = others.len()
    ));
    let (original, int8) = (embed(&models)?, embed(&models.clone().accelerated_by(path))?);
    let loss = loss(&original, &int8)?;
    print_loss(&loss);
    if let Some(objection) = loss.objection() {
        bail!(said!("not accepted: {objection}", "未采用：{objection}"));
    }
    let calibration = Calibration { original_sha256: model.sha256.clone(), faces, loss, ranges };
    let target = calibration.write(&model)?;
    print_line(&said!(
        "accepted; written to {target}. The box uses it with runtime.int8 = true",
        "已采用，写入 {target}；设置 runtime.int8 = true 后使用",
        target = target.display()
    ));
    Ok(())
}

/// Every so many photos one for the ranges, and all others for measuring what they cost.
fn split(photos: &[String]) -> (Vec<String>, Vec<String>) {
    let step = photos.len().div_ceil(FACES).max(2);
    let part = |wanted: bool| {
        photos
            .iter()
            .enumerate()
            .filter(|(at, _)| at.is_multiple_of(step) == wanted)
            .map(|(_, name)| name.clone())
            .collect()
    };
    (part(true), part(false))
}

fn calibrate(
    models: &ModelSet,
    loader: &OrtLoader,
    images: &Path,
    photos: &[String],
) -> anyhow::Result<(Ranges, usize)> {
    let mut calibrator = Calibrator::new(models.embedder_model(), loader)?;
    let mut analyzer = models.load(loader)?;
    for name in photos {
        let bytes = std::fs::read(images.join(name))
            .with_context(|| said!("cannot read {name}", "无法读取 {name}"))?;
        let frame = decode_photo(&bytes).with_context(|| name.clone())?;
        let face = analyzer.largest_face(&frame).with_context(|| name.clone())?;
        if let Some((_, Ok(aligned))) = face {
            calibrator.add(&analyzer.embedder_input(&aligned))?;
        }
    }
    match calibrator.finish() {
        (_, 0) => {
            let (images, count) = (images.display(), photos.len());
            bail!(said!("{images}: no face in any of {count} photos", "{images}：{count} 张照片中都没有人脸"))
        }
        found => Ok(found),
    }
}

fn loss(original: &Embedded, int8: &Embedded) -> anyhow::Result<Loss> {
    let cosines: Vec<f64> = original
        .iter()
        .filter_map(|(name, a)| Some(cosine(&a.as_ref()?.vector, &int8.get(name)?.as_ref()?.vector)))
        .collect();
    let (of_original, of_int8, of_mixed) =
        (mixed_pairs(original, original), mixed_pairs(int8, int8), mixed_pairs(original, int8));
    let (genuine_pairs, impostor_pairs) = (of_original.0.len(), of_original.1.len());
    let rates = |(genuine, mut impostor): (Vec<f32>, Vec<f32>)| {
        rate_at(&genuine, &mut impostor, FALSE_MATCH_RATE)
            .map(|point| Rates { true_match_rate: point.rate, threshold: point.threshold })
            .with_context(|| {
                said!(
                    "the photos show too few people for a false match rate of 1e-3",
                    "照片中的人数太少，无法得到 1e-3 的误识率"
                )
            })
    };
    Ok(Loss {
        genuine_pairs,
        impostor_pairs,
        cosine_least: cosines.iter().copied().fold(1.0, f64::min),
        cosine_mean: cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
        original: rates(of_original)?,
        int8: rates(of_int8)?,
        mixed: rates(of_mixed)?,
    })
}

fn print_loss(loss: &Loss) {
    print_line(&said!(
        "{same} pairs of one person, {other} of two",
        "同一人 {same} 对，不同人 {other} 对",
        same = loss.genuine_pairs,
        other = loss.impostor_pairs
    ));
    let rows = [
        (said!("as it came", "原模型"), loss.original),
        (said!("8-bit integers", "8 位整数"), loss.int8),
        (said!("one of each", "两者混合"), loss.mixed),
    ];
    for (what, Rates { true_match_rate, threshold }) in rows {
        let percent = true_match_rate * 100.0;
        print_line(&said!(
            "  {what:<15} true match rate {percent:.2} % at a false match rate of 0.1 %, threshold {threshold:.4}",
            "  {what:<6} 误识率 0.1 % 时通过率 {percent:.2} %，阈值 {threshold:.4}"
        ));
    }
    print_line(&said!(
        "  cosine between the two: least {least:.4}, mean {mean:.4}",
        "  两者余弦：最小 {least:.4}，平均 {mean:.4}",
        least = loss.cosine_least,
        mean = loss.cosine_mean
    ));
}
