//! `netRelay`: a network relay as tools of the published local API name it.
//!
//! How such relays are spoken to is not published. So it is kept and shown again, and opens a door only through the
//! operator's template (`gate.net_relay_url`), which makes an [`ActionUrl`] of it.

use serde::{Deserialize, Serialize};

use super::action_url::ActionUrl;
use super::error::ActionUrlError;

/// Where a network relay is, and what it switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetRelay {
    /// Its address.
    pub ip: String,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_port: Option<u16>,
    /// Of its outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_port: Option<u16>,
    /// Seconds until the door closes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_time: Option<u32>,
}

/// Why a relay and a template give no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetRelayError {
    /// The template asks for what the relay does not say.
    #[error("`{0}` is missing, and the template has it")]
    Missing(&'static str),
    /// An address is a host, not a whole URL.
    #[error("`ip` must be an address or a host name")]
    Host,
    /// With the relay's values the template is no address of a relay.
    #[error(transparent)]
    Url(#[from] ActionUrlError),
}

impl NetRelay {
    /// The places a template may have beside those of an `action_url`.
    pub const PLACES: [&str; 4] = ["{ip}", "{net_port}", "{door_port}", "{delay_time}"];

    /// What a template is tried with.
    pub fn sample() -> Self {
        Self { ip: "192.0.2.1".to_owned(), net_port: Some(502), door_port: Some(1), delay_time: Some(5) }
    }

    /// The address of this relay by the operator's template.
    ///
    /// # Errors
    ///
    /// When the template asks for more than the relay says, or is no address with it.
    pub fn action_url(&self, template: &str) -> Result<ActionUrl, NetRelayError> {
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if self.ip.is_empty() || !self.ip.chars().all(is_host) {
            return Err(NetRelayError::Host);
        }
        let mut text = template.replace("{ip}", &self.ip);
        for (place, name, value) in [
            ("{net_port}", "net_port", self.net_port.map(u32::from)),
            ("{door_port}", "door_port", self.door_port.map(u32::from)),
            ("{delay_time}", "delay_time", self.delay_time),
        ] {
            if text.contains(place) {
                let value = value.ok_or(NetRelayError::Missing(name))?;
                text = text.replace(place, &value.to_string());
            }
        }
        Ok(ActionUrl::new(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{ActionMode, DoorCommand};

    #[test]
    fn a_template_makes_a_relay_of_it() {
        let relay =
            NetRelay { ip: "10.0.0.9".into(), net_port: Some(1502), door_port: Some(2), delay_time: None };
        let url = relay.action_url("modbus://{ip}:{net_port}/0?coils={door_port}").unwrap();
        assert_eq!(url.place(), Some(("10.0.0.9".to_owned(), 1502)));
        let order = url.order(&DoorCommand::of_match(ActionMode::OpenDoor)).unwrap();
        assert_eq!(order.steps.len(), 2, "as many coils");
        let web = relay.action_url("http://{ip}/r?m={mode}&out={door_port}").unwrap();
        assert_eq!(web.place(), Some(("10.0.0.9".to_owned(), 80)));
        for (relay, template, expected) in [
            (relay.clone(), "http://{ip}/{mode}?t={delay_time}", "`delay_time` is missing"),
            (relay.clone(), "http://{ip}/{mode}?t={delay}", "unknown place"),
            (NetRelay { ip: "h/x?".into(), ..relay.clone() }, "http://{ip}/{mode}", "`ip` must be"),
            (NetRelay { ip: String::new(), ..relay }, "http://{ip}/{mode}", "`ip` must be"),
        ] {
            let problem = relay.action_url(template).unwrap_err().to_string();
            assert!(problem.contains(expected), "{template}: {problem}");
        }
    }
}
