//! Simulated network cameras: given faces walk through a scene, encoded once, served over real RTSP for ever.

pub mod encode;
pub mod scene;
pub mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// What `menshen sim camera` shows and where.
#[derive(Args, Clone, Debug)]
pub struct CameraArgs {
    /// Address to serve RTSP on
    #[arg(long, default_value = "127.0.0.1:8554")]
    pub listen: SocketAddr,
    /// Path of the stream: rtsp://LISTEN/PATH
    #[arg(long, default_value = "cam1")]
    pub path: String,
    /// h264 or h265
    #[arg(long, default_value = "h264")]
    pub codec: String,
    #[arg(long, default_value = "1280x720", value_parser = parse_size)]
    pub size: (u32, u32),
    #[arg(long, default_value_t = 15)]
    pub fps: u32,
    /// A portrait that walks by: FILE, or FILE@mirror; may be repeated
    #[arg(long = "walk", value_name = "FILE")]
    pub walks: Vec<String>,
    /// Time a walker takes from edge to edge
    #[arg(long, default_value_t = 4000)]
    pub walk_ms: u64,
    /// Empty scene between walkers, or before a clip
    #[arg(long, default_value_t = 4000)]
    pub gap_ms: u64,
    /// Serve a video file in place of walkers, over and over
    #[arg(long, conflicts_with = "walks")]
    pub clip: Option<PathBuf>,
    /// Write the film to a Matroska file in place of serving it
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// User and password the stream asks for, as USER:PASSWORD
    #[arg(long)]
    pub credentials: Option<String>,
    /// Goes on in this size after each round, and then in `--size` again, as a camera whose settings are changed does
    #[arg(long, value_parser = parse_size, conflicts_with = "record")]
    pub other_size: Option<(u32, u32)>,
    /// Serves the same once more in this size, at the same pace, as a camera's sub-stream: rtsp://LISTEN/PATH-sub
    #[arg(long, value_parser = parse_size, conflicts_with_all = ["record", "other_size"])]
    pub sub: Option<(u32, u32)>,
    /// A camera whose clock jumps: its RTP timestamps leap every two seconds, forwards and backwards
    #[arg(long)]
    pub mad_clock: bool,
    /// Show the empty scene until a line comes on the standard input
    #[arg(long)]
    pub wait: bool,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let (w, h) = text.split_once('x').ok_or("expected WIDTHxHEIGHT")?;
    let side = |t: &str| t.parse::<u32>().ok().filter(|s| (64..=3840).contains(s) && s % 2 == 0);
    side(w).zip(side(h)).ok_or_else(|| "sides must be even, 64 to 3840".to_owned())
}

/// Encodes, then serves until the process ends.
pub fn run(arguments: &CameraArgs) -> Result<ExitCode, Vec<String>> {
    let show = |error: String| vec![error];
    gstreamer::init().map_err(|error| show(error.to_string()))?;
    let mut film = encode::film(arguments).map_err(show)?;
    if let Some(size) = arguments.other_size {
        film.append(encode::film(&CameraArgs { size, ..arguments.clone() }).map_err(show)?);
    }
    if let Some(file) = &arguments.record {
        encode::record(&film, arguments.fps, file).map_err(show)?;
        return Ok(ExitCode::SUCCESS);
    }
    let sub = arguments.sub.map(|size| encode::film(&CameraArgs { size, ..arguments.clone() }));
    serve::serve(arguments, film, sub.transpose().map_err(show)?).map_err(show)?;
    Ok(ExitCode::SUCCESS)
}
