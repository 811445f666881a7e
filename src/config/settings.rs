//! The settings, checked. What cannot work cannot be expressed.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::attributes::{AttributeSettings, read_attributes};
use super::devices::{BlockContext, DeviceTables, read_devices};
use super::photos::{FtpSettings, read_ftp};
pub use super::platform::{Mode, PlatformSettings};
use super::platform::{PlatformKeys, read_platform};
use super::published::read_template;
use super::reader::Section;
use super::receivers::{all_receivers, http_url, read_history_dialect, read_receivers};
use super::renamed::RenamedKey;
use super::secret_files::OpenFile;
use super::tls::{TlsSettings, read_common};
use super::value_error::ValueError;
use super::web::{LocalApiSettings, read_local_api, read_web};
use crate::regular_file::{self, NoFile};
use menshen_domain::device::DeviceConfig;
use menshen_domain::limits;
use menshen_domain::limits::{GALLERY_CAPACITY, GALLERY_CAPACITY_MAX};
use menshen_domain::models::{Precision, Provider};
use menshen_domain::photo_rules::PassMode;
use menshen_domain::quality::{Check, LevelName, QualityLevel, QualityLimits};
use menshen_domain::report_options::{Dialect, OcclusionTrue, ReceiverDialect};
use menshen_domain::score::ScoreRange;
use menshen_domain::status::Language;
use menshen_domain::text;
use menshen_domain::tuning::{Changes, GateMode};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone)]
pub struct RecognitionSettings {
    pub detector: String,
    pub embedder: String,
    /// Never 0: resolved to the number of cores.
    pub workers: usize,
    pub detection_score_min: Option<f32>,
    pub face_min_px: f32,
    /// 0: every frame is analysed.
    pub idle_look_ms: u64,
    /// Features.
    pub gallery_capacity: usize,
    pub live_level: QualityLevel,
    /// FIQA level `custom`, which strangers must pass.
    pub custom_level: QualityLimits,
    /// 0–100.
    pub threshold: f32,
    pub score_range: ScoreRange,
    /// Raw similarity the best person must be ahead of the second best.
    pub top2_margin_min: f32,
    /// Liveness networks, for devices that ask for liveness.
    pub liveness_models: Vec<String>,
    /// 0–1.
    pub liveness_min: f32,
    pub attributes: AttributeSettings,
    /// Minutes the box's time zone is ahead of UTC.
    pub utc_offset_min: i32,
    /// Unmatched faces of sufficient quality are enrolled as strangers.
    pub enrol_strangers: bool,
    /// Strangers kept; the oldest go first.
    pub strangers_max: usize,
}

#[derive(Debug, Clone)]
pub struct PassageSettings {
    pub gap_ms: u64,
    pub max_ms: u64,
    pub strangers: bool,
    pub stranger_hits_min: u32,
    pub embed_interval_ms: u64,
    pub high_confidence_margin: f32,
    pub better_shot_ratio: f32,
}

#[derive(Debug, Clone)]
pub struct EventSettings {
    pub realtime_urls: Vec<Url>,
    pub realtime_timeout_ms: u64,
    /// Those of `receiver` among them.
    pub history_urls: Vec<Url>,
    /// History tells what was detected of the face also where no platform asks for it.
    pub history_face_info: bool,
    /// `None`: as the platform's.
    pub history_dialect: Option<Dialect>,
    pub receivers: Vec<ReceiverDialect>,
    pub keep_max: u64,
    pub keep_bytes: u64,
    /// `None`: events are not removed by age.
    pub keep_days: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// Master key file; `None` is in the data folder.
    pub key_file: Option<PathBuf>,
    /// Left free on the disk by what makes the data grow.
    pub keep_free_bytes: u64,
}

/// Everything that is configured of a box.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None` in standalone mode.
    pub platform: Option<PlatformSettings>,
    /// Nothing goes to platform, broker and receivers without TLS, with a platform or without.
    pub require_tls: bool,
    /// Of what goes to the platform, and to own receivers that have none of their own.
    pub dialect: Dialect,
    /// What `true` says in `occlusion` of quality results.
    pub occlusion_true: OcclusionTrue,
    /// Licence code; `STANDALONE` where none was issued.
    pub dev_sno: String,
    pub data_dir: PathBuf,
    pub models_dir: PathBuf,
    pub pipelines_dir: PathBuf,
    pub language: Language,
    pub devices: Vec<DeviceConfig>,
    /// The same as the file has them.
    pub device_tables: DeviceTables,
    pub ftp: FtpSettings,
    pub recognition: RecognitionSettings,
    pub passages: PassageSettings,
    pub events: EventSettings,
    pub storage: StorageSettings,
    /// Receivers of the status report besides the platform's.
    pub monitor_urls: Vec<Url>,
    pub gate_mode: GateMode,
    pub pass_mode: PassMode,
    /// What makes a door's address of a device's network relay; empty for none. May hold a password.
    pub net_relay_url: String,
    pub local_api: LocalApiSettings,
    pub web_listen: SocketAddr,
    pub web_tls: TlsSettings,
    pub log_level: String,
    pub log_format: LogFormat,
    /// Empty: looked for in the usual places.
    pub onnxruntime: PathBuf,
    /// What embedders run on.
    pub provider: Provider,
    /// How many bits they calculate with there.
    pub precision: Precision,
    pub shutdown_deadline_ms: u64,
    /// Keys that were given under an old spelling.
    pub renamed_keys: Vec<RenamedKey>,
    /// Files with secrets that others on this machine may read.
    pub open_files: Vec<OpenFile>,
}

impl Settings {
    /// Reads everything, noting every error. Where one was noted the default stands in, so that what is built
    /// on the settings can be checked too; only settings without an error may be used.
    pub(super) fn read(mut root: Section<'_>) -> Self {
        let mode = root.take("mode", Mode::Platform);
        let data_dir = root.take("data_dir", PathBuf::from("var"));
        let models_dir = root.take("models_dir", PathBuf::from("models"));
        let pipelines_dir = root.take("pipelines_dir", PathBuf::from("pipelines"));
        let language = root.take("language", Language::Zh);
        let PlatformKeys { platform, dev_sno, require_tls, dialect, occlusion_true } =
            read_platform(root.section("platform"), mode);
        let device_tables = DeviceTables::new(&root.peek("devices"));
        let sections = root.sections("devices");
        if sections.len() > limits::DEVICES_MAX {
            root.wrong(
                "devices",
                text!(
                    "{count} devices; at most {max} fit one box",
                    "{count} 台设备；本机最多 {max} 台",
                    count = sections.len(),
                    max = limits::DEVICES_MAX
                ),
            );
        }
        let GateKeys { gate_mode, pass_mode, net_relay_url } = read_gate(root.section("gate"));
        let context = BlockContext { dev_sno: &dev_sno, net_relay_url: &net_relay_url };
        let devices = read_devices(sections, context);
        let tls = read_common(root.section("tls"));
        let ftp = read_ftp(root.section("ftp"), &devices, tls.as_ref());
        let recognition = read_recognition(root.section("recognition"));
        let passages = read_passages(root.section("passages"));
        let events = read_events(root.section("events"));
        let storage = read_storage(root.section("storage"));
        let mut status = root.section("status");
        let monitor_urls = read_urls(&mut status, "monitor_urls");
        status.finish();
        let local_api = read_local_api(root.section("local_api"), &data_dir, tls.as_ref());
        let (web_listen, web_tls) = read_web(root.section("web"), tls.as_ref());
        if require_tls {
            check_receivers(&root, &events, &monitor_urls);
        }
        let (log_level, log_format) = read_log(root.section("log"));
        let mut runtime = root.section("runtime");
        let onnxruntime = runtime.take("onnxruntime", PathBuf::new());
        let provider = runtime.take_checked("accelerator", String::new(), |text| {
            text.parse::<Provider>().map_err(|_| ValueError::Accelerator(text))
        });
        let precision = read_precision(&mut runtime, provider.as_ref());
        let shutdown_deadline_ms = runtime.take_within("shutdown_deadline_s", 10u64, 1, 120) * 1000;
        runtime.finish();
        root.finish();
        Self {
            platform,
            require_tls,
            dialect,
            occlusion_true,
            dev_sno,
            data_dir,
            models_dir,
            pipelines_dir,
            language,
            devices,
            device_tables,
            ftp,
            recognition,
            passages,
            events,
            storage,
            monitor_urls,
            gate_mode,
            pass_mode,
            net_relay_url,
            local_api,
            web_listen,
            web_tls,
            log_level,
            log_format,
            onnxruntime,
            provider: provider.unwrap_or_default(),
            precision,
            shutdown_deadline_ms,
            renamed_keys: Vec::new(),
            open_files: Vec::new(),
        }
    }
}

impl Settings {
    /// Takes over who this box is and where its platform is, where that was changed in the field.
    pub fn change_identity(&mut self, changes: &Changes) {
        if let Some(dev_sno) = &changes.dev_sno {
            self.dev_sno.clone_from(dev_sno);
            for device in &mut self.devices {
                device.ep_id = DeviceConfig::ep_id(dev_sno, &device.ip);
            }
        }
        if let (Some(platform), Some(login_url)) = (&mut self.platform, &changes.login_url) {
            platform.login_url.clone_from(login_url);
        }
    }
}

fn read_precision(runtime: &mut Section<'_>, provider: Option<&Provider>) -> Precision {
    let precision = if runtime.take("int8", false) { Precision::Int8 } else { Precision::Full };
    if precision == Precision::Int8 && provider == Some(&Provider::Cpu) {
        runtime.wrong(
            "int8",
            text!(
                "8-bit integers are for an accelerator; set runtime.accelerator, or int8 = false",
                "8 位整数仅用于加速器；请设置 runtime.accelerator，或 int8 = false"
            ),
        );
    }
    precision
}

/// Notes receivers without TLS.
fn check_receivers(root: &Section<'_>, events: &EventSettings, monitor_urls: &[Url]) {
    for (key, urls) in [
        ("events.realtime_urls", events.realtime_urls.as_slice()),
        ("events.history_urls", &events.history_urls),
        ("status.monitor_urls", monitor_urls),
    ] {
        if urls.iter().any(|url| url.scheme() != "https") {
            root.wrong(
                key,
                text!(
                    "every address must begin with https://, since platform.require_tls is on",
                    "platform.require_tls 已启用，每个地址须以 https:// 开头"
                ),
            );
        }
    }
}

fn read_recognition(mut section: Section<'_>) -> RecognitionSettings {
    let detector = section.take("detector", "yunet".to_owned());
    let embedder = section.take("embedder", "sface".to_owned());
    let workers = section.take_within("workers", 0usize, 0, 64);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let detection_score_min = section.take_within("detection_score_min", 0.0f32, 0.0, 1.0);
    let face_min_px = section.take_within("face_min_px", 40.0f32, 10.0, 2000.0);
    let idle_look_ms = section.take_within("idle_look_ms", 500u64, 0, 1000);
    let gallery_capacity = section.take_within("gallery_capacity", GALLERY_CAPACITY, 1, GALLERY_CAPACITY_MAX);
    let live_level = section.take("live_level", LevelName::Low);
    let mut custom = section.section("custom_level");
    let custom_level = QualityLimits {
        face_size_min_px: custom.take_within("face_size_min_px", 80.0f32, 10.0, 2000.0),
        pose_sum_max_deg: custom.take_within("pose_sum_max_deg", 60.0f32, 1.0, 540.0),
        also: custom.take("checks", vec![Check::Partial, Check::Brightness, Check::Clarity]),
    };
    custom.finish();
    let score_range =
        section.take_checked("threshold_range", [0.0f32, 82.0, 100.0], |[lowest, best, highest]| {
            ScoreRange::new(lowest, best, highest)
                .map_err(|_| ValueError::ScoreRange([lowest, best, highest]))
        });
    let liveness_models = ["minifasnet-v2", "minifasnet-v1se"].map(str::to_owned).to_vec();
    let liveness_models: Vec<String> = section.take("liveness_models", liveness_models);
    if liveness_models.is_empty() {
        section.wrong(
            "liveness_models",
            text!(
                "must name at least one; a device without `liveness` runs none",
                "至少填写一个；未启用 `liveness` 的设备不会运行"
            ),
        );
    }
    let threshold = section.take_within("threshold", 82.0f32, 1.0, 100.0);
    let read = RecognitionSettings {
        detector,
        embedder,
        workers: if workers == 0 { cores } else { workers },
        detection_score_min: Some(detection_score_min).filter(|score| *score > 0.0),
        face_min_px,
        idle_look_ms,
        gallery_capacity,
        live_level: QualityLevel::named(live_level, &custom_level),
        custom_level,
        threshold,
        score_range: score_range.unwrap_or_default(),
        top2_margin_min: section.take_within("top2_margin_min", 0.05f32, 0.0, 1.0),
        liveness_models,
        liveness_min: section.take_within("liveness_min", 0.5f32, 0.01, 1.0),
        attributes: read_attributes(&mut section),
        utc_offset_min: section.take_within("utc_offset_min", 480i32, -840, 840),
        enrol_strangers: section.take("enrol_strangers", false),
        strangers_max: section.take_within("strangers_max", 2000usize, 1, limits::STRANGERS_MAX),
    };
    section.finish();
    read
}

fn read_passages(mut section: Section<'_>) -> PassageSettings {
    let read = PassageSettings {
        gap_ms: section.take_within("gap_ms", 2500u64, 200, 60_000),
        max_ms: section.take_within("max_ms", 60_000u64, 1000, 3_600_000),
        strangers: section.take("strangers", true),
        stranger_hits_min: section.take_within("stranger_hits_min", 3u32, 1, 1000),
        embed_interval_ms: section.take_within("embed_interval_ms", 150u64, 0, 10_000),
        high_confidence_margin: section.take_within("high_confidence_margin", 0.08f32, 0.0, 1.0),
        better_shot_ratio: section.take_within("better_shot_ratio", 1.15f32, 1.0, 10.0),
    };
    section.finish();
    read
}

fn read_events(mut section: Section<'_>) -> EventSettings {
    let receivers = read_receivers(&mut section);
    let read = EventSettings {
        realtime_urls: read_urls(&mut section, "realtime_urls"),
        history_face_info: section.take("history_face_info", false),
        history_urls: all_receivers(read_urls(&mut section, "history_urls"), &receivers),
        history_dialect: read_history_dialect(&mut section),
        receivers,
        realtime_timeout_ms: section.take_within("realtime_timeout_ms", 2000u64, 100, 60_000),
        keep_max: section.take_within("keep_max", 10_000u64, 100, 10_000_000),
        keep_bytes: section.take_within("keep_mb", 4096u64, 16, 10_000_000) * 1024 * 1024,
        keep_days: Some(section.take_within("keep_days", 0u64, 0, 36_500)).filter(|days| *days > 0),
    };
    section.finish();
    read
}

/// `[gate]`.
struct GateKeys {
    gate_mode: GateMode,
    pass_mode: PassMode,
    net_relay_url: String,
}

fn read_gate(mut section: Section<'_>) -> GateKeys {
    let gate_mode = section.take("mode", GateMode::OpenDoor);
    let pass_mode = section.take("pass_mode", PassMode::Normal);
    let net_relay_url = read_template(&mut section);
    section.finish();
    GateKeys { gate_mode, pass_mode, net_relay_url }
}

fn read_storage(mut section: Section<'_>) -> StorageSettings {
    let key_file = section.take("key_file", PathBuf::new());
    // One that is not there is made.
    if let Err(odd @ NoFile::Odd(_)) = regular_file::look(&key_file) {
        section.wrong("key_file", odd.text(&key_file));
    }
    let keep_free_bytes = section.take_within("keep_free_mb", 64u64, 1, 1_000_000) * 1024 * 1024;
    section.finish();
    let key_file = Some(key_file).filter(|path| !path.as_os_str().is_empty());
    StorageSettings { key_file, keep_free_bytes }
}

fn read_urls(section: &mut Section<'_>, key: &'static str) -> Vec<Url> {
    section
        .take_checked(key, Vec::<String>::new(), |urls| {
            urls.into_iter().map(http_url).collect::<Result<Vec<_>, _>>()
        })
        .unwrap_or_default()
}

/// A part without `=` is a level; a list of targets would take any other word for the name of one.
fn is_no_level(part: &str) -> bool {
    !part.contains('=') && part.parse::<LevelFilter>().is_err()
}

fn read_log(mut section: Section<'_>) -> (String, LogFormat) {
    let level = section
        .take_checked("level", "info".to_owned(), |text| {
            match text
                .split(',')
                .map(str::trim)
                .find(|part| part.parse::<Targets>().is_err() || is_no_level(part))
            {
                None => Ok(text),
                Some(wrong) => Err(ValueError::LogLevel(wrong.to_owned())),
            }
        })
        .unwrap_or_else(|| "info".to_owned());
    let format = section.take("format", LogFormat::Text);
    section.finish();
    (level, format)
}
