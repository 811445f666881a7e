//! `picturesearch`: when a person was here, by a picture of them. Compares with the features that stored events keep.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, ask, wrong};
use super::body::{Call, said};
use super::events::PLACES;
use super::faces::{embedding, level, picture, switch};
use super::photo::rounded;
use super::picture_match::time_ms;
use super::state::LocalDeps;
use crate::actors::reporter::message::{FoundByPicture, SearchByPicture};
use menshen_domain::device::NO_LICENCE_CODE;
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_domain::quality::LevelName;
use menshen_domain::score::ScoreMap;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::event::EventPictures;
use menshen_protocol::flat_event::{FlatEventBody, FlatReport};
use menshen_protocol::lenient;

/// Least score where none is said, as published.
const THRESHOLD: f32 = 82.0;

pub async fn search(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    match search_now(&deps, call).await {
        // Published without a `data` around it.
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

/// What is asked, beside the picture.
#[derive(Debug, PartialEq)]
struct Asked {
    from_ms: u64,
    to_ms: u64,
    /// End of the page before.
    after_ms: Option<u64>,
    score_min: f32,
    devices: Vec<String>,
    newest_first: bool,
    with_debug: bool,
}

/// A time of the body, in seconds or milliseconds since 1970.
fn time(body: &Map<String, Value>, key: &str) -> Result<Option<u64>, ProtocolError> {
    let Some(value) = said(body, key) else { return Ok(None) };
    let ms = time_ms(value).filter(|ms| *ms < u64::MAX / 2);
    let expected = || wrong(format!("`{key}` must be a time: seconds or milliseconds since 1970"));
    ms.map(Some).ok_or_else(expected)
}

fn span(body: &Map<String, Value>, now_ms: u64) -> Result<(u64, u64), ProtocolError> {
    let (start, end) = (time(body, "starttime")?, time(body, "endtime")?);
    let to_ms = end.unwrap_or(now_ms);
    let from_ms = start.unwrap_or_else(|| to_ms.saturating_sub(limits::PICTURE_SEARCH_DEFAULT_MS));
    if from_ms > to_ms {
        let what = if end.is_some() { "`endtime`" } else { "now, the `endtime` where none is said" };
        return Err(wrong(format!("`starttime` is later than {what}")));
    }
    if to_ms - from_ms > limits::PICTURE_SEARCH_SPAN_MS {
        let days = (to_ms - from_ms) / 86_400_000;
        return Err(wrong(format!(
            "from `starttime` to `endtime` are {days} days; one search covers at most 31: ask month by month"
        )));
    }
    Ok((from_ms, to_ms))
}

fn read(body: &Map<String, Value>, now_ms: u64) -> Result<Asked, ProtocolError> {
    let (from_ms, to_ms) = span(body, now_ms)?;
    let score_min = match said(body, "threshold") {
        None => THRESHOLD,
        Some(value) => {
            let number = value.as_str().map_or_else(|| value.as_f64(), |text| text.trim().parse().ok());
            let number = number.filter(|number| (0.0..=100.0).contains(number));
            number.ok_or_else(|| wrong("`threshold` must be a score from 0 to 100"))? as f32
        }
    };
    let devices: Vec<String> = match said(body, "device_id_list") {
        None => Vec::new(),
        Some(Value::Array(list)) => {
            let ids: Option<Vec<String>> = list.iter().map(lenient::id_of).collect();
            ids.ok_or_else(|| wrong("`device_id_list` must be a list of device ids"))?
        }
        Some(Value::String(text)) => text.split(',').map(|id| id.trim().to_owned()).collect(),
        Some(other) => {
            let kind = lenient::kind_of(other);
            return Err(wrong(format!("`device_id_list` must be a list of device ids, got {kind}")));
        }
    };
    if devices.len() > limits::PICTURE_SEARCH_DEVICES_MAX {
        let max = limits::PICTURE_SEARCH_DEVICES_MAX;
        return Err(wrong(format!("`device_id_list` names {} devices, at most {max}", devices.len())));
    }
    Ok(Asked {
        from_ms,
        to_ms,
        after_ms: time(body, "last_end_timestamp")?,
        score_min,
        devices,
        newest_first: said(body, "reverse").is_none() || switch(body, "reverse")?,
        with_debug: switch(body, "with_debug_info")?,
    })
}

impl Asked {
    /// What of the span is still to be looked at.
    fn rest(&self) -> std::ops::RangeInclusive<u64> {
        match (self.after_ms, self.newest_first) {
            (None, _) => self.from_ms..=self.to_ms,
            (Some(after), true) => self.from_ms..=self.to_ms.min(after.saturating_sub(1)),
            (Some(after), false) => self.from_ms.max(after.saturating_add(1))..=self.to_ms,
        }
    }

    /// Where a page ends that looked at nothing.
    fn end_of_nothing(&self) -> u64 {
        let edge = if self.newest_first { self.from_ms } else { self.to_ms };
        self.after_ms.unwrap_or(edge)
    }
}

async fn search_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    let asked = read(&body, (deps.wall_ms)())?;
    let level = level(deps, &body, LevelName::No)?;
    let photo = picture(&mut body, "face_image_base64").await?;
    // Its large body is no more: others need not wait for this one's answer.
    drop((call, body));
    for _ in 0..limits::SWAP_RACE_TRIES {
        let recogniser = deps.identifier.recogniser.get();
        let probe = embedding(deps, &photo, level.clone(), "face_image_base64").await?;
        // Otherwise the embedder was swapped in between.
        if probe.model != recogniser.id() {
            continue;
        }
        let map = recogniser.score_map(&deps.identifier.tuning.load());
        let question = SearchByPicture {
            probe,
            between: asked.rest(),
            newest_first: asked.newest_first,
            devices: asked.devices.clone(),
            map,
            score_min: asked.score_min,
        };
        let found = {
            let _place = PLACES.acquire().await.map_err(|_| wrong("the box is stopping"))?;
            ask(deps.reporter.send(question)).await??
        };
        return Ok(shown(&deps.dev_sno, &asked, &found, recogniser.id(), map));
    }
    Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the embedder is being swapped; ask again"))
}

fn shown(dev_sno: &str, asked: &Asked, found: &FoundByPicture, model: &str, map: ScoreMap) -> Value {
    // The flat form has an empty code where none was issued.
    let dev_sno = if dev_sno == NO_LICENCE_CODE { "" } else { dev_sno };
    let entry = |(event, similarity): &(EventRecord, f32)| {
        let body = FlatEventBody::new(event, EventPictures::default(), FlatReport { dev_sno, info: true });
        let mut entry = json!(body);
        entry["compare_score"] = rounded(map.score(*similarity) / 100.0);
        // A thousand events with their pictures would be some hundred megabytes: they are had by their names.
        entry["spot_pic_id"] = json!(event.spot_pic);
        entry["recognize_face_pic_id"] = json!(event.face_pic);
        if asked.with_debug {
            entry["similarity"] = rounded(*similarity);
        }
        entry
    };
    let page = &found.page;
    let mut answer = json!({
        "retcode": "1",
        "ret_code": 1,
        "have_more": page.has_more,
        "total_time": found.took_ms,
        "endtimestamp": page.end_ms.unwrap_or_else(|| asked.end_of_nothing()),
        "total_count": found.events.len(),
        "event_list": found.events.iter().map(entry).collect::<Vec<_>>(),
        "looked_at": page.looked_at,
        "other_model": page.other_model,
        "without_feature": found.without_feature,
        "not_shown": page.not_shown,
    });
    if asked.with_debug {
        answer["debug_info"] = json!({
            "model": model, "threshold": asked.score_min,
            "similarity_min": rounded(map.similarity(asked.score_min)),
            "starttime": asked.from_ms, "endtime": asked.to_ms,
        });
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const DAY: u64 = 86_400_000;

    fn asked(body: Value) -> Result<Asked, ProtocolError> {
        read(body.as_object().unwrap(), NOW)
    }

    #[test]
    fn without_a_word_it_is_the_last_day_newest_first() {
        let default = asked(json!({ "face_image_base64": "x" })).unwrap();
        let expected = Asked {
            from_ms: NOW - DAY,
            to_ms: NOW,
            after_ms: None,
            score_min: 82.0,
            devices: Vec::new(),
            newest_first: true,
            with_debug: false,
        };
        assert_eq!(default, expected);
        let other = json!({
            "starttime": 1_699_000_000, "endtime": "1699000500000", "last_end_timestamp": 1_699_000_100_000_u64,
            "threshold": "90.5", "device_id_list": ["a", 7], "reverse": false, "with_debug_info": 1,
        });
        let expected = Asked {
            from_ms: 1_699_000_000_000,
            to_ms: 1_699_000_500_000,
            after_ms: Some(1_699_000_100_000),
            score_min: 90.5,
            devices: vec!["a".to_owned(), "7".to_owned()],
            newest_first: false,
            with_debug: true,
        };
        assert_eq!(asked(other).unwrap(), expected);
        let end = asked(json!({ "endtime": 1_600_000_000 })).unwrap();
        assert_eq!((end.from_ms, end.to_ms), (1_600_000_000_000 - DAY, 1_600_000_000_000));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_name() {
        for (body, word) in [
            (json!({ "starttime": "yesterday" }), "`starttime`"),
            (json!({ "endtime": -5 }), "`endtime`"),
            (json!({ "last_end_timestamp": [1] }), "`last_end_timestamp`"),
            (json!({ "starttime": 1_690_000_100, "endtime": 1_690_000_000 }), "later"),
            (json!({ "starttime": 1_800_000_000 }), "later than now"),
            (json!({ "starttime": 1_690_000_000 }), "115 days"),
            (json!({ "threshold": 101 }), "`threshold`"),
            (json!({ "threshold": "high" }), "`threshold`"),
            (json!({ "device_id_list": { "a": 1 } }), "`device_id_list`"),
            (json!({ "device_id_list": [["a"]] }), "`device_id_list`"),
            (json!({ "device_id_list": vec!["d"; 1001] }), "at most 1000"),
            (json!({ "reverse": "perhaps" }), "`reverse`"),
        ] {
            let refusal = asked(body.clone()).unwrap_err();
            assert_eq!(refusal.code, StatusCode::LocalParamError, "{body}");
            assert!(refusal.detail.contains(word), "{body}: {}", refusal.detail);
        }
        assert!(asked(json!({ "starttime": (NOW - 31 * DAY) / 1000 })).is_ok(), "the longest month");
    }

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        let of = |reverse: bool, after: Value| {
            let body = json!({ "reverse": reverse, "last_end_timestamp": after });
            let asked = asked(body).unwrap();
            (asked.rest(), asked.end_of_nothing())
        };
        let at = NOW - 1000;
        assert_eq!(of(true, json!(at)), (NOW - DAY..=at - 1, at));
        assert_eq!(of(false, json!(at)), (at + 1..=NOW, at));
        assert_eq!(of(true, json!(null)), (NOW - DAY..=NOW, NOW - DAY));
        assert!(of(true, json!(NOW - 2 * DAY)).0.is_empty() && of(false, json!(NOW)).0.is_empty());
    }
}
