//! Host names of the configuration: whether they are known.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use url::Url;

use crate::cli::language::said;
use crate::config::Settings;
use crate::runtime::problems::Problems;
use menshen_domain::limits;

/// Every name that is not known, with the keys it stands in. All are looked up at the same time.
pub fn check_hosts(settings: &Settings) -> Problems {
    let names = names(settings);
    let (sender, answers) = bounded(names.len());
    for name in names.keys() {
        let (name, sender) = (name.clone(), sender.clone());
        std::thread::spawn(move || {
            let is_known = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some());
            let _ = sender.send((name, is_known));
        });
    }
    drop(sender);
    let until = Instant::now() + Duration::from_millis(limits::CHECK_LOOKUP_MS);
    let mut unknown = names;
    while let Ok((name, is_known)) = answers.recv_deadline(until) {
        if is_known {
            unknown.remove(&name);
        }
    }
    unknown
        .into_iter()
        .map(|(name, keys)| {
            let keys = keys.join(", ");
            said!(
                "{keys}: the name `{name}` is not known; check its spelling and the DNS server, or use the IP address",
                "{keys}：域名“{name}”无法解析；请检查拼写和 DNS，或改用 IP 地址"
            )
        })
        .collect()
}

/// Names, with where they stand; addresses need no looking up.
fn names(settings: &Settings) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |key: String, url: &Url| {
        let Some(host) = url.host_str() else { return };
        let host = host.trim_matches(['[', ']']);
        if !host.is_empty() && host.parse::<IpAddr>().is_err() {
            let keys = names.entry(host.to_owned()).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    };
    if let Some(platform) = &settings.platform {
        add("`platform.login_url`".to_owned(), &platform.login_url);
    }
    for (key, urls) in [
        ("events.realtime_urls", &settings.events.realtime_urls),
        ("events.history_urls", &settings.events.history_urls),
        ("status.monitor_urls", &settings.monitor_urls),
    ] {
        for url in urls {
            add(format!("`{key}`"), url);
        }
    }
    for device in settings.devices.iter().filter(|device| device.enabled) {
        let ip = &device.ip;
        for (key, value) in &device.parameters {
            if let Ok(url) = Url::parse(value) {
                add(said!("device `{ip}`, `{key}`", "设备 `{ip}` 的 `{key}`"), &url);
            }
        }
        if let Some((host, port)) =
            device.action_url.as_ref().and_then(menshen_domain::relay::action_url::ActionUrl::place)
            && let Ok(url) = Url::parse(&format!("tcp://{host}:{port}"))
        {
            add(said!("device `{ip}`, `action_url`", "设备 `{ip}` 的 `action_url`"), &url);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::source::load_text;

    #[test]
    fn names_that_are_not_known_are_told_with_their_keys() {
        let text = "dev_sno = \"x\"\n[platform]\nlogin_url = \"http://platform.invalid/login\"\ndev_sno = \"U\"\n\
                    [events]\nrealtime_urls = [\"http://127.0.0.1/x\", \"http://events.invalid/x\"]\n\
                    [[devices]]\nip = \"a\"\ntype = \"turnstile\"\nurl = \"rtsp://u:s3cret@camera.invalid/x\"\n\
                    action_url = \"tcp://relay.invalid:6000?opendoor=01\"\n\
                    [[devices]]\nip = \"b\"\ntype = \"turnstile\"\nurl = \"rtsp://camera.invalid/y\"\n\
                    [[devices]]\nip = \"c\"\ntype = \"turnstile\"\nurl = \"rtsp://off.invalid/y\"\nenabled = false\n";
        let settings =
            load_text("m.toml", &text.replacen("dev_sno = \"x\"\n", "", 1), &Overrides::default()).unwrap();
        let told: Vec<String> = check_hosts(&settings).texts().collect();
        for expected in [
            "`platform.login_url`: the name `platform.invalid`",
            "`events.realtime_urls`: the name `events.invalid`",
            "device `a`, `url`, device `b`, `url`: the name `camera.invalid`",
            "device `a`, `action_url`: the name `relay.invalid`",
        ] {
            assert!(told.iter().any(|text| text.contains(expected)), "{expected} not in {told:#?}");
        }
        assert!(told.len() == 4 && !told.concat().contains("s3cret"), "{told:?}");
    }
}
