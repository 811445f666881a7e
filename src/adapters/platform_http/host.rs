//! How a server is named in errors: never with the path or the query of a call, which may hold a token.

use url::Url;

pub fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        _ => "platform".to_owned(),
    }
}
