//! Options of `menshen-sim load`.

use std::path::PathBuf;

use clap::Args;

/// What a run under load is asked for.
#[derive(Args, Debug, Clone)]
pub struct LoadArgs {
    /// People in the one message 一条消息中的人数
    #[arg(long, default_value_t = 5000)]
    pub users: usize,
    /// Photos to be checked a second 每秒质检照片数
    #[arg(long, default_value_t = 2.0)]
    pub fiqa_per_s: f64,
    /// Folder of portraits, with folders inside; they are taken in turn 人像目录，依次使用
    #[arg(long, default_value = ".setup/pictures")]
    pub photos: PathBuf,
    /// Different photos at most 最多使用的照片数
    #[arg(long, default_value_t = 1000)]
    pub photos_max: usize,
    /// Photos are enlarged by this, so that small portraits pass level high 照片放大倍数
    #[arg(long, default_value_t = 1)]
    pub enlarge: u32,
    /// Pictures of scripts/setup, for the cameras 摄像机素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
    /// Python with OpenCV, to do the same photos afterwards (benches/peer/enrol.py) 对照程序
    #[arg(long)]
    pub peer: Option<PathBuf>,
    /// Models for the peer 对照程序的模型目录
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
}
