//! Door relays over HTTP: one GET a command.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use crate::ports::relay::RelayError;
use menshen_domain::limits;

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the relays' HTTP client: {0}")]
pub struct RelaySetupError(reqwest::Error);

#[derive(Clone)]
pub struct HttpRelay {
    client: Client,
}

impl HttpRelay {
    pub fn new() -> Result<Self, RelaySetupError> {
        let client = Client::builder()
            .timeout(Duration::from_millis(limits::RELAY_TIMEOUT_MS))
            // Relays are neighbours; whatever proxy leads to the platform does not lead to them.
            .no_proxy()
            // A relay that sends its caller elsewhere is none, and a repeated command is never wanted.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(RelaySetupError)?;
        Ok(Self { client })
    }

    pub async fn call(&self, url: Url) -> Result<(), RelayError> {
        let response = self.client.get(url).send().await.map_err(|error| {
            // The error's own text names the address.
            if error.is_timeout() { RelayError::TimedOut } else { RelayError::Unreachable(None) }
        })?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(RelayError::Status(response.status().as_u16()))
        }
    }
}
