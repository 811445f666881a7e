//! One passage of a face, as it is kept on disk and reported.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::event_feature::EventFeature;
use super::explain::Explanation;
use super::face::{BBox, HeadPose, Landmarks};
use super::person::PersonKind;
use super::quality::{Check, Judgement, Measurements};
use super::registry_groups::DEFAULT_REGISTRY_GROUP;

/// What the platform may want to do about an event (protocol section 8, `want_action`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantAction {
    /// Nothing to do.
    #[default]
    Nothing,
    /// A stranger was enrolled.
    NewStranger,
    /// The person's registry photo was replaced.
    RegistryPhotoUpdated,
}

/// The capture device an event came from, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDevice {
    /// [`DeviceConfig::ep_id`](crate::device::DeviceConfig).
    pub ep_id: String,
    /// The device's address.
    pub ip: String,
    /// Wire number of the device type, as text: `"3"`.
    pub device_type: String,
    /// The name to show; empty in events of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The UUID that published calls know it by; empty in events of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// Name of the registry group its faces were compared with. Events of older versions do not have it.
    #[serde(default = "default_registry_group")]
    pub registry_group: String,
}

fn default_registry_group() -> String {
    DEFAULT_REGISTRY_GROUP.to_owned()
}

/// Who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventIdentity {
    /// The platform's id.
    pub id: String,
    /// The name at that time.
    pub name: String,
    /// The person type at that time.
    pub kind: PersonKind,
    /// The registry photo that matched, in the picture store.
    pub registry_photo: Option<String>,
}

/// A face in the scene picture of its event, in pixels of that picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FaceInScene {
    /// The box around the face.
    pub bbox: BBox,
    /// Eyes, nose tip, mouth corners.
    pub landmarks: Landmarks,
}

/// Quality of the reported shot. What no model measured is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShotQuality {
    /// In pixels of the picture the face was found in.
    pub bbox: BBox,
    /// Where the face is in the scene picture; absent where that picture is the main stream's, and in events of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_scene: Option<FaceInScene>,
    /// Shorter side of the box, px.
    pub face_size_px: f32,
    /// Mean luma of the aligned face, 0–1.
    pub brightness: f32,
    /// Sharpness, 0–1.
    pub clarity: f32,
    /// Where the head was turned.
    pub head_pose: HeadPose,
    /// Whether the face leaves the picture.
    pub partial: bool,
    /// Probability of a mask, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<f32>,
    /// Whether they are covered: left eye, right eye (as seen in the picture), mouth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occlusion: Option<[bool; 3]>,
    /// Liveness score, 0–1; absent where the device does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<f32>,
    /// Whether `liveness` was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// Estimates of age and gender; absent where the device does not ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// Overall FIQA score, 0–1.
    pub score: f32,
    /// Whether the face passed its level.
    pub passed: bool,
    /// Names of the checks that passed and failed.
    pub success: Vec<String>,
    /// Names of the checks that failed.
    pub fails: Vec<String>,
}

impl ShotQuality {
    /// Puts together what was measured and judged of one face.
    pub fn new(measured: &Measurements, judgement: &Judgement) -> Self {
        let names = |checks: &[Check]| checks.iter().map(|check| check.name().to_owned()).collect();
        Self {
            bbox: measured.bbox,
            in_scene: None,
            face_size_px: measured.face_size_px,
            brightness: measured.brightness,
            clarity: measured.clarity,
            head_pose: measured.head_pose,
            partial: measured.partial,
            mask: measured.mask,
            occlusion: measured.occlusion,
            liveness: None,
            live: None,
            attributes: None,
            score: judgement.score,
            passed: judgement.passed,
            success: names(&judgement.success),
            fails: names(&judgement.fails),
        }
    }
}

/// A picture of an event, stored under `name`.
#[derive(Debug, Clone)]
pub struct EventPicture {
    /// File name, as the event record names it.
    pub name: String,
    /// The picture, JPEG.
    pub jpeg: Bytes,
}

/// How far a passage is when it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassageStage {
    /// The person is known and still there: reported in real time.
    Open,
    /// Over: goes into history.
    Closed,
    /// Known, and over at once, as a photo is: both.
    Whole,
}

/// One event. A stranger has no identity, or that of a stranger who was enrolled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// UUID v7; receivers drop duplicates by it.
    pub event_id: String,
    /// Where it was seen.
    pub device: EventDevice,
    /// `None`: a stranger.
    pub identity: Option<EventIdentity>,
    /// Time of the reported shot, ms since the epoch, UTC.
    pub timestamp_ms: u64,
    /// Begin of the passage, ms since the epoch, UTC.
    pub in_timestamp_ms: u64,
    /// End of the passage as far as it is known, ms since the epoch, UTC.
    pub out_timestamp_ms: u64,
    /// Mapped score, 0–1.
    pub score: f32,
    /// Raw cosine similarity to the best match, −1 to 1; absent with an empty registry and for a face that is not live.
    pub similarity: Option<f32>,
    /// What the platform may want to do.
    pub want_action: WantAction,
    /// Quality of the reported shot.
    pub quality: ShotQuality,
    /// Scene and face crop, in the picture store.
    pub spot_pic: Option<String>,
    /// Face crop, in the picture store.
    pub face_pic: Option<String>,
    /// Model the embedding came from.
    pub model: String,
    /// How it came to this; for `menshen why`, never reported. Absent in events of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Box<Explanation>>,
    /// The face's feature, for searches by picture; never reported. History keeps it in a row of its own, so that its events
    /// come without it. Events of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<EventFeature>,
}

impl EventRecord {
    /// Strangers are history only, whether or not they have been seen before (protocol section 8).
    pub fn is_stranger(&self) -> bool {
        self.identity.as_ref().is_none_or(|who| who.kind == PersonKind::Stranger)
    }

    /// The pictures this event owns. The registry photo belongs to the person, not to the event.
    pub fn pictures(&self) -> impl Iterator<Item = &str> {
        self.spot_pic.iter().chain(&self.face_pic).map(String::as_str)
    }
}
