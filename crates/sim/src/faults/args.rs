//! Options of `menshen-sim faults`, `kills` and `swap`.

use std::path::PathBuf;

use clap::Args;

use super::brokers::BrokerArgs;
use super::plan::Kind;

/// What a fault campaign is asked for.
#[derive(Args, Debug, Clone)]
pub struct FaultsArgs {
    /// Everything random follows from it; odd seeds take replies through the upload queue, even ones through
    /// `notify_path` 随机种子
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Runs, each on fresh equipment with the next seed; the faults are shared out among them 轮数，每轮换下一个种子
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Faults in all 故障总数
    #[arg(long, default_value_t = 40)]
    pub faults: usize,
    /// Only these kinds 只用这些故障
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// File that gets every fault and every verdict, one JSON object a line 记录文件
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Folder with the pictures 素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}

/// What a kill campaign is asked for.
#[derive(Args, Debug, Clone)]
pub struct KillsArgs {
    /// Everything random follows from it 随机种子
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Kills and comparisons 杀进程与核对的次数
    #[arg(long, default_value_t = 300)]
    pub rounds: u32,
    /// Folder with the pictures 素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}

/// What a swap campaign is asked for.
#[derive(Args, Debug, Clone)]
pub struct SwapArgs {
    /// People enrolled before the swap 更换前的人数
    #[arg(long, default_value_t = 5000)]
    pub people: usize,
    /// The embedder to change to 更换到的识别模型
    #[arg(long, default_value = "fr_feature")]
    pub to: String,
    /// Kills in the middle before the swap may finish 中途杀进程的次数
    #[arg(long, default_value_t = 3)]
    pub kills: u32,
    /// Folder of portraits, with folders inside; they are taken in turn 人像目录，依次使用
    #[arg(long, default_value = ".setup/pictures")]
    pub photos: PathBuf,
    /// Portraits are enlarged by this, so that small ones pass level high 照片放大倍数
    #[arg(long, default_value_t = 1)]
    pub enlarge: u32,
    /// Pictures of scripts/setup, for the cameras 摄像机素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
    /// Everything random follows from it 随机种子
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}
