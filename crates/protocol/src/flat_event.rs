//! The flat form of a history event, of generation 2.6 (published for V2R6 and V5R4 to V5R7): the same event as the nested
//! form has it, without `ext_data`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::event::{BoxFiqaInfo, EventPictures, STRANGER_NAME, want_action};
use menshen_domain::attributes::{AgeGroup, Gender};
use menshen_domain::device_id;
use menshen_domain::device_kind::DeviceKind;
use menshen_domain::event::{EventDevice, EventIdentity, EventRecord};
use menshen_domain::person::PersonKind;

/// `api_version` of every flat body.
const API_VERSION: &str = "1.0";

/// Body of a history event in dialect 2.6.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatEventBody {
    /// Empty for a stranger who is not enrolled.
    pub identity_id: String,
    /// Name of the person, or [`STRANGER_NAME`].
    pub identity_name: String,
    /// What the event keeps of the person; empty for a stranger.
    pub identity_info: Map<String, Value>,
    /// Time of the reported shot, ms since the epoch, UTC.
    pub timestamp: u64,
    /// Begin of the passage; our own addition.
    pub in_timestamp: u64,
    /// End of the passage.
    pub out_timestamp: u64,
    /// Mapped score, 0–100.
    pub score: f64,
    /// As in the nested form.
    pub want_action: String,
    /// The registry photo, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_pic: Option<String>,
    /// Scene picture, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_pic: Option<String>,
    /// Face crop, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face: Option<String>,
    /// Person type, 1 to 5.
    pub person_type: i64,
    /// The device.
    pub ep_info: EpInfo,
    /// The box's serial number.
    pub dev_sno: String,
    /// What was measured of the face.
    pub recognize_face_attr: FlatAttributes,
    /// `API_VERSION`.
    pub api_version: String,
    /// Measurements of the reported shot; our own addition.
    pub box_fiqa_info: BoxFiqaInfo,
    /// UUID v7; receivers drop duplicates by it. Our own addition.
    pub event_id: String,
}

/// `ep_info`: the device of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpInfo {
    /// The same as in the nested form and in the device list.
    pub ep_id: String,
    /// `photo` or `rtsp`.
    pub ep_type: String,
    /// Its address.
    pub ep_ip: String,
    /// The name to show.
    pub ep_name: String,
    /// The device's UUID.
    pub device_id: String,
}

/// `recognize_face_attr`: always all nine published keys, null where nothing was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FlatAttributes {
    /// `[x1…x5, y1…y5]`, in pixels of the scene picture.
    pub point: Option<Vec<f64>>,
    /// `[x1, y1, x2, y2]`, in pixels of the scene picture.
    #[serde(rename = "box")]
    pub bbox: Option<Vec<f64>>,
    /// Age group.
    pub age: Option<AgeGroup>,
    /// The more probable gender.
    pub gender: Option<Gender>,
    /// Not measured: there is no model of it.
    pub glasses: Option<String>,
    /// Never written: its three values are explained nowhere.
    pub mask: Option<String>,
    /// Not measured.
    pub hat: Option<String>,
    /// Always empty: features do not leave the box.
    pub feature: Vec<f64>,
    /// Not measured.
    pub expression: Option<String>,
}

/// What a flat body is made with, beside the event.
#[derive(Debug, Clone, Copy)]
pub struct FlatReport<'a> {
    /// The box's serial number; empty where none was issued.
    pub dev_sno: &'a str,
    /// Whether it carries what was measured of the face beside its quality.
    pub info: bool,
}

impl FlatEventBody {
    /// The body of an event. Of `pictures` those are sent that are there.
    pub fn new(event: &EventRecord, pictures: EventPictures, report: FlatReport<'_>) -> Self {
        let identity = event.identity.as_ref();
        Self {
            identity_id: identity.map(|who| who.id.clone()).unwrap_or_default(),
            identity_name: identity.map_or_else(|| STRANGER_NAME.to_owned(), |who| who.name.clone()),
            identity_info: identity.map(identity_info).unwrap_or_default(),
            timestamp: event.timestamp_ms,
            in_timestamp: event.in_timestamp_ms,
            out_timestamp: event.out_timestamp_ms,
            score: hundredths(event.score * 100.0),
            want_action: want_action(event).to_owned(),
            reg_pic: pictures.reg_pic,
            spot_pic: pictures.spot_pic,
            recognize_face: pictures.recognize_face,
            person_type: identity.map_or(PersonKind::Stranger, |who| who.kind).number(),
            ep_info: (&event.device).into(),
            dev_sno: report.dev_sno.to_owned(),
            recognize_face_attr: if report.info { attributes(event) } else { FlatAttributes::default() },
            api_version: API_VERSION.to_owned(),
            box_fiqa_info: (&event.quality).into(),
            event_id: event.event_id.clone(),
        }
    }
}

/// What an event keeps of the person, under the published names.
pub fn identity_info(who: &EventIdentity) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("name".to_owned(), who.name.clone().into());
    info.insert("type".to_owned(), who.kind.number().into());
    info.insert("user_id".to_owned(), who.id.clone().into());
    let image_id = who.registry_photo.as_deref().map(image_id);
    info.insert("face_ids".to_owned(), json!(image_id.iter().collect::<Vec<_>>()));
    if let Some(image_id) = image_id {
        info.insert("image_id".to_owned(), image_id.into());
    }
    info
}

/// The id of a registry photo: its name in the store without what says its kind.
pub fn image_id(photo: &str) -> &str {
    photo.split_once('.').map_or(photo, |(id, _)| id)
}

/// The id published calls know a device by.
pub fn device_id_of(device: &EventDevice) -> String {
    match device.device_id.as_str() {
        "" => device_id::of_ip(&device.ip),
        id => id.to_owned(),
    }
}

impl From<&EventDevice> for EpInfo {
    fn from(device: &EventDevice) -> Self {
        let is_stream = device.device_type == DeviceKind::NetworkCamera.wire();
        let name = if device.name.is_empty() { &device.ip } else { &device.name };
        Self {
            ep_id: device.ep_id.clone(),
            ep_type: if is_stream { "rtsp" } else { "photo" }.to_owned(),
            ep_ip: device.ip.clone(),
            ep_name: name.clone(),
            device_id: device_id_of(device),
        }
    }
}

fn attributes(event: &EventRecord) -> FlatAttributes {
    let guesses = event.quality.attributes.unwrap_or_default();
    let face = event.quality.in_scene;
    let axis =
        |axis: usize| face.iter().flat_map(move |face| face.landmarks.map(|point| hundredths(point[axis])));
    FlatAttributes {
        point: face.is_some().then(|| axis(0).chain(axis(1)).collect()),
        bbox: face
            .map(|face| [face.bbox.x1, face.bbox.y1, face.bbox.x2, face.bbox.y2].map(hundredths).to_vec()),
        age: guesses.age.map(|guess| guess.group),
        gender: guesses.gender.map(|guess| guess.gender),
        ..FlatAttributes::default()
    }
}

/// Two decimals.
fn hundredths(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBody, ReportKind};
    use menshen_domain::attributes::{AgeGuess, Attributes, GenderGuess};
    use menshen_domain::event::{FaceInScene, ShotQuality, WantAction};
    use menshen_domain::face::BBox;

    fn event() -> EventRecord {
        EventRecord {
            event_id: "0190".to_owned(),
            device: EventDevice {
                ep_id: "D__10.0.0.5".to_owned(),
                ip: "10.0.0.5".to_owned(),
                device_type: "3".to_owned(),
                name: "hall".to_owned(),
                device_id: "dev-1".to_owned(),
                registry_group: "default_group".to_owned(),
            },
            identity: Some(EventIdentity {
                id: "1001".to_owned(),
                name: "Tom".to_owned(),
                kind: PersonKind::Vip,
                registry_photo: Some("ab12.jpg".to_owned()),
            }),
            timestamp_ms: 5,
            in_timestamp_ms: 4,
            out_timestamp_ms: 6,
            score: 0.823_456,
            similarity: Some(0.6),
            want_action: WantAction::NewStranger,
            quality: ShotQuality {
                in_scene: Some(FaceInScene {
                    bbox: BBox { x1: 1.0, y1: 2.0, x2: 3.5, y2: 4.256 },
                    landmarks: [[1.0, 6.0], [2.0, 7.0], [3.0, 8.0], [4.0, 9.0], [5.0, 10.0]],
                }),
                attributes: Some(Attributes {
                    age: Some(AgeGuess { years: 20, group: AgeGroup::Youth, confidence: 1.0 }),
                    gender: Some(GenderGuess { gender: Gender::Male, confidence: 1.0 }),
                }),
                ..ShotQuality::default()
            },
            spot_pic: None,
            face_pic: None,
            model: "m".to_owned(),
            why: None,
            feature: None,
        }
    }

    fn flat(event: &EventRecord, info: bool) -> Value {
        let pictures = EventPictures { spot_pic: Some("c2NlbmU=".to_owned()), ..EventPictures::default() };
        serde_json::to_value(FlatEventBody::new(event, pictures, FlatReport { dev_sno: "D", info })).unwrap()
    }

    #[test]
    fn the_body_is_flat_with_its_own_scale() {
        let body = flat(&event(), false);
        let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut expected = vec![
            "identity_id",
            "identity_name",
            "identity_info",
            "timestamp",
            "out_timestamp",
            "score",
            "want_action",
            "spot_pic",
            "person_type",
            "ep_info",
            "dev_sno",
            "recognize_face_attr",
            "api_version",
            "event_id",
            "in_timestamp",
            "box_fiqa_info",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!((&body["score"], &body["api_version"]), (&json!(82.35), &json!("1.0")));
        assert_eq!((&body["want_action"], &body["person_type"]), (&json!("1001"), &json!(5)));
        let info =
            json!({ "name": "Tom", "type": 5, "user_id": "1001", "face_ids": ["ab12"], "image_id": "ab12" });
        assert_eq!(body["identity_info"], info);
        let device = &body["ep_info"];
        assert_eq!(
            (&device["ep_id"], &device["ep_type"]),
            (&json!("D__10.0.0.5"), &json!("rtsp")),
            "{device}"
        );
        assert_eq!((&device["ep_ip"], &device["ep_name"]), (&json!("10.0.0.5"), &json!("hall")));
        assert_eq!(device["device_id"], "dev-1");
        let kind = ReportKind::History { dev_sno: "D", info: false };
        let nested = serde_json::to_value(EventBody::new(&event(), EventPictures::default(), kind)).unwrap();
        assert_eq!((&nested["score"], nested["ext_data"].get("info")), (&json!(0.8235), None), "{nested}");
        assert_eq!(nested["ext_data"]["ep_id"], device["ep_id"]);
    }

    #[test]
    fn a_stranger_has_no_registration_and_a_photo_device_its_word() {
        let mut stranger = event();
        (stranger.identity, stranger.device.name, stranger.device.device_id) =
            (None, String::new(), String::new());
        stranger.device.device_type = "4".to_owned();
        let body = flat(&stranger, false);
        assert_eq!((&body["identity_id"], &body["identity_name"]), (&json!(""), &json!("stranger")));
        assert_eq!((&body["identity_info"], &body["person_type"]), (&json!({}), &json!(4)));
        assert_eq!(body["ep_info"]["device_id"], device_id::of_ip("10.0.0.5"), "of an older version");
        assert_eq!(
            (&body["ep_info"]["ep_type"], &body["ep_info"]["ep_name"]),
            (&json!("photo"), &json!("10.0.0.5"))
        );
    }

    #[test]
    fn nine_attributes_are_there_and_filled_where_asked_for() {
        let nothing = json!({
            "point": null, "box": null, "age": null, "gender": null, "glasses": null, "mask": null, "hat": null,
            "feature": [], "expression": null,
        });
        assert_eq!(flat(&event(), false)["recognize_face_attr"], nothing);
        let mut expected = nothing.clone();
        expected["point"] = json!([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        expected["box"] = json!([1.0, 2.0, 3.5, 4.26]);
        (expected["age"], expected["gender"]) = (json!("youth"), json!("male"));
        assert_eq!(flat(&event(), true)["recognize_face_attr"], expected);
        let plain = EventRecord { quality: ShotQuality::default(), ..event() };
        assert_eq!(flat(&plain, true)["recognize_face_attr"], nothing, "nothing was measured");
        let nested = |event: &EventRecord| {
            let kind = ReportKind::History { dev_sno: "D", info: true };
            serde_json::to_value(EventBody::new(event, EventPictures::default(), kind)).unwrap()
        };
        assert_eq!(nested(&event())["ext_data"]["info"], json!({ "age": "youth", "gender": "male" }));
        assert_eq!(nested(&plain)["ext_data"]["info"], json!({}));
    }
}
