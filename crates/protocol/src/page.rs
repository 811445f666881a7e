//! Telling a web page from data by its bytes. Labels say nothing: PHP calls everything `text/html` unless it is told
//! otherwise, and gateways send their login page under any name, or none.

use super::json::without_bom;

/// Bytes of a body that tell whether it is a page.
pub const SAMPLE_BYTES: usize = 4096;

/// Elements that pages have near their beginning, and that XML answers do not have.
const ELEMENTS: [&str; 15] = [
    "html", "head", "body", "script", "style", "meta", "form", "title", "iframe", "frameset", "center", "h1",
    "br", "div", "noscript",
];

/// What the beginning of an answer's body tells about the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing but white space.
    Empty,
    /// An object or a list, by its first character.
    Json,
    /// A web page: most likely somebody's login page.
    Page,
    /// Anything else: a word like `ok`, XML, a picture.
    Other,
}

impl BodyKind {
    /// By the first [`SAMPLE_BYTES`] of a body, or fewer where it is shorter.
    pub fn of(sample: &[u8]) -> Self {
        let text = without_bom(sample).trim_ascii_start();
        match text.first() {
            None => Self::Empty,
            Some(b'{' | b'[') => Self::Json,
            // A picture, whose comments may hold anything.
            Some(_) if text[..text.len().min(SAMPLE_BYTES)].contains(&0) => Self::Other,
            Some(_) if has_element(text) => Self::Page,
            Some(_) => Self::Other,
        }
    }

    /// Whether the bytes that follow cannot change it.
    pub fn is_certain(self) -> bool {
        matches!(self, Self::Json | Self::Page)
    }
}

fn has_element(text: &[u8]) -> bool {
    let text = &text[..text.len().min(SAMPLE_BYTES)];
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    text.contains("<!doctype html")
        || text.split('<').skip(1).any(|tag| {
            let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next();
            // `<html:p>` and `<title-list>` are XML.
            name.is_some_and(|name| {
                ELEMENTS.contains(&name)
                    && !tag.trim_start_matches('/')[name.len()..].starts_with([':', '-', '_', '.'])
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_data_by_their_bytes() {
        for (body, expected) in [
            ("<html><body>Please log in</body></html>", BodyKind::Page),
            ("\u{feff}\r\n<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">", BodyKind::Page),
            ("<!-- sso --><Script>location='/login'</Script>", BodyKind::Page),
            ("<?xml version=\"1.0\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\">", BodyKind::Page),
            ("Session over <br/> <a href='/login'>log in</a>", BodyKind::Page),
            ("<br />\n<b>Warning</b>: mysqli_connect()", BodyKind::Page),
            ("<META http-equiv=refresh content='0;url=/login'>", BodyKind::Page),
            ("{\"status\":0}", BodyKind::Json),
            ("\u{feff}\r\n {\"message\":\"<html>\"}", BodyKind::Json),
            ("[]", BodyKind::Json),
            ("ok", BodyKind::Other),
            ("<?xml version=\"1.0\"?><response><code>0</code></response>", BodyKind::Other),
            ("<soap:Envelope><soap:Header/><soap:Body>1 < 2</soap:Body></soap:Envelope>", BodyKind::Other),
            ("<header>x</header><html:p/><title-list/>", BodyKind::Other),
            (" \r\n", BodyKind::Empty),
            ("", BodyKind::Empty),
        ] {
            assert_eq!(BodyKind::of(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(BodyKind::of(b"\xFF\xD8\xFF\xE1\x00\x10Exif <body><br>"), BodyKind::Other);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_can_upset_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = BodyKind::of(&bytes);
        }
    }
}
