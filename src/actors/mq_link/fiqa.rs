//! `fiqa`: how good a picture of a face is, judged by the vision workers before the photos of an enrolment.

use serde_json::{Value, json};

use super::deps::LinkDeps;
use crate::actors::face_engine::message::JudgePhoto;
use crate::actors::registry::photo::photo_bytes;
use menshen_domain::quality::{LevelName, QualityLevel};
use menshen_domain::status::ProtocolError;
use menshen_protocol::fiqa::FaceResult;

pub async fn judge_photo(deps: &LinkDeps, picture: &str, level: LevelName) -> Result<Value, ProtocolError> {
    let photo = photo_bytes(picture)?;
    let level = QualityLevel::named(level, &deps.custom_level);
    let judge = || JudgePhoto { photo: photo.clone(), level: level.clone() };
    let face = deps.engine.send_until_answered(judge).await?;
    let mut result = FaceResult::from(&face);
    result.info.say_occlusion(deps.tuner.shared().load().reports.occlusion);
    Ok(json!({ "data": [result] }))
}
