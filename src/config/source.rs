//! Where settings come from: the file, the environment, the command line.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::reader::{ConfigError, Findings, Section, key_lines, set_path};
use super::renamed::rename;
use super::secret_files::{holds_secret, note_open, resolve};
use super::settings::Settings;
use super::tls::TlsSettings;
use menshen_domain::not_toml::NotToml;
use menshen_domain::secrets::mask_url;
use menshen_domain::text::Text;
use menshen_domain::{text, tr};

/// Prefix of environment variables that override keys.
const ENV_PREFIX: &str = "MENSHEN_";

/// Overrides of single keys, the weakest first.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<Override>);

#[derive(Debug, Clone)]
struct Override {
    /// What to name in an error.
    label: String,
    path: String,
    value: String,
}

impl Overrides {
    /// From environment variables (`MENSHEN_WEB__LISTEN`), then from `--set key.path=value` arguments.
    pub fn new(env: impl Iterator<Item = (String, String)>, set: &[String]) -> Result<Self, ConfigError> {
        let mut overrides: Vec<_> = env
            .filter_map(|(name, value)| {
                let path = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase().replace("__", ".");
                Some(Override { label: name, path, value })
            })
            .collect();
        overrides.sort_by(|a, b| a.label.cmp(&b.label));
        for argument in set {
            let Some((path, value)) = argument.split_once('=') else {
                return Err(ConfigError {
                    place: "--set".to_owned(),
                    key: mask_url(argument),
                    problem: text!(
                        "expected key.path=value, as in --set web.listen=127.0.0.1:9000",
                        "应为 键=值，如 --set web.listen=127.0.0.1:9000"
                    ),
                });
            };
            overrides.push(Override {
                label: format!("--set {path}"),
                path: path.trim().to_owned(),
                value: value.to_owned(),
            });
        }
        Ok(Self(overrides))
    }
}

/// Loads, merges and checks. `Err` holds every error.
pub fn load(file: &Path, overrides: &Overrides) -> Result<Settings, Vec<ConfigError>> {
    usable(inspect(file, overrides)?)
}

/// As [`load`], from a text.
pub fn load_text(file: &str, text: &str, overrides: &Overrides) -> Result<Settings, Vec<ConfigError>> {
    usable(inspect_text(file, text, overrides)?)
}

fn usable((settings, errors): (Settings, Vec<ConfigError>)) -> Result<Settings, Vec<ConfigError>> {
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

/// The settings as far as they can be read, with every error; for checking what else is wrong. `Err` when
/// there is no TOML to look at.
pub fn inspect(file: &Path, overrides: &Overrides) -> Result<(Settings, Vec<ConfigError>), Vec<ConfigError>> {
    let shown = file.display().to_string();
    let whole = |problem: Text| vec![ConfigError { place: shown.clone(), key: "(file)".to_owned(), problem }];
    let text = std::fs::read_to_string(file).map_err(|error| {
        let why = read_error(&error);
        whole(Text::new(|language| {
            let why = why.of(language);
            tr!(language, "{why}; name another with --config FILE", "{why}；可用 --config 文件 指定其他文件")
        }))
    })?;
    inspect_text(&shown, &text, overrides)
}

fn inspect_text(
    file: &str,
    text: &str,
    overrides: &Overrides,
) -> Result<(Settings, Vec<ConfigError>), Vec<ConfigError>> {
    let mut table: Table = toml::from_str(text).map_err(|error| {
        vec![ConfigError {
            place: file.to_owned(),
            key: "(file)".to_owned(),
            problem: NotToml::new(text, error.span().map_or(0, |span| span.start), error.message()).into(),
        }]
    })?;
    let mut findings = Findings::new(file, key_lines(text));
    for Override { label, path, value } in &overrides.0 {
        findings.overrides.insert(path.clone(), label.clone());
        if let Err(problem) = set_path(&mut table, path, value_of(path, value)) {
            findings.add(path, problem);
        }
    }
    let renamed_keys = rename(&mut table, &mut findings);
    let is_secret = holds_secret(&table);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let mut open_files = resolve(&mut table, &mut findings, credentials.as_deref());
    if is_secret {
        note_open(Path::new(file), &mut open_files);
    }
    let settings = Settings { renamed_keys, ..Settings::read(Section::root(&findings, table)) };
    for tls in [&settings.web_tls, &settings.local_api.tls, &settings.ftp.tls] {
        if let TlsSettings::Files(files) = tls {
            note_open(&files.key, &mut open_files);
        }
    }
    let settings = Settings { open_files, ..settings };
    Ok((settings, findings.into_errors()))
}

/// Why a file cannot be read.
fn read_error(error: &std::io::Error) -> Text {
    match error.kind() {
        ErrorKind::NotFound => text!("the file is not there", "文件不存在"),
        ErrorKind::PermissionDenied => text!("this user may not read the file", "当前用户无权读取该文件"),
        ErrorKind::IsADirectory => text!("it is a folder", "这是文件夹"),
        ErrorKind::InvalidData => {
            text!(
                "it is no text in UTF-8: save it in that encoding",
                "不是 UTF-8 编码的文本：请以 UTF-8 保存"
            )
        }
        _ => text!("it cannot be read: {error}", "无法读取：{error}"),
    }
}

/// Keys whose values are texts, whatever they look like: a password may be all digits.
const TEXTS: [&str; 7] = ["url", "user", "password", "ftp_user", "ftp_password", "token", "dev_sno"];

/// The value of an override, or of a key on the command line.
pub fn value_of(path: &str, text: &str) -> Value {
    let is_text = TEXTS.contains(&path.rsplit('.').next().unwrap_or_default().trim());
    match parse_value(text) {
        Value::String(value) => Value::String(value),
        _ if is_text => Value::String(text.to_owned()),
        value => value,
    }
}

/// TOML where it is TOML (`5`, `true`, `["a"]`), else a string.
pub fn parse_value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("v = {text}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(env: &[(&str, &str)], set: &[&str]) -> Overrides {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Overrides::new(env, &set.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn sample() -> String {
        std::fs::read_to_string("config/menshen.toml").unwrap()
    }

    fn check(change: (&str, &str), expected: &[&str]) {
        let text = sample().replacen(change.0, change.1, 1);
        assert_ne!(text, sample(), "{change:?} changes nothing");
        let errors = load_text("m.toml", &text, &Overrides::default()).unwrap_err();
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        for part in expected {
            assert!(told.iter().any(|text| text.contains(part)), "{part} not in {told:#?}");
        }
    }

    #[test]
    fn the_sample_is_the_defaults() {
        let text = "mode = \"platform\"\n[platform]\nlogin_url = \"http://127.0.0.1:9061/api/gateway/login\"\n\
                    dev_sno = \"UMOTRU000120190909103019\"";
        let sample = load_text("m.toml", &sample(), &Overrides::default()).unwrap();
        let defaults = load_text("d.toml", text, &Overrides::default()).unwrap();
        assert_eq!(format!("{sample:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn every_error_is_told_with_its_line_and_a_suggestion() {
        check(
            ("login_url", "login_ulr"),
            &["m.toml:21: `platform.login_ulr`", "did you mean `login_url`", "must be given"],
        );
        check(("http://127", "ftp://127"), &["`ftp` is not http or https"]);
        check(("dev_sno = \"UMO", "dev_sno = \"U MO"), &["must not hold spaces"]);
        check(("threshold = 82.0", "threshold = 820.0"), &["820 is outside 1 to 100; the default is 82"]);
        check(("int8 = false", "int8 = true"), &["8-bit integers are for an accelerator"]);
        check(("[0.0, 82.0, 100.0]", "[0.0, 182.0, 100.0]"), &["must rise"]);
        check(
            ("workers = 0", "workers = \"two\""),
            &["`recognition.workers`: is the text \"two\"", "a whole number from 0 on, as in workers = 0"],
        );
        check(
            ("mode = \"platform\"", "mode = \"cloud\""),
            &[
                "is the text \"cloud\"; wanted is one of \"platform\", \"standalone\", as in mode = \"platform\"",
            ],
        );
        check(
            ("\"partial\", ", "\"hat\", "),
            &["`recognition.custom_level.checks.0`: is the text \"hat\"; wanted is one of"],
        );
        check(("127.0.0.1:8886", "localhost"), &["expected IP:PORT"]);
        check(("level = \"info\"", "level = \"loud\""), &["`loud` is no log level"]);
        check(("[web]", "[wbe]"), &["unknown key; did you mean `web`"]);
        check(("127.0.0.1:5555", "0.0.0.0:5555"), &["`local_api.token`: must be set"]);
        check(("token = \"\"", "token = \"short\""), &["at least 16"]);
        check(("monitor_urls = []", "monitor_urls = [\"x\"]"), &["`status.monitor_urls`", "no URL"]);
        check(("mode = \"opendoor\"", "mode = \"open\""), &["`gate.mode`", "wanted is one of \"opendoor\""]);
        check(("keep_max = 10000", "keep_max = 10"), &["outside 100 to"]);
    }

    #[test]
    fn five_errors_are_told_at_once() {
        let text = sample()
            .replacen("login_method = \"GET\"", "login_method = \"FETCH\"", 1)
            .replacen("threshold = 82.0", "treshold = 82.0", 1)
            .replacen("gap_ms = 2500", "gap_ms = -1", 1)
            .replacen("127.0.0.1:8886", "nowhere", 1)
            + "\n[[devices]]\nname = \"x\"\ntype = \"camera\"\n";
        let errors = load_text("m.toml", &text, &Overrides::default()).unwrap_err();
        let keys: Vec<_> = errors.iter().map(|m| m.key.as_str()).collect();
        for key in [
            "platform.login_method",
            "recognition.treshold",
            "passages.gap_ms",
            "web.listen",
            "devices.0.ip",
            "devices.0.type",
        ] {
            assert!(keys.contains(&key), "{key} not in {keys:?}");
        }
    }

    #[test]
    fn overrides_win_in_order_and_are_named_in_errors() {
        let settings = load_text(
            "m.toml",
            &sample(),
            &overrides(
                &[("MENSHEN_EVENTS__KEEP_MAX", "500"), ("HOME", "/root"), ("MENSHEN_DATA_DIR", "a")],
                &[
                    "data_dir=b",
                    "devices.0.ip=1.2.3.4",
                    "devices.0.type=turnstile",
                    "devices.0.permission_groups=[\"7\"]",
                ],
            ),
        )
        .unwrap();
        assert_eq!((settings.events.keep_max, settings.data_dir.to_str()), (500, Some("b")));
        assert_eq!(settings.devices[0].ep_id, "UMOTRU000120190909103019__1.2.3.4");
        assert_eq!(settings.devices[0].permission_groups, ["7"]);
        let errors = load_text("m.toml", &sample(), &overrides(&[("MENSHEN_WEB__LISTEN", "x")], &["mod=x"]))
            .unwrap_err();
        let told: Vec<_> = errors.iter().map(|m| m.place.as_str()).collect();
        assert_eq!(told, ["MENSHEN_WEB__LISTEN", "--set mod"]);
        assert!(Overrides::new(std::iter::empty(), &["novalue".into()]).is_err());
    }

    #[test]
    fn a_text_that_is_no_toml_is_told_without_its_line() {
        for line in [
            "url = \"rtsp://admin:pa\"ssw0rd@h/x\"",
            "url = rtsp://admin:pa ssw0rd@h/x",
            "password = \"p\\ssw0rd\"",
            "password = p@ssw0rd",
            "url = 'rtsp://admin:pa'ssw0rd@h/x'",
            "parameters = { main_url = \"rtsp://a:x\"ssw0rd@h\" }",
            "ssw0rd@h",
        ] {
            let text = sample() + "\n[[devices]]\nip = \"a\"\n" + line + "\n";
            let told = load_text("m.toml", &text, &Overrides::default()).unwrap_err()[0].to_string();
            let at = format!("line {}", text.lines().count());
            assert!(told.contains(&at) && told.contains("is not TOML"), "{told}");
            assert!(!told.contains("ssw0rd"), "{told}");
        }
        let error =
            Overrides::new(std::iter::empty(), &["devices.0.url:rtsp://a:ssw0rd@h".into()]).unwrap_err();
        assert!(!error.to_string().contains("ssw0rd"), "{error}");
        for (path, text) in [("devices.0.password", "12345678"), ("password", "true"), ("url", "2026-01-01")]
        {
            assert_eq!(value_of(path, text), Value::String(text.to_owned()));
        }
        assert_eq!(value_of("web.port", "80"), Value::Integer(80));
    }

    #[test]
    fn two_devices_on_one_address_and_no_password_in_the_error() {
        let device = "\n[[devices]]\nip = \"a\"\ntype = \"turnstile\"\nurl = \"rtsp://u:secret@h/x\"\nbogus = \"rtsp://u:secret@h\"\n";
        let text = sample() + device + device;
        let errors = load_text("m.toml", &text, &Overrides::default()).unwrap_err();
        let told = errors.iter().map(ToString::to_string).collect::<String>();
        assert!(told.contains("used by two devices") && !told.contains("secret"), "{told}");
    }
}
