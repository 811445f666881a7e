//! Forms of devices (RFC 2046, RFC 7578), read as they are sent: with any line ends, without their last boundary, without the
//! headers a form must have, with names in GBK. Libraries for browsers' forms refuse each of these.

use std::borrow::Cow;

use encoding_rs::GB18030;
use memchr::memmem;
use menshen_domain::limits;
use percent_encoding::percent_decode_str;

/// One part of a form.
pub struct Part<'a> {
    /// `name`, content id and `filename`, as far as there are any, in this order.
    pub names: Vec<String>,
    /// As it was sent, with parameters.
    pub content_type: String,
    /// Content-Transfer-Encoding says so.
    pub is_base64: bool,
    pub body: &'a [u8],
}

/// The parts of a form, at most [`limits::PHOTO_FORM_PARTS_MAX`]; none where no boundary is in it.
pub fn split<'a>(content_type: &str, body: &'a [u8]) -> Vec<Part<'a>> {
    let Some(delimiter) = delimiter_of(content_type, body) else { return Vec::new() };
    let mut parts = Vec::new();
    let mut starts = delimiters(&delimiter, body).peekable();
    while let Some((_, after)) = starts.next() {
        // `--` behind the delimiter: the end of the form. Nothing: it was cut off there.
        let is_end = body[after..].starts_with(b"--") || body[after..].trim_ascii().is_empty();
        if is_end || parts.len() == limits::PHOTO_FORM_PARTS_MAX {
            break;
        }
        let end = match starts.peek() {
            Some((next, _)) => without_line_end(&body[..*next]).len().max(after),
            None => without_broken_delimiter(&delimiter, body).len().max(after),
        };
        parts.push(part_of(&body[after..end]));
    }
    parts
}

/// The line that stands between parts: as the content type says, with or without its own two hyphens; otherwise the first line.
fn delimiter_of(content_type: &str, body: &[u8]) -> Option<Vec<u8>> {
    let said = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let said = said.map(String::into_bytes);
    let proper = said.as_ref().map(|boundary| [b"--", &boundary[..]].concat());
    let first_line = body
        .trim_ascii_start()
        .split(|byte| *byte == b'\n')
        .next()
        .map(|line| line.trim_ascii_end().to_vec());
    let guessed = first_line.filter(|line| line.starts_with(b"--") && (3..=72).contains(&line.len()));
    [proper, said, guessed]
        .into_iter()
        .flatten()
        .find(|delimiter| delimiters(delimiter, body).next().is_some())
}

/// Beginnings and ends of the delimiter where it stands at the beginning of a line and is not the beginning of a longer word.
fn delimiters<'a>(delimiter: &'a [u8], body: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let stands_alone = |at: usize| {
        let after = &body[at + delimiter.len()..];
        (at == 0 || body[at - 1] == b'\n')
            && (after.is_empty()
                || after.starts_with(b"--")
                || matches!(after[0], b'\r' | b'\n' | b' ' | b'\t'))
    };
    memmem::find_iter(body, delimiter)
        .filter(move |at| !delimiter.is_empty() && stands_alone(*at))
        .map(move |at| (at, at + delimiter.len()))
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// What is left of a last delimiter that was cut off.
fn without_broken_delimiter<'a>(delimiter: &[u8], body: &'a [u8]) -> &'a [u8] {
    let tail = body.len().saturating_sub(delimiter.len() + 4);
    match memmem::rfind(&body[tail..], b"\n--") {
        Some(at) if delimiter.starts_with(body[tail + at + 1..].trim_ascii_end()) => {
            without_line_end(&body[..=tail + at])
        }
        _ => without_line_end(body),
    }
}

fn part_of(bytes: &[u8]) -> Part<'_> {
    // The rest of the delimiter's own line.
    let line_end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let mut rest = &bytes[line_end..];
    let mut headers: Vec<String> = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let line = without_line_end(&rest[..end]);
        if line.is_empty() {
            rest = &rest[end..];
            break;
        }
        // A part without headers, and without the empty line that stands for them.
        if headers.is_empty() && !line.contains(&b':') {
            break;
        }
        rest = &rest[end..];
        let text = text_of(line);
        match headers.last_mut() {
            Some(before) if text.starts_with([' ', '\t']) => before.push_str(&text),
            _ => headers.push(text.into_owned()),
        }
    }
    let header = |wanted: &str| {
        headers.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let content_type = header("content-type").unwrap_or_default();
    let id = header("content-id").map(|id| id.trim_matches(['<', '>', '"']).to_owned());
    let encoded_name = || {
        let value = parameter(disposition, "filename*")?;
        let name = value.rsplit('\'').next().unwrap_or_default().to_owned();
        Some(percent_decode_str(&name).decode_utf8_lossy().into_owned())
    };
    let file = encoded_name()
        .or_else(|| parameter(disposition, "filename"))
        .or_else(|| parameter(content_type, "name"));
    let is_base64 = header("content-transfer-encoding").is_some_and(|way| way.eq_ignore_ascii_case("base64"));
    Part {
        names: [parameter(disposition, "name"), id, file].into_iter().flatten().collect(),
        content_type: content_type.to_owned(),
        is_base64,
        body: rest,
    }
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => GB18030.decode_without_bom_handling(bytes).0,
    }
}

/// A parameter of a header, such as `boundary` or `filename`, with or without quotation marks. A backslash is none of an escape:
/// in GBK it is half a character, and in names of Windows a folder.
pub fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, next)) => (value, next.trim_start().trim_start_matches(';')),
                None => (quoted, ""),
            },
            None => match after.split_once(';') {
                Some((value, next)) => (value.trim(), next),
                None => (after.trim(), ""),
            },
        };
        // A name without a value may stand before this one.
        if name.rsplit(';').next().unwrap_or(name).trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(content_type: &str, body: &[u8]) -> Vec<(Vec<String>, Vec<u8>)> {
        split(content_type, body).into_iter().map(|part| (part.names, part.body.to_vec())).collect()
    }

    const FORM: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; \
        filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\nab\r\ncd\n\r\n--b--\r\n";

    #[test]
    fn parts_are_found_however_the_boundary_is_said() {
        let expected = vec![
            (vec!["x".to_owned()], b"1".to_vec()),
            (vec!["f".to_owned(), "a.jpg".to_owned()], b"ab\r\ncd\n".to_vec()),
        ];
        for said in [
            "multipart/form-data; boundary=b",
            "multipart/form-data; boundary=\"b\"",
            "multipart/form-data;charset=utf-8; Boundary= b ",
            "multipart/form-data; boundary=--b",
            "multipart/form-data; boundary=other",
            "multipart/form-data",
            "multipart/mixed; boundary=\"b\"; type=x",
            "",
        ] {
            assert_eq!(bodies(said, FORM), expected, "{said}");
        }
        assert!(split("multipart/form-data; boundary=b", b"no form").is_empty());
        assert!(split("multipart/form-data; boundary=", b"").is_empty());
    }

    #[test]
    fn a_form_may_be_cut_off_and_have_any_line_ends() {
        let kind = "multipart/form-data; boundary=b";
        let whole = bodies(kind, FORM);
        for cut in [2, 4, 5, 6] {
            assert_eq!(bodies(kind, &FORM[..FORM.len() - cut]).len(), 2, "{cut} bytes are missing");
        }
        assert_eq!(bodies(kind, &FORM[..FORM.len() - 7]), whole, "the last boundary is missing");
        let text: Vec<u8> = FORM.iter().copied().filter(|byte| *byte != b'\r').collect();
        assert_eq!(bodies(kind, &text)[1].1, b"ab\ncd\n");
        let preamble = [b"This is a form.\r\n", FORM].concat();
        assert_eq!(bodies(kind, &preamble), whole);
        // Longer words that begin like the boundary, and the boundary within a line.
        let inner = b"--b\r\n\r\nx--b\r\n--bc\r\n--b--";
        assert_eq!(bodies(kind, inner), [(Vec::new(), b"x--b\r\n--bc".to_vec())]);
        assert_eq!(bodies(kind, b"--b\r\nab\r\n--b--"), [(Vec::new(), b"ab".to_vec())], "no empty line");
    }

    #[test]
    fn names_come_in_every_encoding() {
        let name = |disposition: &[u8]| {
            let form = [
                b"--b\r\nContent-Disposition: form-data; ",
                disposition,
                b"\r\nContent-ID: <face_1>\r\n\r\nx\r\n--b--",
            ]
            .concat();
            split("multipart/form-data; boundary=b", &form)[0].names.clone()
        };
        let gbk = [&b"name=f; filename=\""[..], b"\xc8\xcb\xc1\xb3.jpg\""].concat();
        assert_eq!(name(&gbk), ["f", "face_1", "人脸.jpg"]);
        // 乗: its second byte is a backslash.
        assert_eq!(name(b"name=\"f\"; filename=\"\x81\x5c\""), ["f", "face_1", "乗"]);
        assert_eq!(name("name=\"f\"; filename=\"人脸.jpg\"".as_bytes()), ["f", "face_1", "人脸.jpg"]);
        assert_eq!(name(b"name=\"f\"; filename*=UTF-8''%E4%BA%BA.jpg"), ["f", "face_1", "人.jpg"]);
        assert_eq!(name(b"filename=\"C:\\a;b.jpg\"; name=\"f\""), ["f", "face_1", "C:\\a;b.jpg"]);
        assert_eq!(name(b"name=\"open"), ["open", "face_1"]);
    }
}
