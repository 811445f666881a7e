//! A stand-in camera that speaks ONVIF: WS-Discovery over multicast on the loopback, and SOAP over HTTP with a login that is
//! really checked. It knows nothing of the product's own code for this.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use digest_auth::{AuthContext, AuthorizationHeader};
use sha1::{Digest as _, Sha1};
use socket2::{Domain, Socket, Type};
use uuid::Uuid;

pub const USER: &str = "admin";
pub const PASSWORD: &str = "s3cret&<door>";
/// How far its clock is behind.
const BEHIND: Duration = Duration::from_hours(3);

/// How it wants to be logged in to.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    Nobody,
    /// WS-UsernameToken, in time and once.
    #[default]
    Token,
    /// The same, even for the time of day.
    TokenAlways,
    HttpDigest,
}

/// What is the matter with it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    #[default]
    None,
    /// Too old for GetServices, with faults of SOAP 1.1.
    Old,
    /// Has Media2, and it does not work.
    BrokenMedia2,
    Page,
    NotFound,
    Cut,
    Frozen,
    NoProfiles,
    Elsewhere,
    Huge,
    /// One of its streams has no address.
    OneStream,
}

#[derive(Clone, Default)]
pub struct Ways {
    pub login: Login,
    pub trouble: Trouble,
    /// The host it tells in its addresses, where that is not its own.
    pub host: Option<String>,
    pub media_2: bool,
}

pub struct OnvifCamera {
    pub port: u16,
    /// Calls it refused.
    pub refused: Arc<AtomicUsize>,
}

struct Served {
    ways: Ways,
    host: String,
    nonces: Mutex<HashSet<String>>,
    refused: Arc<AtomicUsize>,
}

impl OnvifCamera {
    pub fn new(ways: Ways) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = ways.host.clone().unwrap_or_else(|| format!("127.0.0.1:{port}"));
        let refused: Arc<AtomicUsize> = Arc::default();
        let served = Arc::new(Served { ways, host, nonces: Mutex::default(), refused: Arc::clone(&refused) });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                // Whoever is asked goes away in the middle: that is the client's affair.
                std::thread::spawn(move || drop(served.serve(&stream)));
            }
        });
        Self { port, refused }
    }

    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn soap(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:tt=\"http://www.onvif.org/ver10/schema\" xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\" \
         xmlns:trt=\"http://www.onvif.org/ver10/media/wsdl\" xmlns:ter=\"http://www.onvif.org/ver10/error\">\
         <SOAP-ENV:Header/><SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
}

fn fault(code: &str, reason: &str) -> String {
    soap(&format!(
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode>\
         <SOAP-ENV:Value>ter:{code}</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code><SOAP-ENV:Reason>\
         <SOAP-ENV:Text xml:lang=\"en\">{reason}</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>"
    ))
}

/// Year, month, day, hour, minute and second of the camera's clock.
fn camera_time(shift: Duration) -> [u32; 6] {
    let text = httpdate::fmt_http_date(SystemTime::now() - BEHIND - shift);
    // Sun, 06 Nov 1994 08:49:37 GMT
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == &text[8..11]).unwrap() as u32 + 1;
    let number = |range: std::ops::Range<usize>| text[range].parse().unwrap();
    [number(12..16), month, number(5..7), number(17..19), number(20..22), number(23..25)]
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(inside, _)| inside)
}

/// The text of an element that has attributes.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    between(text, &format!("<{name} "), "</").split_once('>').map_or("", |(_, inside)| inside)
}

impl Served {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut request, mut authorization, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if request.is_empty() {
                request.clone_from(&line);
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => value.trim().clone_into(&mut authorization),
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
        // Somebody tried whether the port is open.
        if request.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, more, answer) = self.answer(path, &body, &authorization);
        let kind = if answer.starts_with("<?xml") { "application/soap+xml" } else { "text/html" };
        let mut out = stream.try_clone()?;
        write!(
            out,
            "HTTP/1.1 {status} X\r\n{more}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn answer(&self, path: &str, body: &str, authorization: &str) -> (u16, String, String) {
        let none = String::new;
        match self.ways.trouble {
            Trouble::Page => return (200, none(), "<!DOCTYPE html><html><body>login".to_owned()),
            Trouble::NotFound => return (404, none(), none()),
            Trouble::Frozen => std::thread::sleep(Duration::from_mins(2)),
            Trouble::Elsewhere => {
                return (301, "Location: https://u:s3cret@127.0.0.1/x\r\n".to_owned(), none());
            }
            Trouble::Huge => {
                return (200, none(), format!("<?xml version=\"1.0\"?>{}", " ".repeat(3_000_000)));
            }
            _ => {}
        }
        let is_clock = body.contains("<GetSystemDateAndTime");
        let is_open = is_clock && self.ways.login != Login::TokenAlways;
        if !is_open && !self.is_known(path, body, authorization) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            if self.ways.login == Login::HttpDigest {
                let ask = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n0nce\", qop=\"auth\", algorithm=MD5\r\n";
                return (401, ask.to_owned(), "<html>401</html>".to_owned());
            }
            return (400, none(), fault("NotAuthorized", "Sender not Authorized"));
        }
        if is_clock {
            return (200, none(), Self::clock());
        }
        let (status, answer) = self.service(path, body);
        (status, none(), answer)
    }

    fn clock() -> String {
        let [year, month, day, hour, minute, second] = camera_time(Duration::ZERO);
        soap(&format!(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>{hour}</tt:Hour>\
             <tt:Minute>{minute}</tt:Minute><tt:Second>{second}</tt:Second></tt:Time><tt:Date><tt:Year>{year}</tt:Year>\
             <tt:Month>{month}</tt:Month><tt:Day>{day}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>\
             </tds:GetSystemDateAndTimeResponse>"
        ))
    }

    fn service(&self, path: &str, body: &str) -> (u16, String) {
        let (host, trouble) = (&self.host, self.ways.trouble);
        let service = |name: &str, path: &str| {
            format!(
                "<tds:Service><tds:Namespace>http://www.onvif.org/{name}/wsdl</tds:Namespace>\
                 <tds:XAddr>http://{host}{path}</tds:XAddr></tds:Service>"
            )
        };
        if path == "/onvif/device_service" && body.contains("<GetServices") {
            if trouble == Trouble::Old {
                let old = "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
                           <e:Fault><faultcode>e:Client</faultcode><faultstring>Method 'GetServices' not implemented\
                           </faultstring></e:Fault></e:Body></e:Envelope>";
                return (500, old.to_owned());
            }
            let mut services = service("ver10/device", path) + &service("ver10/media", "/onvif/Media");
            if self.ways.media_2 {
                services += &service("ver20/media", "/onvif/Media2");
            }
            return (200, soap(&format!("<tds:GetServicesResponse>{services}</tds:GetServicesResponse>")));
        }
        if path == "/onvif/device_service" && body.contains("<GetCapabilities") {
            let media = format!("<tt:Media><tt:XAddr>http://{host}/onvif/Media</tt:XAddr></tt:Media>");
            let answer = format!(
                "<tds:GetCapabilitiesResponse><tds:Capabilities>{media}</tds:Capabilities></tds:GetCapabilitiesResponse>"
            );
            return (200, soap(&answer));
        }
        let is_2 = path == "/onvif/Media2" && body.contains("http://www.onvif.org/ver20/media/wsdl");
        let is_1 = path == "/onvif/Media" && body.contains("http://www.onvif.org/ver10/media/wsdl");
        if (is_2 && trouble == Trouble::BrokenMedia2) || (!is_1 && !is_2) {
            return (500, fault("ActionNotSupported", "Optional Action Not Implemented"));
        }
        if body.contains("<GetProfiles") {
            let profiles = match (trouble, is_2) {
                (Trouble::NoProfiles, _) => soap("<trt:GetProfilesResponse/>"),
                (_, true) => include_str!("../fuzz/seeds/onvif/profiles-2.xml").to_owned(),
                (_, false) => include_str!("../fuzz/seeds/onvif/profiles-hikvision.xml").to_owned(),
            };
            let end = if trouble == Trouble::Cut { profiles.len() / 2 } else { profiles.len() };
            return (200, profiles[..end].to_owned());
        }
        let token = between(body, "<ProfileToken>", "</ProfileToken>");
        if trouble == Trouble::OneStream && token == "Profile_2" {
            return (400, fault("NoProfile", "The requested profile token does not exist"));
        }
        let bare = host.split(':').next().unwrap_or_default();
        let uri = format!("<tt:Uri>rtsp://{bare}:554/Streaming/{token}?a=1&amp;password=k3y</tt:Uri>");
        let uri = if is_2 { uri } else { format!("<trt:MediaUri>{uri}</trt:MediaUri>") };
        (200, soap(&format!("<trt:GetStreamUriResponse>{uri}</trt:GetStreamUriResponse>")))
    }

    fn is_known(&self, path: &str, body: &str, authorization: &str) -> bool {
        match self.ways.login {
            Login::Nobody => true,
            Login::Token | Login::TokenAlways => self.has_token(body),
            Login::HttpDigest => {
                // Both at once is what some cameras stumble over.
                assert!(authorization.is_empty() || !body.contains("UsernameToken"));
                let Ok(given) = AuthorizationHeader::parse(authorization) else { return false };
                let mut computed = given.clone();
                computed.digest(&AuthContext::new_post(USER, PASSWORD, path, Some(body.as_bytes())));
                given.username == USER
                    && given.nonce == "n0nce"
                    && given.uri == path
                    && given.response == computed.response
            }
        }
    }

    /// Right user and digest, in the camera's own time, with a nonce that was not used before.
    fn has_token(&self, body: &str) -> bool {
        let (nonce, created) = (element(body, "Nonce"), element(body, "Created"));
        let mut hash = Sha1::new();
        hash.update(base64::prelude::BASE64_STANDARD.decode(nonce).unwrap_or_default());
        hash.update(created.as_bytes());
        hash.update(PASSWORD.as_bytes());
        let digest = base64::prelude::BASE64_STANDARD.encode(hash.finalize());
        // To the minute; with the minute before, since one may just have ended.
        let is_timely = [0, 60].iter().any(|shift| {
            let [year, month, day, hour, minute, _] = camera_time(Duration::from_secs(*shift));
            created.starts_with(&format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:"))
        });
        // A camera that hides its clock takes any time.
        let is_timely = is_timely || self.ways.login == Login::TokenAlways;
        let is_new = self.nonces.lock().unwrap().insert(nonce.to_owned());
        between(body, "<Username>", "</Username>") == USER
            && element(body, "Password") == digest
            && is_timely
            && is_new
    }
}

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// Answers questions on the loopback with what `answers` makes of them, from another port than it listens at. Several can run
/// side by side, and each hears everybody's questions.
pub fn answer_probes(answers: impl Fn(&str) -> Vec<Vec<u8>> + Send + 'static) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3702)).into()).unwrap();
    socket.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
    let socket = UdpSocket::from(socket);
    let other_port = UdpSocket::bind("127.0.0.1:0").unwrap();
    std::thread::spawn(move || {
        let mut question = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            for answer in answers(&String::from_utf8_lossy(&question[..length])) {
                // Whoever asked may have gone.
                let _ = other_port.send_to(&answer, from);
            }
        }
    });
}

/// An answer in the words of one maker.
pub fn probe_match(endpoint: &str, name: &str, xaddrs: &str) -> Vec<u8> {
    let id = Uuid::now_v7();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><s:Header><a:MessageID>uuid:{id}</a:MessageID></s:Header><s:Body>\
         <d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:{endpoint}</a:Address></a:EndpointReference>\
         <d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/name/{name} \
         onvif://www.onvif.org/hardware/STAND-1N onvif://www.onvif.org/Profile/Streaming</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs>\
         <d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    )
    .into_bytes()
}
