//! Encoding a clip once: what a camera shows over and over, as access units.

use std::path::Path;
use std::sync::mpsc;

use anyhow::{Context as _, Result, bail};
use gstreamer::prelude::*;
use gstreamer::{Buffer, Caps, ClockTime, MessageView, Pipeline, State};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::args::CameraArgs;
use super::scene::{Walker, background};

/// Minutes of 1080p encode within this on a small core.
const ENCODED_WITHIN: ClockTime = ClockTime::from_seconds(300);

/// One encoded picture.
pub struct AccessUnit {
    /// Bytes, as the parser gave them.
    pub data: Buffer,
    /// Whether a viewer can begin here.
    pub is_key: bool,
}

/// A walker's time in the clip, as indices of access units, the end excluded.
#[derive(Debug, Clone)]
pub struct Walk {
    /// File name of the walker's picture without its ending.
    pub name: String,
    /// The first unit.
    pub from: usize,
    /// The unit after the last.
    pub to: usize,
}

/// What is shown over and over. The first `idle` units are the empty scene and loop by themselves.
pub struct Clip {
    /// In the order in which they are shown.
    pub units: Vec<AccessUnit>,
    /// Who walks by when.
    pub walks: Vec<Walk>,
    /// Units of the empty scene at the beginning.
    pub idle: usize,
    /// The encoder's.
    pub caps: Caps,
}

impl Clip {
    /// Shows another clip after this one.
    pub fn append(&mut self, other: Self) {
        let behind = self.units.len();
        let moved = |walk: Walk| Walk { from: walk.from + behind, to: walk.to + behind, ..walk };
        self.walks.extend(other.walks.into_iter().map(moved));
        self.units.extend(other.units);
    }
}

fn encoder(codec: &str, fps: u32) -> Result<(String, &'static str)> {
    match codec {
        "h264" => Ok((
            format!(
                "x264enc speed-preset=superfast tune=zerolatency key-int-max={fps} bitrate=4000 ! h264parse"
            ),
            "video/x-h264",
        )),
        "h265" => Ok((
            // A viewer may join at every key frame, as with a real camera: each is an IDR with its parameter sets.
            format!(
                "x265enc speed-preset=ultrafast tune=zerolatency key-int-max={fps} bitrate=4000 \
                 option-string=open-gop=0:repeat-headers=1 ! h265parse config-interval=-1"
            ),
            "video/x-h265",
        )),
        other => bail!("codec `{other}` is unknown; there is h264, h265"),
    }
}

/// Renders and encodes everything the camera will show.
///
/// # Errors
/// When a picture cannot be read or the encoder fails.
pub fn render(arguments: &CameraArgs) -> Result<Clip> {
    let (encoder, media) = encoder(&arguments.codec, arguments.fps)?;
    let (width, height) = arguments.size;
    let fps = arguments.fps;
    let raw = format!("video/x-raw,width={width},height={height},framerate={fps}/1");
    let tail = format!(
        "videoconvert ! videoscale ! videorate ! {raw} ! {encoder} \
         ! {media},stream-format=byte-stream,alignment=au ! appsink name=units sync=false"
    );
    if let Some(clip) = &arguments.clip {
        // The scene is black while nobody is in it.
        let gap = arguments.gap_ms * u64::from(fps) / 1000;
        let launch = format!(
            "concat name=one-after-the-other ! {tail} \
             videotestsrc pattern=black num-buffers={gap} ! {raw},format=I420 ! one-after-the-other. \
             filesrc name=source ! decodebin ! videoconvert ! videoscale ! videorate ! {raw},format=I420 \
             ! one-after-the-other."
        );
        let (units, caps) = collect(&launch, |pipeline| {
            let source = pipeline.by_name("source").context("no source")?;
            source.set_property_from_str("location", &clip.display().to_string());
            Ok(())
        })?;
        let name = clip.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let idle = (gap as usize).min(units.len());
        let walks = vec![Walk { name, from: idle, to: units.len() }];
        return Ok(Clip { units, walks, idle, caps });
    }
    let walkers: Vec<_> =
        arguments.walks.iter().map(|text| Walker::load(text, height)).collect::<Result<_, _>>()?;
    let frames = |ms: u64| (ms * u64::from(fps) / 1000).max(1) as usize;
    let (gap, walk) = (frames(arguments.gap_ms), frames(arguments.walk_ms));
    let mut walks = Vec::new();
    for (index, walker) in walkers.iter().enumerate() {
        let from = gap + index * (walk + gap);
        walks.push(Walk { name: walker.name.clone(), from, to: from + walk });
    }
    let launch = format!(
        "appsrc name=source format=time block=true max-buffers=4 \
         caps=video/x-raw,format=RGB,width={width},height={height},framerate={fps}/1 ! {tail}"
    );
    let wall = background(width, height);
    let (units, caps) = collect(&launch, |pipeline| {
        let source = pipeline
            .by_name("source")
            .and_then(|element| element.downcast::<AppSrc>().ok())
            .context("no appsrc")?;
        std::thread::spawn(move || {
            let mut index = 0u64;
            let mut push = |picture: image::RgbImage| {
                let mut buffer = Buffer::from_mut_slice(padded_rows(picture));
                if let Some(buffer) = buffer.get_mut() {
                    buffer.set_pts(ClockTime::from_mseconds(index * 1000 / u64::from(fps)));
                    buffer.set_duration(ClockTime::from_mseconds(1000 / u64::from(fps)));
                }
                index += 1;
                // An error ends the pipeline, which the collector reports.
                let _ = source.push_buffer(buffer);
            };
            for _ in 0..gap {
                push(wall.clone());
            }
            for walker in &walkers {
                for step in 0..walk {
                    push(walker.draw(&wall, step as f32 / walk as f32));
                }
                for _ in 0..gap {
                    push(wall.clone());
                }
            }
            let _ = source.end_of_stream();
        });
        Ok(())
    })?;
    Ok(Clip { idle: gap.min(units.len()), walks, units, caps })
}

/// GStreamer's packed RGB begins each row at a multiple of four bytes.
fn padded_rows(picture: image::RgbImage) -> Vec<u8> {
    let row = picture.width() as usize * 3;
    let padding = row.next_multiple_of(4) - row;
    let pixels = picture.into_raw();
    if padding == 0 {
        return pixels;
    }
    let padding = std::iter::repeat_n(0, padding);
    pixels.chunks(row).flat_map(|line| line.iter().copied().chain(padding.clone())).collect()
}

/// Writes a clip to a file, at its own speed when played.
///
/// # Errors
/// When the file cannot be written.
pub fn record(clip: &Clip, fps: u32, file: &Path) -> Result<()> {
    let is_h265 = clip.caps.structure(0).is_some_and(|media| media.name() == "video/x-h265");
    let parse = if is_h265 { "h265parse" } else { "h264parse" };
    let pipeline = gstreamer::parse::launch(&format!(
        "appsrc name=source format=time block=true ! {parse} ! matroskamux ! filesink name=target"
    ))?
    .downcast::<Pipeline>()
    .ok()
    .context("not a pipeline")?;
    let element = |name: &str| pipeline.by_name(name).with_context(|| format!("no {name}"));
    element("target")?.set_property_from_str("location", &file.display().to_string());
    let source = element("source")?.downcast::<AppSrc>().ok().context("no appsrc")?;
    source.set_caps(Some(&clip.caps));
    pipeline.set_state(State::Playing)?;
    for (index, unit) in clip.units.iter().enumerate() {
        let mut buffer = unit.data.copy();
        if let Some(buffer) = buffer.get_mut() {
            let at = ClockTime::from_mseconds(index as u64 * 1000 / u64::from(fps));
            buffer.set_pts(at);
            buffer.set_dts(at);
        }
        source.push_buffer(buffer)?;
    }
    source.end_of_stream()?;
    let ended = wait_for_end(&pipeline);
    pipeline.set_state(State::Null)?;
    ended
}

/// Returns when everything has run through.
fn wait_for_end(pipeline: &Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("no bus")?;
    for message in bus.iter_timed(ENCODED_WITHIN) {
        match message.view() {
            MessageView::Eos(_) => return Ok(()),
            MessageView::Error(error) => return Err(error.error().into()),
            _ => {}
        }
    }
    bail!("not done within {ENCODED_WITHIN}")
}

/// Runs a pipeline to its end and collects what comes out of `units`.
fn collect(launch: &str, prepare: impl FnOnce(&Pipeline) -> Result<()>) -> Result<(Vec<AccessUnit>, Caps)> {
    let pipeline = gstreamer::parse::launch(launch)?.downcast::<Pipeline>().ok().context("not a pipeline")?;
    prepare(&pipeline)?;
    let sink = pipeline
        .by_name("units")
        .and_then(|element| element.downcast::<AppSink>().ok())
        .context("no appsink")?;
    let (sender, receiver) = mpsc::channel();
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gstreamer::FlowError::Eos)?;
                let _ = sender.send(sample);
                Ok(gstreamer::FlowSuccess::Ok)
            })
            .build(),
    );
    pipeline.set_state(State::Playing)?;
    let ended = wait_for_end(&pipeline);
    pipeline.set_state(State::Null)?;
    ended.context("the film could not be encoded")?;
    let mut units = Vec::new();
    let mut caps = None;
    for sample in receiver.try_iter() {
        caps = caps.or_else(|| sample.caps_owned());
        if let Some(buffer) = sample.buffer() {
            let is_key = !buffer.flags().contains(gstreamer::BufferFlags::DELTA_UNIT);
            let data = buffer.copy_deep()?;
            units.push(AccessUnit { data, is_key });
        }
    }
    let caps = caps.context("the encoder gave nothing")?;
    Ok((units, caps))
}
