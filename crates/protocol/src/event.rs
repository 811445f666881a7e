//! Event bodies (protocol sections 5 and 8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes::{FaceAttributes, sex_number};
use super::number::rounded;
use menshen_domain::attributes::{AgeGroup, Gender};
use menshen_domain::event::{EventRecord, ShotQuality, WantAction};
use menshen_domain::face::HeadPose;
use menshen_domain::person::PersonKind;
use menshen_domain::report_options::OcclusionTrue;

/// Name and group the protocol gives to everyone the registry does not know.
pub const STRANGER_NAME: &str = "stranger";

/// Body of a real-time or history event.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBody {
    /// Empty for a stranger who is not enrolled.
    pub identity_id: String,
    /// Name of the person, or [`STRANGER_NAME`].
    pub identity_name: String,
    /// The registry group the face was compared with.
    pub group_name: String,
    /// The registry photo, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_pic: Option<String>,
    /// Time of the reported shot, ms since the epoch, UTC.
    pub timestamp: u64,
    /// Mapped score, 0–1.
    pub score: f64,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_action: Option<String>,
    /// Where, in what quality, with which pictures.
    pub ext_data: ExtData,
}

/// `ext_data` of an event.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtData {
    /// The device's address.
    pub device_ip: String,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ep_id: Option<String>,
    /// Scene picture, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_pic: Option<String>,
    /// Face crop, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face: Option<String>,
    /// Estimates of age and gender, at devices that ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face_attr: Option<FaceAttributes>,
    /// What was measured of the face beside its quality; history only, and only where the platform asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<DetectionInfo>,
    /// Person type, 1 to 5.
    pub person_type: i64,
    /// Wire number of the device type, as text.
    pub device_type: String,
    /// Always empty: the camera's own quality data, which network cameras do not give.
    pub grab_fiqa_info: Map<String, Value>,
    /// Measurements of the reported shot.
    pub box_fiqa_info: BoxFiqaInfo,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_sno: Option<String>,
    /// UUID v7; receivers drop duplicates by it.
    pub event_id: String,
    /// Begin of the passage, ms since the epoch, UTC.
    pub in_timestamp: u64,
    /// End of the passage as far as it is known, ms since the epoch, UTC.
    pub out_timestamp: u64,
}

/// `ext_data.info` (published for V5R2): only what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionInfo {
    /// Age group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<AgeGroup>,
    /// The more probable gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
}

/// `box_fiqa_info`: the box's own judgement of the face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxFiqaInfo {
    /// The estimates of `recognize_face_attr` once more, in numbers: years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// 0 male, 1 female.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<u8>,
    /// What was measured.
    pub info: FaceInfo,
    /// Whether the face passed its level.
    pub fiqa_result: bool,
    /// Names of the checks that passed.
    pub success: Vec<String>,
    /// Names of the checks that failed.
    pub fails: Vec<String>,
}

/// Measurements of one face (section 5). What no model of this box measures is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceInfo {
    /// Mean luma of the aligned face, 0–1.
    pub brightness: f64,
    /// Sharpness, 0–1.
    pub clarity: f64,
    /// Shorter side of the face's box, px.
    pub face_size: f64,
    /// Where the head was turned.
    pub headpose: WireHeadPose,
    /// Probability of a mask, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<f64>,
    /// Left eye, right eye (as seen in the picture), mouth. Of the published document only one sample is known, a good face with
    /// three times `true`, so `true` says that the part is free, unless the platform is configured otherwise
    /// ([`OcclusionTrue`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occlusion: Option<[bool; 3]>,
    /// Our own addition, which cannot be misread: which of `left_eye`, `right_eye` and `mouth` are covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<Vec<String>>,
    /// Whether the face leaves the picture.
    pub partial: bool,
    /// Our own additions, at devices that ask for liveness: the score, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<f64>,
    /// Whether `liveness` was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
}

/// Names of the parts in `covered`.
const PARTS: [&str; 3] = ["left_eye", "right_eye", "mouth"];

impl FaceInfo {
    /// With `occlusion` as the platform understands it; a new one is for [`OcclusionTrue::Free`].
    pub fn say_occlusion(&mut self, meaning: OcclusionTrue) {
        if meaning == OcclusionTrue::Covered {
            self.occlusion = self.occlusion.map(|parts| parts.map(|free| !free));
        }
    }
}

/// Head pose in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireHeadPose {
    /// Positive: looking up.
    pub pitch_angle: f64,
    /// Positive: tilted clockwise as seen in the picture.
    pub roll_angle: f64,
    /// Positive: turned to the picture's right.
    pub yaw_angle: f64,
}

/// Pictures of one event, read from the picture store, base64 done.
#[derive(Clone, Default)]
pub struct EventPictures {
    /// The registry photo that matched.
    pub reg_pic: Option<String>,
    /// The scene.
    pub spot_pic: Option<String>,
    /// The face crop.
    pub recognize_face: Option<String>,
}

/// Which of the two ways of reporting a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind<'a> {
    /// Pushed at once, without a second try.
    RealTime,
    /// Stored, sent in order, and acknowledged (protocol section 8).
    History {
        /// The box's serial number.
        dev_sno: &'a str,
        /// Whether it carries what was measured of the face beside its quality.
        info: bool,
    },
}

/// `want_action` of an event.
pub(crate) fn want_action(event: &EventRecord) -> &'static str {
    match event.want_action {
        WantAction::Nothing => "0",
        WantAction::NewStranger => "1001",
        WantAction::RegistryPhotoUpdated => "1002",
    }
}

impl From<HeadPose> for WireHeadPose {
    fn from(pose: HeadPose) -> Self {
        Self {
            pitch_angle: rounded(pose.pitch_deg),
            roll_angle: rounded(pose.roll_deg),
            yaw_angle: rounded(pose.yaw_deg),
        }
    }
}

impl From<&ShotQuality> for FaceInfo {
    fn from(quality: &ShotQuality) -> Self {
        Self {
            brightness: rounded(quality.brightness),
            clarity: rounded(quality.clarity),
            face_size: rounded(quality.face_size_px),
            headpose: quality.head_pose.into(),
            mask: quality.mask.map(rounded),
            occlusion: quality.occlusion.map(|parts| parts.map(|covered| !covered)),
            covered: quality.occlusion.map(|parts| {
                let covered = PARTS.into_iter().zip(parts).filter(|(_, covered)| *covered);
                covered.map(|(name, _)| name.to_owned()).collect()
            }),
            partial: quality.partial,
            liveness: quality.liveness.map(rounded),
            live: quality.live,
        }
    }
}

impl From<&ShotQuality> for BoxFiqaInfo {
    fn from(quality: &ShotQuality) -> Self {
        let guesses = quality.attributes.unwrap_or_default();
        Self {
            age: guesses.age.map(|guess| guess.years),
            sex: guesses.gender.map(|guess| sex_number(guess.gender)),
            info: quality.into(),
            fiqa_result: quality.passed,
            success: quality.success.clone(),
            fails: quality.fails.clone(),
        }
    }
}

impl EventBody {
    /// The body of an event. Of `pictures` those are sent that are there.
    pub fn new(event: &EventRecord, pictures: EventPictures, kind: ReportKind<'_>) -> Self {
        let (history, wants_info) = match kind {
            ReportKind::RealTime => (None, false),
            ReportKind::History { dev_sno, info } => (Some(dev_sno.to_owned()), info),
        };
        let guesses = event.quality.attributes.unwrap_or_default();
        let identity = event.identity.as_ref();
        Self {
            identity_id: identity.map(|who| who.id.clone()).unwrap_or_default(),
            identity_name: identity.map_or_else(|| STRANGER_NAME.to_owned(), |who| who.name.clone()),
            group_name: event.device.registry_group.clone(),
            reg_pic: pictures.reg_pic,
            timestamp: event.timestamp_ms,
            score: rounded(event.score),
            want_action: history.is_some().then(|| want_action(event).to_owned()),
            ext_data: ExtData {
                device_ip: event.device.ip.clone(),
                ep_id: history.is_some().then(|| event.device.ep_id.clone()),
                spot_pic: pictures.spot_pic,
                recognize_face: pictures.recognize_face,
                recognize_face_attr: event.quality.attributes.as_ref().map(Into::into),
                info: wants_info.then(|| DetectionInfo {
                    age: guesses.age.map(|guess| guess.group),
                    gender: guesses.gender.map(|guess| guess.gender),
                }),
                person_type: identity.map_or(PersonKind::Stranger, |who| who.kind).number(),
                device_type: event.device.device_type.clone(),
                grab_fiqa_info: Map::new(),
                box_fiqa_info: (&event.quality).into(),
                dev_sno: history,
                event_id: event.event_id.clone(),
                in_timestamp: event.in_timestamp_ms,
                out_timestamp: event.out_timestamp_ms,
            },
        }
    }
}

/// The fields of a body that goes as a form: pictures get parts of their own, under their names.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn form_fields(body: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    let Value::Object(mut fields) = serde_json::to_value(body)? else { return Ok(Map::new()) };
    for picture in ["spot_pic", "recognize_face"] {
        let inner = fields.get_mut("ext_data").and_then(Value::as_object_mut);
        if let Some(text) = inner.and_then(|data| data.remove(picture)) {
            fields.insert(picture.to_owned(), text);
        }
    }
    Ok(fields)
}
