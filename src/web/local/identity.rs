//! Who this box is and where its platform is. A change restarts the box in place.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};
use url::Url;

use super::answer::{Answer, wrong};
use super::body::{Call, text_of};
use super::state::LocalDeps;
use crate::telemetry::log_line::log_name;
use menshen_domain::history::shown;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::Changes;

/// Time for the answer of a call that restarts the box to be on its way.
const ANSWER_FIRST: std::time::Duration = std::time::Duration::from_millis(300);

impl LocalDeps {
    /// Writes a change to disk and applies it.
    pub(super) async fn change(
        &self,
        work: impl FnOnce(&mut Changes) + Send + 'static,
    ) -> Result<(), ProtocolError> {
        let tuner = self.tuner.clone();
        let failed = |reason: String| ProtocolError::new(StatusCode::ServerProcessFailed, reason);
        match tokio::task::spawn_blocking(move || tuner.change(work)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a change over the local API could not be kept");
                Err(failed("the change could not be stored, see the box's log".to_owned()))
            }
            Err(panic) => Err(failed(panic.to_string())),
        }
    }

    pub(super) fn dev_sno_now(&self) -> String {
        self.tuner.changes().dev_sno.unwrap_or_else(|| self.dev_sno.clone())
    }

    pub(super) fn login_url_now(&self) -> Option<Url> {
        self.tuner.changes().login_url.or_else(|| self.login_url.clone())
    }

    /// Soon: the answer goes out first.
    pub(super) fn restart(&self) {
        tracing::warn!("the local API asked for a restart");
        let restart = std::sync::Arc::clone(&self.restart);
        actix_rt::spawn(async move {
            tokio::time::sleep(ANSWER_FIRST).await;
            restart.notify_one();
        });
    }
}

pub async fn dev_sno(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(named("dev_sno", deps.dev_sno_now().into())))
}

pub async fn set_dev_sno(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change_dev_sno(&deps, call).await;
    deps.respond(answer)
}

async fn change_dev_sno(deps: &LocalDeps, mut call: Call) -> Answer {
    let dev_sno = text_of(&call.json().await?, &["dev_sno", "devSno"])?;
    let is_plain =
        dev_sno.len() <= 128 && dev_sno.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_plain {
        return Err(wrong("`dev_sno` must be at most 128 letters, digits, `-`, `_` or `.`"));
    }
    // It is a login: the audit log has a name by which who knows it finds it.
    call.note(format!("licence code {}", log_name(&dev_sno).replace("person-", "")));
    if dev_sno != deps.dev_sno_now() {
        let kept = dev_sno.clone();
        deps.change(move |changes| changes.dev_sno = Some(kept)).await?;
        deps.restart();
    }
    Ok(named("dev_sno", dev_sno.into()))
}

pub async fn login_url(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(named("login_url", shown_or_null(deps.login_url_now().as_ref()))))
}

/// The value under its own name and as `response`: the published pages have both.
fn named(name: &str, value: Value) -> Value {
    json!({ name: value.clone(), "response": value })
}

fn shown_or_null(url: Option<&Url>) -> Value {
    url.map_or(Value::Null, |url| Value::from(shown(url)))
}

pub async fn set_login_url(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change_login_url(&deps, call).await;
    deps.respond(answer)
}

async fn change_login_url(deps: &LocalDeps, mut call: Call) -> Answer {
    let text = text_of(&call.json().await?, &["login_url", "loginUrl"])?;
    let url = super::urls::http_url(&text, deps.require_tls)
        .map_err(|problem| wrong(format!("`login_url` {problem}")))?;
    call.note(shown(&url));
    if deps.login_url.is_none() {
        return Err(wrong("this box works standalone: set mode = \"platform\" in its configuration first"));
    }
    if Some(&url) != deps.login_url_now().as_ref() {
        let kept = url.clone();
        deps.change(move |changes| changes.login_url = Some(kept)).await?;
        deps.restart();
    }
    Ok(named("login_url", shown(&url).into()))
}
