//! The local half of the protocol (section 9): the HTTP API that installers, terminals and tools in the field call.
//!
//! Handlers are clients of the actors, like the MQ link. Every answer is `{"data":…}` or
//! `{"error":{"code","message","status"}}`, also for what no handler takes.

pub mod access;
pub mod answer;
pub mod body;
mod body_pace;
mod body_place;
mod call_index;
pub mod clock;
pub mod configs;
pub mod devices;
pub mod dialect;
pub mod doors;
pub mod events;
pub mod faces;
pub mod groups;
pub mod guard;
pub mod identity;
pub mod models;
pub mod permissions;
mod person_body;
pub mod person_view;
pub mod photo;
pub mod picture;
pub mod picture_match;
pub mod picture_search;
pub mod pretty_score;
pub mod published_devices;
pub mod receiver_kind;
pub mod receivers;
pub mod set_aside;
pub mod settings;
pub mod state;
pub mod stream;
pub mod urls;
pub mod users;
pub mod wipe;

pub use state::LocalDeps;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::web::{self, Data, ServiceConfig};

use crate::web::health::Health;
use crate::web::listener::Listener;
use crate::web::methods::Calls;
use menshen_domain::limits;

/// Where our own calls are.
const OWN: &str = "/menshen/api";

/// Serves until the future is dropped. A port that is taken is tried again and again: recognition does not wait for it.
pub async fn serve(listener: Listener, deps: Arc<LocalDeps>, health: Arc<Health>) {
    let listen = listener.address;
    let bind = || bind(listener.clone(), Arc::clone(&deps));
    keep_serving((listen, "the local API", "local_api.listen"), bind, |state| health.set_local_api(state))
        .await;
}

/// As [`serve`], the live stream.
pub async fn serve_stream(listener: Listener, deps: Arc<LocalDeps>, health: Arc<Health>) {
    let listen = listener.address;
    let bind = || stream::bind(listener.clone(), Arc::clone(&deps));
    keep_serving((listen, "the live stream", "local_api.stream_listen"), bind, |state| {
        health.set_stream(state);
    })
    .await;
}

async fn keep_serving(
    (listen, name, key): (SocketAddr, &'static str, &'static str),
    bind: impl Fn() -> std::io::Result<Server>,
    show: impl Fn(String),
) {
    loop {
        match bind() {
            Ok(server) => {
                tracing::info!(%listen, "{name} is listening");
                show(listen.to_string());
                if let Err(error) = server.await {
                    tracing::error!(%error, "{name} ended");
                }
            }
            Err(error) => {
                tracing::error!(%listen, %error, "{name} cannot listen; choose another {key}");
                show(format!("cannot listen on {listen}: {error}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(limits::LOCAL_LISTEN_RETRY_MS)).await;
    }
}

fn bind(listener: Listener, deps: Arc<LocalDeps>) -> std::io::Result<Server> {
    let deps = Data::from(deps);
    listener.serve(move || {
        App::new()
            .app_data(deps.clone())
            .wrap(from_fn(guard::guard))
            // Devices put slashes together: `//SophonFogSys/api/Recognize/`.
            .wrap(NormalizePath::trim())
            .configure(routes)
            .default_service(web::to(answer::no_such_call))
    })
}

fn routes(config: &mut ServiceConfig) {
    let calls = calls();
    let index = Calls::of(format!("{OWN}/calls")).get(call_index::list);
    config.app_data(Data::new(call_index::CallIndex::of(calls.iter().chain([&index]))));
    for calls in calls.into_iter().chain([index]) {
        config.service(calls.resource(answer::no_such_method));
    }
}

/// Every call but the list of them.
fn calls() -> Vec<Calls> {
    let mq = |name: &str| Calls::of(format!("/SophonMQ/api/{name}"));
    let fog = |name: &str| Calls::of(format!("/SophonFogSys/api/{name}"));
    let face = |name: &str| Calls::of(format!("/SophonFace/api/{name}"));
    let own = |name: &str| Calls::of(format!("{OWN}/{name}"));
    let published = [
        mq("DevSno").get(identity::dev_sno).on(Method::PUT, identity::set_dev_sno),
        mq("LoginUrl").get(identity::login_url).on(Method::PUT, identity::set_login_url),
        fog("WipeData").on(Method::POST, wipe::wipe),
        fog("users")
            .get(users::list)
            .on(Method::POST, users::add)
            .on(Method::PUT, users::update)
            .on(Method::DELETE, users::delete),
        fog("permissions")
            .get(permissions::list)
            .on(Method::POST, permissions::add)
            .on(Method::PUT, permissions::change)
            .on(Method::DELETE, permissions::remove),
        fog("Recognize").on(Method::POST, photo::recognize),
        fog("Recognize/{device}").on(Method::POST, photo::recognize),
        fog("GateControllerMode").get(doors::mode).on(Method::POST, doors::set_mode),
        fog("EventAction").on(Method::PUT, doors::act),
        fog("PrettyScore").get(pretty_score::get).on(Method::PUT, pretty_score::set),
        fog("groups")
            .get(groups::list)
            .on(Method::POST, groups::add)
            .on(Method::PUT, groups::change)
            .on(Method::DELETE, groups::remove),
        fog("GroupUsers").on(Method::PUT, groups::join).on(Method::DELETE, groups::leave),
        face("groups").get(groups::find_by_name),
        face("images/{image_id}").get(person_view::image),
        face("permissions").get(permissions::find_by_name),
        face("events").get(events::list).on(Method::DELETE, events::delete),
        face("event_images/{picture}").get(events::picture),
        face("event_images").on(Method::DELETE, events::delete_pictures),
        face("detect").on(Method::POST, faces::detect),
        face("FIQA").on(Method::POST, faces::fiqa),
        Calls::of("/SophonConfig/api/Configs").get(configs::list).on(Method::PUT, configs::set),
        Calls::of("/SophonConfig/api/Configs/{name}").get(configs::one),
        Calls::of("/SophonConfig/api/login").on(Method::POST, configs::not_ours),
        Calls::of("/SophonConfig/api/password").on(Method::POST, configs::not_ours),
        fog("ImagePathStatusQuery").on(Method::POST, configs::not_ours),
        Calls::of("/SophonMatch/api/compare").on(Method::POST, faces::compare),
        Calls::of("/SophonMatch/api/picturesearch").on(Method::POST, picture_search::search),
        Calls::of("/SophonMatch/api/PictureMatch").on(Method::POST, picture_match::picture_match),
        Calls::of("/SophonDevice/api/Devices")
            .get(published_devices::list)
            .on(Method::POST, published_devices::add)
            .on(Method::PUT, published_devices::change)
            .on(Method::DELETE, published_devices::remove),
    ];
    let ours = [
        own("models").get(models::show),
        own("models/use").on(Method::POST, models::use_model),
        own("models/cancel").on(Method::POST, models::cancel),
        own("devices")
            .get(devices::list)
            .on(Method::POST, devices::add)
            .on(Method::PUT, devices::change)
            .on(Method::DELETE, devices::remove),
        own("devices/reload").on(Method::POST, devices::reload),
        own("devices/reset").on(Method::POST, devices::reset),
        own("clock").get(clock::show),
        own("clock/confirm").on(Method::POST, clock::confirm),
        own("dialect").get(dialect::get).on(Method::PUT, dialect::set),
        own("settings/reset").on(Method::POST, settings::reset),
        own("set-aside").get(set_aside::list),
        own("set-aside/retry").on(Method::POST, set_aside::retry),
    ];
    let receivers = receiver_kind::Kind::ALL.map(|kind| {
        let get = move |deps: Data<LocalDeps>| async move { urls::get(&deps, kind) };
        let set =
            move |deps: Data<LocalDeps>, call: body::Call| async move { urls::set(&deps, kind, call).await };
        fog(kind.name()).get(get).on(Method::POST, set).on(Method::PUT, set)
    });
    published.into_iter().chain(ours).chain(receivers).collect()
}
