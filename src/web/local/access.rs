//! Who calls, and what that allows.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use sha2::{Digest as _, Sha256};

use crate::ports::tokens::KnownTokens;
use crate::telemetry::peers_told::PeersTold;
use menshen_domain::access::Role;

/// Name of `local_api.token` of the configuration in the audit log.
const CONFIGURED: &str = "local_api.token";
/// Name of who calls from this machine without a token.
const THIS_MACHINE: &str = "this machine";
/// Name of the box's own command line.
pub const COMMAND_LINE: &str = "command line";

type Digest = [u8; 32];

/// A caller who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token.
    pub name: String,
    pub role: Role,
}

/// Why a caller was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Without a token, although one is needed.
    NoToken,
    /// No such token, or one that was revoked.
    WrongToken,
    /// Without a token from another machine, or under a foreign name.
    NotLocal,
}

/// What lets callers in.
pub struct Access {
    configured: Option<Digest>,
    command_line: Option<Digest>,
    tokens: Arc<dyn KnownTokens>,
    /// Addresses with wrong tokens.
    told: PeersTold,
}

impl Access {
    /// `configured` is `local_api.token`, empty for none; `command_line` the SHA-256 of the command line's token, in
    /// hexadecimal digits.
    pub fn new(configured: &str, command_line: Option<&str>, tokens: Arc<dyn KnownTokens>) -> Self {
        let configured = (!configured.is_empty()).then(|| Sha256::digest(configured.as_bytes()).into());
        let command_line = command_line.and_then(|text| {
            let mut digest = Digest::default();
            hex::decode_to_slice(text, &mut digest).ok().map(|()| digest)
        });
        Self { configured, command_line, tokens, told: PeersTold::default() }
    }

    /// Who calls.
    ///
    /// # Errors
    /// When nobody is let in.
    pub fn check(&self, request: &ServiceRequest, peer: Option<IpAddr>) -> Result<Caller, Denied> {
        let needs_token = self.configured.is_some() || self.tokens.is_any();
        let given = token_of(request);
        if let Some(caller) = given.as_deref().and_then(|text| self.find(text)) {
            return Ok(caller);
        }
        match (needs_token, given) {
            (true, Some(_)) => Err(Denied::WrongToken),
            (true, None) => Err(Denied::NoToken),
            (false, _) if peer.is_some_and(|peer| peer.is_loopback()) && is_local_host(request) => {
                Ok(Caller { name: THIS_MACHINE.to_owned(), role: Role::Admin })
            }
            (false, _) => Err(Denied::NotLocal),
        }
    }

    /// Digests are compared, so that the time taken says nothing about a token.
    fn find(&self, text: &str) -> Option<Caller> {
        let digest: Digest = Sha256::digest(text.as_bytes()).into();
        let admin = |name: &str| Some(Caller { name: name.to_owned(), role: Role::Admin });
        if self.command_line == Some(digest) {
            return admin(COMMAND_LINE);
        }
        if self.configured == Some(digest) {
            return admin(CONFIGURED);
        }
        self.tokens.find(text).map(|(name, role)| Caller { name, role })
    }

    /// Tells of wrong tokens in the log: once in a while for each address, with their number, so that nobody fills the log.
    pub fn tell_wrong(&self, peer: IpAddr) {
        if let Some(count) = self.told.count(peer) {
            tracing::warn!(%peer, count, "the local API was called with a wrong token");
        }
    }
}

/// `Authorization: Bearer TOKEN`, else `?token=TOKEN`.
fn token_of(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, text)) = header.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Some(text.trim().to_owned());
    }
    url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(key, _)| key == "token")
        .map(|(_, text)| text.into_owned())
}

/// A web page in this machine's browser can make it call `127.0.0.1` under a name of its own; such a name is refused.
fn is_local_host(request: &ServiceRequest) -> bool {
    let Some(host) = request.headers().get(HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a web page of another server makes a browser call: it says where the page is from, and programs say nothing.
pub fn is_foreign(request: &ServiceRequest) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    if header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = header(ORIGIN.as_str()) else { return false };
    let own = origin.split_once("://").map(|(_, host)| host);
    let host = header(HOST.as_str());
    // `null`, of a file or of a frame without rights, is nobody's own.
    !matches!((own, host), (Some(own), Some(host)) if own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// `tokens` of the file by their texts.
    struct Book(Vec<(&'static str, Role)>);

    impl KnownTokens for Book {
        fn find(&self, text: &str) -> Option<(String, Role)> {
            let found = self.0.iter().find(|(known, _)| *known == text)?;
            Some((format!("name of {}", found.0), found.1.clone()))
        }

        fn is_any(&self) -> bool {
            !self.0.is_empty()
        }
    }

    fn access(configured: &str, tokens: &[(&'static str, Role)]) -> Access {
        let own = hex::encode(Sha256::digest(b"own"));
        Access::new(configured, Some(&own), Arc::new(Book(tokens.to_vec())))
    }

    fn check(
        access: &Access,
        headers: &[(&'static str, &str)],
        uri: &str,
        peer: &str,
    ) -> Result<String, Denied> {
        let mut request = TestRequest::with_uri(uri);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        access.check(&request.to_srv_request(), peer.parse().ok()).map(|caller| caller.name)
    }

    #[test]
    fn a_token_says_who_calls() {
        let gate = Role::Device { device: "10.0.0.5".into() };
        let access = access("conf", &[("adm", Role::Admin), ("gate", gate)]);
        for (header, uri, expected) in [
            ("Bearer adm", "/", Ok("name of adm")),
            ("bearer  gate", "/", Ok("name of gate")),
            ("Bearer conf", "/", Ok("local_api.token")),
            ("Bearer own", "/", Ok("command line")),
            ("Basic x", "/?token=adm", Ok("name of adm")),
            ("Bearer ad", "/", Err(Denied::WrongToken)),
            ("Bearer ", "/", Err(Denied::WrongToken)),
            ("Bearer wrong", "/?token=adm", Err(Denied::WrongToken)),
            ("Basic x", "/", Err(Denied::NoToken)),
            ("Basic x", "/?token=", Err(Denied::WrongToken)),
        ] {
            let found = check(&access, &[("authorization", header)], uri, "10.9.9.9");
            assert_eq!(found.as_deref(), expected.as_deref(), "{header} {uri}");
        }
    }

    #[test]
    fn without_tokens_only_this_machine_calls() {
        let open = access("", &[]);
        for (host, peer, is_let_in) in [
            ("127.0.0.1:5555", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("[::1]:5555", "127.0.0.1", true),
            ("evil.example:5555", "127.0.0.1", false),
            ("127.0.0.1:5555", "10.0.0.9", false),
        ] {
            let found = check(&open, &[("host", host)], "/", peer);
            assert_eq!(found.is_ok(), is_let_in, "{host} from {peer}: {found:?}");
        }
        assert_eq!(check(&access("", &[("adm", Role::Admin)]), &[], "/", "127.0.0.1"), Err(Denied::NoToken));
    }

    #[test]
    fn pages_of_others_are_told_by_their_origin() {
        for (headers, foreign) in [
            (&[][..], false),
            (&[("origin", "http://10.0.0.2:5555")][..], false),
            (&[("origin", "http://10.0.0.2:5556")], true),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "http://10.0.0.2:5555.evil.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
        ] {
            let mut request = TestRequest::default().insert_header(("host", "10.0.0.2:5555"));
            for (name, value) in headers {
                request = request.insert_header((*name, *value));
            }
            assert_eq!(is_foreign(&request.to_srv_request()), foreign, "{headers:?}");
        }
    }
}
