//! Event bodies (protocol sections 5 and 8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes::{FaceAttributes, sex_number};
use super::number::rounded;
use menshen_domain::event::{EventRecord, ShotQuality, WantAction};
use menshen_domain::face::HeadPose;
use menshen_domain::person::PersonKind;

/// Name and group the protocol gives to everyone the registry does not know.
pub const STRANGER_NAME: &str = "stranger";
pub const DEFAULT_GROUP_NAME: &str = "default_group";

/// Body of a real-time or history event.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBody {
    /// Empty for a stranger who is not enrolled.
    pub identity_id: String,
    pub identity_name: String,
    pub group_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_pic: Option<String>,
    pub timestamp: u64,
    /// Mapped score, 0–1.
    pub score: f64,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_action: Option<String>,
    pub ext_data: ExtData,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtData {
    pub device_ip: String,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ep_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_pic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face: Option<String>,
    /// Guesses at age and gender, at devices that ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face_attr: Option<FaceAttributes>,
    pub person_type: i64,
    pub device_type: String,
    /// Always empty: the camera's own quality data, which network cameras do not give.
    pub grab_fiqa_info: Map<String, Value>,
    pub box_fiqa_info: BoxFiqaInfo,
    /// History only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_sno: Option<String>,
    pub event_id: String,
    pub in_timestamp: u64,
    pub out_timestamp: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxFiqaInfo {
    /// The guesses of `recognize_face_attr` once more, in numbers: years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// 0 male, 1 female.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<u8>,
    pub info: FaceInfo,
    pub fiqa_result: bool,
    pub success: Vec<String>,
    pub fails: Vec<String>,
}

/// Measurements of one face (section 5). What no model of this box measures is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceInfo {
    pub brightness: f64,
    pub clarity: f64,
    pub face_size: f64,
    pub headpose: WireHeadPose,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occlusion: Option<[bool; 3]>,
    pub partial: bool,
    /// Our own additions, at devices that ask for liveness: how sure it is, 0–1, and whether that was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireHeadPose {
    pub pitch_angle: f64,
    pub roll_angle: f64,
    pub yaw_angle: f64,
}

/// Pictures of one event, read from the picture store, base64 done.
#[derive(Clone, Default)]
pub struct EventPictures {
    pub reg_pic: Option<String>,
    pub spot_pic: Option<String>,
    pub recognize_face: Option<String>,
}

/// Which of the two ways of reporting a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind<'a> {
    RealTime,
    History { dev_sno: &'a str },
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
            occlusion: quality.occlusion,
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
    pub fn new(event: &EventRecord, pictures: EventPictures, kind: ReportKind<'_>) -> Self {
        let history = match kind {
            ReportKind::RealTime => None,
            ReportKind::History { dev_sno } => Some(dev_sno.to_owned()),
        };
        let want_action = match event.want_action {
            WantAction::Nothing => "0",
            WantAction::NewStranger => "1001",
            WantAction::RegistryPhotoUpdated => "1002",
        };
        let identity = event.identity.as_ref();
        Self {
            identity_id: identity.map(|who| who.id.clone()).unwrap_or_default(),
            identity_name: identity.map_or_else(|| STRANGER_NAME.to_owned(), |who| who.name.clone()),
            group_name: DEFAULT_GROUP_NAME.to_owned(),
            reg_pic: pictures.reg_pic,
            timestamp: event.timestamp_ms,
            score: rounded(event.score),
            want_action: history.is_some().then(|| want_action.to_owned()),
            ext_data: ExtData {
                device_ip: event.device.ip.clone(),
                ep_id: history.is_some().then(|| event.device.ep_id.clone()),
                spot_pic: pictures.spot_pic,
                recognize_face: pictures.recognize_face,
                recognize_face_attr: event.quality.attributes.as_ref().map(Into::into),
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
