//! `menshen-bench` (also `menshen bench`): how fast and how right this machine is, one JSON object a line.

mod attributes;
mod calibration;
mod cameras;
mod fiqa;
mod frames;
mod outage;
mod photos;
mod picture_search;
mod product;
pub mod recognition;
mod search;
pub mod start;
mod turned;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::{Parser, Subcommand};
use menshen::cli::language::{self, help};
use menshen::cli::{ConfigArgs, grammar};

use product::{Problems, settings};

/// How fast and how right this machine is, as JSON lines.
#[derive(Parser)]
#[command(name = "menshen-bench", version, about = help(
    "How fast and how right this machine is, as JSON lines",
    "测量本机的速度与准确率，输出 JSON 行"
))]
pub struct BenchArgs {
    #[arg(long, global = true, value_name = "zh|en", value_parser = ["zh", "en"], help = help(
        "Language of help and messages; default: that of LC_ALL or LANG",
        "帮助和消息的语言；默认按 LC_ALL 或 LANG"
    ))]
    lang: Option<String>,
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    #[command(about = help("A clip through the whole chain, every picture, as fast as one vision thread can", "整条链路测速"))]
    Frames {
        #[arg(long, help = help("Video file; without one, a 1080p clip of people walking by is made first", "视频文件"))]
        clip: Option<PathBuf>,
        #[arg(long, default_value_t = 50_000, help = help("People in the gallery, made up", "底库人数"))]
        people: usize,
        #[arg(long, help = help("Folder of photos of people who are enrolled as well", "另外入库的照片目录"))]
        known: Option<PathBuf>,
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=240), help = help("Pictures a second the clip is taken to have", "视频帧率"))]
        fps: u32,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Search among made-up people, against the plain scan", "底库检索测速"))]
    Search {
        #[arg(long, default_value_t = 50_000, help = help("People in the gallery", "底库人数"))]
        people: usize,
        #[arg(long, default_value_t = 1000)]
        probes: usize,
    },
    #[command(about = help("Search by picture over stored events, made up", "以图搜图测速"))]
    PictureSearch {
        #[arg(long, value_delimiter = ',', default_values_t = [10_000, 50_000], help = help("Events in the store; several with commas", "事件数，可用逗号分隔"))]
        events: Vec<usize>,
        #[arg(long, default_value_t = 128, help = help("Length of a feature", "特征长度"))]
        dimension: usize,
        #[arg(long, default_value_t = 20, help = help("Events that show the person searched for", "命中的事件数"))]
        found: usize,
        #[arg(long, default_value = ".", help = help("Folder where the store is made, and removed afterwards: on the disk to be measured", "测试数据所在文件夹"))]
        folder: PathBuf,
    },
    #[command(about = help("Many network cameras at once, over RTSP: missed passages, time to the event, cost of a stream", "多路摄像机测试"))]
    Cameras(cameras::CamerasArgs),
    #[command(about = help("A box with many people: time from its start to the first recognition, and memory", "启动时间与内存"))]
    Start {
        #[arg(long, default_value_t = 50_000, help = help("People in the registry, made up", "底库人数"))]
        people: usize,
        #[arg(long, help = help("Photo of a person who is enrolled as well, and recognised", "一位另外入库者的照片"))]
        photo: PathBuf,
        #[arg(long, default_value_t = 3, help = help("Starts of each box; the figures are the median's", "启动次数"))]
        starts: usize,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Are two photos of one person? Verification accuracy on pairs of photos", "人脸验证（1:1）准确率"))]
    Accuracy {
        #[arg(long, help = help("CSV with the columns fold, same (0 or 1), a, b; photos relative to --images", "照片对列表"))]
        pairs: PathBuf,
        #[arg(long, help = help("Folder of the photos, one sub-folder a person", "照片目录，每人一个子目录"))]
        images: PathBuf,
        #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, help = help("Turns the second photo of every pair by so many degrees first, as if its head were tilted", "第二张照片先旋转"))]
        tilt: f32,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("The mean feature of a population and the thresholds, for an embedder's model.toml", "标定模型（均值与阈值）"))]
    Calibrate {
        #[arg(long, help = help("Folder of the photos, one sub-folder a person", "照片目录，每人一个子目录"))]
        images: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Faces on their side or upside down: recognised, refused or mistaken", "横置与倒置人脸"))]
    Turned {
        #[arg(long, help = help("Folder of the photos, one sub-folder a person", "照片目录，每人一个子目录"))]
        images: PathBuf,
        #[arg(long, default_value_t = 500, help = help("People with two photos at least", "人数"))]
        people: usize,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Open-set identification on a folder of photos", "人脸辨识（1:N）准确率"))]
    Identify {
        #[arg(long, help = help("Folder of the photos, one sub-folder a person", "照片目录，每人一个子目录"))]
        images: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Which photos pass a quality level, and what the others fail", "照片质量判断"))]
    Fiqa {
        #[arg(long, help = help("Folder of the photos, with folders inside", "照片目录"))]
        images: PathBuf,
        #[arg(long, default_value = "high", help = help("high, middle, low, custom or no", "质量级别"))]
        level: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Snapshot cameras that upload by FTP: every photo accounted for, and how long it took", "抓拍机 FTP 上传测试"))]
    Snapshots(photos::snapshots::SnapshotsArgs),
    #[command(about = help("Photo terminals that post all at once, with many people enrolled", "拍照终端并发测试"))]
    Terminals(photos::terminals::TerminalsArgs),
    #[command(subcommand)]
    #[command(about = help("Fill the stores of a configuration, for campaigns that begin with full ones", "填充测试数据"))]
    Fill(FillCommand),
    #[command(about = help("How steady guesses at age and gender are over pictures of one person", "年龄与性别估计的稳定性"))]
    Attributes {
        #[arg(long, help = help("Folder of the photos, one sub-folder a person", "照片目录，每人一个子目录"))]
        images: PathBuf,
        #[arg(long, help = help("CSV with the columns person, gender (female or male): how often the guess is right", "性别标注"))]
        genders: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// What is put into the stores.
#[derive(Subcommand)]
enum FillCommand {
    #[command(about = help("Events of the last three days; prints their ids in order", "事件"))]
    Events {
        #[arg(long)]
        count: u64,
        #[arg(long, help = help("Size of each scene picture", "场景图大小"))]
        picture_bytes: usize,
        #[arg(long)]
        config: PathBuf,
    },
    #[command(about = help("Made-up people, and one real person as `known`", "人员"))]
    People {
        #[arg(long)]
        count: usize,
        #[arg(long, help = help("Photo of the real person", "真实人员照片"))]
        photo: PathBuf,
        #[arg(long)]
        config: PathBuf,
    },
}

#[allow(clippy::print_stdout, reason = "the ids are for the campaign that asked")]
fn fill(command: &FillCommand) -> Result<()> {
    match command {
        FillCommand::Events { count, picture_bytes, config } => {
            for id in outage::fill(config, *count, *picture_bytes)? {
                println!("{id}");
            }
            Ok(())
        }
        FillCommand::People { count, photo, config } => start::fill_people(config, *count, photo),
    }
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    language::begin(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let line = match grammar::parse::<BenchArgs>(std::env::args_os()) {
        Ok(line) => line,
        Err(code) => return code,
    };
    run(&line).unwrap_or_else(|error| {
        match error.downcast_ref::<Problems>() {
            Some(Problems(problems)) => problems.iter().for_each(print_error),
            None => print_error(&error),
        }
        ExitCode::FAILURE
    })
}

/// The error and its causes, on one line.
#[allow(clippy::print_stderr, reason = "the terminal is where the operator looks")]
fn print_error(error: &Error) {
    eprintln!("error: {error:#}");
}

fn run(arguments: &BenchArgs) -> Result<ExitCode> {
    match &arguments.command {
        BenchCommand::Frames { clip, people, known, fps, config } => {
            let asked =
                frames::Asked { clip: clip.as_deref(), people: *people, known: known.as_deref(), fps: *fps };
            frames::frames(&asked, &settings(config)?)?;
        }
        BenchCommand::Fill(command) => fill(command)?,
        BenchCommand::Search { people, probes } => search::search(*people, *probes)?,
        BenchCommand::PictureSearch { events, dimension, found, folder } => {
            let (dimension, found) = (*dimension, *found);
            picture_search::run(&picture_search::Asked { folder, events, dimension, found })?;
        }
        BenchCommand::Cameras(arguments) => {
            let whole = cameras::cameras(arguments)?;
            return Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        BenchCommand::Snapshots(arguments) => return photos::snapshots::run(arguments),
        BenchCommand::Terminals(arguments) => return photos::terminals::run(arguments),
        BenchCommand::Start { people, photo, starts, config } => {
            let asked = start::Asked { people: *people, photo, starts: *starts };
            start::start(&asked, &settings(config)?)?;
        }
        BenchCommand::Accuracy { pairs, images, tilt, config } => {
            recognition::accuracy(pairs, images, *tilt, &settings(config)?)?;
        }
        BenchCommand::Calibrate { images, config } => calibration::calibrate(images, &settings(config)?)?,
        BenchCommand::Turned { images, people, config } => {
            turned::turned(images, *people, &settings(config)?)?;
        }
        BenchCommand::Identify { images, config } => recognition::identify(images, &settings(config)?)?,
        BenchCommand::Fiqa { images, level, config } => fiqa::fiqa(images, level, &settings(config)?)?,
        BenchCommand::Attributes { images, genders, config } => {
            attributes::attributes(images, genders.as_deref(), &settings(config)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
