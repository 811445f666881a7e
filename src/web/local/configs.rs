//! `Configs` (published for V5R7): values of the box by the vendor's names. Read are those that mean something here, never a secret;
//! set are those that the platform's `control_config` sets.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Map, Value, json};

use super::answer::{Answer, wrong};
use super::body::{Call, said};
use super::state::LocalDeps;
use menshen_domain::device_kind::DeviceKind;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::photo_rules::PassMode;
use menshen_domain::status::{Language, ProtocolError, StatusCode};
use menshen_protocol::control::check_fields;
use menshen_protocol::lenient;

/// What can be set, and what `control_config` calls it.
const SETTABLE: [(&str, &str); 6] = [
    ("THRESHOLD", "threshold"),
    ("THRESHOLD_RANGE", "threshold_range"),
    ("SUPPORT_STRANGER_GROUP", "support_stranger_group"),
    ("PASSMODE", "passmode"),
    ("HISTORY_UPLOAD_NEED_INFO", "history_upload_need_info"),
    ("IR_COLLECTION", "ir_collection"),
];

pub async fn list(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(Value::Object(all(&deps))))
}

pub async fn one(deps: Data<LocalDeps>, name: Path<String>) -> HttpResponse {
    let answer = match all(&deps).remove_entry(name.as_str()) {
        Some((name, value)) => Ok(json!({ name: value })),
        None => Err(ProtocolError::new(StatusCode::LocalNotFound, "there is no such configuration")),
    };
    deps.respond(answer)
}

pub async fn set(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change(&deps, call).await;
    deps.respond(answer)
}

/// Everything that is shown. Addresses have no passwords in them.
fn all(deps: &LocalDeps) -> Map<String, Value> {
    let tuning = deps.tuner.shared().load_full();
    let reports = &tuning.reports;
    let range = &tuning.range;
    let devices = deps.device_list.all();
    // Each device has its own; shown is what all that send photos agree on.
    let send_photos = devices.iter().filter(|device| device.kind != DeviceKind::NetworkCamera);
    let mut dedups = send_photos.map(|device| device.photos.dedup_ms / 1000);
    let first = dedups.next();
    let dedup_s = first.filter(|first| dedups.all(|other| other == *first));
    let history_urls: Vec<String> = tuning.history_urls.iter().map(shown).collect();
    let of_login = || deps.session.load().as_ref().is_some_and(|session| session.upload_info == Some(true));
    let values = json!({
        "THRESHOLD": tuning.threshold,
        "THRESHOLD_RANGE": format!("{:?},{:?},{:?}", range.lowest, range.best, range.highest),
        "SUPPORT_STRANGER_GROUP": tuning.enrol_strangers,
        "PASSMODE": tuning.pass_mode.wire(),
        "DUPLICATE_REMOVAL_TIMEOUT": dedup_s,
        "WORK_MODE": if deps.login_url.is_some() { "mq" } else { "local" },
        "EVENT_WORK_MODE": tuning.gate_mode.wire(),
        "HISTORY_EVENT_NEED_REG_PIC": reports.history.pictures.reg_pic,
        "HISTORY_EVENT_NEED_SPOT_PIC": reports.history.pictures.spot_pic,
        "HISTORY_EVENT_NEED_RECOGNIZE_FACE": reports.history.pictures.recognize_face,
        "HISTORY_UPLOAD_EVENT_URL": history_urls,
        "REPORTED_PEROID": reports.history.period_s,
        "HISTORY_UPLOAD_NEED_INFO": tuning.history_face_info.unwrap_or_else(of_login),
        "IR_COLLECTION": false,
        "ATTRIBUTE_DETECT": devices.iter().any(|device| device.attributes),
        "DEV_SNO": deps.dev_sno_now(),
        "LOGIN_URL": deps.login_url_now().as_ref().map(shown),
        "LOGIN_STATUS": login_status(deps),
    });
    let Value::Object(values) = values else { return Map::new() };
    values
}

fn login_status(deps: &LocalDeps) -> Value {
    if let Some(refusal) = deps.health.login_refused() {
        let text = refusal.text();
        let (message, chinese) = (text.of(Language::En), text.of(Language::Zh));
        return json!({ "code": refusal.code(), "message": message, "chinese_message": chinese });
    }
    if deps.session.load().is_some() {
        return json!({ "code": 0, "message": "logged in", "chinese_message": "已登录" });
    }
    json!({ "code": null, "message": "not logged in", "chinese_message": "未登录" })
}

async fn change(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let Some(Value::Object(asked)) = said(&body, "config_dict") else {
        return Err(wrong("`config_dict` is missing: an object of names and values"));
    };
    if asked.len() > limits::CONFIG_NAMES_MAX {
        return Err(wrong(format!("`config_dict`: at most {} names", limits::CONFIG_NAMES_MAX)));
    }
    let (mut fields, mut failed) = (Map::new(), Vec::new());
    for (name, value) in asked {
        match SETTABLE.iter().find(|(published, _)| published == name) {
            // What says nothing sets nothing.
            Some((_, field)) if !lenient::is_absent(value) => {
                fields.insert((*field).to_owned(), as_list(field, value));
            }
            _ => failed.push(name.chars().take(64).collect::<String>()),
        }
    }
    let now = deps.tuner.shared().load_full();
    let (wanted, result, rejected) = check_fields(&now, fields);
    let published = |field: &str| {
        let known = SETTABLE.iter().find(|(_, known)| *known == field);
        known.map_or(field, |(published, _)| published).to_owned()
    };
    failed.extend(result.faild_field.keys().map(|field| published(field)));
    let success: Vec<String> = result.success_field.keys().map(|field| published(field)).collect();
    for _ in &success {
        call.part(StatusCode::Success.code());
    }
    for _ in &failed {
        call.part(StatusCode::LocalParamError.code());
    }
    call.note(success.join(","));
    if !success.is_empty() {
        let pass_mode = wanted.pass_mode;
        deps.change(move |changes| wanted.apply(changes)).await?;
        tracing::warn!(names = success.join(", "), "configuration was changed over the local API");
        if let Some(mode) = pass_mode.filter(|mode| *mode != PassMode::Normal) {
            tracing::warn!(pass_mode = mode.wire(), "the local API has set who may pass at this box");
        }
    }
    let reasons: Vec<String> = rejected.iter().map(ToString::to_string).collect();
    Ok(json!({ "failed_configs": failed, "success_configs": success, "message": reasons.join("; ") }))
}

/// The published text of a range, "0.0,82.0,100.0", as the list it stands for.
fn as_list(field: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if field == "threshold_range" => text.split(',').map(str::trim).collect(),
        other => other.clone(),
    }
}

/// Published calls that this box does not carry out: `ImagePathStatusQuery` asks for files by their names, and there are no users of
/// web pages whose passwords could be asked or changed.
pub async fn not_ours(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let refusal = match call.json().await {
        Ok(_) => ProtocolError::new(StatusCode::NotImplemented, "this box does not offer that call"),
        Err(refusal) => refusal,
    };
    deps.respond(Err(refusal))
}
