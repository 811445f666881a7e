//! Who calls, and what that allows.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use ipnet::IpNet;
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
    /// Came with a token.
    pub has_token: bool,
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
    /// From a network that needs no token, under a name that is not the box's.
    ForeignName,
}

/// Who needs no token: `local_api.allow`.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    pub networks: Vec<IpNet>,
    /// Names of the box beside its addresses; a web page can make a browser call under any other.
    pub names: Vec<String>,
}

impl Allowed {
    fn network_of(&self, peer: IpAddr) -> Option<IpNet> {
        // A peer of IPv4 may come over an IPv6 socket.
        let peer = peer.to_canonical();
        self.networks.iter().copied().find(|network| network.contains(&peer))
    }

    fn is_own_name(&self, request: &ServiceRequest) -> bool {
        let Some(name) = host_of(request) else { return false };
        name.parse::<IpAddr>().is_ok() || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What lets callers in.
pub struct Access {
    configured: Option<Digest>,
    command_line: Option<Digest>,
    tokens: Arc<dyn KnownTokens>,
    /// Addresses with wrong tokens.
    told: PeersTold,
    allowed: Allowed,
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
        Self { configured, command_line, tokens, allowed: Allowed::default(), told: PeersTold::default() }
    }

    /// Lets callers of these networks in without a token.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
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
        let without_token = |name: String| Ok(Caller { name, role: Role::Admin, has_token: false });
        if needs_token && given.is_some() {
            return Err(Denied::WrongToken);
        }
        let network = peer.and_then(|peer| self.allowed.network_of(peer));
        let is_this_machine = peer.is_some_and(|peer| peer.is_loopback()) && is_local_host(request);
        match (needs_token, network) {
            (_, Some(network)) if self.allowed.is_own_name(request) => {
                without_token(format!("network {network}"))
            }
            (false, _) if is_this_machine => without_token(THIS_MACHINE.to_owned()),
            (_, Some(_)) => Err(Denied::ForeignName),
            (true, None) => Err(Denied::NoToken),
            (false, None) => Err(Denied::NotLocal),
        }
    }

    /// Digests are compared, so that the time taken says nothing about a token.
    fn find(&self, text: &str) -> Option<Caller> {
        let digest: Digest = Sha256::digest(text.as_bytes()).into();
        let admin = |name: &str| Some(Caller { name: name.to_owned(), role: Role::Admin, has_token: true });
        if self.command_line == Some(digest) {
            return admin(COMMAND_LINE);
        }
        if self.configured == Some(digest) {
            return admin(CONFIGURED);
        }
        self.tokens.find(text).map(|(name, role)| Caller { name, role, has_token: true })
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

/// Whether a caller without a token may send a form. Browsers let any page send one unasked, and say which page it is; programs
/// say nothing.
pub fn may_send_forms(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => !headers.contains_key(ORIGIN),
    }
}

/// The name a request calls the box by, without the port. One in the request's own line goes before the header (RFC 9112, 3.2.2).
fn host_of(request: &ServiceRequest) -> Option<&str> {
    if let Some(name) = request.uri().host() {
        return Some(name.trim_start_matches('[').trim_end_matches(']'));
    }
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    Some(name.trim_start_matches('[').trim_end_matches(']'))
}

/// A web page in this machine's browser can make it call `127.0.0.1` under a name of its own; such a name is refused.
fn is_local_host(request: &ServiceRequest) -> bool {
    let Some(name) = host_of(request) else { return true };
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
        for (line, is_let_in) in
            [("http://evil.example/", false), ("http://127.0.0.1:5555/", true), ("http://[::1]/", true)]
        {
            let found = check(&open, &[("host", "localhost")], line, "127.0.0.1");
            assert_eq!(found.is_ok(), is_let_in, "{line}: {found:?}");
        }
        assert_eq!(check(&access("", &[("adm", Role::Admin)]), &[], "/", "127.0.0.1"), Err(Denied::NoToken));
    }

    #[test]
    fn networks_that_are_allowed_need_no_token_but_the_boxs_own_name() {
        let allowed = Allowed {
            networks: ["10.0.0.0/24", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec(),
            names: vec!["box.example".to_owned()],
        };
        let with_token = access("conf", &[("adm", Role::Admin)]).allowing(allowed.clone());
        let open = access("", &[]).allowing(allowed);
        for (host, peer, expected) in [
            ("10.0.0.2:5555", "10.0.0.9", Ok("network 10.0.0.0/24")),
            ("Box.Example:5555", "10.0.0.9", Ok("network 10.0.0.0/24")),
            ("[fd00::2]:5555", "fd00::9", Ok("network fd00::/8")),
            ("10.0.0.2", "::ffff:10.0.0.9", Ok("network 10.0.0.0/24")),
            ("evil.example", "10.0.0.9", Err(Denied::ForeignName)),
            ("localhost", "10.0.0.9", Err(Denied::ForeignName)),
        ] {
            for access in [&with_token, &open] {
                let found = check(access, &[("host", host)], "/", peer);
                assert_eq!(found.as_deref(), expected.as_deref(), "{host} from {peer}");
            }
        }
        assert_eq!(check(&with_token, &[], "/", "10.0.0.9"), Err(Denied::ForeignName), "no name at all");
        let host = [("host", "10.0.0.2")];
        assert_eq!(check(&with_token, &host, "/", "10.0.1.9"), Err(Denied::NoToken));
        assert_eq!(check(&open, &host, "/", "10.0.1.9"), Err(Denied::NotLocal));
        assert_eq!(
            check(&with_token, &host, "/?token=wrong", "10.0.0.9"),
            Err(Denied::WrongToken),
            "no way around"
        );
        assert_eq!(check(&with_token, &host, "/?token=adm", "10.0.0.9").as_deref(), Ok("name of adm"));
        assert_eq!(check(&open, &[("host", "localhost")], "/", "127.0.0.1").as_deref(), Ok(THIS_MACHINE));
    }

    #[test]
    fn forms_come_from_programs_and_from_own_pages() {
        for (headers, may) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://10.0.0.2:5555")][..], true),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://10.0.0.2:5555")], false),
            (&[("origin", "null")], false),
        ] {
            let mut request = TestRequest::default();
            for (name, value) in headers {
                request = request.insert_header((*name, *value));
            }
            assert_eq!(may_send_forms(request.to_http_request().headers()), may, "{headers:?}");
        }
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
