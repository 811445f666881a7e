//! `menshen events list`: the stored events, while the box is not running.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::ports::store::{EventStore, StoreError};
use menshen_domain::event::EventRecord;

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn list(store: &impl EventStore) -> Result<ExitCode, Vec<String>> {
    const PAGE: usize = 500;
    let one = |error: StoreError| vec![error.to_string()];
    let mut after = 0;
    loop {
        let page = store.after(after, PAGE).map_err(one)?;
        for stored in &page {
            println!("{}", line(Some(stored.sequence), &stored.event));
        }
        match page.last() {
            Some(last) => after = last.sequence,
            None => break,
        }
    }
    // Passages that had not ended when the box did; they get their place at its next start.
    for event in store.open_events().map_err(one)? {
        println!("{}", line(None, &event));
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
