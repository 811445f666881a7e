//! Addresses that get events, history and status reports besides those the platform's login names.

use actix_web::HttpResponse;
use serde_json::{Value, json};
use url::Url;

use super::LocalDeps;
use super::answer::{Answer, wrong};
use super::body::Call;
use crate::actors::reporter::message::ReceiversChanged;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_protocol::lenient;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    History,
    Event,
    Monitor,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::History, Self::Event, Self::Monitor];

    pub fn name(self) -> &'static str {
        match self {
            Self::History => "HistoryEventUrl",
            Self::Event => "EventServerUrl",
            Self::Monitor => "MonitorServerUrl",
        }
    }

    fn own(self, parts: &LocalDeps) -> Vec<Url> {
        let tuning = parts.tuner.shared();
        let tuning = tuning.load();
        match self {
            Self::History => tuning.history_urls.clone(),
            Self::Event => tuning.realtime_urls.clone(),
            Self::Monitor => tuning.monitor_urls.clone(),
        }
    }

    /// Those of the login, which only the platform changes.
    fn of_platform(self, parts: &LocalDeps) -> Vec<Url> {
        let Some(session) = parts.session.load_full() else { return Vec::new() };
        match self {
            Self::History => session.record_urls.clone(),
            Self::Event => Vec::new(),
            Self::Monitor => session.device_monitor_url.iter().cloned().collect(),
        }
    }
}

pub fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("is no URL: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("must be http or https".to_owned()),
    }
}

pub fn get(parts: &LocalDeps, kind: Kind) -> HttpResponse {
    parts.say(Ok(show(parts, kind)))
}

fn show(parts: &LocalDeps, kind: Kind) -> Value {
    let texts = |urls: Vec<Url>| urls.iter().map(shown).collect::<Vec<_>>();
    json!({ "urls": texts(kind.own(parts)), "platform_urls": texts(kind.of_platform(parts)) })
}

pub async fn set(parts: &LocalDeps, kind: Kind, call: Call) -> HttpResponse {
    let answer = change(parts, kind, call).await;
    parts.say(answer)
}

/// `urls`: a list, or `url`: a text with commas between, as `recordAddr` is written. An empty one clears the list.
async fn change(parts: &LocalDeps, kind: Kind, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    let texts: Vec<String> = match (body.remove("urls"), body.remove("url")) {
        (Some(list), _) => lenient::texts(list).map_err(|error| wrong(format!("`urls`: {error}")))?,
        (None, Some(Value::String(text))) => text.split(',').map(str::to_owned).collect(),
        (None, Some(_)) => return Err(wrong("`url` must be a string")),
        (None, None) => return Err(wrong("`urls` is missing: a list of addresses, [] for none")),
    };
    let mut urls = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        let url = http_url(text).map_err(|problem| wrong(format!("an address {problem}")))?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.len() > limits::LOCAL_URLS_MAX {
        return Err(wrong(format!("at most {} addresses", limits::LOCAL_URLS_MAX)));
    }
    parts
        .change(move |changes| match kind {
            Kind::History => changes.history_urls = Some(urls),
            Kind::Event => changes.realtime_urls = Some(urls),
            Kind::Monitor => changes.monitor_urls = Some(urls),
        })
        .await?;
    if kind == Kind::History {
        parts.reporter.send_until_answered(|| ReceiversChanged).await;
    }
    Ok(show(parts, kind))
}
