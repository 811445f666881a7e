//! Logins inside addresses are never shown.

/// Keys whose values open something, in queries and, of some makers, in paths: `/user=admin_password=x_channel=1_stream=0.sdp`.
const SECRET_KEYS: &[&str] =
    &["password=", "passwd=", "pwd=", "pass=", "psw=", "passphrase=", "auth=", "token=", "secret="];
/// Keys that follow a password in an address. Anything else may be a part of it.
const KEYS_BEHIND: &[&str] = &["channel=", "stream=", "subtype=", "user=", "username=", "unicast=", "proto="];
/// What takes the place of a secret.
const MASK: &str = "***";
/// What stands between a scheme and a host.
const MARKS: [char; 3] = [':', '/', '\\'];

/// `rtsp://user:pass@host/x?pwd=y` → `rtsp://***:***@host/x?pwd=***`, in every line of a text.
///
/// A password may hold anything, also a blank, a quote or `://`, so everything from the first address of a line to the last
/// `@` behind it is hidden: rather too much than a piece of a password.
pub fn mask_credentials(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let mask = |line: &str| {
        let Some(at) = address_start(line) else { return line.to_owned() };
        let (head, tail) = line.split_at(at);
        head.to_owned() + &hide(tail, true)
    };
    lines.map(mask).collect()
}

/// The same for a text that is one address and nothing else, with or without a scheme.
pub fn mask_url(url: &str) -> String {
    // In front of a login there is a scheme, or it is a part of the login.
    let is_scheme = |at: &usize| url[..*at].trim_end_matches(MARKS).bytes().all(|c| c.is_ascii_alphabetic());
    let (head, tail) = url.split_at(address_start(url).filter(is_scheme).unwrap_or(0));
    head.to_owned() + &hide(tail, false)
}

/// Puts `with` in the place of every password and token in one address, but for the login before its host.
pub fn hide_secrets(url: &str, with: &str) -> String {
    hide_keys(url, with, false)
}

/// Where what may be a login begins: behind `://`, or behind what stands there when it was mistyped.
fn address_start(line: &str) -> Option<usize> {
    ["://", ":/", "//", ":\\"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min()
        .map(|at| line.len() - line[at..].trim_start_matches(MARKS).len())
}

/// Everything up to the last `@` goes, and a secret that begins before it goes to its end.
fn hide(text: &str, in_text: bool) -> String {
    let Some(at) = text.rfind('@') else { return hide_keys(text, MASK, in_text) };
    let small = text.to_ascii_lowercase();
    let ends = SECRET_KEYS.iter().flat_map(|key| small[..at].match_indices(key)).map(|(key_at, key)| {
        let value = key_at + key.len();
        value + secret_length(&small[value..], in_text)
    });
    let end = ends.chain([at]).max().unwrap_or(at);
    format!("{MASK}:{MASK}{}", hide_keys(&text[end..], MASK, in_text))
}

/// The value of every secret key goes, up to a key that is known to follow, or to the address's end. `in_text`: other words
/// may follow the address, behind a quote.
fn hide_keys(url: &str, with: &str, in_text: bool) -> String {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    loop {
        // Of the same length as the address, byte by byte.
        let small = rest.to_ascii_lowercase();
        let found = SECRET_KEYS.iter().filter_map(|key| small.find(key).map(|at| at + key.len())).min();
        let Some(at) = found else { break };
        let length = secret_length(&small[at..], in_text);
        out.push_str(&rest[..at]);
        if length > 0 {
            out.push_str(with);
        }
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

fn secret_length(tail: &str, in_text: bool) -> usize {
    let follows = |at: &usize| {
        let behind = &tail[at + 1..];
        KEYS_BEHIND.iter().chain(SECRET_KEYS).any(|key| behind.starts_with(key))
    };
    let separators = tail.match_indices(['&', '_', ';', '?', '/']).map(|(at, _)| at);
    let key = separators.filter(|at| follows(at)).min();
    let quote = if in_text { tail.find(['"', '`', '\n']) } else { None };
    key.into_iter().chain(quote).min().unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        for (text, expected) in [
            ("rtsp://u:p@1.2.3.4/ch1", "rtsp://***:***@1.2.3.4/ch1"),
            ("rtsp://u:p'w\"@h/x", "rtsp://***:***@h/x"),
            ("http://h/x", "http://h/x"),
            ("at 10:30: nothing at all", "at 10:30: nothing at all"),
            ("a rtsp://admin:pass w0rd@h/x: refused", "a rtsp://***:***@h/x: refused"),
            ("rtsp://admin:p@ss#w0rd@h", "rtsp://***:***@h"),
            ("rtsp://admin:pa/ssw0rd@h", "rtsp://***:***@h"),
            ("rtsp://admin:x://y@h", "rtsp://***:***@h"),
            ("rtsp:/admin:secret@h", "rtsp:/***:***@h"),
            ("rtsp//admin:secret@h", "rtsp//***:***@h"),
            // Too much rather than too little.
            ("rtsp://u:p@ss@h:554/x?y=a@b", "rtsp://***:***@b"),
            ("a http://u@h b rtsp://q:w@z", "a http://***:***@z"),
            ("a http://u:p@h b\nno mail to a@b", "a http://***:***@h b\nno mail to a@b"),
            (
                "rtsp://h/user=admin_password=p_channel=1_stream=0.sdp",
                "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
            ),
            (
                "rtsp://h/user=admin_password=a/b&c#d_channel=1_stream=0.sdp",
                "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
            ),
            (
                "`rtsp://h/x?User=a&Pwd=b`: no picture, password=?",
                "`rtsp://h/x?User=a&Pwd=***`: no picture, password=***",
            ),
            ("rtsp://h/user=a&password=&channel=1", "rtsp://h/user=a&password=&channel=1"),
        ] {
            assert_eq!(mask_credentials(text), expected);
        }
        let quoted = "rtsp://h/user=a_password=it's_channel=1";
        assert_eq!(mask_url(quoted), "rtsp://h/user=a_password=***_channel=1");
        assert_eq!(mask_url("admin:pass w0rd@h/x"), "***:***@h/x");
        assert_eq!(mask_url("rtsp//u:s3cret@h/"), "rtsp//***:***@h/");
    }

    /// Whether a text holds a piece of a password of three characters or more, other than what stands there anyway.
    fn shows(text: &str, password: &str) -> Option<String> {
        let letters: Vec<char> = password.chars().collect();
        let pieces = letters.windows(3).map(|piece| piece.iter().collect::<String>());
        let harmless = "https:// rtsp::// rtsp:/:// rtsp/:// rtsp://***:***@192.168.1.64:554/ch1 `***`: is no URL: relative URL without a base";
        pieces.into_iter().find(|piece| text.contains(piece) && !harmless.contains(piece))
    }

    proptest::proptest! {
        #[test]
        fn no_piece_of_a_password_is_shown(
            password in "[ -~]{3,24}|[\\PC]{3,12}|([a-z0-9]{1,4}[@#/?: %&'\"`]{1,2}){1,5}|[a-z]{3}://[a-z]{3}(@[0-9.]{7}/)?",
            scheme in "(rtsp|http|https|rtsps|rtsp:/|rtsp:|rtsp/)",
        ) {
            let address = format!("{scheme}://admin:{password}@192.168.1.64:554/ch1");
            let text = format!("`{address}`: is no URL");
            let no_scheme = format!("admin:{password}@192.168.1.64:554/ch1");
            for shown in [mask_url(&address), mask_credentials(&text), mask_url(&no_scheme)] {
                assert_eq!(shows(&shown, &password), None, "{shown}");
            }
            let canonical = crate::address::Address::read(&address).map(|read| read.canonical());
            for shown in [canonical.as_deref().map(mask_url), canonical.as_deref().map(mask_credentials)] {
                assert_eq!(shown.as_deref().and_then(|shown| shows(shown, &password)), None);
            }
        }

        #[test]
        fn no_piece_of_a_password_in_a_path_is_shown(password in "[ !#-/:-@A-Z^a-z{-~]{3,20}") {
            let inside = format!("rtsp://h/user=a_password={password}_channel=1_stream=0.sdp");
            let shown = mask_url(&inside);
            let ours = "rtsp://h/user=a_password=***_channel=1_stream=0.sdp";
            let pieces: Vec<char> = password.chars().collect();
            for piece in pieces.windows(3).map(|piece| piece.iter().collect::<String>()) {
                assert!(ours.contains(&piece) || !shown.contains(&piece), "{shown}");
            }
        }
    }
}
