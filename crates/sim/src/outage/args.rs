//! Options of `menshen-sim outage`.

use std::path::PathBuf;

use clap::Args;

/// What the outage is like.
#[derive(Args, Clone, Debug)]
pub struct OutageArgs {
    /// Events left over from the outage 断网期间积压的事件数
    #[arg(long, default_value_t = 20_000)]
    pub events: u64,
    /// Size of each scene picture, KB; the face crop comes on top 场景图大小
    #[arg(long, default_value_t = 100)]
    pub picture_kb: usize,
    /// Live passages to be seen at least, after the platform is back 恢复后至少的实时通行数
    #[arg(long, default_value_t = 10)]
    pub live: usize,
    /// Folder of the pictures scripts/setup fetched 素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
    /// Give up after this long, s 时限（秒）
    #[arg(long, default_value_t = 1800)]
    pub within_s: u64,
    /// Where the box's data goes; a temporary folder without it 数据目录
    #[arg(long)]
    pub folder: Option<PathBuf>,
}
