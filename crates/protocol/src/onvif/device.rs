//! The device service: a camera's clock, and where its media services are.

use core::net::IpAddr;
use serde::Deserialize;
use url::Url;

use super::clock::utc_ms;
use super::soap::{Request, SoapError, read};

const NAMESPACE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
const MEDIA_2: &str = "http://www.onvif.org/ver20/media/wsdl";

/// Asks for the clock; needs no login.
pub fn get_system_date_and_time() -> Request {
    Request::new("GetSystemDateAndTime", NAMESPACE, "")
}

/// Asks for the services' addresses.
pub fn get_services() -> Request {
    Request::new("GetServices", NAMESPACE, "<IncludeCapability>false</IncludeCapability>")
}

/// What cameras have that are too old for [`get_services`].
pub fn get_capabilities() -> Request {
    Request::new("GetCapabilities", NAMESPACE, "<Category>All</Category>")
}

/// The answers of this service; one of them is there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "GetSystemDateAndTimeResponse")]
    date: Option<DateResponse>,
    #[serde(rename = "GetServicesResponse")]
    services: Option<ServicesResponse>,
    #[serde(rename = "GetCapabilitiesResponse")]
    capabilities: Option<CapabilitiesResponse>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DateResponse {
    system_date_and_time: SystemDateAndTime,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SystemDateAndTime {
    #[serde(rename = "UTCDateTime")]
    utc: Option<DateAndTime>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DateAndTime {
    time: Time,
    date: Date,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Time {
    hour: String,
    minute: String,
    second: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Date {
    year: String,
    month: String,
    day: String,
}

/// The camera's clock, in milliseconds since the epoch; `None` where it answers with no UTC.
///
/// # Errors
///
/// When the answer is a fault, cannot be read, or holds no such response.
pub fn read_clock(bytes: &[u8]) -> Result<Option<i64>, SoapError> {
    let missing = SoapError::Missing("GetSystemDateAndTimeResponse");
    let answer = read::<Body>(bytes)?.date.ok_or(missing)?;
    let Some(DateAndTime { time, date }) = answer.system_date_and_time.utc else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<i64>().ok();
    let all = || {
        let date = (number(&date.year)?, number(&date.month)?, number(&date.day)?);
        utc_ms(date, (number(&time.hour)?, number(&time.minute)?, number(&time.second)?))
    };
    Ok(all())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ServicesResponse {
    service: Vec<Service>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    namespace: String,
    x_addr: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct CapabilitiesResponse {
    capabilities: Capabilities,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Capabilities {
    media: Service,
}

/// Where a camera's media services are, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaServices {
    /// Of Profile S, which nearly all cameras have; it has no word for H.265.
    pub media: Option<Url>,
    /// Of Profile T.
    pub media_2: Option<Url>,
}

impl MediaServices {
    /// Whether no media service was named.
    pub fn is_empty(&self) -> bool {
        self.media.is_none() && self.media_2.is_none()
    }
}

/// `base` is the address of the device service, for cameras that give a path alone.
fn service_url(text: &str, base: &Url) -> Option<Url> {
    let text = text.trim();
    let url = if text.is_empty() { None } else { base.join(text).ok() };
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The media services of an answer to [`get_services`]. `base` is the address that was asked.
///
/// # Errors
///
/// When the answer is a fault, cannot be read, or holds no such response.
pub fn read_services(bytes: &[u8], base: &Url) -> Result<MediaServices, SoapError> {
    let services = read::<Body>(bytes)?.services.ok_or(SoapError::Missing("GetServicesResponse"))?.service;
    let of = |namespace: &str| {
        let is_it = |service: &&Service| service.namespace.trim().trim_end_matches('/') == namespace;
        services.iter().find(is_it).and_then(|service| service_url(&service.x_addr, base))
    };
    Ok(MediaServices { media: of(MEDIA), media_2: of(MEDIA_2) })
}

/// The media services of an answer to [`get_capabilities`]. `base` is the address that was asked.
///
/// # Errors
///
/// When the answer is a fault, cannot be read, or holds no such response.
pub fn read_capabilities(bytes: &[u8], base: &Url) -> Result<MediaServices, SoapError> {
    let missing = SoapError::Missing("GetCapabilitiesResponse");
    let answer = read::<Body>(bytes)?.capabilities.ok_or(missing)?;
    Ok(MediaServices { media: service_url(&answer.capabilities.media.x_addr, base), media_2: None })
}

/// The host an installer reaches a camera at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraHost {
    /// The device service's address as the installer gave it.
    pub url: Url,
    /// The address its host resolves to.
    pub ip: IpAddr,
}

impl CameraHost {
    /// Whether an address a camera gave leads to the very host.
    pub(super) fn is_host_of(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let bare = host.trim_matches(['[', ']']);
        self.url.host_str().is_some_and(|named| named.eq_ignore_ascii_case(host))
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip == self.ip)
    }

    /// A service's address as this box can use it. Behind a router, and with several network cards, a camera names
    /// addresses that lead nowhere from here: then host and port are those that the installer named, and the camera's host is
    /// returned too.
    pub fn reach(&self, mut given: Url) -> (Url, Option<String>) {
        if self.is_host_of(&given) {
            return (given, None);
        }
        let host = given.host_str().unwrap_or_default().to_owned();
        // Cannot fail: both are http or https, with a host.
        let _ = given.set_scheme(self.url.scheme());
        let _ = given.set_host(self.url.host_str());
        let _ = given.set_port(self.url.port());
        (given, Some(host))
    }
}
