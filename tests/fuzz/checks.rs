//! What every decoder of bytes from outside promises, for any bytes: no panic, bounded memory, and that what it took is
//! what it says. Each function panics when its decoder breaks the promise. Used by the fuzz targets beside this file
//! and, on seeds and random changes of them, by `crates/protocol/tests/fuzz_smoke.rs`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use menshen_domain::device_wish::{RelayWish, Verb};
use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PictureKind};
use menshen_domain::photo_rules::PassMode;
use menshen_domain::score::ScoreRange;
use menshen_domain::tuning::{Changes, GateMode, Tuning};
use menshen_protocol::command::{Command, Envelope};
use menshen_protocol::control::check_fields;
use menshen_protocol::device::{DeviceCommand, Form, read_wish};
use menshen_protocol::event::EventBody;
use menshen_protocol::flat_event::FlatEventBody;
use menshen_protocol::form;
use menshen_protocol::json;
use menshen_protocol::lenient;
use menshen_protocol::live_event::StreamConfig;
use menshen_protocol::local::WireAction;
use menshen_protocol::login::{ErrorDocument, LoginDocument, Session};
use menshen_protocol::onvif::{device, discovery, media, soap};
use menshen_protocol::photo_post;
use menshen_protocol::picture;
use menshen_protocol::reply::Reply;
use menshen_protocol::report::{DeviceListReport, StatusReport};
use menshen_protocol::user::{PhotoSource, UserListAnswer, UserListRequest, WireUser};
use menshen_vision::photo::decode_photo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

/// Shorter secrets are part of any text by chance.
const SECRET_LENGTH: usize = 6;
const LOCAL_SECONDS_MAX: u32 = 3600;
const PICTURE_BYTES_MAX: usize = 4096;

/// What was read is written so that it reads back as the same.
fn round_trip<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_value(&read).expect("what was read can be written");
    let again: T = serde_json::from_value(written.clone()).expect("what was written can be read");
    assert_eq!(written, serde_json::to_value(&again).expect("and written again"));
}

/// Login document and error document.
pub fn login(bytes: &[u8]) {
    round_trip::<ErrorDocument>(bytes);
    let Ok(document) = LoginDocument::parse(bytes) else { return };
    let shown = format!("{document:?}");
    let password = &document.rabbitmq.password;
    let is_elsewhere = |secret: &str| {
        document.rabbitmq.hosts.iter().chain([&document.rabbitmq.queue]).any(|text| text.contains(secret))
            || document.rabbitmq.vhost().contains(secret)
            || "LoginDocument { rabbitmq: RabbitMq { hosts: queue: vhost: .. }".contains(secret)
    };
    // Only plain words: a debug text escapes others, and digits may be the port's.
    let is_word = password.len() >= SECRET_LENGTH && password.bytes().all(|b| b.is_ascii_alphabetic());
    assert!(!is_word || is_elsewhere(password) || !shown.contains(password.as_str()), "a password is shown");
    let url = Url::parse("http://platform:9061/api/gateway/login?x=1").expect("a URL");
    let Ok(session) = Session::new(&document, &url) else { return };
    assert!(session.record_upload_period_s >= 1 && session.device_monitor_period_s >= 1);
    for path in ["/box/record", "record", "http://other/x", "", "//x", "a b", "\u{1}"] {
        let _ = session.platform_url(path);
        let _ = session.photo_url(path);
    }
}

/// Commands, as far as they are read before anything is done.
pub fn command(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    match envelope.command {
        Err(refusal) => assert!(refusal.code.code() != 0, "a refusal is no success"),
        Ok(Command::AddUsers { users, .. }) => users.into_iter().for_each(one_user),
        Ok(Command::AddUsersById { path, .. }) => assert!(!path.trim().is_empty()),
        Ok(Command::Fiqa { picture, .. }) => picture_text(&picture),
        Ok(Command::ControlConfig { fields }) => control(fields),
        Ok(Command::Devices(DeviceCommand::Put { echo, wishes, .. })) => {
            for login in wishes.iter().filter_map(|wish| Url::parse(wish.key.as_deref()?).ok()) {
                let password = login.password().filter(|text| text.len() >= SECRET_LENGTH);
                assert!(password.is_none_or(|password| !echo.to_string().contains(&format!(":{password}@"))));
            }
        }
        Ok(
            Command::DeleteUsers { .. }
            | Command::SyncPermissions { .. }
            | Command::WipeData { .. }
            | Command::Devices(DeviceCommand::Delete { .. })
            | Command::Refused(_),
        ) => {}
    }
}

/// Every field that says something is answered once, and whatever is applied keeps the match threshold on the scale.
fn control(fields: Map<String, Value>) {
    let now = Tuning {
        threshold: 82.0,
        range: ScoreRange::default(),
        enrol_strangers: false,
        realtime_urls: Vec::new(),
        history_urls: Vec::new(),
        monitor_urls: Vec::new(),
        gate_mode: GateMode::OpenDoor,
        pass_mode: PassMode::Normal,
        history_face_info: None,
        reports: menshen_domain::report_options::ReportOptions::default(),
    };
    let asked = fields.iter().filter(|(_, value)| !lenient::is_absent(value));
    let names: BTreeSet<String> = asked.map(|(name, _)| name.chars().take(64).collect()).collect();
    let (wanted, result, reasons) = check_fields(&now, fields);
    let answered: BTreeSet<String> =
        result.success_field.keys().chain(result.faild_field.keys()).cloned().collect();
    assert_eq!(names, answered);
    assert!(result.faild_field.is_empty() == reasons.is_empty(), "a reason for each");
    let mut changes = Changes::default();
    wanted.apply(&mut changes);
    let tuned = now.with(&changes);
    assert!(tuned.threshold > tuned.range.lowest && tuned.threshold <= tuned.range.highest);
}

/// Bodies of the local API that are more than lists of the above.
pub fn local(bytes: &[u8]) {
    for content_type in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
        let Ok(fields) = form::read(content_type, bytes) else { continue };
        assert!(fields.len() <= limits::LOCAL_FORM_FIELDS_MAX);
        for value in fields.values() {
            assert!(value.is_string() || value.is_array());
            let texts = form::texts(value).unwrap_or_default();
            assert!(texts.iter().map(String::len).sum::<usize>() <= bytes.len() * 3);
        }
    }
    let _ = json::parse_copied(bytes);
    round_trip::<WireAction>(bytes);
    wished_device(bytes);
    if let Ok(config) = StreamConfig::parse(bytes) {
        assert!(config.devices().iter().map(String::len).sum::<usize>() <= bytes.len() * 3);
    }
    let Ok(action) = serde_json::from_slice::<WireAction>(bytes) else { return };
    if let Ok(command) = action.command(LOCAL_SECONDS_MAX) {
        assert!((1..=LOCAL_SECONDS_MAX).contains(&command.seconds));
        assert!(command.logic_port <= 65_535 && command.action_port <= 65_535);
    }
}

/// A device of the published calls: what is read of it makes a block, or is refused.
fn wished_device(bytes: &[u8]) {
    let Ok(entry) = serde_json::from_slice::<Value>(bytes) else { return };
    for form in [Form::Api, Form::Command] {
        let Ok(wish) = read_wish(entry.clone(), form) else { continue };
        if let RelayWish::Set(relay) = &wish.net_relay {
            let _ = relay.action_url("modbus://{ip}:{net_port}/0?coils={door_port}");
        }
        for verb in [Verb::Add, Verb::Update] {
            let _ = wish.change(verb, &[]);
        }
    }
}

fn one_user(value: Value) {
    let Ok(user) = lenient::object::<WireUser>(value) else { return };
    let _ = (user.name(), user.kind(), user.register_type(), user.fiqa_level());
    if let Ok(ids) = user.permission_ids() {
        assert!(!ids.is_empty(), "everybody is in a group");
    }
    if let Some(PhotoSource::Base64(text)) = user.photo() {
        picture_text(&text);
    }
}

/// Users' details as the platform answers them.
pub fn user(bytes: &[u8]) {
    round_trip::<UserListRequest>(bytes);
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        one_user(value);
    }
    if let Ok(answer) = UserListAnswer::parse(bytes) {
        answer.data.user_list.into_iter().for_each(one_user);
    }
}

fn picture_text(text: &str) {
    if let Ok(bytes) = picture::decode(text, PICTURE_BYTES_MAX) {
        assert!(!bytes.is_empty() && bytes.len() <= PICTURE_BYTES_MAX);
        assert_eq!(picture::decode(&picture::encode(&bytes), PICTURE_BYTES_MAX).as_deref(), Ok(&bytes[..]));
    }
}

/// Photos as devices post them: the first line is the content type, the rest the body.
pub fn photo_post(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (content_type, body) = bytes.split_at(end);
    let body = bytes::Bytes::copy_from_slice(body.strip_prefix(b"\n").unwrap_or(body));
    let Ok(pictures) = photo_post::read(&String::from_utf8_lossy(content_type), &body) else { return };
    assert!(!pictures.is_empty() && pictures.len() <= limits::PHOTO_FORM_PICTURES_MAX);
    let size: usize = pictures.iter().map(|picture| picture.bytes.len()).sum();
    assert!(size <= body.len(), "pictures are parts of the body, and none is there twice");
    let known = |picture: &DevicePicture| PictureKind::of(&picture.bytes).is_some();
    // What is surely a picture comes first, and faces before scenes.
    assert!(pictures.is_sorted_by_key(|picture| (!known(picture), picture.role)));
}

/// Pictures inside JSON.
pub fn picture(bytes: &[u8]) {
    picture_text(&String::from_utf8_lossy(bytes));
    if !bytes.is_empty() && bytes.len() <= PICTURE_BYTES_MAX {
        assert_eq!(picture::decode(&picture::encode(bytes), PICTURE_BYTES_MAX).as_deref(), Ok(bytes));
    }
}

/// Registry photos: JPEG and PNG files.
pub fn photo(bytes: &[u8]) {
    let Ok(frame) = decode_photo(bytes) else { return };
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    assert!(pixels > 0 && pixels <= limits::PHOTO_PIXELS_MAX);
    assert!(frame.data.len() as u64 >= pixels * 3, "as many bytes as its size says");
}

/// Event bodies.
pub fn event(bytes: &[u8]) {
    round_trip::<EventBody>(bytes);
    round_trip::<FlatEventBody>(bytes);
}

/// Replies.
pub fn reply(bytes: &[u8]) {
    round_trip::<Reply>(bytes);
}

/// Device list and status report.
pub fn report(bytes: &[u8]) {
    round_trip::<DeviceListReport>(bytes);
    round_trip::<StatusReport>(bytes);
}

/// Whatever cameras and other machines on their network answer, over UDP and HTTP.
pub fn onvif(bytes: &[u8]) {
    let url = Url::parse("http://192.168.1.64/onvif/device_service").expect("a URL");
    let at = device::CameraHost { url, ip: IpAddr::from([192, 168, 1, 64]) };
    let mut answers = discovery::Answers::default();
    let (_, found) = answers.take(at.ip, bytes);
    assert!(found <= limits::ONVIF_MATCHES_MAX);
    for camera in answers.into_cameras() {
        assert!(camera.addresses.len() <= limits::ONVIF_ADDRESSES_MAX);
        for text in [camera.name, camera.hardware, camera.location].into_iter().flatten() {
            let length = text.chars().count();
            assert!(length <= limits::ONVIF_TEXT_CHARS_MAX + 1 && !text.chars().any(char::is_control));
        }
    }
    let _ = (device::read_clock(bytes), soap::is_refusal(bytes));
    for services in [device::read_services(bytes, &at.url), device::read_capabilities(bytes, &at.url)] {
        let services = services.unwrap_or_default();
        for url in [services.media, services.media_2].into_iter().flatten() {
            let (reached, moved) = at.reach(url);
            assert!(moved.is_none() || reached.host_str() == at.url.host_str());
        }
    }
    let profiles = media::read_profiles(bytes).unwrap_or_default();
    assert!(profiles.len() <= limits::ONVIF_PROFILES_MAX);
    for profile in profiles {
        let request = media::get_stream_uri(media::Version::One, &profile.token).envelope(None);
        assert!(request.matches("<ProfileToken>").count() == 1, "a token stays inside its element");
    }
    if let Ok(address) = media::read_stream(bytes, &at) {
        assert!(address.shown().starts_with("rtsp") && address.to_enter(Some("u")).starts_with("rtsp"));
    }
}
