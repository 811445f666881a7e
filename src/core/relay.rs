//! Doors: what is asked of a device's relay, and when a match asks for it by itself.

use serde::{Deserialize, Serialize};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::device::{DeviceKind, mask_credentials};
use super::person::PersonKind;
use super::photo::PassMode;
use super::tuning::GateMode;

/// What a relay is told (protocol section 9, `action_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionMode {
    OpenDoor,
    CloseDoor,
    Alarm,
}

impl ActionMode {
    pub fn wire(self) -> &'static str {
        match self {
            Self::OpenDoor => "opendoor",
            Self::CloseDoor => "closedoor",
            Self::Alarm => "alarm",
        }
    }

    pub fn from_wire(text: &str) -> Option<Self> {
        [Self::OpenDoor, Self::CloseDoor, Self::Alarm].into_iter().find(|mode| mode.wire() == text)
    }
}

/// One command for a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorCommand {
    pub mode: ActionMode,
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
}

/// `action_duration` where none is given (protocol section 9).
pub const DEFAULT_SECONDS: u32 = 5;

/// Address of a relay with places for the command's values. May hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ActionUrl(String);

const PLACES: [&str; 4] = ["{mode}", "{seconds}", "{port}", "{action_port}"];

impl ActionUrl {
    /// Checks a template; the error says what is wrong with it.
    pub fn new(template: &str) -> Result<Self, String> {
        let made = Self(template.to_owned());
        let url = made
            .fill(&DoorCommand::of_match(ActionMode::OpenDoor))
            .map_err(|error| format!("is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("must be http or https".to_owned());
        }
        if !template.contains("{mode}") {
            return Err("must hold {mode}, or opening, closing and alarm would be the same call".to_owned());
        }
        let mut rest = template.to_owned();
        for place in PLACES {
            rest = rest.replace(place, "");
        }
        if rest.contains(['{', '}']) {
            return Err(format!("holds an unknown place in braces; there is {}", PLACES.join(" ")));
        }
        Ok(made)
    }

    /// The address to call; values are percent-encoded.
    pub fn fill(&self, command: &DoorCommand) -> Result<Url, url::ParseError> {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let text = self
            .0
            .replace("{mode}", &encoded(command.mode.wire()))
            .replace("{seconds}", &encoded(&command.seconds.to_string()))
            .replace("{port}", &encoded(&command.logic_port.to_string()))
            .replace("{action_port}", &encoded(&command.action_port.to_string()));
        Url::parse(&text)
    }
}

/// Never shows a password.
impl std::fmt::Debug for ActionUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.split('?').next().unwrap_or_default();
        f.write_str(&mask_credentials(text))
    }
}

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

/// What a face asks of the device it was seen at: `person` is who it is, `None` for somebody nobody knows.
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
    fn templates_are_checked_and_filled() {
        let url =
            ActionUrl::new("http://u:p@10.0.0.9:8/r?m={mode}&s={seconds}&p={port}&a={action_port}").unwrap();
        let command = DoorCommand { mode: ActionMode::Alarm, seconds: 7, logic_port: 2, action_port: 80 };
        assert_eq!(url.fill(&command).unwrap().as_str(), "http://u:p@10.0.0.9:8/r?m=alarm&s=7&p=2&a=80");
        let shown = format!("{url:?}");
        assert!(!shown.contains("u:p") && shown.contains("10.0.0.9"), "{shown}");
        for (template, expected) in [
            ("ftp://h/{mode}", "http or https"),
            ("/relay?{mode}", "no URL"),
            ("http://h/relay", "{mode}"),
            ("http://h/{mode}/{door}", "unknown place"),
        ] {
            let problem = ActionUrl::new(template).unwrap_err();
            assert!(problem.contains(expected), "{template}: {problem}");
        }
    }

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
    fn pass_modes_hold_for_anyone_or_nobody() {
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
