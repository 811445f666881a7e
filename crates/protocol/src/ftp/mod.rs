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
        /// It may be the rest of a file whose beginning came before. Nothing is kept of that.
        may_be_rest: bool,
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
    /// The client wanted to go on in the middle of a file (REST).
    wants_rest: bool,
    /// Names come in some older encoding, one byte a character as far as this is concerned.
    has_old_names: bool,
}

const NOT_HERE: Reply = (550, "Nothing is kept here: this server only takes photos.");
const NOT_BUILT: Reply = (502, "Not here: this server only takes photos.");
/// RFC 959 has 502 for REST; a client that gets it sends the file from its beginning.
const WHOLE_ONLY: Reply = (502, "Photos are taken whole: send it from its beginning.");
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
            "REST" => {
                // One that does not listen sends the rest as if it were a file.
                self.wants_rest = true;
                Action::Reply(WHOLE_ONLY)
            }
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
            // A file that is not there is made by APPE too (RFC 959, section 4.1.3), and here none is ever there.
            "STOR" | "APPE" => match (self.resolve(argument), std::mem::take(&mut self.wants_rest)) {
                (Some(path), wants_rest) if !path.is_empty() => Action::Receive {
                    claims_photo: path.last().is_some_and(|name| claims_photo(name)),
                    may_be_rest: wants_rest || verb == "APPE",
                },
                _ => Action::Reply(BAD_PATH),
            },
            "STOU" => {
                Action::Receive { claims_photo: true, may_be_rest: std::mem::take(&mut self.wants_rest) }
            }
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
mod tests;
