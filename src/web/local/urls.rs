//! Addresses that events, history and status reports go to, besides those the platform's login names.

use actix_web::HttpResponse;
use serde_json::{Value, json};
use url::Url;

use super::answer::{Answer, wrong};
use super::body::Call;
use super::state::LocalDeps;
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

    fn own(self, deps: &LocalDeps) -> Vec<Url> {
        let tuning = deps.tuner.shared();
        let tuning = tuning.load();
        match self {
            Self::History => tuning.history_urls.clone(),
            Self::Event => tuning.realtime_urls.clone(),
            Self::Monitor => tuning.monitor_urls.clone(),
        }
    }

    /// Those of the login, which only the platform changes.
    fn of_platform(self, deps: &LocalDeps) -> Vec<Url> {
        let Some(session) = deps.session.load_full() else { return Vec::new() };
        match self {
            Self::History => session.record_urls.clone(),
            Self::Event => Vec::new(),
            Self::Monitor => session.device_monitor_url.iter().cloned().collect(),
        }
    }
}

/// Why a text is not the address of a web server; the sentence begins with what the text was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("is no URL: {0}")]
    Syntax(#[from] url::ParseError),
    #[error("must be http or https")]
    Scheme,
    #[error("must be https, since platform.require_tls is on")]
    NotSecure,
}

/// Reads the address of a web server.
///
/// # Errors
/// When the text is no URL, or one of something else.
pub fn http_url(text: &str, require_tls: bool) -> Result<Url, UrlError> {
    let url = Url::parse(text.trim())?;
    match url.scheme() {
        "http" if require_tls => Err(UrlError::NotSecure),
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(UrlError::Scheme),
    }
}

pub fn get(deps: &LocalDeps, kind: Kind) -> HttpResponse {
    deps.respond(Ok(show(deps, kind)))
}

fn show(deps: &LocalDeps, kind: Kind) -> Value {
    let texts = |urls: Vec<Url>| urls.iter().map(shown).collect::<Vec<_>>();
    json!({ "urls": texts(kind.own(deps)), "platform_urls": texts(kind.of_platform(deps)) })
}

pub async fn set(deps: &LocalDeps, kind: Kind, call: Call) -> HttpResponse {
    let answer = change(deps, kind, call).await;
    deps.respond(answer)
}

/// `urls`: a list, or `url`: a text with commas between, as `recordAddr` is written. An empty one clears the list.
async fn change(deps: &LocalDeps, kind: Kind, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    // An empty list or text clears; null is what a typed client writes for what it did not set.
    let mut given = |key: &str| body.remove(key).filter(|value| !value.is_null());
    let texts: Vec<String> = match (given("urls"), given("url")) {
        (Some(Value::Array(none)), Some(Value::String(text)))
            if none.is_empty() && !text.trim().is_empty() =>
        {
            text.split(',').map(str::to_owned).collect()
        }
        (Some(list), _) => lenient::texts(list).map_err(|error| wrong(format!("`urls`: {error}")))?,
        (None, Some(Value::String(text))) => text.split(',').map(str::to_owned).collect(),
        (None, Some(_)) => return Err(wrong("`url` must be a string")),
        (None, None) => return Err(wrong("`urls` is missing: a list of addresses, [] for none")),
    };
    let mut urls = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        let url =
            http_url(text, deps.require_tls).map_err(|problem| wrong(format!("an address {problem}")))?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.len() > limits::LOCAL_URLS_MAX {
        return Err(wrong(format!("at most {} addresses", limits::LOCAL_URLS_MAX)));
    }
    call.note(format!("{} address(es)", urls.len()));
    deps.change(move |changes| match kind {
        Kind::History => changes.history_urls = Some(urls),
        Kind::Event => changes.realtime_urls = Some(urls),
        Kind::Monitor => changes.monitor_urls = Some(urls),
    })
    .await?;
    if kind == Kind::History {
        deps.reporter.send_until_answered(|| ReceiversChanged).await;
    }
    Ok(show(deps, kind))
}
