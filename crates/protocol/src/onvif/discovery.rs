//! WS-Discovery: the probe to every device on a network, and the answers.

use core::net::IpAddr;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use super::soap::{SoapError, read, tidy};
use menshen_domain::limits;

/// What is probed for. There are cameras that answer to one of them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeType {
    /// Cameras as ONVIF began.
    Transmitter,
    /// Any ONVIF device.
    Device,
    /// Anything; printers and computers answer too.
    Anything,
}

impl ProbeType {
    /// In the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Transmitter, Self::Device, Self::Anything];
}

/// A question. `id` is a UUID; each question has its own, so that no camera keeps silent for having answered already.
///
/// Declarations are where the makers' own tools put them: some cameras look for `dn:` and for `<d:Types xmlns:d` as text.
pub fn probe(id: &str, probe_type: ProbeType) -> String {
    let types = |prefix: &str, namespace: &str, kind: &str| {
        format!(
            "<d:Types xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" xmlns:{prefix}=\"{namespace}\">\
             {prefix}:{kind}</d:Types>"
        )
    };
    let types = match probe_type {
        ProbeType::Transmitter => {
            types("dn", "http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")
        }
        ProbeType::Device => types("tds", "http://www.onvif.org/ver10/device/wsdl", "Device"),
        ProbeType::Anything => String::new(),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\">\
         <e:Header><w:MessageID>uuid:{id}</w:MessageID>\
         <w:To e:mustUnderstand=\"true\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action e:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action>\
         </e:Header><e:Body><d:Probe>{types}</d:Probe></e:Body></e:Envelope>"
    )
}

/// The body of an answer to a probe.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    probe_matches: Option<ProbeMatches>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProbeMatches {
    probe_match: Vec<ProbeMatch>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProbeMatch {
    endpoint_reference: EndpointReference,
    types: String,
    scopes: String,
    x_addrs: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EndpointReference {
    address: String,
}

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCamera {
    /// Where its answer came from.
    pub ip: IpAddr,
    /// Its endpoint reference, `urn:uuid:…` as a rule; empty where it has none.
    pub endpoint: String,
    /// As the camera names itself.
    pub name: Option<String>,
    /// Its model, as a rule.
    pub hardware: Option<String>,
    /// Where it is, in words of the installer before.
    pub location: Option<String>,
    /// Addresses of its device service, those at `ip` first.
    pub addresses: Vec<Url>,
}

impl FoundCamera {
    fn new(ip: IpAddr, raw: &ProbeMatch) -> Self {
        let said = |what: &str| {
            let value = raw.scopes.split_whitespace().find_map(|scope| scope_value(scope, what))?;
            let value = tidy(&percent_decode_str(value).decode_utf8_lossy(), limits::ONVIF_TEXT_CHARS_MAX);
            (!value.is_empty()).then_some(value)
        };
        let mut addresses: Vec<Url> = Vec::new();
        for url in raw.x_addrs.split_whitespace().filter_map(address) {
            if addresses.len() < limits::ONVIF_ADDRESSES_MAX && !addresses.contains(&url) {
                addresses.push(url);
            }
        }
        addresses.sort_by_key(|url| !is_at(url, ip));
        let endpoint = tidy(&raw.endpoint_reference.address, limits::ONVIF_TEXT_CHARS_MAX);
        let (name, hardware) = (said("name"), said("hardware"));
        let location =
            said("location/city").or_else(|| said("location/country")).or_else(|| said("location"));
        Self { ip, endpoint: endpoint.to_ascii_lowercase(), name, hardware, location, addresses }
    }

    /// Two answers are of one camera when two of three agree: endpoint, sender and an address. The endpoint alone will not do:
    /// there are cameras that make up a new one for each answer, and a maker who gave one to a whole batch.
    fn is(&self, other: &Self) -> bool {
        let agree = [
            self.endpoint == other.endpoint,
            self.ip == other.ip,
            self.addresses.iter().any(|url| other.addresses.contains(url))
                || (self.addresses.is_empty() && other.addresses.is_empty()),
        ];
        agree.iter().filter(|agrees| **agrees).count() >= 2
    }

    /// Takes over what `other`, of the same camera, knows more.
    fn join(&mut self, other: Self) {
        for url in other.addresses {
            if self.addresses.len() < limits::ONVIF_ADDRESSES_MAX && !self.addresses.contains(&url) {
                self.addresses.push(url);
            }
        }
        self.name = self.name.take().or(other.name);
        self.hardware = self.hardware.take().or(other.hardware);
        self.location = self.location.take().or(other.location);
    }

    /// Hosts it can be reached at, as text.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let named = self.addresses.iter().filter_map(Url::host_str);
        let mut hosts: Vec<String> = named.map(|host| host.trim_matches(['[', ']']).to_owned()).collect();
        hosts.insert(0, self.ip.to_string());
        hosts.into_iter()
    }
}

/// What follows `onvif://www.onvif.org/WHAT/` in a scope.
fn scope_value<'a>(scope: &'a str, what: &str) -> Option<&'a str> {
    let rest = after(scope, "onvif://www.onvif.org/")?;
    after(rest, what)?.strip_prefix('/')
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.get(..start.len()).filter(|head| head.eq_ignore_ascii_case(start)).map(|_| &text[start.len()..])
}

fn address(text: &str) -> Option<Url> {
    // Some leave the scheme out.
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_at(url: &Url, ip: IpAddr) -> bool {
    url.host_str().is_some_and(|host| host.trim_matches(['[', ']']).parse() == Ok(ip))
}

fn is_onvif(raw: &ProbeMatch) -> bool {
    let has_scope = raw.scopes.split_whitespace().any(|scope| after(scope, "onvif://").is_some());
    let is_camera = |kind: &str| kind.rsplit(':').next() == Some("NetworkVideoTransmitter");
    has_scope || raw.types.split_whitespace().any(is_camera)
}

/// The answers so far.
#[derive(Debug, Default)]
pub struct Answers {
    cameras: Vec<FoundCamera>,
    others: BTreeSet<IpAddr>,
    /// Answers that are none: broken, too long, faults.
    unreadable: usize,
    /// Cameras beyond the limit.
    too_many: usize,
}

impl Answers {
    /// Takes an answer; returns the place of the first camera that is new, and how many are.
    pub fn take(&mut self, from: IpAddr, datagram: &[u8]) -> (usize, usize) {
        let before = self.cameras.len();
        let matches = if datagram.len() > limits::ONVIF_DATAGRAM_BYTES_MAX {
            Err(SoapError::NotXml)
        } else {
            read::<Body>(datagram)
                .and_then(|body| body.probe_matches.ok_or(SoapError::Missing("ProbeMatches")))
        };
        match matches {
            Ok(matches) => {
                for raw in matches.probe_match.iter().take(limits::ONVIF_MATCHES_MAX) {
                    self.take_match(from, raw);
                }
            }
            Err(_) => self.unreadable += 1,
        }
        (before, self.cameras.len() - before)
    }

    fn take_match(&mut self, from: IpAddr, raw: &ProbeMatch) {
        if !is_onvif(raw) {
            if self.others.len() < limits::ONVIF_CAMERAS_MAX {
                self.others.insert(from);
            }
            return;
        }
        let camera = FoundCamera::new(from, raw);
        if let Some(known) = self.cameras.iter_mut().find(|known| known.is(&camera)) {
            known.join(camera);
        } else if self.cameras.len() < limits::ONVIF_CAMERAS_MAX {
            self.cameras.push(camera);
        } else {
            self.too_many += 1;
        }
    }

    /// The cameras in the order of their first answers.
    pub fn cameras(&self) -> &[FoundCamera] {
        &self.cameras
    }

    /// Machines that answered and are no ONVIF devices.
    pub fn others(&self) -> usize {
        self.others.iter().filter(|ip| self.cameras.iter().all(|camera| camera.ip != **ip)).count()
    }

    /// Answers that could not be read.
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Cameras beyond [`limits::ONVIF_CAMERAS_MAX`].
    pub fn too_many(&self) -> usize {
        self.too_many
    }

    /// The cameras, by address.
    pub fn into_cameras(mut self) -> Vec<FoundCamera> {
        self.cameras.sort_by(|a, b| (a.ip, &a.endpoint).cmp(&(b.ip, &b.endpoint)));
        self.cameras
    }
}
