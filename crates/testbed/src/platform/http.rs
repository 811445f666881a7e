//! The platform's HTTP side.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION, REFERER};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Bytes, Data, Path, PayloadConfig, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::{Dress, Fault};
use super::ledger::LOGIN_PAGE;
use super::refusal::error;
use super::state::State;
use menshen_protocol::user::{UserListAnswer, UserListData, UserListRequest};

/// Reports carry two pictures; nothing the box sends is larger.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long `/img/hang` says nothing.
const HANG: Duration = Duration::from_mins(2);

/// Serves on a thread of its own; returns where.
///
/// # Errors
/// When the address cannot be listened on.
pub fn start(state: Arc<State>, listen: SocketAddr) -> Result<(SocketAddr, ServerHandle, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("sim-platform".to_owned()).spawn(move || {
        actix::System::new().block_on(async move {
            let data = Data::from(Arc::clone(&state));
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(data.clone())
                    .app_data(PayloadConfig::new(BODY_BYTES_MAX))
                    .wrap(from_fn(dress))
                    .configure(routes)
            })
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind(listen);
            match server {
                Ok(server) => {
                    let address = server.addrs().first().copied();
                    let server = server.run();
                    let _ = sender.send(address.context("no address").map(|a| (a, server.handle())));
                    let _ = server.await;
                }
                Err(error) => {
                    let failed = anyhow::Error::from(error);
                    let _ = sender.send(Err(failed.context(format!("cannot listen on {listen}"))));
                }
            }
        });
    })?;
    let (address, handle) = receiver.recv()??;
    Ok((address, handle, thread))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/gateway/login", web::get().to(login))
        .route("/api/gateway/login", web::post().to(login))
        .route("/box/users", web::post().to(users))
        .route("/img/{file}", web::get().to(photo))
        .route("/box/record/{receiver}", web::post().to(history))
        .route("/own/record", web::post().to(own_history))
        .route("/box/devices", web::post().to(devices))
        .route("/box/status", web::post().to(status))
        .route("/box/notify", web::post().to(notify))
        .route("/events", web::post().to(realtime))
        .configure(super::control::routes)
        .default_service(web::to(no_such_path));
}

/// Dresses an answer, and notes a `Referer`, which no call of a box may have.
async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<Data<State>>().cloned();
    let response = next.call(request).await?;
    let Some(state) = state else { return Ok(response.map_into_boxed_body()) };
    if let Some(referer) = response.request().headers().get(REFERER) {
        let referer = Value::from(String::from_utf8_lossy(referer.as_bytes()).into_owned());
        state.ledger.add("referer", response.request().path(), 0, referer);
    }
    let Dress { label, byte_order_mark, remake, encoding } = state.behaviour.dressed();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let mut response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) if is_json => {
            let mark: &[u8] = if byte_order_mark { "\u{feff}".as_bytes() } else { b"" };
            let made = remake.map_or_else(|| bytes.to_vec(), |remake| remake(&bytes));
            BoxBody::new([mark, &made].concat())
        }
        Ok(bytes) => BoxBody::new(bytes),
        Err(body) => BoxBody::new(body),
    });
    if let Some(encoding) = encoding.filter(|_| is_json) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    match label {
        Some("") => drop(response.headers_mut().remove(CONTENT_TYPE)),
        Some(label) => {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(label));
        }
        None => {}
    }
    Ok(response)
}

/// What the ledger notes for an answer.
fn noted(response: &HttpResponse) -> u16 {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type {
        Some(kind) if kind.starts_with("text/html") => LOGIN_PAGE,
        _ => response.status().as_u16(),
    }
}

/// Plays a fault; `None` when the call is answered as it should be.
async fn play(state: &State, kind: &'static str) -> Option<HttpResponse> {
    match state.behaviour.take(kind)? {
        Fault::Status(status) => Some(error(status, "fails as asked")),
        Fault::Html => {
            Some(HttpResponse::Ok().content_type("text/html").body("<html><body>Please log in</body></html>"))
        }
        Fault::Garbage => Some(HttpResponse::Ok().content_type("application/json").body("{\"token\": \u{1}")),
        Fault::Redirect(status, to) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
            Some(HttpResponse::build(status).insert_header((LOCATION, to)).finish())
        }
        Fault::Answer(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            Some(HttpResponse::build(status).content_type("text/plain").body(body))
        }
        Fault::Slow(delay) => {
            actix_rt::time::sleep(delay).await;
            None
        }
    }
}

#[derive(Deserialize)]
struct Credentials {
    token: Option<String>,
    dev_sno: Option<String>,
    hex_mac: Option<String>,
}

async fn login(state: Data<State>, query: Query<Credentials>) -> HttpResponse {
    let asked = json!({ "dev_sno": query.dev_sno, "hex_mac": query.hex_mac });
    let response = match play(&state, "login").await {
        Some(response) => response,
        None if query.dev_sno.as_deref() != Some(&state.config.dev_sno) => error(400, "unknown dev_sno"),
        None => HttpResponse::Ok().json(state.patched(document(&state))),
    };
    state.ledger.add("login", "/api/gateway/login", noted(&response), asked);
    response
}

fn document(state: &State) -> Value {
    let config = &state.config;
    let records: Vec<_> = (0..config.receivers).map(|index| format!("/box/record/{index}")).collect();
    let mut rabbitmq = json!({
        "host": "127.0.0.1", "port": config.told_broker_port.unwrap_or(config.broker_port), "login": "guest", "password": "guest",
        "queue": super::mq::COMMANDS, "vHost": "/", "uploadVHost": "/", "unNeedBindExchange": false,
        "exchange": {
            "name": super::mq::EXCHANGE, "type": "direct", "passive": false, "durable": true,
            "auto_delete": false, "arguments": null, "routingKey": super::mq::ROUTING_KEY,
        },
    });
    if config.upload_queue {
        rabbitmq["uploadQueue"] = Value::from(super::mq::REPLIES);
    }
    if config.fiqa {
        rabbitmq["fiqaDownQueue"] = Value::from(super::mq::FIQA_COMMANDS);
        rabbitmq["fiqaUploadQueue"] = Value::from(super::mq::FIQA_REPLIES);
    }
    let mut document = json!({
        "token": state.behaviour.token(),
        "imgServerAddr": "",
        "recordAddr": config.record_addr.clone().unwrap_or_else(|| records.join(" , ")),
        "recordUploadPeriod": config.record_period_s,
        "recordUploadReg": u8::from(config.record_pictures[0]),
        "recordUploadSpotPic": u8::from(config.record_pictures[1]),
        "recordUploadRecognizeFace": u8::from(config.record_pictures[2]),
        "deviceListInfoAddr": "/box/devices",
        "deviceMonitorAddr": "box/status",
        "deviceMonitorPeriod": config.monitor_period_s,
        "rabbitmq": rabbitmq,
    });
    if let Some(on) = config.upload_info {
        document["recordUploadInfo"] = u8::from(on).into();
    }
    document
}

fn is_authorised(state: &State, query: &Credentials) -> bool {
    query.token.as_deref() == Some(&state.behaviour.token())
        && query.dev_sno.as_deref() == Some(&state.config.dev_sno)
}

/// Takes a JSON report into the ledger and answers it.
async fn take(
    state: &State,
    kind: &'static str,
    request: &HttpRequest,
    query: Option<&Credentials>,
    body: &Bytes,
) -> HttpResponse {
    let response = match play(state, kind).await {
        Some(response) => response,
        None if query.is_some_and(|query| !is_authorised(state, query)) => error(401, "wrong token"),
        None => HttpResponse::Ok().json(json!({ "status": 0, "message": "ok", "data": null })),
    };
    let body = serde_json::from_slice(body).unwrap_or_else(|_| Value::from("not JSON"));
    state.ledger.add(kind, request.path(), noted(&response), body);
    response
}

async fn history(
    state: Data<State>,
    request: HttpRequest,
    query: Query<Credentials>,
    body: Bytes,
) -> HttpResponse {
    take(&state, "history", &request, Some(&query), &body).await
}

/// History at an address of the box's own, which gets no token.
async fn own_history(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    take(&state, "history", &request, None, &body).await
}

async fn devices(
    state: Data<State>,
    request: HttpRequest,
    query: Query<Credentials>,
    body: Bytes,
) -> HttpResponse {
    take(&state, "device-list", &request, Some(&query), &body).await
}

async fn status(
    state: Data<State>,
    request: HttpRequest,
    query: Query<Credentials>,
    body: Bytes,
) -> HttpResponse {
    take(&state, "status", &request, Some(&query), &body).await
}

async fn notify(
    state: Data<State>,
    request: HttpRequest,
    query: Query<Credentials>,
    body: Bytes,
) -> HttpResponse {
    take(&state, "notify", &request, Some(&query), &body).await
}

async fn realtime(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    take(&state, "realtime", &request, None, &body).await
}

async fn users(state: Data<State>, query: Query<Credentials>, body: Bytes) -> HttpResponse {
    let asked = serde_json::from_slice::<UserListRequest>(&body);
    let response = match (play(&state, "users").await, &asked) {
        (Some(response), _) => response,
        (None, _) if !is_authorised(&state, &query) => error(401, "wrong token"),
        (None, Ok(asked)) => {
            let user_list = state.people.users(&asked.userid_list);
            HttpResponse::Ok().json(UserListAnswer { data: UserListData { user_list } })
        }
        (None, Err(_)) => error(400, "no userid_list"),
    };
    let body = serde_json::from_slice(&body).unwrap_or_default();
    state.ledger.add("users", "/box/users", noted(&response), body);
    response
}

async fn photo(state: Data<State>, file: Path<String>) -> HttpResponse {
    let played = play(&state, "photo").await;
    let response = match file.as_str() {
        _ if played.is_some() => played.unwrap_or_else(|| error(500, "fails as asked")),
        "hang" => {
            actix_rt::time::sleep(HANG).await;
            HttpResponse::Ok().finish()
        }
        "page" => HttpResponse::Ok().content_type("text/html").body("<html>no such photo</html>"),
        name => match state.people.photo(name) {
            Some(bytes) => HttpResponse::Ok().content_type("image/jpeg").body(bytes),
            None => error(404, "no such photo"),
        },
    };
    state.ledger.add("photo", &format!("/img/{file}"), noted(&response), Value::Null);
    response
}

/// Calls that a platform does not have are noted too: a box must make none.
async fn no_such_path(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let response = error(404, "no such path");
    let asked = Value::from(format!("{} {}", request.method(), request.uri()));
    state.ledger.add("other", request.path(), noted(&response), asked);
    response
}
