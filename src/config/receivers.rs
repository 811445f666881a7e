//! Addresses of receivers, and in which dialect of the protocol they are written to.

use url::Url;

use super::reader::Section;
use super::value_error::ValueError;
use menshen_domain::report_options::{Dialect, ReceiverDialect};
use menshen_domain::text;
use menshen_domain::text::Text;

/// The address of a web server.
///
/// # Errors
/// When it is none.
pub fn http_url(text: String) -> Result<Url, ValueError> {
    match Url::parse(&text) {
        Err(_) => Err(ValueError::Url(text)),
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(other) => Err(ValueError::Scheme(other.scheme().to_owned())),
    }
}

/// `history_dialect`; empty: as the platform.
pub fn read_history_dialect(section: &mut Section<'_>) -> Option<Dialect> {
    let read = |text: String| -> Result<Option<Dialect>, Text> {
        if text.is_empty() {
            return Ok(None);
        }
        Dialect::from_wire(&text).map(Some).ok_or_else(|| {
            text!(
                "`{text}` is no dialect; there is \"2.4\" and \"2.6\", or \"\" for that of the platform",
                "`{text}` 不是协议版本；可用 \"2.4\" 和 \"2.6\"，或 \"\" 表示与平台相同"
            )
        })
    };
    section.take_checked("history_dialect", String::new(), read).flatten()
}

/// `[[events.receiver]]`: history receivers with a dialect each.
pub fn read_receivers(section: &mut Section<'_>) -> Vec<ReceiverDialect> {
    section.sections("receiver").into_iter().filter_map(read_receiver).collect()
}

fn read_receiver(mut section: Section<'_>) -> Option<ReceiverDialect> {
    let text = section.take_secret("url");
    let url = http_url(text).map_err(|error| section.wrong("url", error)).ok();
    let dialect = section.take("dialect", Dialect::default());
    section.finish();
    url.map(|url| ReceiverDialect { url, dialect })
}

/// The receivers of both lists, each once.
pub fn all_receivers(mut urls: Vec<Url>, receivers: &[ReceiverDialect]) -> Vec<Url> {
    for ReceiverDialect { url, .. } in receivers {
        if !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    urls
}
