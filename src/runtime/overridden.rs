//! What of the configuration file does not count, since it was changed in the field: who edits the file is told.

use std::fmt::Display;

use super::tuning::base_tuning;
use crate::config::Settings;
use menshen_domain::changed_setting::ChangedSetting;
use menshen_domain::history::shown;
use menshen_domain::report_options::ReceiverDialect;
use menshen_domain::text;
use menshen_domain::text::Text;
use menshen_domain::tuning::{Changes, DeviceTable};
use url::Url;

/// A key of the file whose value is not used, and the way back to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Overridden {
    /// A key, the file's value and the one that counts.
    Setting { setting: ChangedSetting, file: String, now: String },
    /// A device of the file, and its keys that differ.
    Device { ip: String, keys: Vec<String> },
    /// A device of the file that was removed.
    Removed { ip: String },
}

impl Overridden {
    /// The command that goes back to the file's value.
    pub fn way_back(&self) -> String {
        match self {
            Self::Setting { setting: ChangedSetting::Embedder, file, .. } => {
                format!("menshen models use {file}")
            }
            Self::Setting { setting, .. } => format!("menshen settings reset {}", setting.key()),
            Self::Device { ip, .. } | Self::Removed { ip } => format!("menshen devices reset {ip}"),
        }
    }

    /// The whole story, and the way back.
    pub fn text(&self) -> Text {
        let back = self.way_back();
        match self {
            Self::Setting { setting, file, now } => text!(
                "`{key}` is {now}, as it was changed while the box ran; the {file} of the configuration file does not count. \
                 To go back to it: {back}",
                "`{key}` 现为 {now}（运行中修改过），配置文件中的 {file} 不生效。恢复配置文件的值：{back}",
                key = setting.key()
            ),
            Self::Device { ip, keys } => text!(
                "device `{ip}` is as it was changed while the box ran ({keys}); what the configuration file says of it does not \
                 count. To go back to it: {back}",
                "设备 `{ip}` 运行中修改过（{keys}），配置文件中的内容不生效。恢复配置文件的值：{back}",
                keys = keys.join(", ")
            ),
            Self::Removed { ip } => text!(
                "device `{ip}` is in the configuration file and was removed while the box ran. To have it back: {back}",
                "设备 `{ip}` 在配置文件中，但已在运行中删除。恢复：{back}"
            ),
        }
    }
}

/// Everything of the file that does not count; `settings` as the file has them.
pub fn overridden(settings: &Settings, changes: &Changes) -> Vec<Overridden> {
    let mut found: Vec<Overridden> = ChangedSetting::ALL
        .into_iter()
        .filter_map(|setting| {
            let (file, now) = values(setting, settings, changes)?;
            (file != now).then_some(Overridden::Setting { setting, file, now })
        })
        .collect();
    for (ip, file) in settings.device_tables.iter() {
        match changes.devices.get(ip) {
            None => {}
            Some(None) => found.push(Overridden::Removed { ip: ip.to_owned() }),
            Some(Some(now)) => {
                let keys = differing(file, now);
                if !keys.is_empty() {
                    found.push(Overridden::Device { ip: ip.to_owned(), keys });
                }
            }
        }
    }
    found
}

/// The file's value and the changed one, as they may be shown; `None`: not changed.
fn values(setting: ChangedSetting, settings: &Settings, changes: &Changes) -> Option<(String, String)> {
    let base = base_tuning(settings);
    let range = |[lowest, best, highest]: [f32; 3]| format!("[{lowest}, {best}, {highest}]");
    let pair = |file: &dyn Display, now: &dyn Display| (file.to_string(), now.to_string());
    Some(match setting {
        ChangedSetting::DevSno => {
            // A credential: only its end is shown.
            let (file, now) = (&settings.dev_sno, changes.dev_sno.as_ref()?);
            if file == now {
                return None;
            }
            (ending(file), ending(now))
        }
        ChangedSetting::LoginUrl => {
            let file = settings.platform.as_ref().map_or_else(|| "-".to_owned(), |it| shown(&it.login_url));
            (file, shown(changes.login_url.as_ref()?))
        }
        ChangedSetting::Threshold => pair(&base.threshold, changes.threshold.as_ref()?),
        ChangedSetting::ThresholdRange => {
            let file = base.range;
            (range([file.lowest, file.best, file.highest]), range(changes.threshold_range?))
        }
        ChangedSetting::EnrolStrangers => {
            pair(&base.enrol_strangers, changes.support_stranger_group.as_ref()?)
        }
        ChangedSetting::RealtimeUrls => (urls(&base.realtime_urls), urls(changes.realtime_urls.as_ref()?)),
        ChangedSetting::HistoryUrls => (urls(&base.history_urls), urls(changes.history_urls.as_ref()?)),
        ChangedSetting::MonitorUrls => (urls(&base.monitor_urls), urls(changes.monitor_urls.as_ref()?)),
        ChangedSetting::GateMode => pair(&base.gate_mode.wire(), &changes.gate_mode?.wire()),
        ChangedSetting::PassMode => pair(&base.pass_mode.wire(), &changes.pass_mode?.wire()),
        ChangedSetting::HistoryFaceInfo => {
            let file = base.history_face_info.map_or_else(|| "-".to_owned(), |on| on.to_string());
            (file, changes.history_face_info?.to_string())
        }
        ChangedSetting::PlatformDialect => {
            pair(&base.reports.dialects.platform.wire(), &changes.platform_dialect?.wire())
        }
        ChangedSetting::HistoryDialect => {
            let file = base.reports.dialects.history.unwrap_or(base.reports.dialects.platform);
            pair(&file.wire(), &changes.history_dialect?.wire())
        }
        ChangedSetting::ReceiverDialects => {
            let now = changes.receiver_dialects.as_ref()?;
            (receivers(&base.reports.dialects.receivers), receivers(now))
        }
        ChangedSetting::Embedder => pair(&settings.recognition.embedder, &changes.embedder.as_ref()?.name),
    })
}

fn ending(secret: &str) -> String {
    let shown: String = secret.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("…{shown}")
}

fn urls(list: &[Url]) -> String {
    format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", "))
}

fn receivers(list: &[ReceiverDialect]) -> String {
    let one = |it: &ReceiverDialect| format!("{} {}", shown(&it.url), it.dialect.wire());
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn differing(file: &DeviceTable, now: &DeviceTable) -> Vec<String> {
    let mut keys: Vec<String> =
        file.iter().filter(|(key, value)| now.get(*key) != Some(value)).map(|(key, _)| key.clone()).collect();
    keys.extend(now.keys().filter(|key| !file.contains_key(*key)).cloned());
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::source::load_text;
    use menshen_domain::status::Language;

    fn told(changes: &str) -> Vec<String> {
        let text = "mode = \"standalone\"\n[[devices]]\nip = \"a\"\ntype = \"turnstile\"\nurl = \"rtsp://u:s3cret@a/x\"\n";
        let settings = load_text("m.toml", text, &Overrides::default()).unwrap();
        let changes = serde_json::from_str(changes).unwrap();
        overridden(&settings, &changes).iter().map(|it| it.text().of(Language::En).to_owned()).collect()
    }

    #[test]
    fn each_value_of_the_file_that_does_not_count_is_named_with_the_way_back() {
        for (changes, expected) in [
            (r#"{ "threshold": 90 }"#, "`recognition.threshold` is 90,"),
            (r#"{ "gate_mode": "avoid" }"#, "menshen settings reset gate.mode"),
            (r#"{ "realtime_urls": ["http://u:s3cret@h/x?token=s3cret"] }"#, "events.realtime_urls"),
            (r#"{ "platform_dialect": "2.6" }"#, "`platform.dialect` is 2.6,"),
            (r#"{ "history_dialect": "2.6" }"#, "menshen settings reset events.history_dialect"),
            (
                r#"{ "receiver_dialects": [{ "url": "http://u:s3cret@h/", "dialect": "2.6" }] }"#,
                "`events.receiver` is [http://h/ 2.6],",
            ),
            (r#"{ "embedder": { "name": "other" } }"#, "menshen models use sface"),
            (r#"{ "dev_sno": "S3CRETXX1234" }"#, "…1234"),
            (r#"{ "devices": { "a": null } }"#, "was removed"),
            (
                r#"{ "devices": { "a": { "ip": "a", "type": "turnstile", "url": "rtsp://u:s3cret@b/x", "name": "n" } } }"#,
                "(name, url)",
            ),
            (r#"{ "devices": { "a": null } }"#, "menshen devices reset a"),
        ] {
            let told = told(changes);
            assert!(told.len() == 1 && told[0].contains(expected), "{changes}: {told:?}");
            assert!(!told[0].to_lowercase().contains("s3cret"), "{told:?}");
        }
    }

    #[test]
    fn what_is_the_same_or_only_added_is_not_named() {
        for changes in [
            "{}",
            r#"{ "threshold": 82 }"#,
            r#"{ "devices": { "b": { "ip": "b", "type": "turnstile" } } }"#,
            r#"{ "devices": { "a": { "ip": "a", "type": "turnstile", "url": "rtsp://u:s3cret@a/x" } } }"#,
        ] {
            assert_eq!(told(changes), Vec::<String>::new(), "{changes}");
        }
    }
}
