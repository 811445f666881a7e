//! The pictures of an event: the scene and the face, encoded as JPEG.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::stage_timer::StageTimer;
use menshen_domain::device::DeviceConfig;
use menshen_domain::event::EventPicture;
use menshen_domain::face::BBox;
use menshen_domain::frame::Frame;
use menshen_domain::passage::Shot;
use menshen_vision::as_seen::as_seen;
use menshen_vision::jpeg::{crop_jpeg, scene_jpeg};
use menshen_vision::resize::Resizer;

pub fn spot_name(event_id: &str) -> String {
    format!("{event_id}-spot.jpg")
}

pub fn face_name(event_id: &str) -> String {
    format!("{event_id}-face.jpg")
}

/// Encodes the pictures of a shot. A picture that cannot be encoded is missing: it costs itself, not the event.
pub fn encode_pictures(device: &DeviceConfig, event_id: &str, shot: &Shot) -> Vec<EventPicture> {
    catch_unwind(AssertUnwindSafe(|| encode(device, event_id, shot))).unwrap_or_else(|_| {
        metrics::counter!("menshen_vision_errors_total", "kind" => "pictures").increment(1);
        tracing::error!(event_id, "encoding panicked; the event goes without pictures");
        Vec::new()
    })
}

fn encode(device: &DeviceConfig, event_id: &str, shot: &Shot) -> Vec<EventPicture> {
    let (frame, bbox) = best_picture(device, shot);
    let timer = StageTimer::of_device(device);
    let made = [
        (spot_name(event_id), timer.run("encode", || scene_jpeg(&frame))),
        (face_name(event_id), timer.run("encode", || crop_jpeg(&frame, &bbox))),
    ];
    made.into_iter()
        .filter_map(|(name, jpeg)| match jpeg {
            Ok(jpeg) => Some(EventPicture { name, jpeg: jpeg.into() }),
            Err(error) => {
                tracing::error!(event_id, %error, "encoding failed; the event goes without a picture");
                None
            }
        })
        .collect()
}

/// The picture of a shot's moment, of the main stream where there is one, and the place of the face in it.
fn best_picture(device: &DeviceConfig, shot: &Shot) -> (Frame, BBox) {
    let (frame, bbox) = (&shot.frame, shot.observation.detection.bbox);
    let Some(larger) = &frame.larger else { return (frame.clone(), bbox) };
    let decoded = StageTimer::of_device(device).run("main_picture", || larger.decode());
    let result = if decoded.is_ok() { "ok" } else { "missing" };
    metrics::counter!("menshen_main_pictures_total", "device" => device.ip.clone(), "result" => result)
        .increment(1);
    let seen = decoded.map_err(|reason| reason.to_string()).and_then(|larger| {
        as_seen(&larger, &device.view, &mut Resizer::default()).map_err(|reason| reason.to_string())
    });
    match seen {
        Ok(larger) => {
            // Sub-streams may be squeezed: each direction has a scale of its own.
            let across = larger.width as f32 / frame.width as f32;
            let down = larger.height as f32 / frame.height as f32;
            let bbox =
                BBox { x1: bbox.x1 * across, x2: bbox.x2 * across, y1: bbox.y1 * down, y2: bbox.y2 * down };
            (larger, bbox)
        }
        Err(reason) => {
            tracing::debug!(device = %device.ip, %reason, "the pictures of an event are taken from the sub-stream");
            (frame.clone(), bbox)
        }
    }
}
