//! The addresses of the box's web servers, and who may call.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use ipnet::IpNet;

use super::networks::{names, networks};
use super::reader::Section;
use super::tls::{CertificateFiles, TlsSettings, read_tls};
use super::token_strength::check_token;
use super::value_error::ValueError;
use menshen_domain::text;
use menshen_domain::text::Text;

/// Health and metrics, of this machine only.
const WEB_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8886));
/// The local API at the port the field knows, for this machine only.
const LOCAL_API_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5555));

/// The local half of the protocol (section 9).
#[derive(Clone)]
pub struct LocalApiSettings {
    /// `None`: it is off.
    pub listen: Option<SocketAddr>,
    /// Empty: none is asked for.
    pub token: String,
    /// Networks whose callers need no token.
    pub allow: Vec<IpNet>,
    /// Names such callers may call the box by, beside its addresses.
    pub names: Vec<String>,
    /// Whether answers have registry photos in them.
    pub photos: bool,
    pub tls: TlsSettings,
}

impl LocalApiSettings {
    /// What those networks can do; `None` where there are none.
    pub fn allow_warning(&self) -> Option<Text> {
        let networks: Vec<String> = self.allow.iter().map(ToString::to_string).collect();
        let networks = networks.join(", ");
        (!networks.is_empty() && self.listen.is_some()).then(|| {
            text!(
                "local_api.allow: callers of {networks} need no token; whoever is in there can delete everybody and open doors",
                "local_api.allow：来自 {networks} 的调用无需令牌；该网络中的任何人都可删除全部人员并开门"
            )
        })
    }
}

/// Never shows the token.
impl std::fmt::Debug for LocalApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalApiSettings")
            .field("listen", &self.listen)
            .field("has_token", &!self.token.is_empty())
            .field("allow", &self.allow)
            .field("names", &self.names)
            .field("photos", &self.photos)
            .field("tls", &self.tls)
            .finish()
    }
}

/// `[local_api]`.
pub fn read_local_api(
    mut section: Section<'_>,
    data_dir: &Path,
    tls: Option<&CertificateFiles>,
) -> LocalApiSettings {
    let listen = section.take_checked("listen", LOCAL_API_LISTEN.to_string(), |text| match text.as_str() {
        "" => Ok(None),
        text => text
            .parse::<SocketAddr>()
            .map(Some)
            .map_err(|_| ValueError::AddressOrOff { text: text.to_owned(), example: LOCAL_API_LISTEN }),
    });
    let token = section.take_secret("token");
    let allow = section.take_checked("allow", Vec::<String>::new(), networks).unwrap_or_default();
    let names = section.take_checked("names", Vec::<String>::new(), names).unwrap_or_default();
    let listen = listen.unwrap_or(None);
    let is_reachable = listen.is_some_and(|address| !address.ip().is_loopback());
    if token.is_empty() && allow.is_empty() && is_reachable && !data_dir.join("tokens.json").is_file() {
        section.wrong(
            "token",
            text!(
                "must be set when local_api.listen is reachable from other machines: a caller can delete people and open \
                 doors; or make one with `menshen token new NAME`, or name the networks that need none in local_api.allow",
                "local_api.listen 可从其他机器访问时必须填写：调用者可以删除人员和开门；或用 menshen token new NAME 新建令牌，或在 \
                 local_api.allow 中填写无需令牌的网络"
            ),
        );
    }
    if !token.is_empty()
        && let Err(weak) = check_token(&token)
    {
        section.wrong("token", weak.text());
    }
    let photos = section.take("photos", true);
    let tls = read_tls(&mut section, tls);
    section.finish();
    LocalApiSettings { listen, token, allow, names, photos, tls }
}

/// `[web]`: where, and with which certificate.
pub fn read_web(mut section: Section<'_>, tls: Option<&CertificateFiles>) -> (SocketAddr, TlsSettings) {
    let listen = section.take_checked("listen", WEB_LISTEN.to_string(), |text| {
        text.parse().map_err(|_| ValueError::Address { text, example: WEB_LISTEN })
    });
    let tls = read_tls(&mut section, tls);
    section.finish();
    (listen.unwrap_or(WEB_LISTEN), tls)
}
