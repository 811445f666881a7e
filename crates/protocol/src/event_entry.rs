//! A stored event as the published `GET events` shows it: every key of the published page, those that nothing measures empty or null.

use serde_json::{Value, json};

use super::number::rounded;
use menshen_domain::device::{DeviceConfig, DeviceKind};
use menshen_domain::event::{EventRecord, WantAction};
use menshen_domain::person::PersonKind;

/// What the record does not say by itself.
pub struct EntryContext<'a> {
    /// The device as it is now, if it is still there.
    pub device: Option<&'a DeviceConfig>,
    /// Id and name of the registry group its face was compared with.
    pub group: (&'a str, &'a str),
    /// Whether every receiver has it.
    pub is_sent: bool,
}

/// Seconds since the epoch.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// One entry of `data`.
pub fn event_entry(event: &EventRecord, context: &EntryContext<'_>) -> Value {
    let who = event.identity.as_ref();
    let info = who.map_or_else(
        || json!({}),
        |who| {
            let photo = who.registry_photo.as_deref().map(image_id);
            json!({
                "face_ids": photo.iter().collect::<Vec<_>>(), "image_id": photo.unwrap_or_default(),
                "name": who.name, "type": who.kind.number(),
            })
        },
    );
    let attributes = event.quality.attributes.unwrap_or_default();
    let years = attributes.age.map(|guess| guess.years);
    let gender = attributes.gender.map(|guess| guess.gender);
    let bbox = &event.quality.bbox;
    let face_box = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(rounded);
    json!({
        "_id": event.event_id,
        "timestamp": seconds(event.timestamp_ms),
        "common": {
            "identity_id": who.map_or("", |who| who.id.as_str()),
            "identity_info": info,
            "identity_name": who.map_or("", |who| who.name.as_str()),
            "recognize_face_pic_id": event.face_pic.clone().unwrap_or_default(),
            "spot_pic_id": event.spot_pic.clone().unwrap_or_default(),
            "group_id": context.group.0,
            "group_name": context.group.1,
            // A person's groups may have changed since; the event names none.
            "permission_id": null,
            "permission_name": null,
            "person_type": who.map_or(PersonKind::Stranger, |who| who.kind).number(),
            "score": rounded(event.score * 100.0),
            "ep_info": ep_info(event, context.device),
            "want_action": match event.want_action {
                WantAction::Nothing => "0",
                WantAction::NewStranger => "1001",
                WantAction::RegistryPhotoUpdated => "1002",
            },
            "frame_id": null,
            "recognize_face_attr": {
                "point": null,
                "box": face_box,
                "mask": null,
                "gender": gender,
                "hat": null,
                "age": attributes.age.map(|guess| guess.group),
                "glasses": null,
                // Templates do not leave the box.
                "feature": [],
                "expression": null,
            },
            "is_send": u8::from(context.is_sent),
            "card_id": "",
        },
        "gate_data": { "ir_image_id": "", "depth_image_id": "" },
        "grab_data": { "grap_fiqa_info": {}, "age": years, "sex": gender },
        "video_data": {
            "track_id": null, "video_shape": null,
            "in_timestamp": seconds(event.in_timestamp_ms), "in_bg_pic_id": "", "in_face_pic_id": "", "in_box": null,
            "recognition_timestamp": seconds(event.timestamp_ms), "pose_score": null,
            "out_timestamp": seconds(event.out_timestamp_ms), "unknown_id": null,
        },
    })
}

fn ep_info(event: &EventRecord, device: Option<&DeviceConfig>) -> Value {
    let is_stream = event.device.device_type == DeviceKind::NetworkCamera.wire();
    // What the event keeps counts before what the device is now; events of older versions keep neither.
    let kept = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let id = kept(&event.device.device_id).or_else(|| device.map(|device| device.device_id.clone()));
    let id = id.unwrap_or_else(|| menshen_domain::device_id::of_ip(&event.device.ip));
    let name = kept(&event.device.name).or_else(|| device.map(|device| device.name.clone()));
    let name = name.unwrap_or_else(|| event.device.ip.clone());
    json!({
        "ep_id": event.device.ep_id,
        "ep_type": if is_stream { "rtsp" } else { "photo" },
        "ep_ip": event.device.ip,
        "ep_name": name,
        "device_id": id,
    })
}

/// The opaque id of a registry photo.
fn image_id(photo: &str) -> &str {
    photo.split_once('.').map_or(photo, |(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::event::{EventIdentity, ShotQuality};

    fn event(identity: Option<EventIdentity>) -> EventRecord {
        EventRecord {
            event_id: "e".to_owned(),
            device: serde_json::from_value(json!({ "ep_id": "SNO__gate", "ip": "gate", "device_type": "0" }))
                .unwrap(),
            identity,
            timestamp_ms: 1_700_000_000_500,
            in_timestamp_ms: 1_700_000_000_000,
            out_timestamp_ms: 1_700_000_001_000,
            score: 0.9105,
            similarity: None,
            want_action: WantAction::Nothing,
            quality: ShotQuality::default(),
            spot_pic: Some("e-spot.jpg".to_owned()),
            face_pic: None,
            model: String::new(),
            why: None,
            feature: None,
        }
    }

    #[test]
    fn every_published_key_is_there_for_strangers_too() {
        let who = EventIdentity {
            id: "1001".to_owned(),
            name: "Barack Obama".to_owned(),
            kind: PersonKind::Vip,
            registry_photo: Some("ab12.jpg".to_owned()),
        };
        let device = DeviceConfig {
            device_id: "door-1".to_owned(),
            name: "Door".to_owned(),
            ..DeviceConfig::plain("SNO__gate", "gate", "post")
        };
        let context = EntryContext { device: Some(&device), group: ("g1", "vip"), is_sent: true };
        let known = event_entry(&event(Some(who)), &context);
        assert_eq!(known["timestamp"], json!(1_700_000_000.5));
        let common = &known["common"];
        assert_eq!(
            (&common["score"], &common["person_type"], &common["is_send"]),
            (&json!(91.05), &json!(5), &json!(1))
        );
        assert_eq!(common["identity_info"]["image_id"], "ab12");
        assert_eq!((&common["group_id"], &common["spot_pic_id"]), (&json!("g1"), &json!("e-spot.jpg")));
        assert_eq!(
            (&common["ep_info"]["device_id"], &common["ep_info"]["ep_name"]),
            (&json!("door-1"), &json!("Door"))
        );
        let gone = EntryContext { device: None, group: ("g1", "vip"), is_sent: false };
        let stranger = event_entry(&event(None), &gone);
        assert_eq!(stranger["common"]["identity_info"], json!({}));
        assert_eq!(
            (&stranger["common"]["identity_id"], &stranger["common"]["person_type"]),
            (&json!(""), &json!(4))
        );
        assert_eq!(stranger["common"]["ep_info"]["device_id"].as_str().unwrap().len(), 36);
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for part in ["common", "gate_data", "grab_data", "video_data"] {
            assert_eq!(keys(&known[part]), keys(&stranger[part]), "{part}");
        }
        assert_eq!(keys(&known["common"]["recognize_face_attr"]).len(), 9);
    }
}
