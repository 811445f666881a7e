//! Asking the running box, over its local API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::Method;
use serde_json::Value;

use crate::adapters::tls::{Pinned, read_chain};
use crate::adapters::tokens::CommandLineToken;
use crate::config::Settings;
use crate::runtime::listeners::certificate_paths;

/// An answer that takes longer is not coming.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub struct LocalApi {
    base: String,
    token: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// An address that is listened on for everyone is reached over this machine's own.
fn reached(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), listen.port()),
    }
}

impl LocalApi {
    /// Of a box that is running with these settings.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let listen = settings.local_api.listen.context(
            "the box is running, and its local API is off: set local_api.listen, or stop the box and try again",
        )?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN);
        let certificate = certificate_paths(settings, &settings.local_api.tls);
        let scheme = if certificate.is_some() { "https" } else { "http" };
        if let Some(paths) = certificate {
            let leaf = read_chain(&paths.cert)?.swap_remove(0);
            client = client.tls_backend_preconfigured(Pinned::new(leaf).client()?);
        }
        let client = client.build()?;
        let own = CommandLineToken::new(&settings.data_dir).read();
        let token = own.unwrap_or_else(|| settings.local_api.token.clone());
        Ok(Self { base: format!("{scheme}://{}", reached(listen)), token, client, runtime })
    }

    /// The `data` of a call's answer, or what the box has against it.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut call = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            call = call.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        let failed =
            |error: reqwest::Error| anyhow!("the box's local API does not answer: {}", error.without_url());
        let body: Value = self.runtime.block_on(async { call.send().await?.json().await }).map_err(failed)?;
        match body["error"]["message"].as_str() {
            None => Ok(body["data"].clone()),
            Some(message) => bail!("{message}"),
        }
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body)
    }
}
