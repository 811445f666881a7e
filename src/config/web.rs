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

/// The live stream's published port, for an example.
const STREAM_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5679));

/// The local half of the protocol (section 9).
#[derive(Clone)]
pub struct LocalApiSettings {
    /// `None`: it is off.
    pub listen: Option<SocketAddr>,
    /// Of the live stream; `None`: it is off.
    pub stream_listen: Option<SocketAddr>,
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
        let is_on = self.listen.is_some() || self.stream_listen.is_some();
        (!networks.is_empty() && is_on).then(|| {
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
            .field("stream_listen", &self.stream_listen)
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
    let mut address = |key, default: String, example| {
        let read = section.take_checked(key, default, |text| match text.as_str() {
            "" => Ok(None),
            text => text
                .parse::<SocketAddr>()
                .map(Some)
                .map_err(|_| ValueError::AddressOrOff { text: text.to_owned(), example }),
        });
        read.unwrap_or(None)
    };
    let listen = address("listen", LOCAL_API_LISTEN.to_string(), LOCAL_API_LISTEN);
    let stream_listen = address("stream_listen", String::new(), STREAM_LISTEN);
    let token = section.take_secret("token");
    let allow = section.take_checked("allow", Vec::<String>::new(), networks).unwrap_or_default();
    let names = section.take_checked("names", Vec::<String>::new(), names).unwrap_or_default();
    let open = [("listen", listen), ("stream_listen", stream_listen)]
        .into_iter()
        .find(|(_, address)| address.is_some_and(|address| !address.ip().is_loopback()));
    if let (true, true, Some((key, _))) = (token.is_empty(), allow.is_empty(), open)
        && !data_dir.join("tokens.json").is_file()
    {
        section.wrong(
            "token",
            text!(
                "must be set when local_api.{key} is reachable from other machines: a caller can delete people and open \
                 doors; or make one with `menshen token new NAME`, or name the networks that need none in local_api.allow",
                "local_api.{key} 可从其他机器访问时必须填写：调用者可以删除人员和开门；或用 menshen token new NAME 新建令牌，或在 \
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
    LocalApiSettings { listen, stream_listen, token, allow, names, photos, tls }
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
