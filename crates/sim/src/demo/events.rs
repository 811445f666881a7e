//! What the platform got, as lines for people.

use serde_json::Value;

use super::show::{Screen, Tone};
use menshen_testbed::platform::ledger::Entry;

/// Status comes every 2 s; one line in this time is enough to read.
const STATUS_EVERY_MS: u64 = 20_000;

#[derive(Default)]
pub struct EventPrinter {
    status_shown_ms: u64,
}

impl EventPrinter {
    /// Prints an entry of the ledger.
    pub fn show(&mut self, s: &Screen, entry: &Entry) {
        let body = &entry.body;
        match entry.kind {
            "login" => s.print_line(
                Tone::Good,
                &format!("{} dev_sno={} mac={}", s.pick("登录", "login"), body["dev_sno"], body["hex_mac"]),
            ),
            "reply" => show_reply(s, body),
            "realtime" => {
                let data = &body["ext_data"];
                let latency_ms =
                    entry.at_ms.saturating_sub(data["in_timestamp"].as_u64().unwrap_or(entry.at_ms));
                s.print_line(
                    Tone::Person,
                    &format!(
                        "★ {} {}  score {:.3}  @{}  {latency_ms} ms {}",
                        s.pick("识别", "recognised"),
                        body["identity_name"].as_str().unwrap_or("?"),
                        body["score"].as_f64().unwrap_or(0.0),
                        data["device_ip"].as_str().unwrap_or("?"),
                        s.pick("(首次出现到上报)", "from first seen to reported"),
                    ),
                );
            }
            "history" => s.print_line(
                Tone::Good,
                &format!(
                    "  {} {}  score {:.3}  @{}",
                    s.pick("历史事件已接收:", "history event accepted:"),
                    body["identity_name"].as_str().unwrap_or("?"),
                    body["score"].as_f64().unwrap_or(0.0),
                    body["ext_data"]["device_ip"].as_str().unwrap_or("?"),
                ),
            ),
            "device-list" => s.print_line(
                Tone::Good,
                &format!("{} {}", s.pick("设备列表已接收:", "device list accepted:"), device_states(body)),
            ),
            "status" => self.show_status(s, entry),
            _ => {}
        }
    }

    fn show_status(&mut self, s: &Screen, entry: &Entry) {
        if entry.at_ms < self.status_shown_ms + STATUS_EVERY_MS {
            return;
        }
        self.status_shown_ms = entry.at_ms;
        let facts = &entry.body["gateway_ext_data"];
        s.print_line(
            Tone::Quiet,
            &format!(
                "{} cpu {}% mem {:.1}%",
                s.pick("状态上报已接收:", "status accepted:"),
                facts["cpu_usage"],
                facts["memory_usage"].as_f64().unwrap_or(0.0) * 100.0
            ),
        );
    }
}

fn device_states(body: &Value) -> String {
    let state = |device: &Value| {
        format!("{}={}", device["epName"].as_str().unwrap_or("?"), device["epStatus"].as_str().unwrap_or("?"))
    };
    let list: Vec<_> = body["deviceList"].as_array().into_iter().flatten().map(state).collect();
    list.join(" ")
}

fn show_reply(s: &Screen, reply: &Value) {
    let users = |key: &str| reply["result"][key].as_array().cloned().unwrap_or_default();
    for (key, tone, mark) in [("success_users", Tone::Good, "✓"), ("failed_users", Tone::Bad, "✗")] {
        for user in users(key) {
            s.print_line(
                tone,
                &format!(
                    "  {mark} {} {} {} {}",
                    user["userid"].as_str().unwrap_or("?"),
                    user["username"].as_str().unwrap_or("?"),
                    user["code"],
                    user["message"].as_str().unwrap_or("?")
                ),
            );
        }
    }
}
