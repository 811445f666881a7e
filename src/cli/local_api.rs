//! Asking the running box, over its local API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::Method;
use serde_json::Value;

use super::language::said;
use crate::adapters::tls::{Pinned, read_chain};
use crate::adapters::tokens::CommandLineToken;
use crate::config::Settings;
use crate::runtime::listeners::certificate_paths;
use menshen_domain::status::{Language, StatusCode};
use menshen_domain::text::spoken;

/// Where devices are.
pub const DEVICES: &str = "/menshen/api/devices";
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
        let listen = settings.local_api.listen.with_context(|| {
            said!(
                "the box is running, and its local API is off: set local_api.listen, or stop the box and try again",
                "门神正在运行，但本地接口已关闭：请设置 local_api.listen，或停止门神后重试"
            )
        })?;
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

    /// Where the box is asked.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// The `data` of a call's answer, or what the box has against it.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        Ok(self.answer(method, path, body)?["data"].take())
    }

    /// A call's whole answer, or what the box has against it.
    pub fn answer(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut call = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            call = call.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            anyhow!(said!("the box's local API does not answer: {error}", "本地接口没有应答：{error}"))
        };
        let body: Value = self.runtime.block_on(async { call.send().await?.json().await }).map_err(failed)?;
        match body["error"]["message"].as_str() {
            None => Ok(body),
            Some(message) => bail!(in_own_language(message, spoken())),
        }
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body)
    }
}

/// A message begins with the text of its code, in the language of the box.
fn in_own_language(message: &str, own: Language) -> String {
    let texts = StatusCode::ALL.iter().map(|code| {
        let other = if own == Language::Zh { Language::En } else { Language::Zh };
        (code.text(other), code.text(own))
    });
    // The longest: one text may be the beginning of another.
    let known = texts.filter(|(other, _)| message.starts_with(other)).max_by_key(|(other, _)| other.len());
    known.map_or_else(|| message.to_owned(), |(other, own)| format!("{own}{}", &message[other.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_box_says_in_its_language_is_said_in_that_of_the_command() {
        for (said, own, expected) in [
            ("参数错误: no device", Language::En, "parameter error: no device"),
            ("parameter error: no device", Language::Zh, "参数错误: no device"),
            ("未找到", Language::En, "not found"),
            ("parameter error: x", Language::En, "parameter error: x"),
            ("something else", Language::Zh, "something else"),
        ] {
            assert_eq!(in_own_language(said, own), expected);
        }
    }
}
