//! What a simulated camera shows, and where: options of `menshen-sim camera`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

/// What a camera shows and where.
#[derive(Args, Clone, Debug)]
pub struct CameraArgs {
    /// Address to serve RTSP on 监听地址
    #[arg(long, default_value = "127.0.0.1:8554")]
    pub listen: SocketAddr,
    /// Path of the stream: rtsp://LISTEN/PATH 流路径
    #[arg(long, default_value = "cam1")]
    pub path: String,
    /// h264 or h265 编码
    #[arg(long, default_value = "h264")]
    pub codec: String,
    /// Picture size 画面尺寸
    #[arg(long, default_value = "1280x720", value_parser = parse_size)]
    pub size: (u32, u32),
    /// Pictures a second 帧率
    #[arg(long, default_value_t = 15)]
    pub fps: u32,
    /// A portrait that walks by: FILE, or FILE@mirror; may be repeated 走过画面的人像，可重复
    #[arg(long = "walk", value_name = "FILE")]
    pub walks: Vec<String>,
    /// Time a walker takes from edge to edge, ms 走过画面的时间（毫秒）
    #[arg(long, default_value_t = 4000)]
    pub walk_ms: u64,
    /// Empty scene between walkers, or before a clip, ms 两人之间的空画面（毫秒）
    #[arg(long, default_value_t = 4000)]
    pub gap_ms: u64,
    /// Serve a video file in place of walkers, over and over 循环播放视频文件
    #[arg(long, conflicts_with = "walks")]
    pub clip: Option<PathBuf>,
    /// Write the pictures to a Matroska file in place of serving them 写入文件而不提供流
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// User and password the stream asks for, as USER:PASSWORD 流的用户名和密码
    #[arg(long)]
    pub credentials: Option<String>,
    /// Change to this size after each round, and then back to `--size`, as a camera whose settings are changed does 每轮后切换尺寸
    #[arg(long, value_parser = parse_size, conflicts_with = "record")]
    pub other_size: Option<(u32, u32)>,
    /// Serve the same once more in this size, at the same pace, as a camera's sub-stream: rtsp://LISTEN/PATH-sub 子码流尺寸
    #[arg(long, value_parser = parse_size, conflicts_with_all = ["record", "other_size"])]
    pub sub: Option<(u32, u32)>,
    /// A camera whose clock jumps: its RTP timestamps leap every two seconds, forwards and backwards 时间戳跳变
    #[arg(long)]
    pub mad_clock: bool,
    /// Show the empty scene until a line comes on the standard input 等标准输入的一行后才开始
    #[arg(long)]
    pub wait: bool,
}

fn parse_size(text: &str) -> anyhow::Result<(u32, u32)> {
    let (w, h) = text.split_once('x').context("expected WIDTHxHEIGHT")?;
    let side = |t: &str| t.parse::<u32>().ok().filter(|s| (64..=3840).contains(s) && s % 2 == 0);
    side(w).zip(side(h)).context("sides must be even, 64 to 3840")
}
