//! Keys of a device that tools of the published local API set: its id, its network relay, and what is only kept for them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::reader::Section;
use menshen_domain::device::PublishedKeys;
use menshen_domain::device_id;
use menshen_domain::limits;
use menshen_domain::relay::action_url::ActionUrl;
use menshen_domain::relay::net_relay::{NetRelay, NetRelayError};
use menshen_domain::text;
use menshen_domain::visible::is_hidden;

/// Reads the `device_id`; errors are noted.
pub fn read_id(section: &mut Section<'_>, ip: &str, seen: &mut BTreeSet<String>) -> String {
    let given = section.take_opt::<String>("device_id");
    let is_given = given.is_some();
    let id = given.unwrap_or_else(|| device_id::of_ip(ip));
    if id.is_empty() || id.len() > limits::ID_BYTES_MAX || id.contains(is_hidden) {
        let max = limits::ID_BYTES_MAX;
        section.wrong(
            "device_id",
            text!(
                "must have 1 to {max} bytes, all of them visible; without the key the box makes one",
                "应为 1 到 {max} 字节，且均为可见字符；不填写则自动生成"
            ),
        );
    } else if !seen.insert(id.clone()) && is_given {
        section.wrong(
            "device_id",
            text!(
                "`{id}` is used by two devices; each needs its own",
                "`{id}` 被两台设备使用；每台设备必须不同"
            ),
        );
    }
    id
}

/// Reads the keys that are kept, and the relay's address by the operator's template.
pub fn read_published(section: &mut Section<'_>, template: &str) -> (PublishedKeys, Option<ActionUrl>) {
    let net_relay = section.take_opt::<NetRelay>("net_relay");
    let is_too_long = |relay: &NetRelay| {
        relay.delay_time.is_some_and(|seconds| !(1..=limits::DOOR_SECONDS_MAX).contains(&seconds))
    };
    if net_relay.as_ref().is_some_and(is_too_long) {
        let max = limits::DOOR_SECONDS_MAX;
        section.wrong(
            "net_relay",
            text!("`delay_time` must be 1 to {max} seconds", "`delay_time` 应为 1 到 {max} 秒"),
        );
    }
    let action_url = match &net_relay {
        Some(relay) if !template.is_empty() => relay
            .action_url(template)
            .map_err(|error| section.wrong("net_relay", net_relay_text(&error)))
            .ok(),
        _ => None,
    };
    let device_attr = section.take("device_attr", Map::<String, Value>::new());
    let rtmp_address = section.take_secret("rtmp_address");
    (PublishedKeys { device_attr, net_relay, rtmp_address }, action_url)
}

/// Reads `gate.net_relay_url`; an error is noted.
pub fn read_template(gate: &mut Section<'_>) -> String {
    let template = gate.take_secret("net_relay_url");
    if !template.is_empty()
        && let Err(error) = NetRelay::sample().action_url(&template)
    {
        gate.wrong("net_relay_url", net_relay_text(&error));
        return String::new();
    }
    template
}

fn net_relay_text(error: &NetRelayError) -> text::Text {
    match error {
        NetRelayError::Missing(key) => text!(
            "`{key}` is missing, and gate.net_relay_url has {{{key}}}",
            "缺少 `{key}`，而 gate.net_relay_url 中含有 {{{key}}}"
        ),
        NetRelayError::Host => text!("`ip` must be an address or a host name", "`ip` 应为地址或主机名"),
        NetRelayError::Url(error) => super::value_error::action_url_text(error),
    }
}
