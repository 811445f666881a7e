//! `menshen bench cameras`: how many network cameras this machine takes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};
use clap::{Args, Parser};
use menshen::cli::language::help;
use toml::Table;

use super::frames::play;
use super::product::{opener, ready_models, settings};
use menshen::cli::ConfigArgs;
use menshen::config::Settings;
use menshen_domain::frame::Frame;
use menshen_domain::models::Precision;
use menshen_domain::quality::judge;
use menshen_sim::cameras::enrolment::People;
use menshen_sim::cameras::{Asked, Audience, Walker, run};
use menshen_sim::figures::print_figures;
use menshen_testbed::camera::{CameraArgs, encode};
use menshen_vision::FaceAnalyzer;
use menshen_vision::quality::measure;

#[derive(Args)]
pub struct CamerasArgs {
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64), help = help("RTSP streams", "摄像机路数"))]
    streams: u16,
    #[arg(long, default_value_t = 210, help = help("Seconds that are measured", "测量时长（秒）"))]
    seconds: u64,
    #[arg(long, requires = "known", help = help("Video of one person, shown over and over with pauses, in place of portraits walking by", "单人视频"))]
    clip: Option<PathBuf>,
    #[arg(long, help = help("Photo of the person in the clip", "视频中人物的照片"))]
    known: Option<PathBuf>,
    #[arg(long, default_value = "1920x1080", help = help("Picture size of the streams", "分辨率"))]
    size: String,
    #[arg(long, default_value_t = 15)]
    fps: u32,
    #[arg(long, default_value = "h264", help = help("h264 or h265", "编码"))]
    codec: String,
    #[arg(long, default_value_t = 3000, help = help("Pause between walkers, ms", "间隔"))]
    gap_ms: u64,
    #[arg(long, value_name = "SEED", help = help("Kill, freeze and restart cameras at random; everything random follows from this number", "随机故障"))]
    chaos: Option<u64>,
    #[arg(long, value_name = "DIR", help = help("Portraits (.jpg) of people to be enrolled all the while, as fast as the box takes them", "同时不断注册人员的照片目录"))]
    enrol: Option<PathBuf>,
    #[arg(long, default_value_t = 1, requires = "enrol", value_parser = clap::value_parser!(u32).range(1..=8), help = help("Their photos are enlarged by this, so that small portraits pass level high", "照片放大倍数"))]
    enlarge: u32,
    #[arg(long, value_name = "N", help = help("Clients of the live stream who hardly read, in every other half minute; with --stream-fast, recognition is compared with the time without clients", "慢速实时流客户端数（每隔半分钟接入；与无客户端时段比较）"))]
    stream_slow: Option<usize>,
    #[arg(long, value_name = "N", help = help("Clients of the live stream who read everything, likewise", "快速实时流客户端数"))]
    stream_fast: Option<usize>,
    #[arg(long, default_value = ".setup/pictures", help = help("Pictures of scripts/setup", "素材目录"))]
    pictures: PathBuf,
    #[arg(long, help = help("Python with OpenCV, to do the same afterwards (benches/peer/peer.py)", "对照程序"))]
    peer: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Who walks by without a clip: picture, the person, and another photo of them where there is one.
const WALKERS: [(&str, &str, &str); 3] = [
    ("obama-2.jpg", "obama", "obama-1.jpg"),
    ("biden-1.jpg@mirror", "biden", "biden-1.jpg"),
    ("obama-3.jpg@mirror", "obama", "obama-1.jpg"),
];

pub fn cameras(arguments: &CamerasArgs) -> Result<bool> {
    let settings = settings(&arguments.config)?;
    let walkers = arguments.walkers(&settings)?;
    let runtime = Table::from_iter([
        ("accelerator".to_owned(), settings.provider.to_string().into()),
        ("int8".to_owned(), (settings.precision == Precision::Int8).into()),
    ]);
    let config = Table::from_iter([
        ("models_dir".to_owned(), absolute(&settings.models_dir)?.into()),
        ("pipelines_dir".to_owned(), absolute(&settings.pipelines_dir)?.into()),
        ("runtime".to_owned(), runtime.into()),
    ]);
    let asked = Asked {
        streams: arguments.streams.into(),
        seconds: arguments.seconds,
        walkers,
        camera: arguments.camera_options(),
        config,
        chaos: arguments.chaos,
        enrol: arguments.enrol.clone().map(|photos| People { photos, enlarge: arguments.enlarge }),
        audience: arguments.audience(),
        peer: arguments.peer.clone(),
    };
    run(&asked, &print_figures)
}

fn absolute(path: &Path) -> Result<String> {
    let path = path.canonicalize().with_context(|| path.display().to_string())?;
    Ok(path.display().to_string())
}

impl CamerasArgs {
    fn audience(&self) -> Option<Audience> {
        let (slow, fast) = (self.stream_slow.unwrap_or(0), self.stream_fast.unwrap_or(0));
        (slow + fast > 0).then_some(Audience { slow, fast })
    }

    fn camera_options(&self) -> Vec<String> {
        let mut options: Vec<String> =
            ["--size", &self.size, "--codec", &self.codec].map(str::to_owned).into();
        options.extend([
            "--fps".to_owned(),
            self.fps.to_string(),
            "--gap-ms".to_owned(),
            self.gap_ms.to_string(),
        ]);
        if let Some(clip) = &self.clip {
            options.extend(["--clip".to_owned(), clip.display().to_string()]);
        }
        options
    }

    /// Who will walk by, and from which of their pictures on the box could know them.
    fn walkers(&self, settings: &Settings) -> Result<Vec<Walker>> {
        let picture = |name: &str| self.pictures.join(name);
        let mut walkers: Vec<Walker> = match (&self.clip, &self.known) {
            (Some(clip), Some(photo)) => vec![Walker {
                picture: String::new(),
                name: stem(clip),
                person: stem(photo),
                photo: photo.clone(),
                good_after_ms: 0,
            }],
            _ => WALKERS
                .iter()
                .map(|(walk, person, photo)| Walker {
                    picture: picture(walk).display().to_string(),
                    name: stem(Path::new(walk.trim_end_matches("@mirror"))),
                    person: (*person).to_owned(),
                    photo: picture(photo),
                    good_after_ms: 0,
                })
                .collect(),
        };
        gstreamer::init().map_err(Error::msg)?;
        let goods = first_good_frames(&self.clip(&walkers)?, self.fps, settings)?;
        for walker in &mut walkers {
            let (_, good_after_ms) = goods
                .iter()
                .find(|(name, _)| *name == walker.name)
                .with_context(|| format!("no picture of {} is good enough to be recognised", walker.name))?;
            walker.good_after_ms = *good_after_ms;
        }
        Ok(walkers)
    }

    /// The clip of one camera, to be looked at picture by picture.
    fn clip(&self, walkers: &[Walker]) -> Result<encode::Clip> {
        #[derive(Parser)]
        struct Clip {
            #[command(flatten)]
            camera: CameraArgs,
        }
        let mut options = vec!["clip".to_owned()];
        options.extend(self.camera_options());
        for walker in walkers.iter().filter(|walker| !walker.picture.is_empty()) {
            options.extend(["--walk".to_owned(), walker.picture.clone()]);
        }
        encode::render(&Clip::try_parse_from(options)?.camera)
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// For each walk of a clip: milliseconds from its beginning to the first picture with a face that passes the live level.
fn first_good_frames(clip: &encode::Clip, fps: u32, settings: &Settings) -> Result<Vec<(String, u64)>> {
    let file = std::env::temp_dir().join(format!("menshen-bench-{}.mkv", std::process::id()));
    encode::record(clip, fps, &file)?;
    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader).map_err(Error::msg)?;
    let opener = opener(settings)?;
    let (mut index, mut found) = (0usize, Vec::<(String, u64)>::new());
    let played = play(&opener, &file, |frame| {
        let walk = clip.walks.iter().find(|walk| (walk.from..walk.to).contains(&index));
        if let Some(walk) = walk
            && found.iter().all(|(name, _)| *name != walk.name)
            && has_good_face(&mut analyzer, frame, settings)?
        {
            found.push((walk.name.clone(), (index - walk.from) as u64 * 1000 / u64::from(fps)));
        }
        index += 1;
        Ok(())
    });
    // Left behind in the temporary folder at worst.
    let _ = std::fs::remove_file(&file);
    played.map(|_| found)
}

fn has_good_face(analyzer: &mut FaceAnalyzer, frame: &Frame, settings: &Settings) -> Result<bool> {
    let faces = analyzer.detect(frame).map_err(Error::msg)?;
    let recognition = &settings.recognition;
    Ok(faces.iter().any(|face| {
        let side = face.bbox.width().min(face.bbox.height());
        let aligned = menshen_vision::align::align(frame, &face.landmarks);
        let judgement = judge(&recognition.live_level, &measure(frame, face, aligned.as_deref()));
        side >= recognition.face_min_px && judgement.passed
    }))
}
