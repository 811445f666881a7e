//! Addresses that events, history and status reports go to, besides those the platform's login names; and how they are
//! written to.
//!
//! A body with the published name of the addresses is the published one: what it does not say has the published default. One
//! with `urls` or `url` is ours, and changes only what it says. Answers have both kinds of keys.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use url::Url;

use super::answer::{Answer, wrong};
use super::body::Call;
use super::receiver_kind::Kind;
use super::receivers::{Options, SWITCHES, asked};
use super::state::LocalDeps;
use crate::actors::reporter::message::ReceiversChanged;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::form;

/// Why a text is not the address of a web server; the sentence begins with what the text was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("is no URL: {0}")]
    Syntax(#[from] url::ParseError),
    #[error("must be http or https")]
    Scheme,
    #[error("must be https, since platform.require_tls is on")]
    NotSecure,
    #[error("is longer than {} bytes", limits::LOCAL_URL_BYTES_MAX)]
    TooLong,
}

/// Reads the address of a web server.
///
/// # Errors
/// When the text is no URL, or one of something else.
pub fn http_url(text: &str, require_tls: bool) -> Result<Url, UrlError> {
    if text.len() > limits::LOCAL_URL_BYTES_MAX {
        return Err(UrlError::TooLong);
    }
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
    let own = texts(kind.own(deps));
    let mut answer = Options::now(deps, kind).published();
    let field = match kind {
        // One address, as published; whoever set several finds all of them in `urls`.
        Kind::Monitor => own.first().cloned().unwrap_or_default().into(),
        Kind::History | Kind::Event => json!(own),
    };
    answer.insert(kind.field().to_owned(), field);
    answer.insert("urls".to_owned(), json!(own));
    answer.insert("platform_urls".to_owned(), json!(texts(kind.of_platform(deps))));
    Value::Object(answer)
}

pub async fn set(deps: &LocalDeps, kind: Kind, call: Call) -> HttpResponse {
    let answer = change(deps, kind, call).await;
    deps.respond(answer)
}

async fn change(deps: &LocalDeps, kind: Kind, mut call: Call) -> Answer {
    let body = call.json_or_form().await?;
    let (texts, is_published) = addresses(&body, kind.field())?;
    let before = if is_published { Options::published_default(kind) } else { Options::now(deps, kind) };
    let options = before.read(&body)?;
    let known = kind.own(deps);
    let mut urls = Vec::new();
    for text in &texts {
        let url =
            http_url(text, deps.require_tls).map_err(|problem| wrong(format!("an address {problem}")))?;
        let url = as_known(url, &known);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.len() > limits::LOCAL_URLS_MAX {
        return Err(wrong(format!("at most {} addresses", limits::LOCAL_URLS_MAX)));
    }
    call.note(format!("{} address(es)", urls.len()));
    // Ours keeps saying nothing of how where it says nothing of it.
    let says_how = is_published || SWITCHES.iter().any(|key| asked(&body, key).is_some());
    deps.change(move |changes| {
        match kind {
            Kind::History => changes.history_urls = Some(urls),
            Kind::Event => changes.realtime_urls = Some(urls),
            Kind::Monitor => changes.monitor_urls = Some(urls),
        }
        if says_how {
            options.keep(changes);
        }
    })
    .await?;
    deps.reporter.send_until_answered(|| ReceiversChanged).await;
    let mut answer = show(deps, kind);
    answer["message"] = match kind {
        Kind::Monitor => "ok".into(),
        Kind::History | Kind::Event => StatusCode::Success.text(deps.language).into(),
    };
    Ok(answer)
}

/// The addresses of a body, and whether it is the published one. An empty list or text clears; null is what a typed client
/// writes for what it did not set.
fn addresses(body: &Map<String, Value>, field: &str) -> Result<(Vec<String>, bool), ProtocolError> {
    let given = |key: &str| body.get(key).filter(|value| !value.is_null());
    let read =
        |key: &str, value: &Value| form::texts(value).map_err(|error| wrong(format!("`{key}`: {error}")));
    let texts = match (given(field), given("urls"), given("url")) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(wrong(format!("`{field}`, or `urls` and `url`, not both")));
        }
        (Some(published), None, None) => return Ok((read(field, published)?, true)),
        // A client may write both of ours and fill one.
        (None, Some(Value::Array(none)), Some(one)) if none.is_empty() => read("url", one)?,
        (None, Some(list), _) => read("urls", list)?,
        (None, None, Some(one @ Value::String(_))) => read("url", one)?,
        (None, None, Some(_)) => return Err(wrong("`url` must be a string")),
        (None, None, None) => {
            return Err(wrong(format!("`{field}` is missing: a list of addresses, [] for none")));
        }
    };
    Ok((texts, false))
}

/// An address as it was shown, without its password and query, is the one it was shown for: a client that reads, changes a
/// switch and writes back must not lose either.
pub fn as_known(url: Url, known: &[Url]) -> Url {
    let is_shown_of = |known: &&Url| shown(known) == url.as_str();
    known.iter().find(|known| **known == url).or(known.iter().find(is_shown_of)).cloned().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_nobody_could_call_is_refused() {
        let url = |length: usize| format!("http://x/{}", "a".repeat(length - "http://x/".len()));
        assert!(http_url(&url(limits::LOCAL_URL_BYTES_MAX), false).is_ok());
        assert_eq!(http_url(&url(limits::LOCAL_URL_BYTES_MAX + 1), false), Err(UrlError::TooLong));
    }

    fn read(body: Value) -> Result<(Vec<String>, bool), ProtocolError> {
        addresses(body.as_object().unwrap(), "event_server_url")
    }

    #[test]
    fn one_key_says_which_body_it_is() {
        for (body, expected) in [
            (
                json!({ "event_server_url": ["http://a/", "http://b/"] }),
                (vec!["http://a/", "http://b/"], true),
            ),
            (
                json!({ "event_server_url": "http://a/,http://b/", "urls": null }),
                (vec!["http://a/", "http://b/"], true),
            ),
            (json!({ "event_server_url": "" }), (vec![], true)),
            (json!({ "urls": [], "event_server_url": null }), (vec![], false)),
            (json!({ "urls": [], "url": "http://a/" }), (vec!["http://a/"], false)),
            (json!({ "url": "http://a/ , http://b/" }), (vec!["http://a/", "http://b/"], false)),
        ] {
            let (texts, is_published) = read(body.clone()).unwrap();
            assert_eq!((texts.iter().map(String::as_str).collect(), is_published), expected, "{body}");
        }
        for (body, told) in [
            (json!({ "event_server_url": [], "urls": [] }), "not both"),
            (json!({ "event_server_url": ["http://a/"], "url": "" }), "not both"),
            (json!({ "url": [] }), "must be a string"),
            (json!({ "event_server_url": { "a": 1 } }), "event_server_url"),
            (json!({ "content-type": "json" }), "`event_server_url` is missing"),
        ] {
            let refusal = read(body.clone()).unwrap_err();
            assert!(refusal.detail.contains(told), "{body}: {}", refusal.detail);
        }
    }

    #[test]
    fn an_address_as_it_was_shown_keeps_its_secrets() {
        let url = |text: &str| Url::parse(text).unwrap();
        let known = [url("http://u:p@h/x?token=t"), url("http://h/y")];
        assert_eq!(as_known(url("http://h/x"), &known), known[0]);
        assert_eq!(as_known(url("http://h/y"), &known), known[1]);
        assert_eq!(as_known(url("http://h/x?token=new"), &known), url("http://h/x?token=new"));
        assert_eq!(as_known(url("http://other/"), &known), url("http://other/"));
    }
}
