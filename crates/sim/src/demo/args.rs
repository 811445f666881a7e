//! Options of `menshen-sim demo`.

use std::path::PathBuf;

use clap::Args;

use super::show::Lang;

/// What the demo is asked for.
#[derive(Args, Debug, Clone)]
pub struct DemoArgs {
    /// End after this time with a summary; without it, run until Ctrl-C 运行秒数，结束时给出结果
    #[arg(long)]
    pub seconds: Option<u64>,
    /// No platform and no broker: people come from a folder of photos 不用平台和 MQ，人员来自照片目录
    #[arg(long)]
    pub standalone: bool,
    /// zh or en; taken from LANG when not given 语言
    #[arg(long, value_enum)]
    pub lang: Option<Lang>,
    /// Folder with the demo's pictures 素材目录
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}
