//! Which stored events somebody asks for.

use super::event::EventRecord;
use super::person::PersonKind;

/// Every part that is there must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventQuery {
    /// Not before, ms since the epoch.
    pub from_ms: Option<u64>,
    /// Not after, ms since the epoch.
    pub to_ms: Option<u64>,
    /// A part of the name of somebody who was recognised.
    pub name: Option<String>,
    /// Exactly this person.
    pub identity_id: Option<String>,
    /// Least score, 0–100.
    pub score_min: Option<f32>,
    /// Highest score, 0–100.
    pub score_max: Option<f32>,
    /// This kind of person.
    pub kind: Option<PersonKind>,
    /// At one of these devices, by `ip`.
    pub devices: Option<Vec<String>>,
    /// Compared with one of these registry groups, by name.
    pub groups: Option<Vec<String>>,
}

impl EventQuery {
    /// Whether every event is meant, so that none has to be opened to be counted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this event is meant; `registry_group` is the one its face was compared with.
    pub fn matches(&self, event: &EventRecord, registry_group: &str) -> bool {
        let who = event.identity.as_ref();
        let kind = who.map_or(PersonKind::Stranger, |who| who.kind);
        let score = event.score * 100.0;
        self.from_ms.is_none_or(|from| event.timestamp_ms >= from)
            && self.to_ms.is_none_or(|to| event.timestamp_ms <= to)
            && self.name.as_ref().is_none_or(|part| who.is_some_and(|who| who.name.contains(part)))
            && self.identity_id.as_ref().is_none_or(|id| who.is_some_and(|who| who.id == *id))
            && self.score_min.is_none_or(|min| score >= min)
            && self.score_max.is_none_or(|max| score <= max)
            && self.kind.is_none_or(|wanted| kind == wanted)
            && self.devices.as_ref().is_none_or(|ips| ips.contains(&event.device.ip))
            && self.groups.as_ref().is_none_or(|names| names.iter().any(|name| name == registry_group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventDevice, EventIdentity, ShotQuality, WantAction};

    fn event(identity: Option<EventIdentity>) -> EventRecord {
        EventRecord {
            event_id: "e".to_owned(),
            device: serde_json::from_value::<EventDevice>(serde_json::json!({
                "ep_id": "SNO__gate", "ip": "gate", "device_type": "0",
            }))
            .unwrap(),
            identity,
            timestamp_ms: 1_000,
            in_timestamp_ms: 900,
            out_timestamp_ms: 1_100,
            score: 0.9,
            similarity: None,
            want_action: WantAction::Nothing,
            quality: ShotQuality::default(),
            spot_pic: None,
            face_pic: None,
            model: String::new(),
            why: None,
            feature: None,
        }
    }

    #[test]
    fn every_part_of_a_query_must_hold() {
        let who = EventIdentity {
            id: "1001".to_owned(),
            name: "Barack Obama".to_owned(),
            kind: PersonKind::Vip,
            registry_photo: None,
        };
        let (known, stranger) = (event(Some(who)), event(None));
        let any = EventQuery::default;
        let text = |text: &str| Some(text.to_owned());
        let list = |text: &str| Some(vec![text.to_owned()]);
        for (query, of_known, of_stranger) in [
            (any(), true, true),
            (EventQuery { from_ms: Some(1_000), to_ms: Some(1_000), ..any() }, true, true),
            (EventQuery { from_ms: Some(1_001), ..any() }, false, false),
            (EventQuery { to_ms: Some(999), ..any() }, false, false),
            (EventQuery { name: text("Obama"), ..any() }, true, false),
            (EventQuery { name: text("obama"), ..any() }, false, false),
            (EventQuery { identity_id: text("1001"), ..any() }, true, false),
            (EventQuery { identity_id: text("100"), ..any() }, false, false),
            (EventQuery { score_min: Some(89.0), score_max: Some(91.0), ..any() }, true, true),
            (EventQuery { score_min: Some(91.0), ..any() }, false, false),
            (EventQuery { score_max: Some(89.0), ..any() }, false, false),
            (EventQuery { kind: Some(PersonKind::Vip), ..any() }, true, false),
            (EventQuery { kind: Some(PersonKind::Stranger), ..any() }, false, true),
            (EventQuery { devices: list("gate"), ..any() }, true, true),
            (EventQuery { devices: Some(Vec::new()), ..any() }, false, false),
            (EventQuery { groups: list("vip"), ..any() }, true, true),
            (EventQuery { groups: list("other"), ..any() }, false, false),
        ] {
            assert_eq!(query.matches(&known, "vip"), of_known, "{query:?}");
            assert_eq!(query.matches(&stranger, "vip"), of_stranger, "{query:?}");
            assert_eq!(query.is_everything(), query == any());
        }
    }
}
