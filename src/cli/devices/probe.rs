//! `menshen devices probe`: what a stream is, or exactly why there is none, within ten seconds.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::Args;
use crossbeam_channel::{Receiver, bounded, never, select};
use serde_json::json;

use super::known_devices;
use crate::adapters::camera::GstOpener;
use crate::adapters::camera::reach::reach;
use crate::cli::config_args::ConfigArgs;
use crate::cli::language::{help, said};
use crate::cli::output::print_line;
use crate::config::Settings;
use crate::ports::camera::{StreamNotice, StreamOpener as _, StreamSpec};
use crate::runtime::models::ready_models;
use crate::runtime::problems::Problems;
use menshen_domain::frame::{Frame, PixelAspect};
use menshen_domain::lag::SinkFeedback;
use menshen_domain::secrets::mask_url;
use menshen_domain::status::Language;
use menshen_domain::stream_fault::StreamFault;
use menshen_domain::text::spoken;
use menshen_domain::view::View;
use menshen_vision::FaceAnalyzer;
use menshen_vision::align::align;
use menshen_vision::analyzer::Aligned;
use menshen_vision::as_seen::as_seen;
use menshen_vision::quality::measure;
use menshen_vision::refine::tilt_deg;
use menshen_vision::resize::Resizer;

#[derive(Args)]
pub struct ProbeArgs {
    #[arg(help = help("The stream's address, or the `ip` of a configured device", "视频流地址，或已配置设备的 ip"))]
    target: String,
    #[arg(long, help = help("A file of pipelines/ without .toml; default: chosen by the address", "pipelines/ 中的文件名（不含 .toml）；缺省按地址选择"))]
    pipeline: Option<String>,
    #[arg(long = "parameter", value_name = "KEY=VALUE", help = help("More values for the pipeline, as in transport=udp", "管道的其他参数，如 transport=udp"))]
    parameters: Vec<String>,
    #[arg(long, help = help("Print JSON", "输出 JSON"))]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// All of it takes no longer.
const WITHIN: Duration = Duration::from_secs(10);
/// Pictures are watched for this long once they come.
const WATCHED: Duration = Duration::from_secs(3);
/// Pictures that are searched for faces, spread over that time.
const LOOKED_AT: u32 = 10;

pub fn probe(arguments: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.settings()?;
    let (spec, view) = arguments.spec(&settings)?;
    let began = Instant::now();
    match watch_stream(&spec, &view, &settings, began) {
        Ok(seen) => {
            seen.print(&spec, arguments.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) if arguments.json => {
            let message = fault.to_string();
            print_line(&json!({ "ok": false, "fault": fault.kind(), "message": message }).to_string());
            Ok(ExitCode::FAILURE)
        }
        Err(fault) => bail!(fault.to_string()),
    }
}

impl ProbeArgs {
    /// What is opened, and how the device's pictures are to be seen.
    fn spec(&self, settings: &Settings) -> anyhow::Result<(StreamSpec, View)> {
        let mut parameters = std::collections::BTreeMap::new();
        let known = known_devices(settings)?;
        let device = known.find(&self.target);
        let target = &self.target;
        if device.is_none() && known.was_removed(target) {
            bail!(said!(
                "device `{target}` was removed; add it again, or probe its address, as in rtsp://{target}/…",
                "设备 `{target}` 已删除；请重新添加，或直接测试其地址，如 rtsp://{target}/…"
            ));
        }
        if let Some(device) = device.filter(|device| device.is_push()) {
            let pipeline = &device.pipeline;
            bail!(said!(
                "device `{target}` sends its photos by itself (pipeline {pipeline}): there is no stream to probe; see its state in \
                 `menshen devices list`",
                "设备 `{target}` 自行上传照片（管道 {pipeline}），没有可测试的码流；请用 menshen devices list 查看状态"
            ));
        }
        let pipeline = match (&self.pipeline, device) {
            (Some(pipeline), _) => pipeline.clone(),
            (None, Some(device)) => device.pipeline.clone(),
            (None, None) if Path::new(&self.target).is_file() => "file".to_owned(),
            (None, None) if self.target.starts_with("http") => "mjpeg".to_owned(),
            (None, None) => "rtsp".to_owned(),
        };
        match device {
            Some(device) => parameters.extend(device.parameters.clone()),
            None => drop(parameters.insert("url".to_owned(), self.target.clone())),
        }
        let device_id = mask_url(&self.target);
        for text in &self.parameters {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                let text = mask_url(text);
                anyhow!(said!(
                    "`{text}`: expected KEY=VALUE, as in transport=udp",
                    "`{text}`：应为 参数=值，如 transport=udp"
                ))
            })?;
            parameters.insert(key.to_owned(), value.to_owned());
        }
        let view = device.map(|device| device.view.clone()).unwrap_or_default();
        Ok((StreamSpec { device_id, pipeline, parameters }, view))
    }
}

/// What came of a stream.
struct Seen {
    /// How the device's pictures are seen: turned, and with pixels of that form.
    view: View,
    codec: String,
    decoder: String,
    size: (u32, u32),
    frames_per_s: f64,
    first_picture: Duration,
    /// Pictures that were searched for faces.
    looked_at: usize,
    with_faces: usize,
    faces_most: usize,
    /// Longest and shortest side of the largest face's box.
    face_px: Option<f32>,
    /// 0 to 1, of the largest face, else of the picture.
    brightness: Option<f32>,
    /// Form of a pixel, as the device's key or else the stream says.
    pixel_aspect: PixelAspect,
    /// Pictures whose largest face is turned clockwise by 90, 180 and 270 degrees.
    turned: [usize; 3],
}

fn watch_stream(
    spec: &StreamSpec,
    view: &View,
    settings: &Settings,
    began: Instant,
) -> Result<Seen, StreamFault> {
    let url = spec.parameters.get("url").map(String::as_str).unwrap_or_default();
    if !Path::new(url).is_file() && !url.is_empty() {
        reach(url)?;
    }
    let analyzer = load_beside(settings);
    let opener = GstOpener::new(&settings.pipelines_dir)
        .map_err(|errors| StreamFault::Configuration(Problems::from_iter(errors).to_string()))?;
    let (frame_sender, frames) = bounded::<Frame>(1);
    let (notice_sender, notices) = bounded(8);
    let stream = opener
        .open(
            spec,
            // A frame that comes while another waits is dropped: detection may be slower than the camera.
            Arc::new(move |frame| match frame_sender.try_send(frame) {
                Ok(()) => SinkFeedback::Accepted,
                Err(_) => SinkFeedback::Overwrote,
            }),
            Arc::new(move |notice| drop(notice_sender.try_send(notice))),
        )
        .map_err(StreamFault::from)?;
    let seen = watch(&frames, &notices, &analyzer, view, began).map_err(|fault| match fault {
        StreamFault::Silent(ms) if stream.packets() > 0 => StreamFault::NoKeyFrame(ms),
        fault => fault,
    });
    // Closing a broken stream may take a while; the answer does not wait for it.
    std::thread::spawn(move || drop(stream));
    seen
}

fn watch(
    frames: &Receiver<Frame>,
    notices: &Receiver<StreamNotice>,
    loaded: &Receiver<Result<FaceAnalyzer, StreamFault>>,
    view: &View,
    began: Instant,
) -> Result<Seen, StreamFault> {
    let mut seen = Seen {
        view: view.clone(),
        codec: String::new(),
        decoder: String::new(),
        size: (0, 0),
        frames_per_s: 0.0,
        first_picture: Duration::ZERO,
        looked_at: 0,
        with_faces: 0,
        faces_most: 0,
        face_px: None,
        brightness: None,
        pixel_aspect: PixelAspect::SQUARE,
        turned: [0; 3],
    };
    let mut analyzer = None;
    let (mut first, mut last): (Option<(Instant, u64)>, u64) = (None, 0);
    // From when both pictures and models were there.
    let mut watched_from: Option<Instant> = None;
    let mut next_look = Instant::now();
    let mut models = never();
    // For a file that is over before the models are loaded.
    let mut unseen = None;
    loop {
        let left = match (first, watched_from) {
            (None, _) => WITHIN.saturating_sub(began.elapsed()),
            // The first start of a box prepares its models, which takes longer than anything here.
            (Some(_), None) => WATCHED,
            (Some(_), Some(from)) => WATCHED.saturating_sub(from.elapsed()),
        };
        if left.is_zero() {
            break;
        }
        select! {
            recv(notices) -> notice => match notice {
                Ok(StreamNotice::Decoding { codec, decoder }) => (seen.codec, seen.decoder) = (codec, decoder),
                Ok(StreamNotice::Failed(failure)) if first.is_none() => return Err(failure.into()),
                Ok(StreamNotice::Failed(_) | StreamNotice::Ended) | Err(_) => break,
            },
            recv(models) -> loaded => {
                let Ok(loaded) = loaded else { break };
                analyzer = Some(loaded?);
                watched_from = Some(Instant::now());
                models = never();
            },
            recv(frames) -> frame => {
                let Ok(frame) = frame else { break };
                last = frame.sequence;
                if first.is_none() {
                    seen.first_picture = began.elapsed();
                    seen.size = (frame.width, frame.height);
                    seen.pixel_aspect = view.pixel_aspect.unwrap_or(frame.pixel_aspect);
                    first = Some((Instant::now(), frame.sequence));
                    models = loaded.clone();
                }
                match analyzer.as_mut() {
                    Some(analyzer) if Instant::now() >= next_look => {
                        seen.add(analyzer, &frame);
                        next_look = Instant::now() + WATCHED / LOOKED_AT;
                    }
                    Some(_) => {}
                    None => unseen = Some(frame),
                }
            },
            default(left) => {},
        }
    }
    if let (None, Some(frame)) = (&analyzer, unseen)
        && let Ok(loaded) = loaded.recv()
    {
        seen.add(&mut loaded?, &frame);
    }
    let Some((at, from)) = first else { return Err(StreamFault::Silent(WITHIN.as_millis() as u64)) };
    seen.frames_per_s = last.saturating_sub(from) as f64 / at.elapsed().as_secs_f64().max(0.001);
    Ok(seen)
}

/// Loads the models while the stream comes up. Where it does not, nobody waits for them.
fn load_beside(settings: &Settings) -> Receiver<Result<FaceAnalyzer, StreamFault>> {
    let (sender, loaded) = bounded(1);
    let settings = settings.clone();
    std::thread::spawn(move || drop(sender.send(load(&settings))));
    loaded
}

fn load(settings: &Settings) -> Result<FaceAnalyzer, StreamFault> {
    let (models, loader) =
        ready_models(settings).map_err(|error| StreamFault::Configuration(error.to_string()))?;
    models.load(&loader).map_err(|error| StreamFault::Configuration(error.to_string()))
}

impl Seen {
    fn add(&mut self, analyzer: &mut FaceAnalyzer, frame: &Frame) {
        let Ok(frame) = &as_seen(frame, &self.view, &mut Resizer::default()) else { return };
        let Ok(faces) = analyzer.detect(frame) else { return };
        self.looked_at += 1;
        self.faces_most = self.faces_most.max(faces.len());
        let largest = faces.iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()));
        let Some(face) = largest else { return };
        self.with_faces += 1;
        if let Ok(Ok(Aligned { tilted: Some(landmarks), .. })) = analyzer.align(frame, face)
            && let turns = (tilt_deg(&landmarks) / 90.0).round().rem_euclid(4.0) as usize
            && let Some(count) = turns.checked_sub(1).and_then(|turn| self.turned.get_mut(turn))
        {
            *count += 1;
        }
        let measured = measure(frame, face, align(frame, &face.landmarks).as_deref());
        if self.face_px.is_none_or(|known| measured.face_size_px > known) {
            self.face_px = Some(measured.face_size_px);
            self.brightness = Some(measured.brightness);
        }
    }

    /// The `rotation` by which most of the faces are upright: that of the device, and what is missing on top.
    fn rotation(&self) -> usize {
        let (turns, most) = (1..).zip(self.turned).max_by_key(|(_, count)| *count).unwrap_or_default();
        let missing = if most * 2 > self.with_faces { 360 - turns * 90 } else { 0 };
        (self.view.rotation.degrees() as usize + missing) % 360
    }

    fn print(&self, spec: &StreamSpec, as_json: bool) {
        let (width, height) = self.size;
        if as_json {
            print_line(&json!({
                "ok": true, "pipeline": spec.pipeline, "codec": self.codec, "decoder": self.decoder, "width": width,
                "height": height, "frames_per_s": (self.frames_per_s * 10.0).round() / 10.0,
                "first_picture_ms": self.first_picture.as_millis() as u64, "pictures_looked_at": self.looked_at,
                "pictures_with_faces": self.with_faces, "faces_most": self.faces_most, "face_px": self.face_px,
                "brightness": self.brightness, "pixel_aspect": self.pixel_aspect.to_string(), "rotation": self.rotation(),
            })
            .to_string());
            return;
        }
        let zh = spoken() == Language::Zh;
        let (codec, fps, first) = (&self.codec, self.frames_per_s, self.first_picture.as_secs_f64());
        print_line(&if zh {
            format!(
                "码流正常：{codec} {width}×{height}，{fps:.1} 帧/秒，{first:.1} 秒出图（{}）",
                self.decoder
            )
        } else {
            format!(
                "ok: {codec} {width}x{height}, {fps:.1} frames/s, first picture after {first:.1} s ({})",
                self.decoder
            )
        });
        let (with, of, most) = (self.with_faces, self.looked_at, self.faces_most);
        let faces = match (self.face_px, zh) {
            (None, true) => format!("{of} 张图中没有人脸：请让一人站在通行位置再测"),
            (None, false) => {
                format!("no face in {of} pictures: have a person stand where people pass, and try again")
            }
            (Some(px), true) => format!(
                "{of} 张图中 {with} 张有人脸，最多 {most} 人；最大人脸 {px:.0} 像素{}，亮度 {:.2}",
                if px < GOOD_FACE_PX { "，偏小，建议 120 像素以上" } else { "" },
                self.brightness.unwrap_or_default()
            ),
            (Some(px), false) => format!(
                "faces in {with} of {of} pictures, {most} at most; the largest {px:.0} px{}, brightness {:.2}",
                if px < GOOD_FACE_PX { " (small: 120 px or more is good)" } else { "" },
                self.brightness.unwrap_or_default()
            ),
        };
        print_line(&faces);
        let (aspect, rotation) = (self.pixel_aspect, self.rotation());
        if !aspect.is_square() {
            print_line(&if zh {
                format!("像素宽高比 {aspect}，已按此校正")
            } else {
                format!("its pixels are {aspect}, and are made square")
            });
        }
        if rotation != self.view.rotation.degrees() as usize {
            print_line(&if zh {
                format!("人脸不是正立的：请在该设备上设置 rotation = {rotation}")
            } else {
                format!(
                    "faces lie on their side or stand on their heads: set rotation = {rotation} for this device"
                )
            });
        }
        if fps < f64::from(ENOUGH_FPS) {
            print_line(if zh {
                "帧率偏低：建议 10 帧/秒以上"
            } else {
                "few frames: 10 a second or more are good"
            });
        }
    }
}

/// What the original box asks for (protocol section 10).
const GOOD_FACE_PX: f32 = 120.0;
const ENOUGH_FPS: u8 = 9;
