//! Devices one by one: as the file has them, and as they are added and changed while the box runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use toml::Table;

use super::photos::PhotoKeys;
use super::published::{read_id, read_published};
use super::reader::{ConfigError, Findings, Section};
use super::value_error::{ValueError, action_url_text};
use menshen_domain::address::{Address, Login};
use menshen_domain::device::PUSH_PIPELINES;
use menshen_domain::device::{DeviceConfig, DeviceKind, Direction};
use menshen_domain::frame::PixelAspect;
use menshen_domain::limits;
use menshen_domain::person::DEFAULT_PERMISSION_GROUP;
use menshen_domain::registry_groups::{DEFAULT_REGISTRY_GROUP, RegistryGroupFault, check_name};
use menshen_domain::relay::action_url::ActionUrl;
use menshen_domain::text;
use menshen_domain::text::Text;
use menshen_domain::tuning::DeviceTable;
use menshen_domain::view::{Region, Rotation, View};
use menshen_domain::visible::is_hidden;

/// `[[devices]]` blocks by `ip`, in the file's order.
#[derive(Clone, Default, PartialEq)]
pub struct DeviceTables(Vec<(String, DeviceTable)>);

/// Never shows a password.
impl std::fmt::Debug for DeviceTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(ip, _)| ip)).finish()
    }
}

impl DeviceTables {
    pub(super) fn new(tables: &[Table]) -> Self {
        let named = |table: &Table| {
            let ip = table.get("ip")?.as_str()?.to_owned();
            match serde_json::to_value(table).ok()? {
                serde_json::Value::Object(table) => Some((ip, table)),
                _ => None,
            }
        };
        Self(tables.iter().filter_map(named).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &DeviceTable)> {
        self.0.iter().map(|(ip, table)| (ip.as_str(), table))
    }

    pub fn get(&self, ip: &str) -> Option<&DeviceTable> {
        self.iter().find_map(|(known, table)| (known == ip).then_some(table))
    }
}

/// What blocks are read with, beside what stands in them.
#[derive(Clone, Copy)]
pub struct BlockContext<'a> {
    pub dev_sno: &'a str,
    /// `gate.net_relay_url`; empty for none.
    pub net_relay_url: &'a str,
}

/// Notes what is wrong with a device's `ip`.
fn check_ip(section: &Section<'_>, ip: &str, seen: &mut BTreeSet<String>) {
    if ip.is_empty() || ip.contains(char::is_whitespace) {
        section.wrong(
            "ip",
            text!(
                "must be given: the device's address, or another name unique on this box",
                "必须填写：设备地址，或本机唯一的其他名称"
            ),
        );
    } else if ip.len() > limits::ID_BYTES_MAX || ip.contains(is_hidden) {
        let max = limits::ID_BYTES_MAX;
        section.wrong(
            "ip",
            text!("must have at most {max} bytes, all of them visible", "最多 {max} 字节，且均为可见字符"),
        );
    } else if !seen.insert(ip.to_owned()) {
        section.wrong(
            "ip",
            text!(
                "`{ip}` is used by two devices; each needs its own",
                "`{ip}` 被两台设备使用；每台设备必须不同"
            ),
        );
    }
}

fn short_name(name: String) -> Result<String, Text> {
    const MAX: usize = limits::NAME_BYTES_MAX;
    if name.len() <= MAX {
        return Ok(name);
    }
    Err(text!("must not be longer than {MAX} bytes", "不能超过 {MAX} 字节"))
}

/// Reads the `[[devices]]` blocks; errors are noted.
pub(super) fn read_devices(sections: Vec<Section<'_>>, context: BlockContext<'_>) -> Vec<DeviceConfig> {
    let mut devices = Vec::new();
    let (mut seen, mut ids) = (BTreeSet::new(), BTreeSet::new());
    let mut accounts = PhotoKeys::default();
    for mut section in sections {
        let ip = section.take("ip", String::new());
        check_ip(&section, &ip, &mut seen);
        let name = section.take_checked("name", ip.clone(), short_name).unwrap_or_default();
        let kind = section.take_opt::<DeviceKind>("type");
        let pipeline = section.take("pipeline", "rtsp".to_owned());
        let parameters = read_parameters(&mut section, &pipeline);
        let mut permission_groups: Vec<String> =
            section.take("permission_groups", vec![DEFAULT_PERMISSION_GROUP.to_owned()]);
        if permission_groups.is_empty() {
            section.wrong(
                "permission_groups",
                text!(
                    "must name at least one group, or no person is ever recognised here",
                    "至少填写一个权限组，否则此处无法识别任何人"
                ),
            );
            permission_groups.push(DEFAULT_PERMISSION_GROUP.to_owned());
        }
        let registry_group = read_registry_group(&mut section);
        let enabled = section.take("enabled", true);
        let device_id = read_id(&mut section, &ip, &mut ids);
        let (published, of_relay) = read_published(&mut section, context.net_relay_url);
        let action_url = match section.take_secret("action_url").as_str() {
            "" => None,
            text => {
                ActionUrl::new(&Address::read(text).map_or_else(|| text.to_owned(), |read| read.canonical()))
                    .map_err(|error| section.wrong("action_url", action_url_text(&error)))
                    .ok()
            }
        };
        let action_url = action_url.or(of_relay);
        let view = read_view(&mut section, &pipeline);
        let photos = accounts.read(&mut section, &pipeline, kind);
        let device = DeviceConfig {
            ep_id: DeviceConfig::ep_id(context.dev_sno, &ip),
            ip,
            device_id,
            name,
            kind: kind.unwrap_or(DeviceKind::NetworkCamera),
            pipeline,
            parameters,
            direction: section.take("direction", Direction::In),
            permission_groups,
            registry_group,
            memo: section.take("memo", String::new()),
            location: section.take("location", String::new()),
            group_name: section.take("group_name", String::new()),
            action_url,
            enabled,
            liveness: section.take("liveness", false),
            attributes: section.take("attributes", false),
            view,
            photos,
            published,
        };
        section.finish();
        devices.push(device);
    }
    devices
}

fn read_registry_group(section: &mut Section<'_>) -> String {
    let name: String = section.take("registry_group", DEFAULT_REGISTRY_GROUP.to_owned());
    match check_name(&name) {
        Err(RegistryGroupFault::EmptyName) => section.wrong(
            "registry_group",
            text!(
                "must name a registry group; `{DEFAULT_REGISTRY_GROUP}` is always there",
                "必须填写一个底库组；`{DEFAULT_REGISTRY_GROUP}` 始终存在"
            ),
        ),
        Err(_) => section.wrong(
            "registry_group",
            text!(
                "is one group, without a comma: a device compares with one registry group",
                "只能填写一个底库组，不能含逗号：一台设备只与一个底库组比对"
            ),
        ),
        Ok(()) => {}
    }
    name
}

/// Addresses of a pipeline, among its other values.
const ADDRESSES: [&str; 2] = ["url", "main_url"];

/// What the pipeline needs. User and password go into the addresses that name none themselves, with escapes, so that
/// whatever reads them as URLs finds the password that was typed.
fn read_parameters(section: &mut Section<'_>, pipeline: &str) -> BTreeMap<String, String> {
    let url = section.take_secret("url");
    let login = Login { user: section.take_secret("user"), password: section.take_secret("password") };
    let mut parameters = section.take_secrets("parameters");
    if !url.is_empty() {
        parameters.insert("url".to_owned(), url);
    }
    if login.user.is_empty() && !login.password.is_empty() {
        section.wrong("user", text!("must be given with `password`", "填写 `password` 时必须同时填写"));
    }
    if login.user.contains(':') {
        section.wrong(
            "user",
            text!(
                "must not hold a colon; the password has a key of its own, `password`",
                "不能含冒号；密码请写在 `password`"
            ),
        );
    }
    if PUSH_PIPELINES.contains(&pipeline) && !login.is_empty() {
        section.wrong(
            "user",
            text!(
                "is for cameras the box asks; one that sends photos by FTP has `ftp_user`",
                "仅用于由本机取流的摄像机；通过 FTP 上传照片的设备用 `ftp_user`"
            ),
        );
        return parameters;
    }
    for key in ADDRESSES {
        let Some(text) = parameters.get_mut(key) else { continue };
        match Address::read(text) {
            Some(mut address) => {
                if key == "url" && !login.is_empty() || address.login.is_empty() {
                    address.login = login.clone();
                }
                *text = address.canonical();
            }
            None if key == "url" && !login.is_empty() => {
                section.wrong(
                    "user",
                    text!(
                        "is for an address, as in url = \"rtsp://192.168.1.25/ch1\"",
                        "仅用于网络地址，如 url = \"rtsp://192.168.1.25/ch1\""
                    ),
                );
            }
            None => {}
        }
    }
    parameters
}

fn read_view(section: &mut Section<'_>, pipeline: &str) -> View {
    let regions = section.take_checked("regions", Vec::<[f32; 4]>::new(), |given| {
        if given.len() > limits::REGIONS_MAX {
            return Err(ValueError::Regions(given.len()));
        }
        Ok(given.into_iter().map(Region::new).collect::<Result<Vec<_>, _>>()?)
    });
    let regions = regions.unwrap_or_default();
    if !regions.is_empty() && PUSH_PIPELINES.contains(&pipeline) {
        section.wrong(
            "regions",
            text!(
                "are for streams; a photo that is sent is analysed whole",
                "仅用于视频流；上传的照片整张分析"
            ),
        );
    }
    let least = section.take_within("face_min_px", 0.0f32, 0.0, 2000.0);
    if least > 0.0 && least < FACE_MIN_PX {
        section.wrong(
            "face_min_px",
            text!(
                "must be {FACE_MIN_PX} to 2000, or 0 for that of [recognition]",
                "应为 {FACE_MIN_PX} 到 2000，或 0（取 [recognition] 的值）"
            ),
        );
    }
    let rotation = section.take_checked("rotation", 0, |degrees| {
        Rotation::from_degrees(degrees).map_err(|_| ValueError::Rotation)
    });
    let pixel_aspect = section.take_checked("pixel_aspect", String::new(), |text| match text.as_str() {
        "" => Ok(None),
        text => text.parse::<PixelAspect>().map(Some).map_err(|_| ValueError::PixelAspect(text.to_owned())),
    });
    View {
        regions,
        face_min_px: Some(least).filter(|px| *px > 0.0),
        rotation: rotation.unwrap_or_default(),
        pixel_aspect: pixel_aspect.flatten(),
    }
}

/// No embedder makes anything of smaller faces.
pub(super) const FACE_MIN_PX: f32 = 10.0;

/// Reads one device, with every error in it.
pub fn read_device(table: &DeviceTable, context: BlockContext<'_>) -> Result<DeviceConfig, Vec<ConfigError>> {
    let ip = table.get("ip").and_then(serde_json::Value::as_str).unwrap_or_default();
    let findings = Findings::new(&format!("device {ip}"), HashMap::new());
    let mut devices = match Table::try_from(table) {
        Ok(table) => read_devices(vec![Section::root(&findings, table)], context),
        Err(error) => {
            let _ = error;
            findings.add(
                "(device)",
                text!(
                    "holds a value that a configuration cannot hold (null)",
                    "含有配置中不允许的空值（null）"
                ),
            );
            Vec::new()
        }
    };
    let device = devices.pop();
    let errors = findings.into_errors();
    device.filter(|_| errors.is_empty()).ok_or(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::status::Language;

    const PLAIN: BlockContext<'_> = BlockContext { dev_sno: "SNO", net_relay_url: "" };

    fn table(text: &str) -> DeviceTable {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_name_is_no_book() {
        assert_eq!(short_name("门".repeat(300)).unwrap().chars().count(), 300);
        assert!(short_name("门".repeat(342)).unwrap_err().of(Language::En).contains("1024 bytes"));
    }

    #[test]
    fn a_device_is_read_as_the_file_is() {
        let given = table(
            r#"{ "ip": "10.0.0.5", "type": "turnstile", "url": "rtsp://u:secret@h/x", "enabled": false }"#,
        );
        let device = read_device(&given, PLAIN).unwrap();
        assert_eq!(
            (device.ep_id.as_str(), device.name.as_str(), device.enabled),
            ("SNO__10.0.0.5", "10.0.0.5", false)
        );
        assert_eq!(device.registry_group, "default_group");
        let visitors = table(r#"{ "ip": "a", "registry_group": "visitors" }"#);
        assert_eq!(read_device(&visitors, PLAIN).unwrap().registry_group, "visitors");
    }

    #[test]
    fn what_is_looked_at_is_read() {
        let given = table(r#"{ "ip": "hall", "regions": [[0.1, 0.2, 0.5, 1]], "face_min_px": 90 }"#);
        let view = read_device(&given, PLAIN).unwrap().view;
        assert_eq!(view.face_min_px, Some(90.0));
        assert_eq!(view.regions, [Region::new([0.1, 0.2, 0.5, 1.0]).unwrap()]);
        for (given, expected) in [
            (r#"{ "ip": "hall", "regions": [[0.5, 0.2, 0.1, 1]] }"#, "left before right"),
            (
                r#"{ "ip": "hall", "regions": [[0.5, 0.2, 0.1]] }"#,
                "`regions.0`: is a list of 3; wanted is a list of 4",
            ),
            (r#"{ "ip": "hall", "pipeline": "post", "regions": [[0, 0, 0.5, 1]] }"#, "for streams"),
            (r#"{ "ip": "hall", "face_min_px": 3 }"#, "10 to 2000"),
            (r#"{ "ip": "hall", "registry_group": " " }"#, "must name a registry group"),
            (r#"{ "ip": "hall", "registry_group": "a,b" }"#, "is one group"),
        ] {
            let told = told(&table(given));
            assert!(told.contains(expected), "{told}");
        }
    }

    fn told(given: &DeviceTable) -> String {
        let errors = read_device(given, PLAIN).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_login_is_typed_as_it_is() {
        for password in ["p@ss#w0rd", "pass w0rd", "pa/ss?w0rd:1", "100%", "%40"] {
            let mut given = table(r#"{ "ip": "a", "url": "rtsp://10.0.0.5/x", "user": "admin" }"#);
            given.insert("parameters".into(), serde_json::json!({ "main_url": "rtsp://10.0.0.5/main" }));
            given.insert("password".into(), password.into());
            let device = read_device(&given, PLAIN).unwrap();
            for key in ADDRESSES {
                let url = url::Url::parse(&device.parameters[key]).unwrap();
                let read =
                    percent_encoding::percent_decode_str(url.password().unwrap()).decode_utf8().unwrap();
                assert_eq!(
                    (url.username(), read.as_ref(), url.host_str()),
                    ("admin", password, Some("10.0.0.5"))
                );
            }
            assert_eq!(device.masked_url(), "rtsp://***:***@10.0.0.5/x");
        }
        let typed = table(r#"{ "ip": "a", "url": "rtsp://admin:p@ss#w0rd@10.0.0.5/x" }"#);
        let device = read_device(&typed, PLAIN).unwrap();
        assert_eq!(device.parameters["url"], "rtsp://admin:p%40ss%23w0rd@10.0.0.5/x");
        for (given, expected) in [
            (r#"{ "ip": "a", "url": "rtsp://h/x", "password": "s3cret" }"#, "`user`: must be given"),
            (r#"{ "ip": "a", "url": "rtsp://h/x", "user": "a", "password": 12345678 }"#, "in quotes"),
            (r#"{ "ip": "a", "url": ["rtsp://a:s3cret@h/x"] }"#, "`url`: must be a text in quotes"),
            (r#"{ "ip": "a", "parameters": "rtsp://a:s3 cret@h/x" }"#, "a table of texts"),
            (r#"{ "ip": "a", "parameters": { "main_url": { "s3cret": 1 } } }"#, "`main_url` must be a text"),
            (r#"{ "ip": "a", "action_url": { "s3cret": 1 } }"#, "`action_url`: must be a text"),
            (r#"{ "ip": "a", "url": "/dev/video0", "user": "a" }"#, "is for an address"),
            (r#"{ "ip": "a", "pipeline": "post", "user": "a" }"#, "cameras the box asks"),
        ] {
            let told = told(&table(given));
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("3cret") && !told.contains("123456"), "{told}");
        }
    }

    #[test]
    fn every_error_is_told_and_no_password() {
        let given = table(
            r#"{ "ip": "", "typ": "turnstile", "direction": "up", "url": "rtsp://u:secret@h/x", "memo": null }"#,
        );
        let null = told(&given);
        assert!(!null.contains("secret"), "{null}");
        // TOML knows no null.
        assert!(null.contains("(device)"), "{null}");
        let mut given = given;
        given.remove("memo");
        let told = told(&given);
        for part in ["`ip`: must be given", "did you mean `type`", "`direction`"] {
            assert!(told.contains(part), "{part} not in {told}");
        }
    }
}
