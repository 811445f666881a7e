//! What came with a call: its query and its body, bounded and checked before a handler uses it.

use std::collections::BTreeMap;
use std::future::Ready;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::access::{COMMAND_LINE, Caller, may_send_forms};
use super::answer::wrong;
use super::body_pace::{BodyPace, too_slow};
use super::body_place::{BodyPlace, LARGE_BODIES, Sender};
use super::guard::Note;
use super::picture;
use crate::web::connections::{Awaiting, Connection};
use menshen_domain::limits;
use menshen_domain::photo::DevicePicture;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::{form, json, lenient};

/// A call with its body still to be read.
pub struct Call {
    query: BTreeMap<String, String>,
    /// As it was sent: a key may be there several times.
    query_text: String,
    /// The device in the path, where the route has one.
    device: Option<String>,
    peer: Option<IpAddr>,
    /// As it was sent, and without parameters.
    content_type_sent: String,
    content_type: String,
    payload: Payload,
    caller: Caller,
    /// Forms are taken of it, where the call takes any.
    may_send_forms: bool,
    note: Note,
    connection: Option<Connection>,
    /// Among the large bodies in memory, until the call is answered.
    place: Option<BodyPlace>,
}

impl FromRequest for Call {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let content_type =
            request.headers().get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let content_type_sent = content_type.unwrap_or_default().into_owned();
        let content_type = content_type_sent.split(';').next().unwrap_or_default();
        let content_type = content_type.trim().to_ascii_lowercase();
        let device = request.match_info().get("device").map(str::to_owned);
        let (caller, note) =
            (request.extensions().get::<Caller>().cloned(), request.extensions().get::<Note>().cloned());
        let Some(caller) = caller else { return std::future::ready(Err(ErrorUnauthorized("no caller"))) };
        let connection = request.conn_data::<Connection>().cloned();
        std::future::ready(Ok(Self {
            may_send_forms: caller.has_token || may_send_forms(request.headers()),
            caller,
            note: note.unwrap_or_default(),
            connection,
            place: None,
            query,
            query_text: request.query_string().to_owned(),
            device,
            peer: request.peer_addr().map(|peer| peer.ip()),
            content_type_sent,
            content_type,
            payload: payload.take(),
        }))
    }
}

impl Call {
    /// A text of the query that is not empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// A list of the query: JSON, with commas, or the key several times.
    pub fn list(&self, key: &str) -> Vec<String> {
        let mut list = Vec::new();
        for (name, text) in url::form_urlencoded::parse(self.query_text.as_bytes()) {
            if name != key {
                continue;
            }
            match json::parse(text.as_bytes()) {
                Ok(Value::Array(values)) => list.extend(values.iter().filter_map(lenient::id_of)),
                _ => list.extend(text.split(',').map(str::to_owned)),
            }
        }
        list.retain(|text| !text.trim().is_empty());
        list.iter().map(|text| text.trim().to_owned()).collect()
    }

    /// Who calls.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The device a photo is of: in the path, or as `ip` or `ep_id`.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref().or_else(|| self.text("ip")).or_else(|| self.text("ep_id"))
    }

    /// The content type as it was sent, and the body, for a handler that reads it by itself.
    pub fn into_body(self) -> (String, Payload, Sender) {
        let sender = self.sender();
        (self.content_type_sent, self.payload, sender)
    }

    pub fn number(&self, key: &str, default: u64, max: u64) -> Result<u64, ProtocolError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| wrong(format!("{key} must be a number from 0 to {max}")))
    }

    /// What the call is about, for the audit log: no names of people, no secrets.
    pub fn note(&self, about: impl Into<String>) {
        self.note.set(about.into());
    }

    /// Counts a part of the call that succeeds or fails alone by its status code, for the audit log.
    pub fn part(&self, code: i64) {
        self.note.part(code);
    }

    /// Who calls and over which way, for what is kept of an erasure.
    pub fn asked_by(&self) -> String {
        if self.caller.name == COMMAND_LINE {
            return COMMAND_LINE.to_owned();
        }
        let from = self.peer.map_or_else(String::new, |peer| format!(", {peer}"));
        format!("local API, {}{from}", self.caller.name)
    }

    /// Refuses a caller who is held to another device. `device` is an `ip`.
    pub fn check_device(&self, device: &str) -> Result<(), ProtocolError> {
        if self.caller.role.covers_device(device) {
            return Ok(());
        }
        Err(ProtocolError::new(StatusCode::BadRequest, "this token is of another device"))
    }

    /// The device the caller is held to.
    pub fn only_device(&self) -> Option<&str> {
        self.caller.role.only_device()
    }

    /// While it lives, the body is waited for.
    pub fn await_body(&self) -> Option<Awaiting> {
        self.connection.as_ref().map(Connection::await_body)
    }

    /// The body, bounded in bytes and in time; large ones also in how many there are.
    async fn read(&mut self, max_bytes: usize) -> Result<Bytes, ProtocolError> {
        let until = Instant::now() + Duration::from_millis(limits::LOCAL_BODY_MS);
        let _awaiting = self.await_body();
        self.collect(max_bytes, until).await
    }

    /// Whose the body is.
    fn sender(&self) -> Sender {
        let network = self.connection.as_ref().map(|connection| connection.network);
        Sender::new(network.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), &self.caller.name)
    }

    async fn collect(&mut self, max_bytes: usize, until: Instant) -> Result<Bytes, ProtocolError> {
        const STALL: Duration = Duration::from_millis(limits::LOCAL_BODY_STALL_MS);
        let (mut body, mut pace) = (BytesMut::new(), BodyPace::default());
        loop {
            let began = Instant::now();
            let chunk = timeout_at(until.min(began + STALL), self.payload.next()).await;
            let Some(chunk) = chunk.map_err(|_| wrong(too_slow()))? else {
                return Ok(body.freeze());
            };
            let chunk = chunk.map_err(|error| wrong(format!("the body broke off: {error}")))?;
            if body.len() + chunk.len() > max_bytes {
                let detail = format!("at most {max_bytes} bytes");
                return Err(ProtocolError::new(StatusCode::PayloadTooLarge, detail));
            }
            body.extend_from_slice(&chunk);
            let goes_on = pace.goes_on(chunk.len(), began.elapsed());
            if self.place.is_some() && !goes_on {
                return Err(wrong(too_slow()));
            }
            if body.len() > limits::LOCAL_SMALL_BODY_BYTES && self.place.is_none() {
                let place = timeout_at(until, LARGE_BODIES.take(self.sender())).await;
                self.place = Some(place.map_err(|_| {
                    let detail = "too many large bodies are being received, try again";
                    ProtocolError::new(StatusCode::ServerProcessFailed, detail)
                })?);
            }
        }
    }

    /// The body as a JSON object. The content type is insisted on: a web page can send anything else unasked.
    pub async fn json(&mut self) -> Result<Map<String, Value>, ProtocolError> {
        let body = self.read(limits::LOCAL_JSON_BYTES_MAX).await?;
        if body.is_empty() {
            return Err(ProtocolError::new(StatusCode::EmptyRequestJson, ""));
        }
        if self.content_type != "application/json" {
            return Err(ProtocolError::new(StatusCode::ContentTypeError, "application/json is expected"));
        }
        match json::parse_copied(&body) {
            Ok(Value::Object(map)) if map.is_empty() => {
                Err(ProtocolError::new(StatusCode::EmptyRequestJson, ""))
            }
            Ok(Value::Object(map)) => Ok(map),
            Ok(absent) if lenient::is_absent(&absent) => {
                Err(ProtocolError::new(StatusCode::EmptyRequestJson, ""))
            }
            Ok(other) => Err(wrong(format!("the body must be an object, got {}", lenient::kind_of(&other)))),
            Err(error) => Err(wrong(format!("the body is not JSON: {error}"))),
        }
    }

    /// As [`json`](Self::json), for calls that are published with forms too: every field of a form is a text, or a list of
    /// texts.
    pub async fn json_or_form(&mut self) -> Result<Map<String, Value>, ProtocolError> {
        if !form::is_form(&self.content_type) {
            return self.json().await;
        }
        if !self.may_send_forms {
            let detail = "a form of a web page is taken with a token only; or send application/json";
            return Err(ProtocolError::new(StatusCode::ContentTypeError, detail));
        }
        let body = self.read(limits::LOCAL_SMALL_BODY_BYTES).await?;
        if body.is_empty() {
            return Err(ProtocolError::new(StatusCode::EmptyRequestJson, ""));
        }
        form::read(&self.content_type_sent, &body).map_err(|error| wrong(format!("the form {error}")))
    }

    /// As [`json`](Self::json), for calls that may come without a body.
    pub async fn json_opt(&mut self) -> Result<Map<String, Value>, ProtocolError> {
        match self.json().await {
            Err(refusal) if refusal.code == StatusCode::EmptyRequestJson => Ok(Map::new()),
            other => other,
        }
    }

    /// The body as pictures, the one to look at first.
    pub async fn picture(&mut self) -> Result<Vec<DevicePicture>, ProtocolError> {
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        picture::read(&self.content_type_sent, payload, self.sender()).await
    }
}

/// A text field that must be there, and not empty; a number is taken for a text.
pub fn text_of(body: &Map<String, Value>, keys: &[&str]) -> Result<String, ProtocolError> {
    let said = keys.iter().find_map(|key| said(body, key));
    match said.or_else(|| body.get(keys[0])) {
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(wrong(format!("`{}` must not be empty", keys[0])))
        }
        Some(absent) if lenient::is_absent(absent) => Err(wrong(format!("`{}` is missing", keys[0]))),
        Some(value) => match lenient::id_of(value) {
            Some(text) => Ok(text.trim().to_owned()),
            None => Err(wrong(format!("`{}` must be a string, got {}", keys[0], lenient::kind_of(value)))),
        },
        None => Err(wrong(format!("`{}` is missing", keys[0]))),
    }
}

/// A field that says something.
pub fn said<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !lenient::is_absent(value))
}

/// A list of objects that must be there, of bounded length.
pub fn list_of(body: &mut Map<String, Value>, key: &str, max: usize) -> Result<Vec<Value>, ProtocolError> {
    match body.remove(key) {
        Some(Value::Array(list)) if list.is_empty() => Err(wrong(format!("`{key}` is empty"))),
        Some(Value::Array(list)) if list.len() > max => {
            Err(wrong(format!("`{key}` holds {} entries, at most {max} are taken at once", list.len())))
        }
        Some(Value::Array(list)) => Ok(list),
        Some(other) if !lenient::is_absent(&other) => {
            Err(wrong(format!("`{key}` must be a list, got {}", lenient::kind_of(&other))))
        }
        None | Some(_) => Err(wrong(format!("`{key}` is missing"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn empty_values_of_php_and_java_are_absent() {
        for nothing in [json!(null), json!([]), json!("")] {
            let fields = body(json!({ "dev_sno": nothing, "devSno": 12_345_678_901_234_567_890_u64 }));
            assert_eq!(text_of(&fields, &["dev_sno", "devSno"]).unwrap(), "12345678901234567890");
            assert!(text_of(&fields, &["dev_sno"]).is_err(), "{nothing}");
            assert!(said(&fields, "dev_sno").is_none() && said(&fields, "devSno").is_some());
            let mut fields = body(json!({ "action": nothing }));
            assert!(list_of(&mut fields, "action", 5).is_err(), "{nothing}");
        }
        let fields = body(json!({ "ip": [1], "number": 7.0 }));
        assert!(text_of(&fields, &["ip"]).unwrap_err().detail.contains("a list"));
        assert_eq!(text_of(&fields, &["number"]).unwrap(), "7");
    }
}
