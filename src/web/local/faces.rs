//! Faces in pictures that somebody asks about: where they are, how good they are, and whether two show the same person. Nothing is
//! kept, and no event is made.

use actix_web::HttpResponse;
use actix_web::web::Data;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use url::Url;

use super::answer::{Answer, ask, wrong};
use super::body::{Call, said};
use super::photo::rounded;
use super::state::LocalDeps;
use crate::actors::blocking::spawn_blocking;
use crate::actors::face_engine::message::{AnalysePhoto, FindFaces, JudgePhoto};
use crate::actors::registry::photo::photo_bytes;
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::quality::{LevelName, QualityLevel};
use menshen_domain::score::ScoreMap;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::fiqa::published;
use menshen_protocol::lenient;
use menshen_protocol::seen_face::{WantedParts, seen_face};

/// Raw similarity by which `high` is stricter, and `low` laxer, than the model's calibrated mark: the published steps.
const STEP: f32 = 0.05;

pub(super) fn switch(body: &Map<String, Value>, key: &str) -> Result<bool, ProtocolError> {
    match said(body, key) {
        None => Ok(false),
        Some(value) => {
            lenient::switch_of(value).ok_or_else(|| wrong(format!("`{key}` must be true or false")))
        }
    }
}

/// A picture in base64, taken out of the body.
pub(super) async fn picture(body: &mut Map<String, Value>, key: &str) -> Result<Bytes, ProtocolError> {
    let text = match body.remove(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => text,
        Some(other) if !lenient::is_absent(&other) => {
            return Err(wrong(format!("`{key}` must be a string, got {}", lenient::kind_of(&other))));
        }
        _ => return Err(wrong(format!("`{key}` is missing"))),
    };
    // Megabytes of base64 are not for the thread that answers calls.
    let bytes = spawn_blocking(move || photo_bytes(&text)).await?;
    bytes.map_err(|refusal| ProtocolError::new(refusal.code, format!("`{key}`: {}", refusal.detail)))
}

/// A picture of another server. Only who calls from this machine may send the box into its own networks.
async fn download(deps: &LocalDeps, call: &Call, url: &Value) -> Result<Bytes, ProtocolError> {
    let url = url.as_str().and_then(|url| Url::parse(url.trim()).ok());
    let url = url.ok_or_else(|| wrong("`image_url` must be an address, as in http://192.168.1.9/a.jpg"))?;
    let is_here = call.peer().is_some_and(|peer| peer.is_loopback());
    deps.pictures_by_url.get(&url, is_here).await.map_err(|error| error.to_refusal("image_url"))
}

/// `fiqa_level`; `default` where none is said.
pub(super) fn level(
    deps: &LocalDeps,
    body: &Map<String, Value>,
    default: LevelName,
) -> Result<QualityLevel, ProtocolError> {
    let name = match said(body, "fiqa_level") {
        None => default,
        Some(value) => value
            .as_str()
            .and_then(LevelName::parse)
            .ok_or_else(|| wrong("`fiqa_level` must be high, middle, low, custom or no"))?,
    };
    Ok(QualityLevel::named(name, &deps.custom_level))
}

pub async fn detect(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = detect_now(&deps, call).await;
    deps.respond(answer)
}

async fn detect_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    let wanted = WantedParts {
        feature: switch(&body, "with_feature")?,
        attribute: switch(&body, "with_attribute")?,
        headpose: switch(&body, "with_headpose")?,
        landmark: switch(&body, "with_landmark")?,
    };
    let most = match said(&body, "max_num_faces") {
        None => limits::DETECT_FACES_DEFAULT,
        Some(value) => lenient::integer_of(value)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (1..=limits::DETECT_FACES_MAX).contains(number))
            .ok_or_else(|| wrong(format!("`max_num_faces` must be 1 to {}", limits::DETECT_FACES_MAX)))?,
    };
    let photo = match said(&body, "image_url") {
        None => picture(&mut body, "image_base64_str").await?,
        Some(_) if said(&body, "image_base64_str").is_some() => {
            return Err(wrong("`image_base64_str` or `image_url`, not both"));
        }
        Some(url) => download(deps, &call, url).await?,
    };
    let find = FindFaces { photo, most, with_attributes: wanted.attribute };
    let faces = ask(deps.identifier.engine.send(find)).await??;
    let shown = faces.iter().map(|face| {
        let bbox = [face.bbox.x1, face.bbox.y1, face.bbox.x2, face.bbox.y2];
        seen_face(bbox, &face.landmarks, face.pose, face.attributes.as_ref(), wanted)
    });
    Ok(shown.collect())
}

pub async fn fiqa(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = fiqa_now(&deps, call).await;
    deps.respond(answer)
}

/// The object of the command of that name, and the names the published example of this call has beside.
async fn fiqa_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    let level = level(deps, &body, LevelName::High)?;
    let photo = picture(&mut body, "image_base64_str").await?;
    let face = ask(deps.identifier.engine.send(JudgePhoto { photo, level })).await??;
    let occlusion = deps.tuner.shared().load().reports.occlusion;
    Ok(json!([published(&face, occlusion)]))
}

pub async fn compare(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    match compare_now(&deps, call).await {
        // Published without a `data` around it.
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

/// The mark two pictures of one person reach.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mark {
    /// The model's calibrated one, moved by so much raw similarity.
    Calibrated(f32),
    /// On the scale of 0–100.
    Score(f32),
}

impl Mark {
    fn read(body: &Map<String, Value>) -> Result<Self, ProtocolError> {
        let expected = || wrong("`threshold` must be high, middle or low, or a score from 0 to 100");
        let Some(value) = said(body, "threshold") else { return Ok(Self::Calibrated(0.0)) };
        let word = value.as_str().map(|word| word.trim().to_ascii_lowercase());
        match word.as_deref() {
            Some("high") => Ok(Self::Calibrated(STEP)),
            Some("middle") => Ok(Self::Calibrated(0.0)),
            Some("low") => Ok(Self::Calibrated(-STEP)),
            word => {
                let number = word.map_or_else(|| value.as_f64(), |word| word.parse().ok());
                let number = number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(expected)?;
                Ok(Self::Score(number as f32))
            }
        }
    }

    fn is_reached(self, similarity: f32, calibrated: f32, map: ScoreMap) -> bool {
        match self {
            Self::Calibrated(step) => similarity >= calibrated + step,
            Self::Score(score) => map.score(similarity) >= score,
        }
    }
}

async fn compare_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    if switch(&body, "need_save")? {
        let detail = "need_save: this box keeps no events of identity cards";
        return Err(ProtocolError::new(StatusCode::NotImplemented, detail));
    }
    let mark = Mark::read(&body)?;
    // The picture on a card is small print; only the person before the camera can be asked to look up.
    let level = level(deps, &body, LevelName::No)?;
    let card = picture(&mut body, "card_image_base64").await?;
    let face = picture(&mut body, "face_image_base64").await?;
    for _ in 0..limits::SWAP_RACE_TRIES {
        let recogniser = deps.identifier.recogniser.get();
        let card = embedding(deps, &card, QualityLevel::No, "card_image_base64").await?;
        let face = embedding(deps, &face, level.clone(), "face_image_base64").await?;
        // Otherwise the embedder was swapped in between.
        if card.model == recogniser.id()
            && let Some(similarity) = card.similarity(&face)
        {
            let map = recogniser.score_map(&deps.identifier.tuning.load());
            let same = mark.is_reached(similarity, recogniser.scale().similarity_threshold, map);
            let who = said(&body, "identity_info");
            let text =
                |key: &str| who.and_then(|who| who.get(key)).and_then(lenient::id_of).unwrap_or_default();
            return Ok(json!({
                "retcode": if same { "1" } else { "0" },
                "score": rounded(map.score(similarity) / 100.0),
                "identity_id": text("user_idcard"),
                "name": text("user_name"),
            }));
        }
    }
    Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the embedder is being swapped; ask again"))
}

/// The largest face of a picture.
pub(super) async fn embedding(
    deps: &LocalDeps,
    photo: &Bytes,
    level: QualityLevel,
    key: &str,
) -> Result<Embedding, ProtocolError> {
    let question = AnalysePhoto { photo: photo.clone(), level };
    let face = ask(deps.identifier.engine.send(question)).await?;
    face.map(|face| face.embedding)
        .map_err(|refusal| ProtocolError::new(refusal.code, format!("`{key}`: {}", refusal.detail)))
}

#[cfg(test)]
mod tests {
    use menshen_domain::score::ScoreRange;

    use super::*;

    #[test]
    fn marks_are_words_or_scores() {
        let read = |value: Value| Mark::read(json!({ "threshold": value }).as_object().unwrap());
        for (value, expected) in [
            (json!(null), Mark::Calibrated(0.0)),
            (json!("middle"), Mark::Calibrated(0.0)),
            (json!("HIGH"), Mark::Calibrated(STEP)),
            (json!("low"), Mark::Calibrated(-STEP)),
            (json!(90), Mark::Score(90.0)),
            (json!("82.5"), Mark::Score(82.5)),
        ] {
            assert_eq!(read(value.clone()).unwrap(), expected, "{value}");
        }
        for value in [json!("highest"), json!(101), json!(-1), json!([1])] {
            assert!(read(value.clone()).unwrap_err().detail.contains("threshold"), "{value}");
        }
        let map = ScoreMap::new(ScoreRange::default(), 0.0, 0.4);
        let reached = |mark: Mark, similarity: f32| mark.is_reached(similarity, 0.4, map);
        assert!(reached(Mark::Calibrated(0.0), 0.41) && !reached(Mark::Calibrated(STEP), 0.44));
        assert!(reached(Mark::Calibrated(-STEP), 0.36) && !reached(Mark::Calibrated(0.0), 0.36));
        assert!(reached(Mark::Score(82.0), 0.401) && !reached(Mark::Score(90.0), 0.41));
    }
}
