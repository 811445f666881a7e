//! `menshen models`: what models there are, making them fast, checking that they recognise, and swapping them.

mod fetch;
mod int8;
mod use_embedder;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Error, bail};
use clap::{Args, Subcommand};

use self::int8::optimize_int8;
use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::output::{print_line, print_warning};
use crate::adapters::changes_file::ChangesFile;
use crate::adapters::onnx::{LibraryError, OrtLoader};
use crate::config::Settings;
use crate::evaluation::embeddings::list_images;
use crate::ports::changes::ChangesStore as _;
use crate::ports::store::StoreError;
use crate::runtime::models::{check_models, load_fastest, read_selection};
use crate::runtime::problems::Problems;
use crate::runtime::storage::key_places;
use menshen_models::attributes::{AttributeModels, attribute_self_test};
use menshen_models::equivalence::{COSINE_MIN, cosine, milliseconds_a_run, verify_accelerated, verify_int8};
use menshen_models::optimize::{self, OptimizeError};
use menshen_models::self_test::{SelfTest, self_test};
use menshen_models::{Catalogue, ModelSet, ModelSpec};
use menshen_vision::FaceAnalyzer;
use menshen_vision::inference::{InferenceLoader as _, Placement};
use menshen_vision::photo::decode_photo;

#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand)]
enum ModelsCommand {
    #[command(about = help("List described models and the state of their files", "列出模型及其文件状态"))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(alias = "prepare", about = help("Optimize models: faster, with the same results (`menshen run` does it at its first start)", "优化模型：更快，结果不变（menshen run 首次启动时自动执行）"))]
    Optimize {
        #[arg(help = help("Names of models; default: all", "模型名，缺省为全部"))]
        names: Vec<String>,
        #[arg(long, requires = "images", help = help("Quantize an embedder to 8-bit integers for the accelerator; accepted only if it recognises as well on the photos of --images", "为加速器生成特征模型的 8 位整数版本；须在 --images 的照片上同样准确才采用"))]
        int8: bool,
        #[arg(long, requires = "int8", help = help("With --int8: a folder with a folder of photos for each person", "与 --int8 同用：每人一个子目录的照片目录"))]
        images: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Check checksums, loading and speed, and run the self-test of embedders and of models of age and gender; with --images also compare the features of optimised and original models", "检查校验和、加载和速度，并对特征、年龄、性别模型自检；加 --images 时还比对优化前后的特征"))]
    Check {
        #[arg(help = help("Names of models; default: all", "模型名，缺省为全部"))]
        names: Vec<String>,
        #[arg(long, help = help("Folder of photos to compare features on", "用于比对特征的照片目录"))]
        images: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Fetch a model's file from the package its model.toml names", "按 model.toml 下载模型文件"))]
    Fetch {
        #[arg(help = help("Folder of models/", "models/ 下的目录名"))]
        name: String,
        #[arg(long, help = help("Take it from this folder or file instead", "改从本地目录或文件获取"))]
        from: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Switch to another embedder", "切换特征模型"), long_about = help(
        "Switch to another embedder.\n\n\
         The new embedder is tested and embeds all photos in the background while the old one keeps recognising; then the two are \
         exchanged at once. Works while Menshen runs (over the local API) and while it does not.",
        "切换特征模型。\n\n\
         新模型先通过自检，并在后台为所有照片重新提取特征，期间仍用旧模型识别；完成后一次切换。门神运行时（通过本地接口）与未运行时均可使用。"
    ))]
    Use {
        #[arg(required_unless_present_any = ["back", "cancel"], conflicts_with_all = ["back", "cancel"], help = help("Name of an embedder", "特征模型名"))]
        name: Option<String>,
        #[arg(long, help = help("Switch back to the previous embedder, whose features were kept", "切换回之前的特征模型（其特征仍保留）"))]
        back: bool,
        #[arg(long, conflicts_with = "back", help = help("Cancel the running change; the present model stays", "取消正在进行的切换，继续使用当前模型"))]
        cancel: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &ModelsArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        ModelsCommand::Fetch { name, from, config } => {
            return fetch::fetch(&config.settings()?, name, from.as_deref());
        }
        ModelsCommand::Use { cancel: true, config, .. } => return use_embedder::cancel(&config.settings()?),
        ModelsCommand::Use { name, config, .. } => {
            return use_embedder::use_model(&config.settings()?, name.as_deref());
        }
        ModelsCommand::List { config } => list(&config.settings()?),
        ModelsCommand::Optimize { names, images: Some(images), config, .. } => {
            optimize_int8(&config.settings()?, names, images)
        }
        ModelsCommand::Optimize { names, config, .. } => optimize_all(&config.settings()?, names),
        ModelsCommand::Check { names, images, config } => {
            let settings = config.settings()?;
            check_all(&settings, names)?;
            images.as_deref().map_or(Ok(()), |images| compare(&settings, images))
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn read_catalogue(settings: &Settings) -> anyhow::Result<Catalogue> {
    let catalogue = Catalogue::read(&settings.models_dir)?;
    for renamed in catalogue.renamed() {
        print_warning(renamed);
    }
    Ok(catalogue)
}

/// Those with a name of `names`; without names all that are fetched or used. An unknown name is an error.
fn select<'a>(
    settings: &Settings,
    catalogue: &'a Catalogue,
    names: &[String],
) -> anyhow::Result<Vec<&'a ModelSpec>> {
    let known: Vec<&ModelSpec> = catalogue.models().collect();
    let unknown: Problems = names
        .iter()
        .filter(|name| known.iter().all(|model| model.name != **name))
        .map(|name| {
            let available: Vec<&str> = known.iter().map(|model| model.name.as_str()).collect();
            let available = available.join(", ");
            let unknown = || {
                said!("no model `{name}`; there is {available}", "没有模型 `{name}`；可用的有 {available}")
            };
            catalogue.broken_named(name).map_or_else(unknown, ToString::to_string)
        })
        .collect();
    unknown.or_ok(())?;
    let active = active_embedder(settings)?;
    let is_meant = |model: &ModelSpec| match names {
        [] => model.path().exists() || is_used(settings, &active, model),
        names => names.contains(&model.name),
    };
    Ok(known.into_iter().filter(|model| is_meant(model)).collect())
}

fn is_used(settings: &Settings, embedder: &str, model: &ModelSpec) -> bool {
    model.name == embedder || model.name == settings.recognition.detector
}

fn list(settings: &Settings) -> anyhow::Result<()> {
    let catalogue = read_catalogue(settings)?;
    let active = active_embedder(settings)?;
    for model in catalogue.models() {
        let state = match (model.verify(), optimize::find(model)) {
            (Err(error), _) => error.to_string(),
            (Ok(()), Some(found)) => {
                let cosine = found.note.cosine_least;
                said!("optimised, cosine {cosine:.6}", "已优化，余弦 {cosine:.6}")
            }
            (Ok(()), None) => said!("not optimised", "未优化"),
        };
        let used = is_used(settings, &active, model);
        print_line(&format!(
            "{} {:<12} {:<10} {:<28} {:<22} {state}",
            if used { '*' } else { ' ' },
            model.name,
            model.role,
            model.id(),
            model.licence
        ));
    }
    let broken: Problems = catalogue.broken().map(ToString::to_string).collect();
    Ok(broken.or_ok(())?)
}

/// The one chosen in the field, else the configured one.
pub fn active_embedder(settings: &Settings) -> Result<String, StoreError> {
    let changes = ChangesFile::new(key_places(settings)).load()?;
    Ok(changes.embedder.map_or_else(|| settings.recognition.embedder.clone(), |chosen| chosen.name))
}

fn loader(settings: &Settings) -> Result<OrtLoader, LibraryError> {
    OrtLoader::new(&settings.onnxruntime, &settings.provider)
}

fn optimize_all(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    let (catalogue, loader) = (read_catalogue(settings)?, loader(settings)?);
    let mut problems = Problems::default();
    for model in select(settings, &catalogue, names)? {
        match optimize::optimize(model, &loader) {
            Ok((note, done)) => print_line(&said!(
                "{name}: {inputs} weights taken out of the inputs, {norms} batch norms folded, {prelus} PReLUs rewritten, {layers} \
                 dense layers quantised; cosine to the original {cosine:.6}",
                "{name}：从输入中移出 {inputs} 个权重，合并 {norms} 个批归一化，改写 {prelus} 个 PReLU，量化 {layers} 个全连接层；与原模型余弦 {cosine:.6}",
                name = model.name,
                inputs = done.inputs_stripped,
                norms = done.batch_norms_folded,
                prelus = done.prelus_rewritten,
                layers = done.layers_quantized,
                cosine = note.cosine_least
            )),
            Err(error) => problems.push(format!("{}: {error}", model.name)),
        }
    }
    Ok(problems.or_ok(())?)
}

fn check_all(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    let (catalogue, loader) = (read_catalogue(settings)?, loader(settings)?);
    let mut problems = Problems::default();
    if names.is_empty() {
        problems.extend(catalogue.broken().map(ToString::to_string));
    }
    for model in select(settings, &catalogue, names)? {
        let checked = check_one(model, &loader).map_err(anyhow::Error::from);
        match checked.and_then(|line| Ok(line + &test_one(settings, model, &loader)?)) {
            Ok(line) => print_line(&line),
            Err(error) => problems.push(error.context(model.name.clone())),
        }
    }
    Ok(problems.or_ok(())?)
}

fn check_one(model: &ModelSpec, loader: &OrtLoader) -> Result<String, OptimizeError> {
    model.verify()?;
    let milliseconds = |path: &Path, place| milliseconds_a_run(model, loader, path, place);
    let original_ms = milliseconds(&model.path(), Placement::Cpu)?;
    let name = &model.name;
    let mut line = said!(
        "{name}: ok, {original_ms:.1} ms a run as it came",
        "{name}：正常，原模型每次 {original_ms:.1} 毫秒"
    );
    match optimize::find(model) {
        Some(found) => {
            let optimized_ms = milliseconds(&found.path, Placement::Cpu)?;
            let cosine = found.note.cosine_least;
            line += &said!(
                ", {optimized_ms:.1} ms optimised (cosine {cosine:.6})",
                "，优化后 {optimized_ms:.1} 毫秒（余弦 {cosine:.6}）"
            );
        }
        None => line += &said!(", not optimised", "，未优化"),
    }
    if let (Some(accelerator), "embedder") = (loader.accelerator(), model.role.as_str()) {
        let cosine = verify_accelerated(model, loader)?;
        let accelerated_ms = milliseconds(&model.path(), Placement::Accelerator)?;
        line += &said!(
            ", {accelerated_ms:.1} ms on {accelerator} (cosine {cosine:.6})",
            "，{accelerator} 上 {accelerated_ms:.1} 毫秒（余弦 {cosine:.6}）"
        );
        // Most embedders have none; one that is there must be in order.
        if model.folder.join(optimize::CALIBRATION_FILE).exists() {
            let calibration = optimize::Calibration::read(model)?;
            let path = optimize::write_int8(model, &calibration.ranges)?;
            let cosine = verify_int8(model, loader, &path)?;
            let int8_ms = milliseconds(&path, Placement::Accelerator)?;
            line += &said!(
                ", {int8_ms:.1} ms there in 8-bit integers (cosine {cosine:.4})",
                "，其上 8 位整数 {int8_ms:.1} 毫秒（余弦 {cosine:.4}）"
            );
        }
    }
    Ok(line)
}

/// Whether an embedder recognises, and whether models of age and gender see anything, behind the configured detector.
fn test_one(settings: &Settings, model: &ModelSpec, loader: &OrtLoader) -> anyhow::Result<String> {
    let analyzer = |embedder: &str| -> anyhow::Result<FaceAnalyzer> {
        let selection = read_selection(settings)?;
        Ok(load_fastest(&selection, settings, embedder, loader)?.load(loader)?)
    };
    match model.role.as_str() {
        "embedder" => {
            let SelfTest { same_least, different } = self_test(&mut analyzer(&model.name)?)?;
            Ok(said!(
                "; self-test: same person at least {same_least:.2}, two people {different:.2}",
                "；自检：同一人不低于 {same_least:.2}，不同人 {different:.2}"
            ))
        }
        "age" | "gender" => {
            let models = AttributeModels::default().with(model)?;
            let mut nets = models.load(loader)?;
            let mut analyzer = analyzer(&settings.recognition.embedder)?;
            let seen = attribute_self_test(&mut analyzer, &mut nets)?;
            Ok(said!("; self-test: {seen}", "；自检：{seen}"))
        }
        _ => Ok(String::new()),
    }
}

/// The configured chain with optimised and with original models on the same aligned faces.
fn compare(settings: &Settings, images: &Path) -> anyhow::Result<()> {
    let loader = loader(settings)?;
    let mut models = check_models(settings)?;
    let names = list_images(images).map_err(Error::msg)?;
    let (faces, least) = compare_photos(&mut models, &loader, images, &names)?;
    print_line(&said!(
        "least cosine between original and optimised features: {least:.6}, {faces} faces",
        "优化前后特征的最小余弦：{least:.6}，{faces} 张人脸"
    ));
    if faces == 0 {
        let images = images.display();
        bail!(said!("{images}: no face in any photo", "{images}：照片中没有人脸"));
    }
    if least < COSINE_MIN {
        bail!(said!(
            "the optimised embedder differs: cosine {least:.6}, at least {COSINE_MIN} needed",
            "优化后的特征模型有差异：余弦 {least:.6}，至少应为 {COSINE_MIN}"
        ));
    }
    Ok(())
}

fn compare_photos(
    models: &mut ModelSet,
    loader: &OrtLoader,
    images: &Path,
    names: &[String],
) -> anyhow::Result<(usize, f64)> {
    let mut original = models.load(loader)?;
    if let Some(error) = models.use_optimized(loader).into_iter().next() {
        return Err(error.into());
    }
    let mut optimized = models.load(loader)?;
    let (mut faces, mut least) = (0, 1.0f64);
    for name in names {
        let bytes = std::fs::read(images.join(name))
            .with_context(|| said!("cannot read {name}", "无法读取 {name}"))?;
        let frame = decode_photo(&bytes).with_context(|| name.clone())?;
        let face = optimized.largest_face(&frame).with_context(|| name.clone())?;
        let Some((_, Ok(aligned))) = face else { continue };
        let a = original.embed(&aligned)?;
        let b = optimized.embed(&aligned)?;
        least = least.min(cosine(&a.vector, &b.vector));
        faces += 1;
    }
    Ok((faces, least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        models: ModelsArgs,
    }

    #[test]
    fn optimize_is_still_called_prepare() {
        for name in ["optimize", "prepare"] {
            let line =
                Line::try_parse_from(["menshen", name, "sface", "--int8", "--images", "photos"]).unwrap();
            assert!(
                matches!(line.models.command, ModelsCommand::Optimize { names, int8: true, .. } if names == ["sface"]),
                "{name}"
            );
        }
    }
}
