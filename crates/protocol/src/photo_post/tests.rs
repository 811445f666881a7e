use super::*;
use crate::picture::encode;
use PictureRole::{Background, Face, Unnamed};
use menshen_domain::photo::PictureRole;

/// Begins like a JPEG of this size, and differs from others by `mark`.
fn jpeg(side: u8, mark: u8) -> Vec<u8> {
    let head = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, side, 0, side, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    [&head[..], &[0xfb, 0xef, 0xbe, mark, 0xff, 0xd9]].concat()
}

fn read_all(content_type: &str, body: impl Into<Vec<u8>>) -> Vec<(PictureRole, Vec<u8>)> {
    let pictures = read(content_type, &Bytes::from(body.into()));
    let pictures = pictures.unwrap_or_else(|error| panic!("{content_type}: {error}"));
    pictures.into_iter().map(|picture| (picture.role, picture.bytes.to_vec())).collect()
}

fn refused(content_type: &str, body: &str) -> PostError {
    read(content_type, &Bytes::copy_from_slice(body.as_bytes())).expect_err(body)
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, bytes) in parts {
        body.extend(format!("--b\r\n{headers}\r\n\r\n").into_bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    body
}

const FORM: &str = "multipart/form-data; boundary=b";
const XML: &[u8] = b"<?xml version=\"1.0\"?><EventNotificationAlert><eventType>faceCapture</eventType></EventNotificationAlert>";

#[test]
fn a_text_part_with_a_file_name_is_no_picture() {
    let face = jpeg(100, 1);
    let texts: [(&str, &[u8]); 4] = [
        (
            "Content-Disposition: form-data; name=\"faceCapture.xml\"; filename=\"faceCapture.xml\"\r\nContent-Type: application/xml",
            XML,
        ),
        (
            "Content-Disposition: form-data; name=\"info\"; filename=\"info.json\"\r\nContent-Type: application/json",
            b"{\"a\":1}",
        ),
        ("Content-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"", b"\xef\xbb\xbf{\"a\":1}"),
        (
            "Content-Disposition: form-data; name=\"v\"; filename=\"v.mp4\"\r\nContent-Type: video/mp4",
            b"\0\0\0\x18ftypisom\0",
        ),
    ];
    for text in texts {
        for picture in [
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg",
            "Content-Disposition: form-data; name=\"Picture\"",
            "Content-Type: image/jpeg",
        ] {
            let body = form(&[text, (picture, &face)]);
            for kind in [FORM, "multipart/mixed; boundary=b", "multipart/form-data", "text/plain"] {
                assert_eq!(
                    read_all(kind, body.clone()),
                    [(Unnamed, face.clone())],
                    "{kind}: {} {picture}",
                    text.0
                );
            }
        }
    }
}

#[test]
fn the_face_comes_before_its_scene() {
    let (face, scene, other) = (jpeg(100, 1), jpeg(200, 2), jpeg(50, 3));
    let names = |scene_name: &str, face_name: &str| {
        form(&[
            (&format!("Content-Disposition: form-data; name=\"{scene_name}\""), &scene),
            (&format!("Content-Disposition: form-data; name=\"{face_name}\""), &face),
        ])
    };
    for (scene_name, face_name, roles) in [
        ("background", "face", [Face, Background]),
        ("backgroundImage", "faceImage", [Face, Background]),
        ("full\"; filename=\"panorama.jpg", "file\"; filename=\"x_face_1.jpg", [Face, Background]),
        ("bgPic", "file", [Unnamed, Background]),
        ("file", "faceCapture", [Face, Unnamed]),
        // The smaller one is cut out of the other.
        ("a", "b", [Unnamed, Unnamed]),
    ] {
        let expected = [(roles[0], face.clone()), (roles[1], scene.clone())];
        assert_eq!(read_all(FORM, names(scene_name, face_name)), expected, "{scene_name} {face_name}");
    }
    // The event tells which part is what.
    for event in [
        r#"{"faceCapture":[{"faces":[{"contentID":"pic2"}],"backgroundImage":{"contentID":"pic1"}}]}"#,
        "<E><backgroundImage><contentID>pic1</contentID></backgroundImage><faceImage><contentID>cid:pic2</contentID></faceImage></E>",
    ] {
        let body = form(&[
            ("Content-Disposition: form-data; name=\"event\"", event.as_bytes()),
            ("Content-Disposition: form-data; name=\"x\"\r\nContent-ID: <pic1>", &other),
            ("Content-Disposition: form-data; name=\"x\"\r\nContent-ID: pic2", &face),
        ]);
        assert_eq!(read_all(FORM, body), [(Face, face.clone()), (Background, other.clone())], "{event}");
    }
}

#[test]
fn pictures_of_registrations_and_documents_are_never_taken() {
    let (live, registered) = (jpeg(200, 1), jpeg(100, 2));
    let text = encode(&registered);
    for name in ["reg_pic", "registerPhoto", "idCardImage", "FDLibPic"] {
        let part = format!("Content-Disposition: form-data; name=\"{name}\"");
        let both = form(&[(&part, &registered), ("Content-Disposition: form-data; name=\"x\"", &live)]);
        assert_eq!(read_all(FORM, both), [(Unnamed, live.clone())], "{name}");
        let only = form(&[(&part, &registered)]);
        assert_eq!(read(FORM, &only.into()).err(), Some(PostError::OnlyRegistered));
        assert_eq!(
            refused("application/json", &format!("{{\"{name}\":\"{text}\"}}")),
            PostError::OnlyRegistered
        );
    }
    let candidates =
        format!("{{\"Candidates\":[{{\"FaceImage\":\"{text}\"}}],\"Image\":\"{}\"}}", encode(&live));
    assert_eq!(read_all("application/json", candidates), [(Unnamed, live)]);
}

#[test]
fn base64_is_found_in_every_text() {
    let face = jpeg(100, 1);
    let b64 = encode(&face);
    assert!(b64.contains('+') && b64.contains('/'));
    let escaped = b64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let json = |text: &str| serde_json::json!({ "image": text }).to_string();
    let quoted = serde_json::to_string(&json(&b64)).unwrap();
    let bodies: Vec<(&str, String, PictureRole)> = vec![
        ("application/json", json(&b64), Unnamed),
        ("application/json", json(&format!("data:image/jpeg;base64,{b64}")), Unnamed),
        ("application/json", format!("\u{feff}{}", json(&b64)), Unnamed),
        ("application/json", json(&b64.replace('+', " ")), Unnamed),
        ("application/json", json(&b64.replace('+', "-").replace('/', "_")), Unnamed),
        ("application/json", json(&escaped), Unnamed),
        ("application/json", json(&format!("{}\r\n{}", &b64[..20], &b64[20..])), Unnamed),
        ("application/json", serde_json::json!({ "imageBase64": b64 }).to_string(), Unnamed),
        ("application/json", serde_json::json!({ "data": { "image": b64 } }).to_string(), Unnamed),
        ("application/json", serde_json::json!([{ "image": b64 }]).to_string(), Unnamed),
        (
            "application/json",
            serde_json::json!({ "FaceList": [{ "FaceImage": { "Data": b64 } }] }).to_string(),
            Face,
        ),
        (
            "application/json",
            serde_json::json!({ "SubImageInfoObject": [{ "Type": "11", "Data": b64 }] }).to_string(),
            Face,
        ),
        (
            "application/json",
            serde_json::json!({ "Images": [{ "Type": 14, "Data": b64 }] }).to_string(),
            Background,
        ),
        ("application/json", serde_json::json!({ "info": json(&b64) }).to_string(), Unnamed),
        ("application/json", quoted, Unnamed),
        ("text/json", json(&b64), Unnamed),
        ("text/plain", json(&b64), Unnamed),
        ("", json(&b64), Unnamed),
        ("application/x-www-form-urlencoded", json(&b64), Unnamed),
        ("multipart/form-data; boundary=b", json(&b64), Unnamed),
        ("application/x-www-form-urlencoded", format!("id=7&image={escaped}"), Unnamed),
        ("application/x-www-form-urlencoded", format!("image={b64}&id=7"), Unnamed),
        ("application/x-www-form-urlencoded", format!("image={}", b64.replace('+', " ")), Unnamed),
        (
            "application/x-www-form-urlencoded",
            format!("faceImage=data%3Aimage%2Fjpeg%3Bbase64%2C{escaped}"),
            Face,
        ),
        (
            "application/x-www-form-urlencoded",
            format!("data=%7B%22a%22%3A+1%2C%22image%22%3A%22{escaped}%22%7D"),
            Unnamed,
        ),
        ("text/plain", format!("image={escaped}"), Unnamed),
        ("text/plain", b64.clone(), Unnamed),
        ("text/plain", format!("data:image/jpeg;base64,{b64}"), Unnamed),
        ("application/octet-stream", b64.clone(), Unnamed),
        ("application/x-www-form-urlencoded", b64.clone(), Unnamed),
        ("application/xml", format!("<a><faceImage>{b64}</faceImage></a>"), Face),
        ("text/xml", format!("<?xml version=\"1.0\"?>\n<a><b><![CDATA[{b64}]]></b></a>"), Unnamed),
    ];
    for (kind, body, role) in bodies {
        assert_eq!(read_all(kind, body.clone()), [(role, face.clone())], "{kind}: {body}");
    }
}

#[test]
fn texts_come_in_other_encodings_and_in_parts() {
    let face = jpeg(100, 1);
    let b64 = encode(&face);
    let gbk = |charset: &str| {
        let text = format!("{{\"name\":\"张三\",\"image\":\"{b64}\"}}");
        read_all(&format!("application/json{charset}"), encoding_rs::GBK.encode(&text).0.into_owned())
    };
    assert_eq!(gbk(";charset=GBK"), [(Unnamed, face.clone())]);
    assert_eq!(gbk(""), [(Unnamed, face.clone())]);
    let utf16: Vec<u8> = format!("\u{feff}{}", serde_json::json!({ "image": b64 }))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(read_all("application/json", utf16), [(Unnamed, face.clone())]);
    for headers in [
        "Content-Disposition: form-data; name=\"image_base64_str\"",
        "Content-Disposition: form-data; name=\"f\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: BASE64",
    ] {
        assert_eq!(
            read_all(FORM, form(&[(headers, b64.as_bytes())])),
            [(Unnamed, face.clone())],
            "{headers}"
        );
    }
}

#[test]
fn a_picture_is_a_picture_whatever_it_is_called() {
    for kind in [
        "image/jpeg",
        "",
        "text/plain",
        "application/json",
        FORM,
        "application/x-www-form-urlencoded",
        "image/*",
    ] {
        assert_eq!(read_all(kind, jpeg(9, 1)), [(Unnamed, jpeg(9, 1))], "{kind}");
    }
    // What no reader knows is named by the decoder.
    for kind in ["image/gif", "application/octet-stream", ""] {
        assert_eq!(read_all(kind, "GIF89a..."), [(Unnamed, b"GIF89a...".to_vec())], "{kind}");
    }
}

#[test]
fn what_holds_no_picture_is_named() {
    assert_eq!(refused("image/jpeg", ""), PostError::Empty);
    for page in ["<html><body>", "<!DOCTYPE html><p>"] {
        assert_eq!(refused("text/html", page), PostError::NoPictureType);
    }
    assert_eq!(refused("text/plain", "hello"), PostError::NoPictureType);
    assert_eq!(refused("application/json", "{\"a\":1}"), PostError::NoPictureInText);
    assert_eq!(refused("application/json", "[]"), PostError::NoPictureInText);
    assert_eq!(refused("application/json", "hello"), PostError::NotJson(1, 1));
    assert!(matches!(refused("application/json", "{\"image\":"), PostError::NotJson(1, _)));
    assert!(matches!(refused("application/json", "{\"image\":\"%%\"}"), PostError::Text(_)));
    assert_eq!(refused("multipart/form-data; boundary=x", "hello"), PostError::NoPictureInForm);
    assert_eq!(
        refused(FORM, "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--"),
        PostError::NoPictureInForm
    );
    assert_eq!(refused("application/xml", "<a>1</a>"), PostError::NoPictureInText);
}

#[test]
fn there_is_an_end_to_parts_pictures_and_depth() {
    let picture = jpeg(9, 1);
    let many = vec![("Content-Disposition: form-data; name=\"face\"", &picture[..]); 200];
    assert_eq!(read_all(FORM, form(&many)).len(), limits::PHOTO_FORM_PICTURES_MAX);
    let deep = format!("{}{}{}", "<a>".repeat(5000), encode(&picture), "</a>".repeat(5000));
    assert_eq!(refused("application/xml", &deep), PostError::NoPictureInText);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(refused("application/json", &deep), PostError::NotJson(..)));
    let mut nested = serde_json::json!({ "image": encode(&picture) }).to_string();
    for _ in 0..6 {
        nested = serde_json::json!({ "info": nested }).to_string();
    }
    assert_eq!(refused("application/json", &nested), PostError::NoPictureInText);
}
