//! Snapshot polling: asks a camera for a picture again and again. For cameras that serve pictures and no stream.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::MissedTickBehavior;

use super::http_camera::{Camera, HttpStream, Patience, broke_off, failed, no_picture};
use crate::ports::camera::{FailureKind, FrameSink, NoticeSink, OpenError, StreamFailure};
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::photo::{PictureKind, is_whole};
use menshen_vision::photo::decode_picture;

/// Pictures in a row that may fail before the camera counts as gone: one lost picture is nothing unusual.
const FAILURES_MAX: u32 = 3;
/// Where in an answer a picture begins at the latest: behind the head of its part.
const PICTURE_WITHIN: usize = 8192;

/// `values` are those of a template: `url` and `interval_ms`.
pub fn start(
    values: &BTreeMap<String, String>,
    frames: FrameSink,
    notices: NoticeSink,
) -> Result<HttpStream, OpenError> {
    let wrong = |reason: &str| OpenError::Start(reason.to_owned());
    let interval_ms = values.get("interval_ms").and_then(|text| text.parse::<u64>().ok());
    let interval = Duration::from_millis(interval_ms.ok_or(wrong("`interval_ms` is no number"))?);
    let url = values.get("url").map(String::as_str).unwrap_or_default();
    let camera = Camera::new(url, Patience::Answer, true).map_err(|error| wrong(&error.to_string()))?;
    HttpStream::start("snapshots", notices, async move || poll(camera, interval, frames).await)
}

/// Ends with the reason when the camera gives no pictures.
async fn poll(mut camera: Camera, interval: Duration, frames: FrameSink) -> StreamFailure {
    let mut ticks = tokio::time::interval(interval);
    // A slow camera is asked less often, not in bursts.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sequence, mut failures) = (0, 0);
    loop {
        ticks.tick().await;
        match picture(&mut camera).await {
            Ok(frame) => {
                failures = 0;
                sequence += 1;
                frames(Frame { sequence, ..frame });
            }
            // Asked again and again with a wrong password, a camera locks the account.
            Err(failure) if matches!(failure.kind, FailureKind::Unauthorized | FailureKind::LoginScheme) => {
                return failure;
            }
            Err(failure) => {
                failures += 1;
                if failures >= FAILURES_MAX {
                    return failure;
                }
            }
        }
    }
}

async fn picture(camera: &mut Camera) -> Result<Frame, StreamFailure> {
    let response = camera.ask().await?;
    let body = body(response).await?;
    decode(picture_in(&body).ok_or_else(|| no_picture(&body))?)
}

async fn body(mut response: Response) -> Result<Bytes, StreamFailure> {
    let mut bytes = BytesMut::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            // Its length was announced wrongly, and all of it came.
            Err(_) if picture_in(&bytes).is_some_and(is_whole) => break,
            Err(error) => return Err(broke_off(error)),
        };
        if bytes.len() + chunk.len() > limits::PHOTO_BYTES_MAX {
            let text = format!("a picture of more than {} bytes", limits::PHOTO_BYTES_MAX);
            return Err(failed(FailureKind::Other, text));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The picture in an answer, whatever its label says: as the whole of it, or as its first part.
fn picture_in(body: &[u8]) -> Option<&[u8]> {
    let begins = |bytes: &[u8]| PictureKind::of(bytes).is_some_and(|kind| kind != PictureKind::Heic);
    if PictureKind::of(body).is_some() {
        return Some(body);
    }
    let last = body.len().min(PICTURE_WITHIN);
    // Two bytes of text begin no bitmap inside another text.
    let at = (0..last).find(|at| begins(&body[*at..]) && body[*at] != b'B')?;
    Some(&body[at..])
}

pub fn decode(bytes: &[u8]) -> Result<Frame, StreamFailure> {
    let wrong = |why: String| failed(FailureKind::Codec, format!("the picture cannot be decoded: {why}"));
    let rgb = decode_picture(bytes, limits::FRAME_SIDE_MAX_PX).map_err(|error| wrong(error.to_string()))?;
    let (width, height) = rgb.dimensions();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    Frame::from_rgb(width, height, rgb.into_raw(), now_ms).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_says_so() {
        for bytes in [&b""[..], b"<html>", b"GIF89a", &[0xff, 0xd8, 0xff]] {
            assert!(decode(bytes).is_err());
        }
        assert_eq!(no_picture(b"\r\n<html>").kind, FailureKind::NotFound);
        assert_eq!(no_picture(b"Error 5").kind, FailureKind::Codec);
    }

    fn jpeg() -> Vec<u8> {
        let picture =
            image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        let mut out = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut out, image::ImageFormat::Jpeg).unwrap();
        out.into_inner()
    }

    /// A picture whose left upper quarter is bright, with an EXIF orientation.
    fn oriented(orientation: u8) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(160, 120, |x, y| {
            image::Rgb([if x < 80 && y < 60 { 220 } else { 30 }; 3])
        });
        let mut jpeg = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        // APP1 with a TIFF of one entry: tag 0x0112, one SHORT (JEITA CP-3451, section 4.6.4).
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        let mut jpeg = jpeg.into_inner();
        jpeg.splice(2..2, exif);
        jpeg
    }

    /// Snapshot and MJPEG cameras alike: both come here.
    #[test]
    fn a_picture_is_turned_as_its_orientation_says() {
        for (orientation, size, bright) in [
            (1, (160, 120), (20, 20)),
            (3, (160, 120), (140, 100)),
            (6, (120, 160), (100, 20)),
            (8, (120, 160), (20, 140)),
        ] {
            let frame = decode(&oriented(orientation)).unwrap();
            assert_eq!((frame.width, frame.height), size, "orientation {orientation}");
            let at = |(x, y): (usize, usize)| frame.data[(y * frame.width as usize + x) * 3];
            let opposite = (frame.width as usize - 1 - bright.0, frame.height as usize - 1 - bright.1);
            assert!(at(bright) > 150 && at(opposite) < 100, "orientation {orientation}");
        }
    }

    /// A camera that gives one answer to whoever has logged in, and the picture that was made of it.
    fn asked(asks: &'static [&'static str], head: String, body: Vec<u8>) -> Result<Frame, StreamFailure> {
        asked_at("/snap.jpg?c=1", asks, head, body)
    }

    fn asked_at(
        path: &str,
        asks: &'static [&'static str],
        head: String,
        body: Vec<u8>,
    ) -> Result<Frame, StreamFailure> {
        use std::io::{BufRead as _, BufReader, Write as _};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let given =
                    request.iter().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
                // The answer itself is checked in http_login.
                let path = request[0].split(' ').nth(1).unwrap_or_default();
                // An answer holds for the address it was made for.
                let is_in = asks.is_empty()
                    || given.is_some_and(|line| {
                        line.contains("response=\"") && line.contains(&format!("uri=\"{path}\""))
                    });
                let answer = if path.starts_with("/old/") {
                    let new = path.replacen("/old", "", 1);
                    format!("HTTP/1.1 302 Found\r\nLocation: {new}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .into_bytes()
                } else if is_in {
                    [head.as_bytes(), b"Connection: close\r\n\r\n", &body].concat()
                } else {
                    let asks: Vec<_> =
                        asks.iter().map(|ask| format!("WWW-Authenticate: {ask}\r\n")).collect();
                    let asks = asks.concat();
                    format!("HTTP/1.1 401 No\r\n{asks}Content-Length: 0\r\nConnection: close\r\n\r\n")
                        .into_bytes()
                };
                let _ = stream.write_all(&answer);
            }
        });
        let url = format!("http://admin:p@ss w0rd@127.0.0.1:{port}{path}");
        let mut camera = Camera::new(&url, Patience::Answer, true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(picture(&mut camera))
    }

    #[test]
    fn a_picture_is_taken_however_it_is_labelled() {
        let whole = jpeg();
        let length = whole.len();
        let unended = whole[..length - 2].to_vec();
        let part = [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", &whole[..], b"\r\n--b--\r\n"].concat();
        for (head, body) in [
            ("Content-Type: text/plain\r\n".to_owned(), whole.clone()),
            ("Content-Type: text/html; charset=utf-8\r\n".to_owned(), whole.clone()),
            (String::new(), whole.clone()),
            ("Content-Type : image/jpeg\r\n".to_owned(), whole.clone()),
            ("Server App: Foo(bar)\r\nthis is no header\r\n: no name\r\n".to_owned(), whole.clone()),
            (format!("Content-Length: {}\r\n", length + 2), whole.clone()),
            (format!("Content-Length: {}\r\n", length - 2), unended.clone()),
            (String::new(), unended),
            ("Content-Type: multipart/mixed; boundary=b\r\n".to_owned(), part),
        ] {
            let frame = asked(&[], format!("HTTP/1.1 200 OK\r\n{head}"), body);
            let frame = frame.unwrap_or_else(|failure| panic!("{head:?}: {failure:?}"));
            assert_eq!((frame.width, frame.height), (160, 120), "{head:?}");
        }
        let half = asked(
            &[],
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", length / 2),
            whole[..length / 2].to_vec(),
        );
        assert!(half.unwrap_err().text.contains("cut off"));
        let page = asked(
            &[],
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n".into(),
            b"<html>login</html>".to_vec(),
        );
        assert!(page.unwrap_err().text.contains("a page, not a picture"));
    }

    #[test]
    fn a_camera_is_logged_in_to_as_it_asks() {
        const CHALLENGES: [&[&str]; 5] = [
            &[r#"digest realm="c", nonce="n", qop="auth", algorithm=md5"#],
            &[r#"Basic realm="x", Digest realm="c", nonce="n", qop="auth""#],
            &[r#"Digest realm="c", nonce="n", qop="auth", Basic realm="x""#],
            &[r#"Digest realm="c", nonce="n", qop="auth", algorithm=SHA-256"#],
            &["Basic realm=\"x\"", r#"Digest realm="c", nonce="n""#],
        ];
        let fine = || "HTTP/1.1 200 OK\r\n".to_owned();
        for asks in CHALLENGES {
            assert!(asked(asks, fine(), jpeg()).is_ok(), "{asks:?}");
            // The camera has moved its picture, and asks again there.
            for path in ["/old/snap.jpg?c=1", "/old/old/snap.jpg"] {
                let moved = asked_at(path, asks, fine(), jpeg());
                assert!(moved.is_ok(), "{path} {asks:?}: {:?}", moved.err());
            }
        }
        let unknown =
            asked(&[r#"Digest realm="c", nonce="n", algorithm=SHA3-256"#], fine(), jpeg()).unwrap_err();
        assert!(unknown.kind == FailureKind::LoginScheme && unknown.text.contains("SHA3-256"), "{unknown:?}");
        let wrong = asked(&["Basic realm=\"x\""], fine(), jpeg()).unwrap_err();
        assert_eq!(wrong.kind, FailureKind::Unauthorized);
    }

    #[test]
    fn a_picture_is_found_whatever_it_is_wrapped_in() {
        let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], b"rest"].concat();
        for before in [
            &b""[..],
            b"--x\r\nContent-Type: text/plain\r\n\r\n",
            b"\r\n",
            b"Content-Type: image/jpeg\r\nBMP\r\n\r\n",
        ] {
            let body = [before, &jpeg].concat();
            assert_eq!(picture_in(&body), Some(&jpeg[..]));
        }
        assert_eq!(picture_in(b"<html>no BM picture</html>"), None);
        assert_eq!(picture_in(b""), None);
    }
}
