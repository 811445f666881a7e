//! The media services, of version 1 (Profile S) and 2 (Profile T): a camera's profiles and the RTSP address of each.

use quick_xml::escape::escape;
use serde::Deserialize;
use url::Url;

use super::device::CameraHost;
use super::soap::{Request, SoapError, read, tidy};
use menshen_domain::limits;
use menshen_domain::secrets::{hide_secrets, mask_url};

/// Which media service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Profile S.
    One,
    /// Profile T.
    Two,
}

impl Version {
    fn namespace(self) -> &'static str {
        match self {
            Self::One => "http://www.onvif.org/ver10/media/wsdl",
            Self::Two => "http://www.onvif.org/ver20/media/wsdl",
        }
    }

    /// 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// Asks for the profiles.
pub fn get_profiles(version: Version) -> Request {
    let inner = match version {
        Version::One => "",
        // Without it a camera answers with names alone.
        Version::Two => "<Type>All</Type>",
    };
    Request::new("GetProfiles", version.namespace(), inner)
}

/// Asks for a profile's RTSP address; `token` is [`Profile::token`].
pub fn get_stream_uri(version: Version, token: &str) -> Request {
    let token = escape(token);
    let inner = match version {
        Version::One => format!(
            "<StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream>\
             <Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol></Transport></StreamSetup>\
             <ProfileToken>{token}</ProfileToken>"
        ),
        Version::Two => format!("<Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken>"),
    };
    Request::new("GetStreamUri", version.namespace(), &inner)
}

/// The answers of this service; one of them is there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "GetProfilesResponse")]
    profiles: Option<ProfilesResponse>,
    #[serde(rename = "GetStreamUriResponse")]
    stream_uri: Option<StreamUriResponse>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProfilesResponse {
    profiles: Vec<RawProfile>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawProfile {
    #[serde(rename = "@token")]
    token: String,
    name: String,
    video_source_configuration: VideoSource,
    video_encoder_configuration: VideoEncoder,
    /// Version 2 keeps both in here.
    configurations: Configurations,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Configurations {
    video_source: VideoSource,
    video_encoder: VideoEncoder,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VideoSource {
    source_token: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VideoEncoder {
    encoding: String,
    resolution: Resolution,
    rate_control: RateControl,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Resolution {
    width: String,
    height: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RateControl {
    frame_rate_limit: String,
}

/// One way a camera sends its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What the camera knows it by.
    pub token: String,
    /// For people.
    pub name: String,
    /// The lens or channel it shows; empty where the camera does not say.
    pub source: String,
    /// `H264`, `H265`, `JPEG`, …, where the camera says.
    pub codec: Option<String>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames a second the camera is set to, at most.
    pub frames_per_s: Option<f32>,
}

impl From<RawProfile> for Profile {
    fn from(raw: RawProfile) -> Self {
        let RawProfile { video_source_configuration: source, video_encoder_configuration: encoder, .. } = raw;
        let Configurations { video_source: source_2, video_encoder: encoder_2 } = raw.configurations;
        let first = |a: String, b: String| if a.trim().is_empty() { b } else { a };
        let text = |text: String| tidy(&text, limits::ONVIF_TEXT_CHARS_MAX);
        let codec = text(first(encoder.encoding, encoder_2.encoding));
        let side = |a: String, b: String| first(a, b).trim().parse::<u32>().ok().filter(|side| *side > 0);
        let width = side(encoder.resolution.width, encoder_2.resolution.width);
        let height = side(encoder.resolution.height, encoder_2.resolution.height);
        let rate = first(encoder.rate_control.frame_rate_limit, encoder_2.rate_control.frame_rate_limit);
        let frames_per_s = rate.trim().parse::<f32>().ok();
        Self {
            token: raw.token,
            name: text(raw.name),
            source: text(first(source.source_token, source_2.source_token)),
            codec: (!codec.is_empty()).then_some(codec),
            size: width.zip(height),
            frames_per_s: frames_per_s.filter(|rate| rate.is_finite() && (0.0..=1_000.0).contains(rate)),
        }
    }
}

/// The profiles, those that can be asked for; `ONVIF_PROFILES_MAX` at most.
///
/// # Errors
///
/// When the answer is a fault, cannot be read, or holds no such response.
pub fn read_profiles(bytes: &[u8]) -> Result<Vec<Profile>, SoapError> {
    let answer = read::<Body>(bytes)?.profiles.ok_or(SoapError::Missing("GetProfilesResponse"))?;
    let known = answer.profiles.into_iter().filter(|profile| !profile.token.is_empty());
    Ok(known.take(limits::ONVIF_PROFILES_MAX).map(Profile::from).collect())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StreamUriResponse {
    media_uri: MediaUri,
    /// Version 2 has it here.
    uri: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MediaUri {
    uri: String,
}

/// The RTSP address of a profile, reachable from this box.
///
/// # Errors
///
/// When the answer is a fault, cannot be read, or holds no RTSP address.
pub fn read_stream(bytes: &[u8], named: &CameraHost) -> Result<StreamAddress, SoapError> {
    let missing = SoapError::Missing("GetStreamUriResponse");
    let answer = read::<Body>(bytes)?.stream_uri.ok_or(missing)?;
    let text = [answer.media_uri.uri, answer.uri].into_iter().find(|uri| !uri.trim().is_empty());
    StreamAddress::new(text.as_deref().unwrap_or_default(), named)
}

/// Where a stream is. May hold a password: some cameras put their own into the address.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress {
    url: Url,
    /// The host in the camera's answer, where another one took its place. Its port stays.
    pub moved: Option<String>,
}

/// Never shows a password.
impl std::fmt::Debug for StreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StreamAddress").field(&self.shown()).finish()
    }
}

/// Stands for a password in a suggestion.
pub const PASSWORD_HERE: &str = "PASSWORD";
const USER_HERE: &str = "USER";

impl StreamAddress {
    fn new(text: &str, named: &CameraHost) -> Result<Self, SoapError> {
        let url = Url::parse(text.trim()).ok();
        let is_rtsp =
            |url: &Url| matches!(url.scheme(), "rtsp" | "rtsps" | "rtspt" | "rtspu") && url.has_host();
        let Some(mut url) = url.filter(is_rtsp) else { return Err(SoapError::Missing("RTSP address")) };
        let moved = if named.is_host_of(&url) { None } else { url.host_str().map(str::to_owned) };
        if moved.is_some() {
            // Cannot fail: the host was one already, and the address has one.
            let _ = url.set_host(named.url.host_str());
        }
        Ok(Self { url, moved })
    }

    /// The address without any password.
    pub fn shown(&self) -> String {
        mask_url(self.url.as_str())
    }

    /// The address to enter, with `PASSWORD` in the place of the password. `user` is who asked the camera.
    pub fn to_enter(&self, user: Option<&str>) -> String {
        let mut url = self.url.clone();
        let has_login = !url.username().is_empty() || url.password().is_some();
        if let Some(user) = user.or(has_login.then_some(USER_HERE)) {
            // Cannot fail: the address has a host.
            let _ = url.set_username(user);
            let _ = url.set_password(Some(PASSWORD_HERE));
        }
        hide_secrets(url.as_str(), PASSWORD_HERE)
    }
}
