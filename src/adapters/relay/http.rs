//! Door relays over HTTP: one GET a command.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use menshen_domain::limits;

#[derive(Clone)]
pub struct HttpRelay {
    client: Client,
}

impl HttpRelay {
    pub fn new() -> Result<Self, String> {
        let client = Client::builder()
            .timeout(Duration::from_millis(limits::RELAY_TIMEOUT_MS))
            // Relays are neighbours; whatever proxy leads to the platform does not lead to them.
            .no_proxy()
            // A relay that sends its caller elsewhere is none, and a repeated command is never wanted.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| format!("cannot set up the relays' HTTP client: {error}"))?;
        Ok(Self { client })
    }

    pub async fn call(&self, url: Url) -> Result<(), String> {
        let response = self.client.get(url).send().await.map_err(|error| {
            // The error's own text names the address.
            if error.is_timeout() { "no answer within the time limit" } else { "cannot be reached" }
                .to_owned()
        })?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("answered {}", response.status().as_u16()))
        }
    }
}
