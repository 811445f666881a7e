//! Doors: what is asked of a device's relay, and when a match asks for it by itself.

pub mod action_url;
pub mod error;
pub mod modbus;
pub mod net_relay;
pub mod order;
pub mod raw;

use serde::{Deserialize, Serialize};

use super::device_kind::DeviceKind;
use super::person::PersonKind;
use super::photo_rules::PassMode;
use super::tuning::GateMode;

/// What a relay is to do (protocol section 9, `action_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionMode {
    /// Open for a while.
    OpenDoor,
    /// Close at once.
    CloseDoor,
    /// Raise an alarm for a while.
    Alarm,
}

impl ActionMode {
    /// As the protocol writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::OpenDoor => "opendoor",
            Self::CloseDoor => "closedoor",
            Self::Alarm => "alarm",
        }
    }

    /// From the protocol's word.
    pub fn from_wire(text: &str) -> Option<Self> {
        [Self::OpenDoor, Self::CloseDoor, Self::Alarm].into_iter().find(|mode| mode.wire() == text)
    }
}

/// One command for a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorCommand {
    /// What to do.
    pub mode: ActionMode,
    /// How long.
    pub seconds: u32,
    /// Of the relay's outputs; 0 for all.
    pub logic_port: u32,
    /// As the caller named it; 0 when it did not.
    pub action_port: u32,
}

impl DoorCommand {
    /// What a match asks for.
    pub fn of_match(mode: ActionMode) -> Self {
        Self { mode, seconds: DEFAULT_SECONDS, logic_port: 0, action_port: 0 }
    }

    /// The same for as long as the relay was said to stay on, where it was said.
    #[must_use]
    pub fn lasting(self, seconds: Option<u32>) -> Self {
        Self { seconds: seconds.unwrap_or(self.seconds), ..self }
    }
}

/// `action_duration` where none is given (protocol section 9).
pub const DEFAULT_SECONDS: u32 = 5;

/// What a match asks of the device it was made at.
pub fn on_match(gate: GateMode, device: DeviceKind, person: PersonKind) -> Option<ActionMode> {
    if !matches!(device, DeviceKind::Turnstile | DeviceKind::DoorTerminal) {
        return None;
    }
    match (gate, person) {
        (GateMode::OpenDoor, PersonKind::Employee | PersonKind::Visitor | PersonKind::Vip) => {
            Some(ActionMode::OpenDoor)
        }
        (GateMode::Alarm, PersonKind::Blacklist) => Some(ActionMode::Alarm),
        // Enrolled strangers are known again, not let in.
        _ => None,
    }
}

/// What a face asks of the device it was seen at: `person` is the recognised person, `None` for a stranger.
pub fn on_face(
    gate: GateMode,
    pass: PassMode,
    device: DeviceKind,
    person: Option<PersonKind>,
) -> Option<ActionMode> {
    let is_gate = matches!(device, DeviceKind::Turnstile | DeviceKind::DoorTerminal);
    let asked = person.and_then(|person| on_match(gate, device, person));
    match pass {
        PassMode::Normal => asked,
        PassMode::AllForbidden => asked.filter(|mode| *mode != ActionMode::OpenDoor),
        PassMode::AllPass => {
            let opens = is_gate && gate == GateMode::OpenDoor && person != Some(PersonKind::Blacklist);
            asked.or(opens.then_some(ActionMode::OpenDoor))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_pass_opens_a_door() {
        use ActionMode::{Alarm as Ring, OpenDoor as Open};
        use DeviceKind::{DoorTerminal, NetworkCamera, Turnstile};
        use GateMode::{Alarm, Avoid, OpenDoor};
        use PersonKind::{Blacklist, Employee, Stranger, Vip, Visitor};
        for person in [Employee, Visitor, Vip] {
            assert_eq!(on_match(OpenDoor, Turnstile, person), Some(Open));
            assert_eq!(on_match(OpenDoor, DoorTerminal, person), Some(Open));
            assert_eq!(on_match(OpenDoor, NetworkCamera, person), None);
            assert_eq!(on_match(Alarm, Turnstile, person), None);
        }
        assert_eq!(on_match(OpenDoor, Turnstile, Blacklist), None);
        assert_eq!(on_match(OpenDoor, Turnstile, Stranger), None);
        assert_eq!(on_match(Alarm, Turnstile, Blacklist), Some(Ring));
        assert_eq!(on_match(Avoid, Turnstile, Employee), None);
    }
    #[test]
    fn pass_modes_hold_with_and_without_a_known_person() {
        use ActionMode::{Alarm as Ring, OpenDoor as Open};
        use DeviceKind::{DoorTerminal, NetworkCamera};
        use GateMode::{Alarm, Avoid, OpenDoor};
        use PassMode::{AllForbidden, AllPass, Normal};
        use PersonKind::{Blacklist, Employee};
        let asks = |gate, pass, person| on_face(gate, pass, DoorTerminal, person);
        assert_eq!(asks(OpenDoor, Normal, Some(Employee)), Some(Open));
        assert_eq!(asks(OpenDoor, Normal, None), None);
        assert_eq!(asks(OpenDoor, AllPass, None), Some(Open));
        assert_eq!(asks(OpenDoor, AllPass, Some(Blacklist)), None);
        assert_eq!(asks(OpenDoor, AllForbidden, Some(Employee)), None);
        assert_eq!(asks(Alarm, AllForbidden, Some(Blacklist)), Some(Ring));
        for pass in [Normal, AllPass, AllForbidden] {
            assert_eq!(asks(Avoid, pass, Some(Employee)), None);
            assert_eq!(on_face(OpenDoor, pass, NetworkCamera, Some(Employee)), None);
        }
    }
}
