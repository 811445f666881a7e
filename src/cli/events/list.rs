//! `menshen events list`: the stored events, while the box is not running.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::output::print_line;
use crate::ports::store::EventStore;
use menshen_domain::event::EventRecord;

pub fn list(store: &impl EventStore) -> anyhow::Result<ExitCode> {
    const PAGE: usize = 500;
    let mut after = 0;
    loop {
        let page = store.after(after, PAGE)?;
        for stored in &page {
            print_line(&line(Some(stored.sequence), &stored.event).to_string());
        }
        match page.last() {
            Some(last) => after = last.sequence,
            None => break,
        }
    }
    // Passages that had not ended when the box did; they get their place at its next start.
    for event in store.open_events()? {
        print_line(&line(None, &event).to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn line(sequence: Option<u64>, event: &EventRecord) -> Value {
    json!({
        "sequence": sequence,
        "event_id": event.event_id,
        "ep_id": event.device.ep_id,
        "device_ip": event.device.ip,
        "stranger": event.is_stranger(),
        "timestamp": event.timestamp_ms,
        "in_timestamp": event.in_timestamp_ms,
        "out_timestamp": event.out_timestamp_ms,
    })
}
