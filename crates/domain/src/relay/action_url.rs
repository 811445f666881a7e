//! `action_url`: how a device's relay is called. The scheme names one of three kinds of relay.
//!
//! * `http`, `https`: one GET; the relay counts the time itself;
//! * `modbus`: [coils](super::modbus) of a Modbus-TCP relay;
//! * `tcp`: [bytes](super::raw) for a relay of any other kind.

use url::Url;
use url::form_urlencoded::byte_serialize;

use super::error::{ActionUrlError, DoorOrderError};
use super::modbus::ModbusRelay;
use super::order::{DoorOrder, DoorStep, RelayCall};
use super::raw::RawRelay;
use super::{ActionMode, DoorCommand};
use crate::secrets::mask_credentials;

/// Address of a relay with all that is needed to call it. May hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ActionUrl {
    text: String,
    relay: Relay,
}

#[derive(Clone, PartialEq, Eq)]
enum Relay {
    Http,
    Modbus(ModbusRelay),
    Raw(RawRelay),
}

const PLACES: [&str; 4] = ["{mode}", "{seconds}", "{port}", "{action_port}"];

impl ActionUrl {
    /// Reads an address; the error says what is wrong with it.
    ///
    /// # Errors
    ///
    /// When it is no URL of a kind of relay there is, or one that cannot do what a door needs.
    pub fn new(text: &str) -> Result<Self, ActionUrlError> {
        let opening = DoorCommand::of_match(ActionMode::OpenDoor);
        let url = fill(text, &opening)?;
        let relay = match url.scheme() {
            "http" | "https" if url.has_host() => {
                check_places(text)?;
                Relay::Http
            }
            "modbus" => Relay::Modbus(ModbusRelay::read(&url)?),
            "tcp" => Relay::Raw(RawRelay::read(&Url::parse(text)?)?),
            _ => return Err(ActionUrlError::Scheme),
        };
        Ok(Self { text: text.to_owned(), relay })
    }

    /// Host and port of the relay.
    pub fn place(&self) -> Option<(String, u16)> {
        let url = fill(&self.text, &DoorCommand::of_match(ActionMode::OpenDoor)).ok()?;
        let port = url.port_or_known_default().or((url.scheme() == "modbus").then_some(502))?;
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), port))
    }

    /// What a command comes to; the error says what this relay cannot do.
    ///
    /// # Errors
    ///
    /// When the relay has no output, no bytes or no room for what is asked.
    pub fn order(&self, command: &DoorCommand) -> Result<DoorOrder, DoorOrderError> {
        let steps = match &self.relay {
            Relay::Http => {
                let url = fill(&self.text, command)?;
                vec![DoorStep { output: String::new(), now: RelayCall::Http(url), rest: None }]
            }
            Relay::Modbus(relay) => relay.steps(command)?,
            Relay::Raw(relay) => vec![relay.step(command)?],
        };
        Ok(DoorOrder { steps, seconds: command.seconds })
    }

    /// Outputs this box switches back by itself, with what does that: at a start one may still be on, because the box
    /// died before it was due.
    pub fn at_rest(&self) -> Vec<(String, RelayCall)> {
        match &self.relay {
            Relay::Http => Vec::new(),
            Relay::Modbus(relay) => relay.at_rest(),
            Relay::Raw(relay) => relay.at_rest().into_iter().collect(),
        }
    }
}

/// Never shows a password.
impl std::fmt::Debug for ActionUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Masked as a whole: a password may hold a question mark.
        f.write_str(mask_credentials(&self.text).split('?').next().unwrap_or_default())
    }
}

fn check_places(template: &str) -> Result<(), ActionUrlError> {
    if !template.contains("{mode}") {
        return Err(ActionUrlError::NoMode);
    }
    let mut rest = template.to_owned();
    for place in PLACES {
        rest = rest.replace(place, "");
    }
    if rest.contains(['{', '}']) {
        return Err(ActionUrlError::UnknownPlace(PLACES.join(" ")));
    }
    Ok(())
}

/// Puts a command's values, percent-encoded, into their places.
fn fill(template: &str, command: &DoorCommand) -> Result<Url, url::ParseError> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let text = template
        .replace("{mode}", &encoded(command.mode.wire()))
        .replace("{seconds}", &encoded(&command.seconds.to_string()))
        .replace("{port}", &encoded(&command.logic_port.to_string()))
        .replace("{action_port}", &encoded(&command.action_port.to_string()));
    Url::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_checked_and_filled() {
        let text = "http://u:p@10.0.0.9:8/r?m={mode}&s={seconds}&p={port}&a={action_port}";
        let url = ActionUrl::new(text).unwrap();
        let command = DoorCommand { mode: ActionMode::Alarm, seconds: 7, logic_port: 2, action_port: 80 };
        let order = url.order(&command).unwrap();
        let expected = Url::parse("http://u:p@10.0.0.9:8/r?m=alarm&s=7&p=2&a=80").unwrap();
        assert_eq!(order.steps[0].now, RelayCall::Http(expected));
        assert_eq!(order.steps[0].rest, None, "the relay counts the time");
        for shown in [format!("{url:?}"), format!("{order:?}")] {
            assert!(!shown.contains("u:p") && shown.contains("10.0.0.9"), "{shown}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (template, expected) in [
            ("ftp://h/{mode}", "must be http"),
            ("/relay?{mode}", "no URL"),
            ("http://h/relay", "{mode}"),
            ("http://h/{mode}/{door}", "unknown place"),
            ("modbus:///0", "no host"),
            ("tcp://10.0.0.9?opendoor=01", "no port"),
            ("tcp://u:p@10.0.0.9:1?opendoor=01", "holds a user"),
        ] {
            let problem = ActionUrl::new(template).unwrap_err().to_string();
            assert!(problem.contains(expected), "{template}: {problem}");
        }
    }
}
