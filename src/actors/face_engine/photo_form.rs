//! Several pictures of one passage, as forms of cameras have them: the face, its scene, and a face for each person of a group.

use super::photo_pipeline::{ProcessedPhoto, process_photo};
use super::photos::{DevicePhotoJob, PhotoIntake};
use crate::actors::recogniser::Recogniser;
use menshen_domain::limits;
use menshen_domain::photo::PictureRole;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::FaceAnalyzer;

/// Looks at the pictures of a photo in their order until one is of use; a snapshot camera's named faces are all looked at.
///
/// # Errors
/// No picture can be decoded, or a model has failed before anything was found.
pub fn process_pictures(
    photos: &PhotoIntake,
    analyzer: &mut FaceAnalyzer,
    recogniser: &Recogniser,
    job: &DevicePhotoJob,
) -> Result<ProcessedPhoto, ProtocolError> {
    let is_gate = job.device.config.is_gate();
    let mut best: Option<ProcessedPhoto> = None;
    let mut first_refusal = None;
    let mut pixels_left = limits::PHOTO_FORM_PIXELS_MAX;
    for picture in &job.pictures {
        let is_settled = best.as_ref().is_some_and(ProcessedPhoto::is_of_use);
        if is_settled && (is_gate || picture.role != PictureRole::Face) {
            break;
        }
        match process_photo(photos, analyzer, recogniser, job, &picture.bytes, &mut pixels_left) {
            Ok(found) => {
                best = Some(match best {
                    Some(best) => best.with(found),
                    None => found,
                });
            }
            Err(refusal) => {
                let is_failure = refusal.code == StatusCode::ServerProcessFailed;
                first_refusal = first_refusal.or(Some(refusal));
                if is_failure {
                    break;
                }
            }
        }
    }
    let nothing = || ProtocolError::new(StatusCode::ImageError, "no picture was sent");
    best.map_or_else(|| Err(first_refusal.unwrap_or_else(nothing)), Ok)
}
