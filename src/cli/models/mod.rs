//! `menshen models`: what models there are, making them fast, checking that they recognise, and swapping them.

mod fetch;
mod int8;
mod use_embedder;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Error, bail};
use clap::{Args, Subcommand};

use self::int8::optimize_int8;
use super::config_args::ConfigArgs;
use super::output::print_line;
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
    /// List described models and the state of their files 列出模型
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Optimize models: faster, with the same results (`menshen run` does it at its first start) 优化模型
    #[command(alias = "prepare")]
    Optimize {
        /// Names of models; default: all 模型名，缺省为全部
        names: Vec<String>,
        /// Quantize an embedder to 8-bit integers for the accelerator; accepted only if it recognises as well on the photos
        /// of --images 生成 8 位整数版本（须通过精度检验）
        #[arg(long, requires = "images")]
        int8: bool,
        /// With --int8: a folder with a folder of photos for each person 每人一个子目录的照片目录
        #[arg(long, requires = "int8")]
        images: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Check checksums, loading and speed, and run the self-test of embedders and of models of age and gender; with
    /// --images also compare the features of optimised and original models 检查模型
    Check {
        /// Names of models; default: all 模型名，缺省为全部
        names: Vec<String>,
        /// Folder of photos to compare features on 用于比对特征的照片目录
        #[arg(long)]
        images: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Fetch a model's file from the package its model.toml names 下载模型
    Fetch {
        /// Folder of models/ 模型名
        name: String,
        /// Take it from this folder or file instead 从本地目录或文件获取
        #[arg(long)]
        from: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Switch to another embedder 切换特征模型
    ///
    /// The new embedder is tested and embeds all photos in the background while the old one keeps recognising; then the two
    /// are exchanged at once. Works while Menshen runs (over the local API) and while it does not.
    Use {
        /// Name of an embedder 模型名
        #[arg(required_unless_present_any = ["back", "cancel"], conflicts_with_all = ["back", "cancel"])]
        name: Option<String>,
        /// Switch back to the previous embedder, whose features were kept 回退到之前的模型
        #[arg(long)]
        back: bool,
        /// Cancel the running change; the present model stays 取消正在进行的切换
        #[arg(long, conflicts_with = "back")]
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
        print_line(&format!("warning: {renamed}"));
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
            let unknown = || format!("no model `{name}`; there is {}", available.join(", "));
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
            (Ok(()), Some(found)) => format!("optimised 已优化, cosine {:.6}", found.note.cosine_least),
            (Ok(()), None) => "not optimised 未优化".to_owned(),
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
            Ok((note, done)) => print_line(&format!(
                "{}: {} weights taken out of the inputs, {} batch norms folded, {} PReLUs rewritten, {} dense layers quantised; cosine to the original {:.6}",
                model.name,
                done.inputs_stripped,
                done.batch_norms_folded,
                done.prelus_rewritten,
                done.layers_quantized,
                note.cosine_least
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
    let mut line = format!("{}: ok, {original_ms:.1} ms a run as it came", model.name);
    match optimize::find(model) {
        Some(found) => {
            let optimized_ms = milliseconds(&found.path, Placement::Cpu)?;
            let _ = write!(line, ", {optimized_ms:.1} ms optimised (cosine {:.6})", found.note.cosine_least);
        }
        None => line += ", not optimised",
    }
    if let (Some(accelerator), "embedder") = (loader.accelerator(), model.role.as_str()) {
        let cosine = verify_accelerated(model, loader)?;
        let accelerated_ms = milliseconds(&model.path(), Placement::Accelerator)?;
        let _ = write!(line, ", {accelerated_ms:.1} ms on {accelerator} (cosine {cosine:.6})");
        // Most embedders have none; one that is there must be in order.
        if model.folder.join(optimize::CALIBRATION_FILE).exists() {
            let calibration = optimize::Calibration::read(model)?;
            let path = optimize::write_int8(model, &calibration.ranges)?;
            let cosine = verify_int8(model, loader, &path)?;
            let int8_ms = milliseconds(&path, Placement::Accelerator)?;
            let _ = write!(line, ", {int8_ms:.1} ms there in 8-bit integers (cosine {cosine:.4})");
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
            Ok(format!("; self-test: same person at least {same_least:.2}, two people {different:.2}"))
        }
        "age" | "gender" => {
            let models = AttributeModels::default().with(model)?;
            let mut nets = models.load(loader)?;
            let mut analyzer = analyzer(&settings.recognition.embedder)?;
            let seen = attribute_self_test(&mut analyzer, &mut nets)?;
            Ok(format!("; self-test: {seen}"))
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
    print_line(&format!("least cosine between original and optimised features: {least:.6}, {faces} faces"));
    if faces == 0 {
        bail!("{}: no face in any photo", images.display());
    }
    if least < COSINE_MIN {
        bail!("the optimised embedder differs: cosine {least:.6}, at least {COSINE_MIN} needed");
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
        let bytes = std::fs::read(images.join(name)).with_context(|| format!("cannot read {name}"))?;
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
