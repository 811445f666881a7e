//! `menshen models`: what models there are, making them fast, and checking that they still say the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::ConfigArgs;
use super::bench::embeddings::list_images;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::vision::analyzer::ModelSet;
use crate::vision::catalogue::{Catalogue, ModelSpec};
use crate::vision::photo::decode_photo;
use crate::vision::prepare::{self, COSINE_MIN, cosine};

#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand)]
enum ModelsCommand {
    /// Described models and the state of their files 列出模型
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Make models fast without changing their answers (the box does it itself at its first start) 优化模型
    Prepare {
        /// Names; none means all 模型名，缺省为全部
        names: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Checksums, loading, speed; and with photos, whether prepared and original give the same features 检查模型
    Check {
        /// Names; none means all 模型名，缺省为全部
        names: Vec<String>,
        /// Folder of photos to compare features on 用于比对特征的照片目录
        #[arg(long)]
        images: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &ModelsArgs) -> Result<ExitCode, Vec<String>> {
    match &arguments.command {
        ModelsCommand::List { config } => list(&config.settings()?),
        ModelsCommand::Prepare { names, config } => prepare_all(&config.settings()?, names),
        ModelsCommand::Check { names, images, config } => {
            let settings = config.settings()?;
            check_all(&settings, names)?;
            images.as_deref().map_or(Ok(()), |images| compare(&settings, images))
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn read_catalogue(settings: &Settings) -> Result<Catalogue, Vec<String>> {
    Catalogue::read(&settings.models_dir)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Those with a name of `names`, or all; an unknown name is told.
fn chosen<'a>(catalogue: &'a Catalogue, names: &[String]) -> Result<Vec<&'a ModelSpec>, Vec<String>> {
    let known: Vec<&ModelSpec> = catalogue.models().collect();
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| known.iter().all(|model| model.name != **name))
        .map(|name| {
            let available: Vec<&str> = known.iter().map(|model| model.name.as_str()).collect();
            format!("no model `{name}`; there is {}", available.join(", "))
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok(known.into_iter().filter(|model| names.is_empty() || names.contains(&model.name)).collect())
}

fn list(settings: &Settings) -> Result<(), Vec<String>> {
    for model in read_catalogue(settings)?.models() {
        let state = match (model.verify(), prepare::find(model)) {
            (Err(error), _) => error.to_string(),
            (Ok(()), Some((_, note))) => format!("prepared 已优化, cosine {:.6}", note.cosine_least),
            (Ok(()), None) => "not prepared 未优化".to_owned(),
        };
        say(&format!(
            "{:<12} {:<10} {:<28} {:<12} {state}",
            model.name,
            model.role,
            model.id(),
            model.licence
        ));
    }
    Ok(())
}

fn loader(settings: &Settings) -> Result<OrtLoader, Vec<String>> {
    OrtLoader::new(&settings.onnxruntime).map_err(|error| vec![error.to_string()])
}

fn prepare_all(settings: &Settings, names: &[String]) -> Result<(), Vec<String>> {
    let (catalogue, loader) = (read_catalogue(settings)?, loader(settings)?);
    let mut problems = Vec::new();
    for model in chosen(&catalogue, names)? {
        match prepare::prepare(model, &loader) {
            Ok((note, done)) => say(&format!(
                "{}: {} weights taken out of the inputs, {} batch norms folded, {} PReLUs rewritten, {} layers narrowed; cosine to the original {:.6}",
                model.name,
                done.inputs_stripped,
                done.batch_norms_folded,
                done.prelus_rewritten,
                done.layers_narrowed,
                note.cosine_least
            )),
            Err(error) => problems.push(format!("{}: {error}", model.name)),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn check_all(settings: &Settings, names: &[String]) -> Result<(), Vec<String>> {
    let (catalogue, loader) = (read_catalogue(settings)?, loader(settings)?);
    let mut problems = Vec::new();
    for model in chosen(&catalogue, names)? {
        match check_one(model, &loader) {
            Ok(line) => say(&line),
            Err(error) => problems.push(format!("{}: {error}", model.name)),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn check_one(model: &ModelSpec, loader: &OrtLoader) -> Result<String, prepare::PrepareError> {
    model.verify()?;
    let original_ms = prepare::milliseconds_a_run(model, loader, &model.path())?;
    let Some((path, note)) = prepare::find(model) else {
        return Ok(format!("{}: ok, {original_ms:.1} ms a run, not prepared", model.name));
    };
    let prepared_ms = prepare::milliseconds_a_run(model, loader, &path)?;
    Ok(format!(
        "{}: ok, {original_ms:.1} ms a run as it came, {prepared_ms:.1} ms prepared; cosine {:.6}",
        model.name, note.cosine_least
    ))
}

/// The configured chain with prepared and with original models on the same aligned faces.
fn compare(settings: &Settings, images: &Path) -> Result<(), Vec<String>> {
    let one = |error: String| vec![error];
    let loader = loader(settings)?;
    let mut models = crate::runtime::assemble::pick_models(settings)?;
    let names = list_images(images).map_err(one)?;
    let (faces, least) = compare_photos(&mut models, &loader, images, &names).map_err(one)?;
    say(&format!("least cosine between original and prepared features: {least:.6}, {faces} faces"));
    if faces == 0 {
        return Err(vec![format!("{}: no face in any photo", images.display())]);
    }
    if least < COSINE_MIN {
        return Err(vec![format!(
            "the prepared embedder differs: cosine {least:.6}, at least {COSINE_MIN} needed"
        )]);
    }
    Ok(())
}

fn compare_photos(
    models: &mut ModelSet,
    loader: &OrtLoader,
    images: &Path,
    names: &[String],
) -> Result<(usize, f64), String> {
    let mut original = models.load(loader).map_err(|error| error.to_string())?;
    if let Some(error) = models.use_prepared(loader).first() {
        return Err(error.to_string());
    }
    let mut prepared = models.load(loader).map_err(|error| error.to_string())?;
    let (mut faces, mut least) = (0, 1.0f64);
    for name in names {
        let bytes =
            std::fs::read(images.join(name)).map_err(|error| format!("cannot read {name}: {error}"))?;
        let frame = decode_photo(&bytes).map_err(|refusal| format!("{name}: {refusal}"))?;
        let face = prepared.largest_face(&frame).map_err(|error| format!("{name}: {error}"))?;
        let Some((_, Some(aligned))) = face else { continue };
        let a = original.embed(&aligned).map_err(|error| error.to_string())?;
        let b = prepared.embed(&aligned).map_err(|error| error.to_string())?;
        least = least.min(cosine(&a.vector, &b.vector));
        faces += 1;
    }
    Ok((faces, least))
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
fn say(line: &str) {
    println!("{line}");
}
