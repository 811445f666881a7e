//! The proxy between a client that only reads and cameras with habits of their own.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::message::{Item, Message, Reader};
use super::*;
use crate::ports::camera::{FailureKind, StreamNotice};

/// What a camera does.
#[derive(Clone, Default)]
struct Habits {
    public: &'static str,
    session: &'static str,
    /// Ends a session without a request for this long.
    patience: Option<Duration>,
    /// Values of `WWW-Authenticate`.
    asks: Vec<&'static str>,
    sdp: &'static str,
    base: &'static str,
    stray: &'static [u8],
    refuses_get_parameter: bool,
    moved_to: Option<String>,
    refuses_ranges: bool,
    /// Status of its answer to DESCRIBE, when it has too many viewers.
    busy: Option<u16>,
}

/// A camera on a port of its own, and the requests it gets.
fn camera(habits: Habits) -> (u16, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (habits, tell) = (habits.clone(), tell.clone());
            std::thread::spawn(move || serve(stream, &habits, &tell));
        }
    });
    (port, told)
}

fn serve(mut stream: TcpStream, habits: &Habits, tell: &std::sync::mpsc::Sender<Message>) {
    stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    let mut reader = Reader::default();
    let (mut heard, mut plays) = (Instant::now(), false);
    loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => reader.buffer.extend_from_slice(&piece[..count]),
            Err(_) => {}
        }
        while let Some(item) = reader.next_item() {
            let Item::Message(request) = item else { continue };
            heard = Instant::now();
            let answer = answer(&request, habits);
            plays |= request.first.starts_with("PLAY") && answer.contains("200 OK");
            let _ = tell.send(request);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        if habits.patience.is_some_and(|patience| heard.elapsed() > patience) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        if plays {
            let sent = stream.write_all(&[b'$', 0, 0, 4, 0x80, 96, 1, 2]);
            if sent.and_then(|()| stream.write_all(habits.stray)).is_err() {
                return;
            }
        }
    }
}

fn answer(request: &Message, habits: &Habits) -> String {
    let (method, _) = request.request().unwrap();
    let cseq = format!("CSeq: {}\r\n", request.header("cseq").unwrap());
    if !habits.asks.is_empty() && method != "OPTIONS" && !is_right(request) {
        let asks: Vec<_> = habits.asks.iter().map(|ask| format!("WWW-Authenticate: {ask}\r\n")).collect();
        let asks = asks.concat();
        return format!("RTSP/1.0 401 Unauthorized\r\n{cseq}{asks}\r\n");
    }
    let session = format!("Session: {}\r\n", habits.session);
    match method {
        "OPTIONS" => format!("RTSP/1.0 200 OK\r\n{cseq}Public: {}\r\n\r\n", habits.public),
        "DESCRIBE" => {
            if let Some(status) = habits.busy {
                return format!("RTSP/1.0 {status} Busy\r\n{cseq}\r\n");
            }
            if let Some(to) = &habits.moved_to {
                return format!("RTSP/1.0 302 Found\r\n{cseq}Location: {to}\r\n\r\n");
            }
            let (base, sdp) = (habits.base, habits.sdp);
            let length = sdp.len();
            format!("RTSP/1.0 200 OK\r\n{cseq}Content-Base: {base}\r\nContent-Length: {length}\r\n\r\n{sdp}")
        }
        "PLAY" if habits.refuses_ranges && request.header("range").is_some() => {
            format!("RTSP/1.0 457 Invalid Range\r\n{cseq}\r\n")
        }
        "GET_PARAMETER" if habits.refuses_get_parameter => {
            format!("RTSP/1.0 501 Not Implemented\r\n{cseq}\r\n")
        }
        _ => format!("RTSP/1.0 200 OK\r\n{cseq}{session}\r\n"),
    }
}

/// Of `admin` with `p@ss w0rd`: basic, and SHA-256 with quality and without.
fn is_right(request: &Message) -> bool {
    let Some(given) = request.header("authorization") else { return false };
    if let Some(basic) = given.strip_prefix("Basic ") {
        return basic == "YWRtaW46cEBzcyB3MHJk";
    }
    let value = |key: &str| {
        let at = given.find(&format!("{key}="))? + key.len() + 1;
        let rest = &given[at..];
        Some(rest.strip_prefix('"').map_or_else(
            || rest.split([',', ' ']).next().unwrap().to_owned(),
            |quoted| quoted.split('"').next().unwrap().to_owned(),
        ))
    };
    let hash = |text: String| hex::encode(Sha256::digest(text));
    let (method, url) = request.request().unwrap();
    let who = hash("admin:cam:p@ss w0rd".to_owned());
    let what = hash(format!("{method}:{url}"));
    let expected = match value("qop") {
        Some(qop) => {
            hash(format!("{who}:n:{}:{}:{qop}:{what}", value(" nc").unwrap(), value("cnonce").unwrap()))
        }
        None => hash(format!("{who}:n:{what}")),
    };
    value("algorithm").as_deref() == Some("SHA-256")
        && value(" uri").as_deref() == Some(url)
        && value("response") == Some(expected)
}

/// The client's side: asks and reads, as rtspsrc does.
struct Client {
    stream: TcpStream,
    reader: Reader,
    location: String,
    cseq: u32,
}

impl Client {
    fn new(location: String) -> Self {
        let host = location.strip_prefix("rtsp://").unwrap().split('/').next().unwrap().to_owned();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { stream, reader: Reader::default(), location, cseq: 40 }
    }

    fn item(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.reader.next_item() {
                return Some(item);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.reader.buffer.extend_from_slice(&piece[..count]),
            }
        }
    }

    fn ask(&mut self, method: &str, url: &str) -> Message {
        self.cseq += 1;
        write!(self.stream, "{method} {url} RTSP/1.0\r\nCSeq: {}\r\n\r\n", self.cseq).unwrap();
        loop {
            if let Item::Message(message) = self.item().expect("an answer") {
                assert_eq!(message.header("cseq"), Some(self.cseq.to_string().as_str()));
                return message;
            }
        }
    }

    fn play(&mut self) -> u16 {
        let url = self.location.clone();
        let mut status = 200;
        for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] {
            status = self.ask(method, &url).status().unwrap();
            if status != 200 {
                break;
            }
        }
        status
    }

    /// Packets within a time.
    fn packets(&mut self, within: Duration) -> usize {
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < within {
            match self.item() {
                Some(Item::Packet(_)) => count += 1,
                Some(Item::Message(message)) => panic!("{message:?} is none of the client's"),
                None => return count,
            }
        }
        count
    }
}

fn proxy(port: u16) -> (RtspProxy, Receiver<StreamFailure>) {
    let (tell, told) = channel();
    let address = Address::read(&format!("rtsp://admin:p@ss w0rd@127.0.0.1:{port}/ch1?a=b")).unwrap();
    let notices: NoticeSink = Arc::new(move |notice| {
        if let StreamNotice::Failed(failure) = notice {
            let _ = tell.send(failure);
        }
    });
    (RtspProxy::start(&address, "test", Some(notices)).unwrap(), told)
}

fn methods(told: &Receiver<Message>) -> Vec<String> {
    told.try_iter().map(|message| message.request().unwrap().0.to_owned()).collect()
}

#[test]
fn a_session_is_kept_alive_by_requests_the_camera_knows() {
    let all = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER";
    for (public, session, refuses, expected) in [
        (all, "12;timeout=1", false, "GET_PARAMETER"),
        ("OPTIONS, DESCRIBE, SETUP, PLAY", "12; Timeout = 1", false, "OPTIONS"),
        ("", "12;foo=1;timeout=1", false, "OPTIONS"),
        (all, "12;timeout=1", true, "OPTIONS"),
    ] {
        let patience = Some(Duration::from_millis(900));
        let habits =
            Habits { public, session, patience, refuses_get_parameter: refuses, ..Habits::default() };
        let (port, told) = camera(habits);
        let (proxy, failures) = proxy(port);
        let mut client = Client::new(proxy.location());
        assert_eq!(client.play(), 200);
        methods(&told);
        let packets = client.packets(Duration::from_millis(2_500));
        let asked = methods(&told);
        assert!(packets > 20 && asked.len() >= 3, "{packets} packets, {asked:?}");
        assert_eq!(asked.last().unwrap(), expected, "{public}: {asked:?}");
        assert!(failures.try_recv().is_err());
    }
}

#[test]
fn digests_are_answered_as_the_camera_asks() {
    for asks in [
        vec![r#"Digest realm="cam", nonce="n", qop="auth", algorithm=SHA-256"#],
        vec![r#"digest realm="cam", nonce="n", algorithm="sha-256""#],
        vec![
            r#"Digest realm="cam", nonce="n", qop="auth", algorithm=SHA-256"#,
            r#"Digest realm="cam", nonce="n", qop="auth", algorithm=MD5"#,
        ],
        vec![r#"Basic realm="cam", Digest realm="cam", nonce="n", algorithm=SHA-256, qop="auth""#],
        vec![r#"Basic realm="cam""#],
    ] {
        let (port, told) = camera(Habits { session: "1", asks: asks.clone(), ..Habits::default() });
        let (proxy, failures) = proxy(port);
        assert_eq!(Client::new(proxy.location()).play(), 200, "{asks:?}");
        let asked = methods(&told);
        assert_eq!(asked, ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "PLAY"], "{asks:?}");
        assert!(failures.try_recv().is_err());
    }
}

#[test]
fn what_cannot_be_answered_is_told_apart_from_a_wrong_password() {
    for (asks, kind, text) in [
        (r#"Digest realm="c", nonce="n", algorithm=SHA3-512"#, FailureKind::LoginScheme, "a SHA3-512 digest"),
        ("Negotiate", FailureKind::LoginScheme, "set it to MD5"),
        (r#"Digest realm="c", nonce="n""#, FailureKind::Unauthorized, "user or the password is wrong"),
        (r#"Digest realm="x", nonce="n", qop="auth", algorithm=SHA-256"#, FailureKind::Unauthorized, "wrong"),
    ] {
        let (port, told) = camera(Habits { asks: vec![asks], ..Habits::default() });
        let (proxy, failures) = proxy(port);
        assert_eq!(Client::new(proxy.location()).play(), 401, "{asks}");
        let failure = failures.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(failure.kind == kind && failure.text.contains(text), "{failure:?}");
        assert_eq!(proxy.failure(), Some(failure));
        // Cameras lock accounts: a password goes out once.
        let describes = methods(&told).iter().filter(|method| *method == "DESCRIBE").count();
        assert_eq!(describes, if kind == FailureKind::Unauthorized { 2 } else { 1 });
    }
}

#[test]
fn a_camera_with_too_many_viewers_is_told() {
    for status in [453, 503] {
        let (port, _told) = camera(Habits { busy: Some(status), ..Habits::default() });
        let (proxy, failures) = proxy(port);
        assert_eq!(Client::new(proxy.location()).play(), status);
        let failure = failures.recv_timeout(Duration::from_secs(5)).unwrap();
        let is_named =
            failure.text.contains(&status.to_string()) && failure.text.contains("too many viewers");
        assert!(failure.kind == FailureKind::Other && is_named, "{failure:?}");
        assert_eq!(proxy.failure(), Some(failure));
    }
}

#[test]
fn addresses_are_translated_there_and_back() {
    let sdp = "v=0\r\na=control:rtsp://192.168.7.64:554/ch1/\r\nm=video 0 RTP/AVP 96\r\na=control:RTSP://10.0.0.1/t1\r\n";
    let (port, told) = camera(Habits { base: "rtsp://192.168.7.64/ch1/", sdp, ..Habits::default() });
    let (proxy, _) = proxy(port);
    let mut client = Client::new(proxy.location());
    let location = client.location.clone();
    let described = client.ask("DESCRIBE", &location);
    let front = location.strip_suffix(&format!("127.0.0.1:{port}/ch1?a=b")).unwrap().to_owned();
    assert_eq!(described.header("content-base"), Some(format!("{front}192.168.7.64/ch1/").as_str()));
    let body = String::from_utf8(described.body).unwrap();
    assert!(body.contains(&format!("a=control:{front}192.168.7.64:554/ch1/\r\n")), "{body}");
    assert!(body.contains(&format!("a=control:{front}10.0.0.1/t1\r\n")), "{body}");
    client.ask("SETUP", &format!("{front}192.168.7.64/ch1/trackID=1"));
    let own_host = front.split_inclusive('/').take(3).collect::<String>();
    client.ask("SETUP", &format!("{own_host}trackID=2"));
    let urls: Vec<_> = told.try_iter().map(|message| message.request().unwrap().1.to_owned()).collect();
    assert_eq!(urls[0], format!("rtsp://127.0.0.1:{port}/ch1?a=b"));
    assert_eq!(urls[1], "rtsp://192.168.7.64/ch1/trackID=1");
    assert_eq!(urls[2], format!("rtsp://127.0.0.1:{port}/trackID=2"));
}

#[test]
fn a_redirection_leads_through_the_proxy_again() {
    let (there, told) = camera(Habits::default());
    let moved_to = Some(format!("rtsp://127.0.0.1:{there}/other"));
    let (here, _) = camera(Habits { moved_to, ..Habits::default() });
    let (proxy, _) = proxy(here);
    let mut client = Client::new(proxy.location());
    let moved = client.ask("DESCRIBE", &proxy.location());
    assert_eq!(moved.status(), Some(302));
    let to = moved.header("location").unwrap().to_owned();
    drop(client);
    assert_eq!(Client::new(to.clone()).ask("DESCRIBE", &to).status(), Some(200));
    assert_eq!(
        told.recv().unwrap().request(),
        Some(("DESCRIBE", format!("rtsp://127.0.0.1:{there}/other").as_str()))
    );
}

#[test]
fn stray_bytes_and_strangers_do_not_get_through() {
    for stray in [&b"\0\0\0\0"[..], b"\r\n", b"junk", b"$\x05\xff\xff\0"] {
        let (port, _told) = camera(Habits { stray, session: "1", ..Habits::default() });
        let (proxy, _) = proxy(port);
        let mut client = Client::new(proxy.location());
        assert_eq!(client.play(), 200);
        assert!(client.packets(Duration::from_millis(400)) > 3, "{stray:?}");
        assert_eq!(client.reader.stray, 0, "{stray:?}");
    }
    let (port, told) = camera(Habits::default());
    let (proxy, _) = proxy(port);
    let mut stranger = Client::new(proxy.location());
    write!(stranger.stream, "OPTIONS rtsp://127.0.0.1/0000/127.0.0.1:{port}/ch1 RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        .unwrap();
    assert!(
        stranger.item().is_none() && told.try_recv().is_err(),
        "without the key nothing reaches the camera"
    );
}

#[test]
fn a_camera_that_takes_no_range_is_asked_without() {
    for refuses_ranges in [true, false] {
        let (port, told) = camera(Habits { refuses_ranges, session: "1", ..Habits::default() });
        let (proxy, _failures) = proxy(port);
        let mut client = Client::new(proxy.location());
        let url = client.location.clone();
        write!(client.stream, "PLAY {url} RTSP/1.0\r\nCSeq: 1\r\nSession: 1\r\nRange: npt=0-\r\n\r\n")
            .unwrap();
        let Some(Item::Message(answer)) = client.item() else { panic!("no answer") };
        assert_eq!((answer.status(), answer.header("cseq")), (Some(200), Some("1")));
        let asked: Vec<_> = told.try_iter().collect();
        let ranges: Vec<_> = asked.iter().map(|request| request.header("range").is_some()).collect();
        assert_eq!(ranges, if refuses_ranges { vec![true, false] } else { vec![true] });
    }
}

#[test]
fn a_camera_that_is_not_there_or_hangs_up_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (proxy, failures) = proxy(port);
    let mut client = Client::new(proxy.location());
    write!(client.stream, "OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", proxy.location()).unwrap();
    assert!(client.item().is_none());
    let failure = failures.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        failure.kind == FailureKind::Refused && failure.text.ends_with(&format!(":{port}")),
        "{failure:?}"
    );
    for banner in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\0"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let mut peer = listener.accept().unwrap().0;
            peer.write_all(banner.as_bytes()).unwrap();
            // Stays open until the proxy gives up.
            while matches!(peer.read(&mut [0; 100]), Ok(1..)) {}
        });
        let (proxy, failures) = self::proxy(port);
        let mut client = Client::new(proxy.location());
        write!(client.stream, "OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", proxy.location()).unwrap();
        let failure = failures.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(failure.text.contains("does not speak RTSP"), "{failure:?}");
        served.join().unwrap();
    }
    let (port, _told) = camera(Habits { patience: Some(Duration::from_millis(200)), ..Habits::default() });
    let (proxy, failures) = self::proxy(port);
    let mut client = Client::new(proxy.location());
    assert_eq!(client.play(), 200);
    client.packets(Duration::from_secs(2));
    assert!(failures.recv_timeout(Duration::from_secs(5)).unwrap().text.contains("closed the connection"));
}
