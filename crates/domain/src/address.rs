//! Addresses of cameras as an installer types them: with a password in which any character may stand.

use core::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A user name and a password as they are, without any escapes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// May be empty.
    pub user: String,
    /// May be empty.
    pub password: String,
}

/// Never shows a password.
impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Login(***)")
    }
}

impl Login {
    /// Whether there is nothing to log in with.
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.password.is_empty()
    }
}

/// An address taken apart: `scheme://user:password@rest`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// In small letters.
    pub scheme: String,
    /// Empty where the address names nobody.
    pub login: Login,
    /// Host, port, path and query, as they were typed.
    pub rest: String,
}

/// Never shows a password.
impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&super::secrets::mask_url(&self.without_login()))
    }
}

impl Address {
    /// Takes an address apart. `None`: it has no scheme, and is a path or a device.
    ///
    /// A password may hold `@ # / ? :` and blanks, so the login ends at the last `@`; only where what follows an earlier
    /// one looks more like a host is an `@` of the path or the query.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !is_scheme {
            return None;
        }
        let (login, rest) = match login_end(rest) {
            Some(at) => (read_login(&rest[..at]), &rest[at + 1..]),
            None => (Login::default(), rest),
        };
        Some(Self { scheme: scheme.to_ascii_lowercase(), login, rest: rest.to_owned() })
    }

    /// As every reader of URLs takes it, with escapes where the login needs them.
    pub fn canonical(&self) -> String {
        if self.login.is_empty() {
            return self.without_login();
        }
        let Login { user, password } = &self.login;
        let password = if password.is_empty() { String::new() } else { format!(":{}", escaped(password)) };
        format!("{}://{}{password}@{}", self.scheme, escaped(user), self.rest)
    }

    /// The same at another host, where it is one of `from`; login, port and path stay.
    pub fn moved(self, from: &str, to: &str) -> Option<String> {
        let end = self.rest.find(['/', '?', '#']).unwrap_or(self.rest.len());
        let (authority, path) = self.rest.split_at(end);
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = authority.strip_prefix(bracketed(from).as_str())?;
        if !(port.is_empty() || port.starts_with(':')) {
            return None;
        }
        let rest = format!("{}{port}{path}", bracketed(to));
        Some(Self { rest, ..self }.canonical())
    }

    /// Without user and password.
    pub fn without_login(&self) -> String {
        format!("{}://{}", self.scheme, self.rest)
    }
}

/// Where in `user:password@host/path` the `@` before the host is.
fn login_end(text: &str) -> Option<usize> {
    let authority = text.find(['/', '?', '#']).unwrap_or(text.len());
    let near = text[..authority].rfind('@');
    let far = text.rfind('@').filter(|at| *at > authority);
    let Some(far) = far else { return near };
    let likeness_far = host_likeness(&text[far + 1..]);
    match near {
        Some(near) if host_likeness(&text[near + 1..]) > likeness_far => Some(near),
        Some(_) => Some(far),
        // Without a colon there is no password the `@` could belong to.
        None if !text[..authority].contains(':') || host_likeness(text) > likeness_far => None,
        None => (likeness_far > 0).then_some(far),
    }
}

/// How much the beginning of a text looks like a host: 3 an IP address, 2 a name with dots, 1 any other name, 0 none.
fn host_likeness(text: &str) -> u8 {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let authority = &text[..end];
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or((!port.is_empty()).then_some("x"))),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return 0;
    }
    if host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
        return 3;
    }
    let is_name = !host.is_empty()
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !host.starts_with(['.', '-'])
        && !host.contains("..");
    match (is_name, host.contains('.')) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// The user ends at the first colon: no maker allows one in a name.
fn read_login(text: &str) -> Login {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Login { user: unescaped(user), password: unescaped(password) }
}

/// `%40` is `@`; what is no escape stays as it is.
fn unescaped(text: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = match bytes.get(at..at + 3) {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Everything but letters, digits and `- . _ ~` (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String, String) {
        let Address { login: Login { user, password }, rest, .. } = Address::read(text).unwrap();
        (user, password, rest)
    }

    #[test]
    fn an_address_moves_with_its_device_and_no_other_does() {
        for (text, moved) in [
            ("rtsp://192.168.1.2/ch1", Some("rtsp://192.168.1.9/ch1")),
            ("rtsp://admin:p@ss@192.168.1.2:554/ch1", Some("rtsp://admin:p%40ss@192.168.1.9:554/ch1")),
            ("http://192.168.1.2", Some("http://192.168.1.9")),
            ("rtsp://192.168.1.25/ch1", None),
            ("rtsp://10.0.0.1/192.168.1.2", None),
        ] {
            let found = Address::read(text).unwrap().moved("192.168.1.2", "192.168.1.9");
            assert_eq!(found.as_deref(), moved, "{text}");
        }
        let v6 = Address::read("rtsp://[fd00::5]:554/x").unwrap().moved("fd00::5", "fd00::9");
        assert_eq!(v6.as_deref(), Some("rtsp://[fd00::9]:554/x"));
    }

    #[test]
    fn passwords_are_read_as_they_are_typed() {
        for password in [
            "pass w0rd",
            "p@ss#w0rd",
            "pa/ssw0rd",
            "p?ss",
            "a:b",
            "12/34",
            "#1?",
            "@",
            "a@b/c@d",
            "100%sure",
            "x://y",
            "p@ss/w@rd",
        ] {
            for rest in
                ["192.168.1.64/ch1", "192.168.1.64:554/a?b=1&c=2", "h/x", "[fd00::5]:554/x", "cam.local"]
            {
                let typed = format!("rtsp://admin:{password}@{rest}");
                let expected = ("admin".to_owned(), password.to_owned(), rest.to_owned());
                assert_eq!(read(&typed), expected, "{typed}");
                // Whoever reads it as a URL finds the same.
                let canonical = Address::read(&typed).unwrap().canonical();
                assert_eq!(read(&canonical), expected, "{canonical}");
                assert!(url::Url::parse(&canonical).unwrap().has_host(), "{canonical}");
            }
        }
    }

    #[test]
    fn an_at_of_the_path_is_none_of_the_login() {
        let none = |rest: &str| (String::new(), String::new(), rest.to_owned());
        for rest in ["h/x?y=a@b", "192.168.1.64:554/x@y", "cam.local:554/a@b", "h/x ! filesink", ""] {
            assert_eq!(read(&format!("rtsp://{rest}")), none(rest));
        }
        let expected = ("u".to_owned(), "p@ss".to_owned(), "10.0.0.1:554/x?y=a@b".to_owned());
        assert_eq!(read("rtsp://u:p%40ss@10.0.0.1:554/x?y=a@b"), expected);
        assert_eq!(read("rtsp://u:p@ss@10.0.0.1:554/x?y=a@b"), expected);
        for text in ["/dev/video0", "clip.mp4", "", "a b://h"] {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_password_comes_back(user in "[a-z]{1,8}", password in "[ -~]{0,20}|[\\PC]{0,8}") {
            // An escape in what is typed is one; anything else is the password.
            proptest::prop_assume!(!password.contains('%'));
            let address = Address {
                scheme: "rtsp".to_owned(),
                login: Login { user: user.clone(), password: password.clone() },
                rest: "192.168.1.64:554/ch1?x=1".to_owned(),
            };
            assert_eq!(Address::read(&address.canonical()).unwrap(), address);
            let typed = format!("rtsp://{user}:{password}@192.168.1.64:554/ch1?x=1");
            assert_eq!(Address::read(&typed).unwrap(), address);
        }
    }
}
