//! The login document (protocol section 2) and how its URLs are composed.

mod broker_address;

pub use self::broker_address::BrokerAddress;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{json, lenient};

/// What a platform answers to a login, HTTP 200.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginDocument {
    /// Sent with every later call.
    #[serde(deserialize_with = "lenient::text")]
    pub token: String,
    /// Base of `relative_pic_url`.
    #[serde(rename = "imgServerAddr", default, deserialize_with = "lenient::text_opt")]
    pub img_server_addr: Option<String>,
    /// History receivers, separated by commas.
    #[serde(rename = "recordAddr", default, deserialize_with = "lenient::text_opt")]
    pub record_addr: Option<String>,
    /// Seconds between two cycles of history.
    #[serde(rename = "recordUploadPeriod", default, deserialize_with = "lenient::integer_opt")]
    pub record_upload_period: Option<i64>,
    /// Whether history carries the registry photo.
    #[serde(rename = "recordUploadReg", default, deserialize_with = "lenient::switch_opt")]
    pub record_upload_reg: Option<bool>,
    /// Whether history carries the scene picture.
    #[serde(rename = "recordUploadSpotPic", default, deserialize_with = "lenient::switch_opt")]
    pub record_upload_spot_pic: Option<bool>,
    /// Whether history carries the face crop.
    #[serde(rename = "recordUploadRecognizeFace", default, deserialize_with = "lenient::switch_opt")]
    pub record_upload_recognize_face: Option<bool>,
    /// Whether history carries what was measured of the face beside its quality; of generation 2.6.
    #[serde(rename = "recordUploadInfo", default, deserialize_with = "lenient::switch_opt")]
    pub record_upload_info: Option<bool>,
    /// Where the device list goes.
    #[serde(rename = "deviceListInfoAddr", default, deserialize_with = "lenient::text_opt")]
    pub device_list_info_addr: Option<String>,
    /// The same on platforms of the first generation.
    #[serde(rename = "deviceInfoAddr", default, deserialize_with = "lenient::text_opt")]
    pub device_info_addr: Option<String>,
    /// Where status reports go.
    #[serde(rename = "deviceMonitorAddr", default, deserialize_with = "lenient::text_opt")]
    pub device_monitor_addr: Option<String>,
    /// Seconds between two status reports.
    #[serde(rename = "deviceMonitorPeriod", default, deserialize_with = "lenient::integer_opt")]
    pub device_monitor_period: Option<i64>,
    /// Text for people.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub message: Option<String>,
    /// The broker.
    #[serde(deserialize_with = "lenient::object_field")]
    pub rabbitmq: RabbitMq,
}

/// Shows that there is a document, never its token.
impl std::fmt::Debug for LoginDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginDocument").field("rabbitmq", &self.rabbitmq).finish_non_exhaustive()
    }
}

/// The broker's parameters.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RabbitMq {
    /// Names or addresses, on some platforms with a scheme before them and a port behind them; of a cluster, several.
    #[serde(
        rename = "host",
        alias = "hosts",
        alias = "addresses",
        deserialize_with = "broker_address::hosts"
    )]
    pub hosts: Vec<String>,
    /// TCP port of the hosts that name none.
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// The user.
    #[serde(deserialize_with = "lenient::text")]
    pub login: String,
    /// Never shown.
    #[serde(deserialize_with = "lenient::text")]
    pub password: String,
    /// Queue the commands come from.
    #[serde(deserialize_with = "lenient::text")]
    pub queue: String,
    /// Virtual host of the commands.
    #[serde(rename = "vHost", default, deserialize_with = "lenient::text_opt")]
    pub v_host: Option<String>,
    /// Virtual host of the replies.
    #[serde(rename = "uploadVHost", default, deserialize_with = "lenient::text_opt")]
    pub upload_v_host: Option<String>,
    /// Queue the replies go to.
    #[serde(rename = "uploadQueue", default, deserialize_with = "lenient::text_opt")]
    pub upload_queue: Option<String>,
    /// Queue that boxes share for `fiqa` commands.
    #[serde(rename = "fiqaDownQueue", default, deserialize_with = "lenient::text_opt")]
    pub fiqa_down_queue: Option<String>,
    /// Queue the answers to `fiqa` go to.
    #[serde(rename = "fiqaUploadQueue", default, deserialize_with = "lenient::text_opt")]
    pub fiqa_upload_queue: Option<String>,
    /// Not of the published protocol: whether the broker is spoken to over TLS.
    #[serde(default, alias = "tls", alias = "amqps", deserialize_with = "lenient::switch_opt")]
    pub ssl: Option<bool>,
    /// The queue is bound already, and must not be bound by the box.
    #[serde(rename = "unNeedBindExchange", default, deserialize_with = "lenient::switch_opt")]
    pub un_need_bind_exchange: Option<bool>,
    /// Must be there unless `unNeedBindExchange` makes it meaningless.
    #[serde(default, deserialize_with = "lenient::object_opt")]
    pub exchange: Option<Exchange>,
}

impl std::fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RabbitMq")
            .field("hosts", &self.addresses())
            .field("queue", &self.queue)
            .field("vhost", &self.vhost())
            .finish_non_exhaustive()
    }
}

impl RabbitMq {
    /// Virtual host of the commands; `/` unless named.
    pub fn vhost(&self) -> &str {
        self.v_host.as_deref().filter(|name| !name.is_empty()).unwrap_or("/")
    }

    /// Virtual host of the replies; `/` unless named.
    pub fn upload_vhost(&self) -> &str {
        self.upload_v_host.as_deref().filter(|name| !name.is_empty()).unwrap_or("/")
    }

    /// Queue the replies go to; `None` where none is named.
    pub fn upload_queue(&self) -> Option<&str> {
        self.upload_queue.as_deref().filter(|name| !name.is_empty())
    }

    /// Queue that boxes share for `fiqa` commands; `None` where none is named.
    pub fn fiqa_down_queue(&self) -> Option<&str> {
        self.fiqa_down_queue.as_deref().filter(|name| !name.is_empty())
    }

    /// Queue the answers to `fiqa` go to; `None` where none is named.
    pub fn fiqa_upload_queue(&self) -> Option<&str> {
        self.fiqa_upload_queue.as_deref().filter(|name| !name.is_empty())
    }

    /// Where the broker listens, in the document's order; at least one. TLS is spoken as `ssl` says; without it by the
    /// scheme before the host, else by the port TLS is registered for.
    pub fn addresses(&self) -> Vec<BrokerAddress> {
        self.hosts.iter().map(|host| BrokerAddress::of(host, self.port, self.ssl)).collect()
    }

    /// The field with a name that AMQP cannot carry: its library would panic.
    fn too_long(&self) -> Option<&'static str> {
        let exchange = self.exchange.as_ref();
        let names = [
            ("queue", Some(&self.queue)),
            ("vHost", self.v_host.as_ref()),
            ("uploadVHost", self.upload_v_host.as_ref()),
            ("uploadQueue", self.upload_queue.as_ref()),
            ("fiqaDownQueue", self.fiqa_down_queue.as_ref()),
            ("fiqaUploadQueue", self.fiqa_upload_queue.as_ref()),
            ("exchange.name", exchange.map(|exchange| &exchange.name)),
            ("exchange.type", exchange.map(|exchange| &exchange.kind)),
            ("exchange.routingKey", exchange.and_then(|exchange| exchange.routing_key.as_ref())),
        ];
        let is_long = |name: &String| name.len() > AMQP_NAME_BYTES_MAX;
        let field = names.into_iter().find(|(_, name)| name.is_some_and(is_long)).map(|(field, _)| field);
        let arguments = exchange.and_then(|exchange| exchange.arguments.as_ref());
        field.or_else(|| arguments.is_some_and(has_long_key).then_some("exchange.arguments"))
    }

    /// Whether the box binds the command queue to the exchange.
    pub fn binds_exchange(&self) -> bool {
        !self.un_need_bind_exchange.unwrap_or(false)
    }
}

/// Longest name in AMQP ("short string").
const AMQP_NAME_BYTES_MAX: usize = 255;

fn has_long_key(fields: &Map<String, Value>) -> bool {
    let is_in = |value: &Value| match value {
        Value::Object(fields) => has_long_key(fields),
        Value::Array(values) => values.iter().filter_map(Value::as_object).any(has_long_key),
        _ => false,
    };
    fields.iter().any(|(key, value)| key.len() > AMQP_NAME_BYTES_MAX || is_in(value))
}

/// The exchange the command queue is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// Type, as AMQP names it: `direct`, `topic`, …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
    /// AMQP `passive`.
    #[serde(default, deserialize_with = "lenient::switch_opt")]
    pub passive: Option<bool>,
    /// AMQP `durable`.
    #[serde(default, deserialize_with = "lenient::switch_opt")]
    pub durable: Option<bool>,
    /// AMQP `auto-delete`.
    #[serde(default, deserialize_with = "lenient::switch_opt")]
    pub auto_delete: Option<bool>,
    /// AMQP arguments.
    #[serde(default, deserialize_with = "lenient::object_opt")]
    pub arguments: Option<Map<String, Value>>,
    /// What the queue is bound with.
    #[serde(rename = "routingKey", default, deserialize_with = "lenient::text_opt")]
    pub routing_key: Option<String>,
}

impl ErrorDocument {
    /// What an answer says of a failure; `None` where it says nothing of one. A platform may write an empty `error`
    /// beside its data.
    pub fn parse(body: &[u8]) -> Option<Self> {
        lenient::object(json::parse(body).ok()?).ok()
    }
}

/// What a platform answers to a failed call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// What failed.
    #[serde(deserialize_with = "lenient::object_field")]
    pub error: ErrorBody,
}

/// `error` of a failed call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The platform's own code.
    #[serde(default, deserialize_with = "lenient::integer_opt")]
    pub code: Option<i64>,
    /// Text for people.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub message: Option<String>,
    /// A word for the status.
    #[serde(default, deserialize_with = "lenient::text_opt")]
    pub status: Option<String>,
}

/// Why a login answer makes no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No JSON.
    #[error("the login answer is not JSON: {0}; tell those who run the platform")]
    NotJson(#[from] json::NotJson),
    /// A must-field is missing, or has another type.
    #[error("the login answer is not a login document: {0}")]
    Document(String),
    /// No document but words of a failure, beside HTTP 200.
    #[error("the platform refuses the login: {0}")]
    Refused(String),
    #[error(
        "the login answer has no `rabbitmq.exchange`, which must be there unless unNeedBindExchange is true"
    )]
    /// No exchange to bind the queue to.
    NoExchange,
    /// AMQP has no such names.
    #[error("the login answer has a name of more than 255 bytes in `rabbitmq.{0}`, which no broker takes")]
    TooLong(&'static str),
    /// A URL that cannot be parsed.
    #[error("the login answer has an unusable URL in `{field}`: {reason}")]
    Url {
        /// The document's field.
        field: &'static str,
        /// What is wrong with it.
        reason: url::ParseError,
    },
}

/// The document itself. Common frameworks put every answer into `{"code", "msg", "data"}`, and tell of a failure there
/// with HTTP 200.
fn unwrapped(value: Value) -> Result<Value, LoginError> {
    let Value::Object(mut answer) = value else { return Ok(value) };
    let is_there = |key| answer.get(key).is_some_and(|value| !lenient::is_absent(value));
    if is_there("rabbitmq") || is_there("token") {
        return Ok(Value::Object(answer));
    }
    for key in ["data", "result"] {
        if answer.get(key).is_some_and(|inner| inner.get("rabbitmq").is_some()) {
            return Ok(answer.remove(key).unwrap_or_default());
        }
    }
    refusal(&answer).map_or(Ok(Value::Object(answer)), |words| Err(LoginError::Refused(words)))
}

/// What an answer without a document says of the reason: the published form first.
fn refusal(answer: &Map<String, Value>) -> Option<String> {
    let of = |fields: &Map<String, Value>| {
        let said = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| lenient::id_of(fields.get(*key)?))
                .filter(|text| !text.trim().is_empty())
        };
        let text = said(&["message", "msg", "errmsg", "error_description"]);
        let text = text.map(|text| text.chars().take(REFUSAL_CHARS_MAX).collect::<String>());
        match (said(&["code", "errcode", "status"]), text) {
            (None, None) => None,
            (Some(code), None) => Some(format!("code {code}")),
            (None, Some(text)) => Some(text),
            (Some(code), Some(text)) => Some(format!("code {code}: {text}")),
        }
    };
    match answer.get("error") {
        Some(Value::Object(error)) => of(error),
        Some(Value::String(error)) if !error.trim().is_empty() => {
            Some(error.chars().take(REFUSAL_CHARS_MAX).collect())
        }
        _ => of(answer),
    }
}

/// Characters of a platform's own words that are shown.
const REFUSAL_CHARS_MAX: usize = 200;

impl LoginDocument {
    /// Reads and checks the must-fields.
    ///
    /// # Errors
    ///
    /// When it is no login document, or names no exchange and needs one.
    pub fn parse(body: &[u8]) -> Result<Self, LoginError> {
        let value = unwrapped(json::parse(body)?)?;
        let document: Self =
            lenient::object(value).map_err(|error| LoginError::Document(error.to_string()))?;
        if document.rabbitmq.binds_exchange() && document.rabbitmq.exchange.is_none() {
            return Err(LoginError::NoExchange);
        }
        document.rabbitmq.too_long().map_or(Ok(()), |field| Err(LoginError::TooLong(field)))?;
        Ok(document)
    }
}

/// A platform session: the login document with every URL composed.
#[derive(Clone)]
pub struct Session {
    /// Sent with every call.
    pub token: String,
    /// Base for `relative_pic_url`.
    pub image_base: Url,
    /// Scheme, host and port of the login URL: base for every other relative path.
    pub origin: Url,
    /// History receivers.
    pub record_urls: Vec<Url>,
    /// Seconds between two cycles of history, at least 1.
    pub record_upload_period_s: u64,
    /// Whether history carries the registry photo.
    pub upload_reg: bool,
    /// Whether history carries the scene picture.
    pub upload_spot_pic: bool,
    /// Whether history carries the face crop.
    pub upload_recognize_face: bool,
    /// Whether history carries what was measured of the face beside its quality; `None`: the platform says nothing of it.
    pub upload_info: Option<bool>,
    /// Where the device list goes.
    pub device_list_url: Option<Url>,
    /// Where status reports go.
    pub device_monitor_url: Option<Url>,
    /// Seconds between two status reports, at least 1.
    pub device_monitor_period_s: u64,
    /// The broker.
    pub rabbitmq: RabbitMq,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("origin", &self.origin.as_str())
            .field("rabbitmq", &self.rabbitmq)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Composes the session from a document and the URL it was got from.
    ///
    /// # Errors
    ///
    /// Names the field whose URL cannot be parsed.
    pub fn new(document: &LoginDocument, login_url: &Url) -> Result<Self, LoginError> {
        let origin = origin_of(login_url);
        let join =
            |field, text: &str| compose(&origin, text).map_err(|reason| LoginError::Url { field, reason });
        let optional = |field, text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(|t| join(field, t)).transpose()
        };
        let record_urls = document
            .record_addr
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| join("recordAddr", part))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            token: document.token.clone(),
            image_base: optional("imgServerAddr", &document.img_server_addr)?
                .unwrap_or_else(|| origin.clone()),
            record_urls,
            record_upload_period_s: period(document.record_upload_period, 5),
            upload_reg: document.record_upload_reg.unwrap_or(true),
            upload_spot_pic: document.record_upload_spot_pic.unwrap_or(true),
            upload_recognize_face: document.record_upload_recognize_face.unwrap_or(true),
            upload_info: document.record_upload_info,
            device_list_url: match optional("deviceListInfoAddr", &document.device_list_info_addr)? {
                None => optional("deviceInfoAddr", &document.device_info_addr)?,
                url => url,
            },
            device_monitor_url: optional("deviceMonitorAddr", &document.device_monitor_addr)?,
            device_monitor_period_s: period(document.device_monitor_period, 20),
            rabbitmq: document.rabbitmq.clone(),
            origin,
        })
    }

    /// A path a command named (`path`, `notify_path`), absolute or relative to the platform's origin.
    ///
    /// # Errors
    ///
    /// When the two together are no URL.
    pub fn platform_url(&self, text: &str) -> Result<Url, url::ParseError> {
        compose(&self.origin, text)
    }

    /// A registry photo's `relative_pic_url`: appended to `imgServerAddr`, whatever path that has.
    ///
    /// # Errors
    ///
    /// When the two together are no URL.
    pub fn photo_url(&self, relative: &str) -> Result<Url, url::ParseError> {
        if relative.starts_with("http") {
            return compose(&self.origin, relative);
        }
        let base = self.image_base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{}", relative.trim_start_matches('/')))
    }
}

fn period(seconds: Option<i64>, default: u64) -> u64 {
    seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s >= 1).unwrap_or(default)
}

fn origin_of(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

/// Absolute when it begins with `http`, or with `host:port` whose scheme was left out; else joined to the origin (protocol
/// section 2).
fn compose(origin: &Url, text: &str) -> Result<Url, url::ParseError> {
    let text = text.trim();
    if text.starts_with("http") {
        return Url::parse(text);
    }
    let first = text.split(['/', '?']).next().unwrap_or_default();
    let is_host = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
    if first.rsplit_once(':').is_some_and(is_host) {
        return Url::parse(&format!("{}://{text}", origin.scheme()));
    }
    let path = format!("/{}", text.trim_start_matches('/'));
    origin.join(&path)
}

fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    lenient::integer_opt(deserializer)?
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| serde::de::Error::custom("port must be 1 to 65535"))
}

#[cfg(test)]
mod tests;
