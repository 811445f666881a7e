//! Envelopes: what is common to all messages, and what goes wrong with answers.

use quick_xml::Reader;
use quick_xml::de::Deserializer;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use menshen_domain::limits;

/// One call of a camera's service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As in `GetProfiles`, for error texts.
    pub name: &'static str,
    /// The `action` of its content type.
    pub action: String,
    /// What goes into the envelope's body.
    pub body: String,
}

impl Request {
    /// A call of the service `namespace`, `inner` being the element's content.
    pub(super) fn new(name: &'static str, namespace: &str, inner: &str) -> Self {
        Self {
            name,
            action: format!("{namespace}/{name}"),
            body: format!("<{name} xmlns=\"{namespace}\">{inner}</{name}>"),
        }
    }

    /// The whole message; `header` as `security::header` makes it.
    pub fn envelope(&self, header: Option<&str>) -> String {
        let header = header.map(|header| format!("<s:Header>{header}</s:Header>")).unwrap_or_default();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">{header}<s:Body>{}</s:Body></s:Envelope>",
            self.body
        )
    }
}

/// Why an answer says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoapError {
    /// HTML: another server answered.
    #[error("a web page")]
    Page,
    /// Neither XML nor HTML.
    #[error("no XML")]
    NotXml,
    /// The name of its root.
    #[error("XML, but no SOAP: it begins with <{0}>")]
    NotSoap(String),
    /// What the parser says.
    #[error("broken XML: {0}")]
    Broken(String),
    /// The camera refused.
    #[error("{0}")]
    Fault(Fault),
    /// The name of the element.
    #[error("no {0} in it")]
    Missing(&'static str),
}

/// A SOAP fault, of version 1.2 or 1.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{reason}", colon(.reason))]
pub struct Fault {
    /// The narrowest code, without its prefix: `NotAuthorized`, `ActionNotSupported`, `NoProfile`, …
    pub code: String,
    /// The camera's own text, on one line.
    pub reason: String,
    /// The camera wants another user, or one at all.
    pub is_refusal: bool,
}

fn colon(before: &str) -> &'static str {
    if before.is_empty() { "" } else { ": " }
}

/// Codes that mean it: ONVIF's own and those of WS-Security.
const REFUSALS: &[&str] =
    &["NotAuthorized", "FailedAuthentication", "FailedCheck", "InvalidSecurity", "InvalidSecurityToken"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound = "B: DeserializeOwned")]
struct Envelope<B> {
    body: B,
}

/// The body of an answer that may be a fault.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FaultBody {
    fault: Option<RawFault>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawFault {
    code: Code,
    reason: Reason,
    #[serde(rename = "faultcode")]
    old_code: String,
    #[serde(rename = "faultstring")]
    old_reason: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Code {
    value: String,
    subcode: Subcode,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Subcode {
    value: String,
    subcode: LastSubcode,
}

/// Two of them are in use, and a type that holds itself could be nested until the stack ends.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LastSubcode {
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Reason {
    /// One a language.
    text: Vec<String>,
}

impl From<RawFault> for Fault {
    fn from(raw: RawFault) -> Self {
        let local = |code: &String| {
            let name = code.rsplit(':').next().unwrap_or_default();
            tidy(name, limits::ONVIF_TEXT_CHARS_MAX)
        };
        let Subcode { value: second, subcode: LastSubcode { value: third } } = raw.code.subcode;
        let codes: Vec<String> = [third, second, raw.code.value, raw.old_code].iter().map(local).collect();
        let reason = raw.reason.text.into_iter().next().unwrap_or(raw.old_reason);
        let reason = tidy(&reason, limits::ONVIF_TEXT_CHARS_MAX);
        let said = reason.to_ascii_lowercase();
        let is_refusal = codes.iter().any(|code| REFUSALS.contains(&code.as_str()))
            || said.contains("not authorized")
            || said.contains("unauthorized");
        let code = codes.into_iter().find(|code| !code.is_empty()).unwrap_or_else(|| "Fault".to_owned());
        Self { code, reason, is_refusal }
    }
}

/// The body of an answer, which is no fault. `B` names the responses that one service may give, each of them optional.
pub(super) fn read<B: DeserializeOwned>(bytes: &[u8]) -> Result<B, SoapError> {
    // Some answers are in a maker's own encoding, whatever they declare, and some end in NULs.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}'));
    check_root(text)?;
    match body::<FaultBody>(text)?.fault {
        Some(fault) => Err(SoapError::Fault(fault.into())),
        None => body(text),
    }
}

fn body<B: DeserializeOwned>(text: &str) -> Result<B, SoapError> {
    let mut reader = Deserializer::from_str(text);
    reader.recursion_limit(limits::ONVIF_DEPTH_MAX);
    reader.resolver_mut().set_max_namespace_bindings(limits::ONVIF_NAMESPACES_MAX);
    let envelope = Envelope::<B>::deserialize(&mut reader).map_err(|error| broken(&error.to_string()))?;
    Ok(envelope.body)
}

/// Whether an answer says that another user is wanted, or one at all.
pub fn is_refusal(bytes: &[u8]) -> bool {
    matches!(read::<FaultBody>(bytes), Err(SoapError::Fault(fault)) if fault.is_refusal)
}

fn broken(why: &str) -> SoapError {
    SoapError::Broken(tidy(why, limits::ONVIF_TEXT_CHARS_MAX))
}

fn check_root(text: &str) -> Result<(), SoapError> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => {
                let name = start.local_name().into_inner();
                return match name {
                    "Envelope" => Ok(()),
                    name if name.eq_ignore_ascii_case("html") => Err(SoapError::Page),
                    name => Err(SoapError::NotSoap(tidy(name, limits::ONVIF_TEXT_CHARS_MAX))),
                };
            }
            Ok(Event::DocType(kind)) => {
                let kind: &str = kind.as_ref();
                let is_page =
                    kind.trim_start().get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
                return Err(if is_page {
                    SoapError::Page
                } else {
                    broken("it has a DTD, which SOAP forbids")
                });
            }
            Ok(Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Text(between)) if AsRef::<str>::as_ref(&between).trim().is_empty() => {}
            Ok(_) | Err(_) => return Err(SoapError::NotXml),
        }
    }
}

/// A camera's text for people: on one line, without what moves a terminal's cursor or turns its reading direction, and
/// not longer than `max` characters.
pub fn tidy(text: &str, max: usize) -> String {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().filter(|c| !hidden(*c)));
    }
    match out.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &out[..at]),
        None => out,
    }
}
