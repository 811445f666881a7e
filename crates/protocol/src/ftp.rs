//! The control connection of FTP (RFC 959, RFC 2428), as far as a camera that uploads needs it: lines in, actions out. Nothing
//! of what it names exists: folders are made and entered in words only, and a file is a photo that goes to the face engine.
//!
//! Commands that would read, list or delete are refused. Names are bounded and may not leave the top.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use menshen_domain::limits;

/// A reply: code and text.
pub type Reply = (u16, &'static str);

/// What is to be done about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send it.
    Reply(Reply),
    /// A reply that carries a path, quoted as the standard wants it.
    ReplyPath(u16, String),
    /// Send these lines.
    Lines(&'static str),
    /// Check the password, then set [`ControlSession::is_logged_in`].
    Login {
        /// As given with USER.
        user: String,
        /// As given with PASS.
        password: String,
    },
    /// Wait for a data connection; `extended`: answer with the port only.
    Passive {
        /// EPSV: the reply carries only the port.
        extended: bool,
    },
    /// Connect back, to the client's own address only.
    Active(SocketAddr),
    /// Take a file. Whether it is a photo its first bytes say.
    Receive {
        /// Its name says so: one that is none is refused, and not thrown away in silence.
        claims_photo: bool,
    },
    /// Say so, and encrypt from then on.
    StartTls,
    /// Encrypt data connections, or no longer.
    Protect(bool),
    /// Say goodbye and close.
    Quit,
}

/// Encryption of a conversation (RFC 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// There is none.
    #[default]
    None,
    /// The client may ask for it.
    Offered,
    /// It must, before it logs in.
    Required,
    /// It is on.
    On,
}

/// One conversation.
#[derive(Debug, Default)]
pub struct ControlSession {
    user: Option<String>,
    /// Set by the server once the password was right.
    pub is_logged_in: bool,
    /// What the server can do and insists on.
    pub tls: Tls,
    folder: Vec<String>,
    /// A rename was announced.
    is_renaming: bool,
    /// Names come in some older encoding, one byte a character as far as this is concerned.
    has_old_names: bool,
}

const NOT_HERE: Reply = (550, "Nothing is kept here: this server only takes photos.");
const NOT_BUILT: Reply = (502, "Not here: this server only takes photos.");
const BAD_PATH: Reply = (553, "The path is too long, too deep, or leaves the top.");
const OK: Reply = (200, "OK.");

impl ControlSession {
    /// A conversation that has just begun.
    pub fn new(tls: Tls) -> Self {
        Self { tls, ..Self::default() }
    }

    /// Takes one line of the client, with or without its end, and says what to do about it.
    pub fn answer(&mut self, line: &[u8]) -> Action {
        let text = if let Ok(text) = std::str::from_utf8(line) {
            text.to_owned()
        } else {
            // GBK, Latin-1 and whatever else: each byte is kept, and goes back as it came.
            self.has_old_names = true;
            line.iter().copied().map(char::from).collect()
        };
        let Some((verb, argument)) = split(&text) else {
            return Action::Reply((500, "This is no command."));
        };
        let is_renaming = std::mem::take(&mut self.is_renaming);
        match (verb.as_str(), self.is_logged_in) {
            ("QUIT", _) => Action::Quit,
            ("NOOP" | "OPTS", _) => Action::Reply(OK),
            ("SYST", _) => Action::Reply((215, "UNIX Type: L8")),
            ("FEAT", _) if self.tls == Tls::None => {
                Action::Lines("211-Features:\r\n EPSV\r\n UTF8\r\n211 End\r\n")
            }
            ("FEAT", _) => {
                Action::Lines("211-Features:\r\n AUTH TLS\r\n EPSV\r\n PBSZ\r\n PROT\r\n UTF8\r\n211 End\r\n")
            }
            ("AUTH" | "PROT" | "PBSZ" | "CCC", _) => self.secure(&verb, argument),
            ("USER" | "PASS", false) if self.tls == Tls::Required => {
                Action::Reply((530, "Encrypt first: AUTH TLS."))
            }
            ("USER", false) => self.set_user(argument),
            ("PASS", false) => match self.user.take() {
                Some(user) => Action::Login { user, password: argument.to_owned() },
                None => Action::Reply((503, "USER first.")),
            },
            // A login begins anew at any time (RFC 959, section 4.1.1).
            ("USER", true) => {
                self.restart();
                self.set_user(argument)
            }
            ("PASS", true) => Action::Reply((503, "Logged in already.")),
            ("REIN", _) => {
                self.restart();
                Action::Reply((220, "Begin anew."))
            }
            (_, false) => Action::Reply((530, "Log in first.")),
            (verb, true) => self.run(verb, argument, is_renaming),
        }
    }

    /// Data stays in the clear until the client asks otherwise, as the standard has it.
    fn secure(&mut self, verb: &str, argument: &str) -> Action {
        let argument = argument.to_ascii_uppercase();
        match (verb, self.tls, argument.as_str()) {
            (_, Tls::None, _) => Action::Reply(NOT_BUILT),
            ("AUTH", Tls::On, _) => Action::Reply((503, "It is encrypted already.")),
            ("AUTH", _, "TLS" | "TLS-C" | "SSL" | "TLS-P") => {
                // What was said before it was in the clear, and may be somebody else's.
                self.restart();
                self.tls = Tls::On;
                Action::StartTls
            }
            ("AUTH", ..) => Action::Reply((504, "AUTH TLS.")),
            ("CCC", ..) => Action::Reply((533, "It stays encrypted.")),
            (_, Tls::Offered | Tls::Required, _) => Action::Reply((503, "AUTH TLS first.")),
            ("PBSZ", ..) => Action::Reply((200, "PBSZ=0")),
            ("PROT", _, "P") => Action::Protect(true),
            ("PROT", _, "C") => Action::Protect(false),
            _ => Action::Reply((536, "PROT P or PROT C.")),
        }
    }

    fn restart(&mut self) {
        *self = Self { has_old_names: self.has_old_names, tls: self.tls, ..Self::default() };
    }

    /// A path as the client named its parts.
    pub fn path_bytes(&self, path: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(path.len());
        for c in path.chars() {
            match u8::try_from(c) {
                Ok(byte) if self.has_old_names => out.push(byte),
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out
    }

    fn set_user(&mut self, argument: &str) -> Action {
        if argument.is_empty() {
            return Action::Reply((501, "USER needs a name."));
        }
        self.user = Some(argument.to_owned());
        Action::Reply((331, "Password?"))
    }

    fn run(&mut self, verb: &str, argument: &str, is_renaming: bool) -> Action {
        match verb {
            "TYPE" | "ALLO" | "CLNT" | "ACCT" => Action::Reply(OK),
            "MODE" if argument.eq_ignore_ascii_case("S") => Action::Reply(OK),
            "STRU" if argument.eq_ignore_ascii_case("F") => Action::Reply(OK),
            "MODE" | "STRU" => Action::Reply((504, "Only stream mode and files.")),
            "REST" if argument == "0" => Action::Reply((350, "From the beginning.")),
            "PWD" | "XPWD" => Action::ReplyPath(257, shown(&self.folder)),
            "CWD" | "XCWD" => self.enter(argument),
            "CDUP" | "XCUP" => self.enter(".."),
            "MKD" | "XMKD" => match self.resolve(argument) {
                Some(path) if !path.is_empty() => Action::ReplyPath(257, shown(&path)),
                _ => Action::Reply(BAD_PATH),
            },
            "PASV" => Action::Passive { extended: false },
            "EPSV" if argument.eq_ignore_ascii_case("ALL") => Action::Reply(OK),
            "EPSV" => Action::Passive { extended: true },
            "PORT" => port(argument).map_or(Action::Reply((501, "PORT h1,h2,h3,h4,p1,p2")), Action::Active),
            "EPRT" => eprt(argument).map_or(Action::Reply((501, "EPRT |1|address|port|")), Action::Active),
            "STOR" | "APPE" => match self.resolve(argument) {
                Some(path) if !path.is_empty() => {
                    Action::Receive { claims_photo: path.last().is_some_and(|name| claims_photo(name)) }
                }
                _ => Action::Reply(BAD_PATH),
            },
            "STOU" => Action::Receive { claims_photo: true },
            "ABOR" => Action::Reply((226, "Nothing is under way.")),
            // Some cameras upload under another name and rename: nothing is kept, so there is nothing to do.
            "RNFR" if self.resolve(argument).is_some() => {
                self.is_renaming = true;
                Action::Reply((350, "To what?"))
            }
            "RNTO" if is_renaming && self.resolve(argument).is_some() => Action::Reply((250, "OK.")),
            "RNFR" | "RNTO" => Action::Reply(BAD_PATH),
            "RETR" | "LIST" | "NLST" | "MLSD" | "MLST" | "DELE" | "RMD" | "XRMD" | "SIZE" | "MDTM" => {
                Action::Reply(NOT_HERE)
            }
            _ => Action::Reply(NOT_BUILT),
        }
    }

    /// Above the top is the top, as other servers have it.
    fn enter(&mut self, argument: &str) -> Action {
        match self.resolve_from(argument, |path| drop(path.pop())) {
            Some(path) => {
                self.folder = path;
                Action::Reply((250, "OK."))
            }
            None => Action::Reply(BAD_PATH),
        }
    }

    /// A path as names from the top; `None` when it is too long or too deep, leaves the top, or holds what no path does.
    fn resolve(&self, argument: &str) -> Option<Vec<String>> {
        let mut has_left = false;
        let path = self.resolve_from(argument, |path| has_left |= path.pop().is_none());
        path.filter(|_| !has_left)
    }

    /// `up` goes up by one.
    fn resolve_from(&self, argument: &str, mut up: impl FnMut(&mut Vec<String>)) -> Option<Vec<String>> {
        if argument.is_empty() || argument.len() > limits::FTP_PATH_BYTES_MAX {
            return None;
        }
        let argument = argument.replace('\\', "/");
        if argument.chars().any(|c| c.is_ascii_control()) {
            return None;
        }
        let mut path = if argument.starts_with('/') { Vec::new() } else { self.folder.clone() };
        for name in argument.split('/').filter(|name| !name.is_empty() && *name != ".") {
            if name == ".." {
                up(&mut path);
            } else {
                path.push(name.to_owned());
            }
        }
        let length: usize = path.iter().map(|name| name.len() + 1).sum();
        (path.len() <= limits::FTP_DEPTH_MAX && length <= limits::FTP_PATH_BYTES_MAX).then_some(path)
    }
}

fn shown(path: &[String]) -> String {
    // Quotes are doubled (RFC 959, appendix II).
    format!("/{}", path.join("/")).replace('"', "\"\"")
}

/// Verb in capitals and argument; `None` for what is no command.
fn split(line: &str) -> Option<(String, &str)> {
    let text = line.trim_end_matches(['\r', '\n', '\0']);
    // A telnet interrupt before ABOR.
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    let is_verb = (3..=4).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_alphabetic());
    // Not every blank is one in an older encoding.
    is_verb.then(|| (verb.to_ascii_uppercase(), argument.trim_matches([' ', '\t'])))
}

/// Whether a name promises a photo. Videos, logs, the file of a test button and those by which recorders mark a folder
/// (`DVRWorkDirectory`) are taken and thrown away, so that the camera is content.
fn claims_photo(name: &str) -> bool {
    let Some((_, ending)) = name.rsplit_once('.') else { return false };
    ["jpg", "jpeg", "jpe", "png", "webp", "bmp"].contains(&ending.to_ascii_lowercase().as_str())
}

/// `h1,h2,h3,h4,p1,p2`
fn port(argument: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = argument.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// `|1|132.235.1.2|6275|`
fn eprt(argument: &str) -> Option<SocketAddr> {
    let delimiter = argument.chars().next().filter(char::is_ascii_punctuation)?;
    let mut parts = argument[1..].split(delimiter);
    let (family, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    let address: IpAddr = address.parse().ok()?;
    let fits = (family == "1") == address.is_ipv4() && matches!(family, "1" | "2");
    fits.then_some(SocketAddr::new(address, port.parse().ok()?))
}

/// The text of a passive reply.
pub fn passive_reply(address: Ipv4Addr, port: u16) -> String {
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(deed: &Action) -> u16 {
        match deed {
            Action::Reply((code, _)) | Action::ReplyPath(code, _) => *code,
            other => panic!("no reply: {other:?}"),
        }
    }

    fn inside() -> ControlSession {
        ControlSession { is_logged_in: true, ..ControlSession::default() }
    }

    #[test]
    fn encryption_is_offered_where_there_is_some_and_insisted_on_where_it_must_be() {
        let mut plain = ControlSession::default();
        for line in ["AUTH TLS", "PBSZ 0", "PROT P"] {
            assert_eq!(code(&plain.answer(line.as_bytes())), 502, "{line}");
        }
        let mut talk = ControlSession { tls: Tls::Required, ..ControlSession::default() };
        for (line, expected) in [
            ("USER cam1", 530),
            ("PASS x", 530),
            ("PROT P", 503),
            ("PBSZ 0", 503),
            ("AUTH KERBEROS_V4", 504),
            ("AUTH", 504),
        ] {
            assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
        }
        let mut offered = ControlSession { tls: Tls::Offered, ..ControlSession::default() };
        assert_eq!(code(&offered.answer(b"USER cam1")), 331, "who does not encrypt may log in");
        assert_eq!(offered.answer(b"auth tls"), Action::StartTls);
        assert_eq!(code(&offered.answer(b"PASS x")), 503, "the name was said in the clear");
        assert_eq!(talk.answer(b"AUTH SSL"), Action::StartTls);
        assert_eq!(code(&talk.answer(b"AUTH TLS")), 503);
        assert_eq!(code(&talk.answer(b"PBSZ 0")), 200);
        assert_eq!(talk.answer(b"PROT P"), Action::Protect(true));
        assert_eq!(talk.answer(b"prot c"), Action::Protect(false));
        for (line, expected) in [("PROT S", 536), ("PROT E", 536), ("CCC", 533)] {
            assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
        }
        assert!(matches!(talk.answer(b"FEAT"), Action::Lines(lines) if lines.contains("AUTH TLS")));
        talk.answer(b"REIN");
        assert_eq!(talk.tls, Tls::On, "it stays encrypted");
    }

    #[test]
    fn nothing_is_done_before_a_login() {
        let mut talk = ControlSession::default();
        for line in ["STOR a.jpg", "PASV", "CWD /", "PORT 1,2,3,4,5,6", "LIST"] {
            assert_eq!(code(&talk.answer(line.as_bytes())), 530, "{line}");
        }
        assert_eq!(code(&talk.answer(b"PASS x")), 503);
        assert_eq!(code(&talk.answer(b"user cam1\r\n")), 331);
        let login = Action::Login { user: "cam1".into(), password: "p w".into() };
        assert_eq!(talk.answer(b"PASS p w\r\n"), login);
        assert_eq!(code(&talk.answer(b"PASS again")), 503, "a name is for one try");
    }

    #[test]
    fn folders_exist_in_words_and_have_a_top() {
        let mut talk = inside();
        for line in ["MKD 2026-11-25", "CWD 2026-11-25", "MKD /a/b", "CWD ./x//y", "CDUP", "RNFR a.tmp"] {
            assert!(code(&talk.answer(line.as_bytes())) < 400, "{line}");
        }
        assert_eq!(code(&talk.answer(b"RNTO a.jpg")), 250);
        assert_eq!(talk.answer(b"PWD"), Action::ReplyPath(257, "/2026-11-25/x".into()));
        for line in
            ["STOR ../../../etc/passwd", "STOR ..\\..\\..\\x.jpg", "MKD /", "STOR /", "CWD a\u{1}b", "RNTO x"]
        {
            assert_eq!(code(&talk.answer(line.as_bytes())), 553, "{line}");
        }
        let deep = format!("CWD {}", "a/".repeat(limits::FTP_DEPTH_MAX + 1));
        assert_eq!(code(&talk.answer(deep.as_bytes())), 553);
        for _ in 0..1000 {
            talk.answer(b"CWD aaaaaaaa");
        }
        assert!(talk.folder.len() <= limits::FTP_DEPTH_MAX);
    }

    #[test]
    fn only_uploads_are_taken() {
        let mut talk = inside();
        for line in ["RETR a.jpg", "DELE a.jpg", "LIST", "NLST /", "RMD a", "SIZE a.jpg"] {
            assert_eq!(code(&talk.answer(line.as_bytes())), 550, "{line}");
        }
        for line in ["SITE EXEC id", "STAT", "HELP", "XYZ", "AUTH TLS"] {
            assert_eq!(code(&talk.answer(line.as_bytes())), 502, "{line}");
        }
        for line in ["", " ", "\u{ff}\u{fe}", "STORAGE a", "12 34"] {
            assert_eq!(code(&talk.answer(line.as_bytes())), 500, "{line}");
        }
        assert_eq!(code(&talk.answer(&[0xff, 0xfe, 0x80])), 500);
        assert_eq!(code(&talk.answer(b"REST 100")), 502);
        for (line, claims_photo) in [
            ("STOR a.jpg", true),
            ("APPE 2026/a.JPEG", true),
            ("STOR a.webp", true),
            ("STOU", true),
            ("STOR DVRWorkDirectory", false),
            ("STOR a.jpg_", false),
            ("STOR x.filepart", false),
            ("STOR clip.mp4", false),
            ("STOR test.txt", false),
        ] {
            assert_eq!(talk.answer(line.as_bytes()), Action::Receive { claims_photo }, "{line}");
        }
    }

    #[test]
    fn names_in_older_encodings_come_back_as_they_were() {
        for name in [
            // GBK, Latin-1, Shift JIS with a backslash as its second byte; UTF-8.
            &b"\xd2\xbb\xba\xc5\xc3\xc5"[..],
            b"Eingang-S\xfcd",
            b"\x81\xa0 \xa0",
            b"a\"b",
            "一号门".as_bytes(),
        ] {
            let mut talk = inside();
            assert_eq!(code(&talk.answer(&[b"MKD ", name, b"\r\n"].concat())), 257, "{name:x?}");
            assert_eq!(code(&talk.answer(&[b"CWD ", name, b"\r\n"].concat())), 250, "{name:x?}");
            let Action::ReplyPath(_, path) = talk.answer(b"PWD") else { panic!() };
            let shown = [b"/", name].concat();
            let expected = if name.contains(&b'"') { b"/a\"\"b".to_vec() } else { shown };
            assert_eq!(talk.path_bytes(&path), expected, "{name:x?}");
            let photo = [b"STOR ", name, b"/\xd7\xa5\xc5\xc4.jpg"].concat();
            assert_eq!(talk.answer(&photo), Action::Receive { claims_photo: true });
        }
    }

    #[test]
    fn above_the_top_is_the_top() {
        let mut talk = inside();
        for line in ["CDUP", "CWD ..", "XCUP", "CWD ../../..", "CWD /..", "CWD a", "CDUP", "CDUP"] {
            assert_eq!(code(&talk.answer(line.as_bytes())), 250, "{line}");
        }
        assert_eq!(talk.answer(b"PWD"), Action::ReplyPath(257, "/".into()));
        assert_eq!(code(&talk.answer(b"STOR ../a.jpg")), 553, "a file there is somebody else's");
    }

    #[test]
    fn a_login_begins_anew_at_any_time() {
        for line in ["USER cam2", "user cam1", "REIN"] {
            let mut talk = inside();
            talk.answer(b"CWD a");
            let expected = if line == "REIN" { 220 } else { 331 };
            assert_eq!(code(&talk.answer(line.as_bytes())), expected, "{line}");
            assert!(!talk.is_logged_in && talk.folder.is_empty());
            assert_eq!(code(&talk.answer(b"PASV")), 530, "{line}");
        }
        let mut talk = inside();
        assert_eq!(code(&talk.answer(b"PASS x")), 503);
    }

    #[test]
    fn addresses_are_read_and_written() {
        let mut talk = inside();
        assert_eq!(talk.answer(b"PORT 10,0,0,9,4,1"), Action::Active("10.0.0.9:1025".parse().unwrap()));
        assert_eq!(talk.answer(b"EPRT |2|::1|6275|"), Action::Active("[::1]:6275".parse().unwrap()));
        for line in
            ["PORT 1,2,3", "PORT 1,2,3,4,5,999", "EPRT |1|::1|1|", "EPRT", "EPRT |1|1.2.3.4|99999|", "EPRT é"]
        {
            assert_eq!(code(&talk.answer(line.as_bytes())), 501, "{line}");
        }
        assert_eq!(
            passive_reply(Ipv4Addr::new(10, 0, 0, 1), 50_000),
            "227 Entering Passive Mode (10,0,0,1,195,80)."
        );
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_answered(lines in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..80), 1..20)) {
            let mut talk = inside();
            for line in lines {
                let _ = talk.answer(&line);
                assert!(talk.folder.len() <= limits::FTP_DEPTH_MAX);
            }
        }
    }
}
