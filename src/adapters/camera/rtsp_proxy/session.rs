//! One connection of the client and the one to the camera that belongs to it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

use super::message::{Item, Message, Reader};
use super::shared::Shared;
use crate::adapters::http_login::{Asked, Challenge};
use crate::ports::camera::{FailureKind, StreamFailure};
use menshen_domain::limits;
use menshen_domain::text::spoken;
use menshen_domain::tr;

const CONNECT: Duration = Duration::from_millis(limits::RTSP_CONNECT_MS);
const WRITE: Duration = Duration::from_millis(limits::RTSP_WRITE_MS);
/// What the protocol has for a session without a `timeout` (RFC 2326, section 12.37).
const SESSION_DEFAULT_S: u64 = 60;
/// A connection that has no packets for a client is read in pieces of this size.
const READ_BYTES: usize = 64 * 1024;

/// A request that is under way.
struct Pending {
    cseq: u64,
    /// Of the client; `None`: the proxy's own.
    client_cseq: Option<String>,
    method: String,
    url: String,
    message: Message,
    was_challenged: bool,
}

struct Session<'a> {
    shared: &'a Shared,
    /// Host and port of the camera, as in the address.
    authority: String,
    to_camera: Vec<u8>,
    to_client: Vec<u8>,
    pending: VecDeque<Pending>,
    cseq: u64,
    challenge: Option<Challenge>,
    /// Address and id, while it plays.
    playing: Option<(String, String)>,
    id: String,
    timeout_s: u64,
    has_get_parameter: bool,
    last_request: Instant,
}

/// Ends with the connection; an error says why to an installer.
pub async fn run(client: TcpStream, shared: &Shared) -> Result<(), StreamFailure> {
    let _ = client.set_nodelay(true);
    let (mut from_client, mut client_out) = client.into_split();
    let mut of_client = Reader::default();
    let Some(first) = first_request(&mut from_client, &mut of_client).await else { return Ok(()) };
    let Some(authority) = authority_of(&first, shared) else { return Ok(()) };
    let camera = connect(&authority).await?;
    let (mut from_camera, mut camera_out) = camera.into_split();
    let mut of_camera = Reader::default();
    let mut session = Session::new(shared, authority);
    session.take_from_client(Item::Message(first));
    let (mut stray_logged, mut has_answered) = (false, false);
    loop {
        session.flush(&mut camera_out, &mut client_out).await?;
        tokio::select! {
            read = read_some(&mut from_client, &mut of_client) => {
                if !matches!(read, Ok(1..)) {
                    return Ok(());
                }
                while let Some(item) = of_client.next_item() {
                    session.take_from_client(item);
                }
            }
            read = read_some(&mut from_camera, &mut of_camera) => {
                if !matches!(read, Ok(1..)) {
                    // What came before it is passed on; the client may say more about it.
                    session.flush(&mut camera_out, &mut client_out).await?;
                    return session.camera_closed();
                }
                while let Some(item) = of_camera.next_item() {
                    has_answered = true;
                    session.take_from_camera(item);
                }
                if of_camera.stray > 0 && !has_answered {
                    let text = format!("{}: what answers there does not speak RTSP; check the port", session.authority);
                    return Err(StreamFailure { kind: FailureKind::Unreachable, text });
                }
                if of_camera.stray > 0 && !stray_logged {
                    stray_logged = true;
                    tracing::warn!(device = shared.device, "stray bytes between a camera's packets are left out");
                }
            }
            () = sleep_until(session.alive_until()), if session.playing.is_some() => session.keep_alive(),
        }
    }
}

async fn read_some(stream: &mut OwnedReadHalf, reader: &mut Reader) -> std::io::Result<usize> {
    reader.buffer.reserve(READ_BYTES);
    stream.read_buf(&mut reader.buffer).await
}

async fn first_request(stream: &mut OwnedReadHalf, reader: &mut Reader) -> Option<Message> {
    loop {
        match reader.next_item() {
            Some(Item::Message(message)) => return Some(message),
            Some(Item::Packet(_)) => {}
            None => match timeout(CONNECT, read_some(stream, reader)).await {
                Ok(Ok(1..)) => {}
                _ => return None,
            },
        }
    }
}

/// `None`: the caller does not know the key.
fn authority_of(first: &Message, shared: &Shared) -> Option<String> {
    let (_, url) = first.request()?;
    let rest = url.strip_prefix(&shared.front)?;
    Some(rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned())
}

async fn connect(authority: &str) -> Result<TcpStream, StreamFailure> {
    let failed = |kind: FailureKind, text: String| StreamFailure { kind, text };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { authority.to_owned() } else { format!("{authority}:{}", limits::RTSP_PORT) };
    match timeout(CONNECT, TcpStream::connect(&target)).await {
        Ok(Ok(camera)) => {
            let _ = camera.set_nodelay(true);
            Ok(camera)
        }
        Ok(Err(error)) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Err(failed(FailureKind::Refused, target)),
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::HostUnreachable => {
                Err(failed(FailureKind::NoAnswer, target))
            }
            // A name that is not known is found out by who asked for the stream.
            _ => Err(failed(FailureKind::Unreachable, format!("{target}: {error}"))),
        },
        Err(_) => Err(failed(FailureKind::NoAnswer, target)),
    }
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, authority: String) -> Self {
        Self {
            shared,
            authority,
            to_camera: Vec::new(),
            to_client: Vec::new(),
            pending: VecDeque::new(),
            cseq: 0,
            challenge: None,
            playing: None,
            id: String::new(),
            timeout_s: SESSION_DEFAULT_S,
            has_get_parameter: false,
            last_request: Instant::now(),
        }
    }

    async fn flush(
        &mut self,
        camera: &mut OwnedWriteHalf,
        client: &mut OwnedWriteHalf,
    ) -> Result<(), StreamFailure> {
        let broken = |what: &str| StreamFailure { kind: FailureKind::Unreachable, text: what.to_owned() };
        if !self.to_camera.is_empty() {
            let sent = timeout(WRITE, camera.write_all(&self.to_camera)).await;
            self.to_camera.clear();
            if !matches!(sent, Ok(Ok(()))) {
                return Err(broken("the camera takes no more requests"));
            }
        }
        if !self.to_client.is_empty() {
            let sent = timeout(WRITE, client.write_all(&self.to_client)).await;
            self.to_client.clear();
            if !matches!(sent, Ok(Ok(()))) {
                return Err(broken("the stream was not taken any more"));
            }
        }
        Ok(())
    }

    /// Half of the session's time has room for a lost packet; a minute is enough for the firewalls on the way.
    fn alive_until(&self) -> Instant {
        let half_ms = (self.timeout_s * 500).clamp(500, limits::RTSP_ALIVE_MS_MAX);
        self.last_request + Duration::from_millis(half_ms)
    }

    fn keep_alive(&mut self) {
        let Some((url, session)) = self.playing.clone() else { return };
        let method = if self.has_get_parameter { "GET_PARAMETER" } else { "OPTIONS" }.to_owned();
        let mut message = Message::default();
        message.set("Session", session);
        let request = Pending { cseq: 0, client_cseq: None, method, url, message, was_challenged: false };
        self.send(request);
    }

    fn send(&mut self, mut request: Pending) {
        self.cseq += 1;
        request.cseq = self.cseq;
        let mut message = request.message.clone();
        let Pending { method, url, .. } = &request;
        message.first = format!("{method} {url} RTSP/1.0");
        message.headers.insert(0, ("CSeq".to_owned(), self.cseq.to_string()));
        let login = &self.shared.login;
        if let Some(challenge) = self.challenge.as_mut() {
            let asked = Asked { method, uri: url, body: Some(&message.body) };
            match challenge.answer(&login.user, &login.password, &asked) {
                Ok(answer) => message.set("Authorization", answer),
                Err(error) => self.shared.report(FailureKind::LoginScheme, error.to_string()),
            }
        }
        message.write(&mut self.to_camera);
        self.last_request = Instant::now();
        self.pending.push_back(request);
        // A camera that answers nothing is found by its silence.
        while self.pending.len() > limits::RTSP_PENDING_MAX {
            self.pending.pop_front();
        }
    }

    fn take_from_client(&mut self, item: Item) {
        let mut message = match item {
            Item::Packet(packet) => return self.to_camera.extend_from_slice(&packet),
            Item::Message(message) => message,
        };
        let Some((method, url)) = message.request() else {
            // An answer to what the camera asked.
            return message.write(&mut self.to_camera);
        };
        let (method, url) = (method.to_owned(), self.to_camera_url(url));
        let client_cseq = Some(message.header("cseq").unwrap_or_default().to_owned());
        message.remove("cseq");
        if method == "PLAY" {
            let session = message.header("session").unwrap_or_default();
            session.clone_into(&mut self.id);
        }
        self.send(Pending { cseq: 0, client_cseq, method, url, message, was_challenged: false });
    }

    fn to_camera_url(&self, url: &str) -> String {
        if let Some(rest) = url.strip_prefix(&self.shared.front) {
            return format!("rtsp://{rest}");
        }
        // A path from the top that was put behind the proxy's own host.
        let after_host = url.strip_prefix("rtsp://").and_then(|rest| rest.split_once('/'));
        match after_host {
            Some((host, path)) if self.shared.front[7..].starts_with(host) => {
                format!("rtsp://{}/{path}", self.authority)
            }
            _ => url.to_owned(),
        }
    }

    fn take_from_camera(&mut self, item: Item) {
        let message = match item {
            Item::Packet(packet) => return self.to_client.extend_from_slice(&packet),
            Item::Message(message) => message,
        };
        let Some(status) = message.status() else {
            // The camera asks something; the client knows what to say.
            return message.write(&mut self.to_client);
        };
        let named = message.header("cseq").and_then(|text| text.trim().parse::<u64>().ok());
        let place = self.pending.iter().position(|request| Some(request.cseq) == named).unwrap_or(0);
        let Some(request) = self.pending.remove(place) else { return };
        let unanswered = match status {
            401 => self.challenged(request, &message),
            457 => self.without_range(request),
            // The client would call both an unhandled error.
            453 | 503 if request.client_cseq.is_some() => {
                self.shared.report(FailureKind::Other, busy_text(status));
                Some(request)
            }
            _ => Some(request),
        };
        if let Some(request) = unanswered {
            self.answer_client(request, message, status);
        }
    }

    /// Sends it again with an answer; gives it back when there is none.
    fn challenged(&mut self, mut request: Pending, answer: &Message) -> Option<Pending> {
        let report = |kind, text: &str| self.shared.report(kind, text.to_owned());
        if self.shared.login.is_empty() {
            report(
                FailureKind::Unauthorized,
                "Unauthorized (401): the camera asks for a user and a password",
            );
            return Some(request);
        }
        match Challenge::best(answer.values("www-authenticate")) {
            Err(error) => report(FailureKind::LoginScheme, &error.to_string()),
            Ok(_) if request.was_challenged => {
                report(FailureKind::Unauthorized, "Unauthorized (401): the user or the password is wrong");
            }
            Ok(challenge) => {
                self.challenge = Some(challenge);
                request.was_challenged = true;
                self.send(request);
                return None;
            }
        }
        Some(request)
    }

    /// `457 Invalid Range`: some cameras refuse every range, though a stream has only its presence. Sends it again without;
    /// gives it back when it had none.
    fn without_range(&mut self, mut request: Pending) -> Option<Pending> {
        if request.message.header("range").is_none() {
            return Some(request);
        }
        request.message.remove("range");
        self.send(request);
        None
    }

    fn answer_client(&mut self, request: Pending, mut message: Message, status: u16) {
        let is_fine = (200..300).contains(&status);
        self.note(&request, &message, is_fine);
        let Some(cseq) = request.client_cseq else {
            // Its own; a camera that lists what it does not know gets the other one from now on.
            self.has_get_parameter &= is_fine;
            return;
        };
        message.set("CSeq", cseq);
        for (name, value) in &mut message.headers {
            let holds_url = ["content-base", "content-location", "location", "rtp-info"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known));
            if holds_url {
                *value = to_client_urls(value, &self.shared.front);
            }
        }
        if request.method == "DESCRIBE" && is_fine {
            message.body = to_client_sdp(&message.body, &self.shared.front);
        }
        message.write(&mut self.to_client);
    }

    fn note(&mut self, request: &Pending, message: &Message, is_fine: bool) {
        if !is_fine {
            return;
        }
        let is_clients = request.client_cseq.is_some();
        if let Some(allowed) = message.header("public").filter(|_| is_clients && request.method == "OPTIONS")
        {
            let mut words = allowed.split([',', ' ']);
            self.has_get_parameter = words.any(|word| word.trim().eq_ignore_ascii_case("GET_PARAMETER"));
        }
        if let Some(session) = message.header("session") {
            let (id, parameters) = session.split_once(';').unwrap_or((session, ""));
            id.trim().clone_into(&mut self.id);
            let timeout = parameters.split(';').find_map(|parameter| {
                let (key, value) = parameter.split_once('=')?;
                key.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse::<u64>().ok())?
            });
            self.timeout_s = timeout.filter(|seconds| *seconds > 0).unwrap_or(self.timeout_s);
        }
        match request.method.as_str() {
            "PLAY" => self.playing = Some((request.url.clone(), self.id.clone())),
            "TEARDOWN" | "PAUSE" => self.playing = None,
            _ => {}
        }
    }

    fn camera_closed(&self) -> Result<(), StreamFailure> {
        let is_farewell = self.pending.iter().any(|request| request.method == "TEARDOWN");
        if is_farewell || (self.playing.is_none() && self.pending.is_empty()) {
            return Ok(());
        }
        let text = "the camera closed the connection".to_owned();
        Err(StreamFailure { kind: FailureKind::Unreachable, text })
    }
}

/// Of `453 Not Enough Bandwidth` and `503 Service Unavailable`.
fn busy_text(status: u16) -> String {
    tr!(
        spoken(),
        "the camera answers {status}: it has too many viewers, or is still starting",
        "摄像机返回 {status}：连接数已满，或仍在启动"
    )
}

/// `rtsp://` of every address in a text becomes the beginning of the proxy's own.
fn to_client_urls(text: &str, front: &str) -> String {
    const SCHEME: &str = "rtsp://";
    let mut out = String::with_capacity(text.len() + front.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(SCHEME) {
        out.push_str(&rest[..at]);
        out.push_str(front);
        rest = &rest[at + SCHEME.len()..];
    }
    out.push_str(rest);
    out
}

fn to_client_sdp(body: &[u8], front: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + front.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(text) if text.starts_with("a=control:") => {
                out.extend_from_slice(to_client_urls(text, front).as_bytes());
            }
            _ => out.extend_from_slice(line),
        }
    }
    out
}
