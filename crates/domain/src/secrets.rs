//! Logins inside addresses are never shown.

/// Keys whose values open something, in queries and, of some makers, in paths: `/user=admin_password=x_channel=1_stream=0.sdp`.
const SECRET_KEYS: &[&str] = &["password=", "passwd=", "pwd=", "pass=", "psw=", "auth=", "token="];
const SECRET_ENDS: &[&str] = &["&", "/", "?", "#", ";", "_channel=", "_stream="];
/// Where an address in a text ends.
const URL_ENDS: [char; 5] = [' ', '"', '\'', '`', '\n'];

/// `rtsp://user:pass@host/x?pwd=y` → `rtsp://***:***@host/x?pwd=***`, for every URL in a text.
pub fn mask_credentials(text: &str) -> String {
    let masked = mask_users(text);
    let words = masked.split_inclusive(URL_ENDS);
    words
        .map(|word| {
            let end = word.trim_end_matches(URL_ENDS).len();
            let (url, after) = word.split_at(end);
            if url.contains("://") { hide_secrets(url, "***") + after } else { word.to_owned() }
        })
        .collect()
}

/// The same for a text that is one address and nothing else: what ends one in a text may be part of a password.
pub fn mask_url(url: &str) -> String {
    hide_secrets(&mask_users(url), "***")
}

/// `user:pass@` before the host of every URL.
fn mask_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(['/', '?', '#', ' ']).unwrap_or(tail.len());
        // The last `@` before the path: a password may hold one itself.
        let authority = &tail[..end];
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***:***");
                rest = &tail[at..];
            }
            None => rest = tail,
        }
    }
    out.push_str(rest);
    out
}

/// Puts `with` in the place of every password and token in one address.
pub fn hide_secrets(url: &str, with: &str) -> String {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    loop {
        // Of the same length as the address, byte by byte.
        let small = rest.to_ascii_lowercase();
        let found = SECRET_KEYS.iter().filter_map(|key| small.find(key).map(|at| at + key.len())).min();
        let Some(at) = found else { break };
        let tail = &small[at..];
        let length = SECRET_ENDS.iter().filter_map(|end| tail.find(end)).min().unwrap_or(tail.len());
        out.push_str(&rest[..at]);
        if length > 0 {
            out.push_str(with);
        }
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        for (text, expected) in [
            ("rtsp://u:p@1.2.3.4/ch1", "rtsp://***:***@1.2.3.4/ch1"),
            ("rtsp://u:p@ss@h:554/x?y=a@b", "rtsp://***:***@h:554/x?y=a@b"),
            ("rtsp://u:p'w\"@h/x", "rtsp://***:***@h/x"),
            ("http://h/x", "http://h/x"),
            ("a http://u@h b rtsp://q:w@z", "a http://***:***@h b rtsp://***:***@z"),
            (
                "rtsp://h/user=admin_password=p_channel=1_stream=0.sdp",
                "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
            ),
            (
                "`rtsp://h/x?User=a&Pwd=b`: no picture, password=?",
                "`rtsp://h/x?User=a&Pwd=***`: no picture, password=?",
            ),
            ("rtsp://h/user=a&password=&channel=1", "rtsp://h/user=a&password=&channel=1"),
        ] {
            assert_eq!(mask_credentials(text), expected);
        }
        let quoted = "rtsp://h/user=a_password=it's_channel=1";
        assert_eq!(mask_url(quoted), "rtsp://h/user=a_password=***_channel=1");
    }
}
