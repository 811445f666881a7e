//! The metrics recorder, and what each metric means.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds in seconds: a detection takes 10–50 ms on a small core, a stuck one shows at the top.
const INFERENCE_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0];

/// Installs the recorder of this process.
pub fn install() -> Result<PrometheusHandle, String> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("menshen_inference_seconds".to_owned()), INFERENCE_BUCKETS)
        .map_err(|error| error.to_string())?
        .install_recorder()
        .map_err(|error| error.to_string())?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!("menshen_frames_total", "frames that arrived from a device");
    describe_counter!(
        "menshen_frames_dropped_total",
        "frames overwritten by newer ones before a worker came"
    );
    describe_counter!(
        "menshen_frames_skipped_total",
        "pictures no other is predicted from, left out before decoding because the camera was behind"
    );
    describe_gauge!(
        "menshen_main_stream_up",
        "1 while the main stream of a device comes in, where it has one"
    );
    describe_counter!(
        "menshen_main_pictures_total",
        "pictures of events wanted of a main stream, and whether it had them"
    );
    describe_counter!("menshen_door_commands_total", "door commands, by mode and result");
    describe_counter!("menshen_door_rest_failures_total", "times a relay did not take being switched off");
    describe_counter!(
        "menshen_cpu_microseconds_total",
        Unit::Microseconds,
        "processor time of each device by stage: decode, glance, detect, measure, align, embed, liveness, search, encode"
    );
    describe_counter!("menshen_faces_total", "faces followed");
    describe_counter!(
        "menshen_faces_refused_total",
        "faces not good enough to be recognised, by failed check"
    );
    describe_counter!("menshen_matches_total", "passages in which somebody was recognised");
    describe_counter!(
        "menshen_photos_total",
        "photos of snapshot cameras and terminals, by what became of them"
    );
    describe_gauge!("menshen_ftp_sessions", "open FTP sessions");
    describe_counter!("menshen_ftp_logins_total", "FTP logins, right and wrong");
    describe_counter!("menshen_ftp_refused_total", "what the FTP server refused, by reason");
    describe_counter!("menshen_events_total", "events kept, by kind");
    describe_counter!("menshen_events_lost_total", "events that could not be stored at all");
    describe_counter!(
        "menshen_events_dropped_unsent_total",
        "events removed by the limit before every receiver had them"
    );
    describe_gauge!("menshen_events_waiting", "events in memory that could not be stored yet");
    describe_gauge!("menshen_events_stored", "events in history");
    describe_gauge!("menshen_events_stored_bytes", Unit::Bytes, "space they take, pictures included");
    describe_gauge!("menshen_storage_full", "1 while a part of the storage finds no room");
    describe_counter!("menshen_store_errors_total", "times the disk or a database refused");
    describe_counter!(
        "menshen_unreadable_records_total",
        "records that could not be read, by what they were"
    );
    describe_counter!("menshen_damaged_databases_total", "databases found damaged and set aside at start");
    describe_counter!("menshen_commands_total", "commands answered, by method and code");
    describe_counter!("menshen_dead_letters_total", "commands that can never succeed, set aside");
    describe_counter!("menshen_replies_undeliverable_total", "replies no notify_path would take");
    describe_counter!("menshen_enrolments_total", "people enrolled or refused");
    describe_counter!("menshen_strangers_enrolled_total", "strangers enrolled to be known again");
    describe_counter!("menshen_strangers_forgotten_total", "strangers forgotten for newer ones");
    describe_counter!("menshen_strangers_failed_total", "strangers that could not be enrolled");
    describe_counter!("menshen_reports_total", "reports, by kind and result");
    describe_counter!("menshen_broker_reconnects_total", "times the broker connection was lost");
    describe_counter!("menshen_stream_reconnects_total", "times a device's stream was opened again");
    describe_counter!("menshen_part_restarts_total", "times a part was restarted by the supervisor");
    describe_gauge!("menshen_outbox_depth", "events a history receiver has not got yet");
    describe_gauge!("menshen_outbox_oldest_age_seconds", Unit::Seconds, "age of the oldest of them");
    describe_gauge!("menshen_events_set_aside", "events a history receiver refused for good, still kept");
    describe_counter!("menshen_events_set_aside_total", "events taken out of a receiver's line");
    describe_gauge!("menshen_link_up", "1 while commands are consumed");
    describe_gauge!("menshen_link_blocked", "1 while the broker takes no replies");
    describe_gauge!("menshen_command_progress_ratio", "how much of the newest add_users_plus is done, 0-1");
    describe_gauge!("menshen_device_online", "1 while frames come");
    describe_gauge!("menshen_registry_people", "people enrolled");
    describe_gauge!("menshen_registry_features", "face features searched");
    describe_histogram!("menshen_command_seconds", Unit::Seconds, "time from a command's turn to its answer");
    describe_histogram!("menshen_inference_seconds", Unit::Seconds, "time of each stage, by stage");
}
