//! The local half of the protocol (section 9): the HTTP API that installers, terminals and tools in the field call.
//!
//! Handlers are clients of the actors, like the MQ link. Every answer is `{"data":…}` or
//! `{"error":{"code","message","status"}}`, also for what no handler takes.

pub mod access;
pub mod answer;
pub mod body;
mod body_place;
pub mod clock;
pub mod devices;
pub mod doors;
pub mod guard;
pub mod identity;
pub mod models;
pub mod permissions;
pub mod photo;
pub mod picture;
pub mod set_aside;
pub mod settings;
pub mod state;
pub mod urls;
pub mod users;
pub mod wipe;

pub use state::LocalDeps;

use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::web::{self, Data, ServiceConfig};

use crate::web::health::Health;
use crate::web::listener::Listener;
use menshen_domain::limits;

/// Serves until the future is dropped. A port that is taken is tried again and again: recognition does not wait for it.
pub async fn serve(listener: Listener, deps: Arc<LocalDeps>, health: Arc<Health>) {
    let listen = listener.address;
    loop {
        match bind(listener.clone(), Arc::clone(&deps)) {
            Ok(server) => {
                tracing::info!(%listen, "the local API is listening");
                health.set_local_api(listen.to_string());
                if let Err(error) = server.await {
                    tracing::error!(%error, "the local API ended");
                }
            }
            Err(error) => {
                tracing::error!(%listen, %error, "the local API cannot listen; choose another local_api.listen");
                health.set_local_api(format!("cannot listen on {listen}: {error}"));
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
    let mq = |name: &str| format!("/SophonMQ/api/{name}");
    let fog = |name: &str| format!("/SophonFogSys/api/{name}");
    config
        .route(&mq("DevSno"), web::get().to(identity::dev_sno))
        .route(&mq("DevSno"), web::put().to(identity::set_dev_sno))
        .route(&mq("LoginUrl"), web::get().to(identity::login_url))
        .route(&mq("LoginUrl"), web::put().to(identity::set_login_url))
        .route(&fog("WipeData"), web::post().to(wipe::wipe))
        .route(&fog("users"), web::get().to(users::list))
        .route(&fog("users"), web::post().to(users::add))
        .route(&fog("users"), web::put().to(users::update))
        .route(&fog("users"), web::delete().to(users::delete))
        .route(&fog("permissions"), web::get().to(permissions::list))
        .route(&fog("permissions"), web::post().to(permissions::add))
        .route(&fog("permissions"), web::put().to(permissions::change))
        .route(&fog("permissions"), web::delete().to(permissions::remove))
        .route(&fog("Recognize"), web::post().to(photo::recognize))
        .route(&fog("Recognize/{device}"), web::post().to(photo::recognize))
        .route(&fog("GateControllerMode"), web::get().to(doors::mode))
        .route(&fog("GateControllerMode"), web::post().to(doors::set_mode))
        .route(&fog("EventAction"), web::put().to(doors::act))
        .route("/SophonFace/api/permissions", web::get().to(permissions::find_by_name))
        .route("/menshen/api/models", web::get().to(models::show))
        .route("/menshen/api/models/use", web::post().to(models::use_model))
        .route("/menshen/api/models/cancel", web::post().to(models::cancel))
        .route("/menshen/api/devices", web::get().to(devices::list))
        .route("/menshen/api/devices", web::post().to(devices::add))
        .route("/menshen/api/devices", web::put().to(devices::change))
        .route("/menshen/api/devices", web::delete().to(devices::remove))
        .route("/menshen/api/devices/reload", web::post().to(devices::reload))
        .route("/menshen/api/clock", web::get().to(clock::show))
        .route("/menshen/api/clock/confirm", web::post().to(clock::confirm))
        .route("/menshen/api/devices/reset", web::post().to(devices::reset))
        .route("/menshen/api/settings/reset", web::post().to(settings::reset))
        .route("/menshen/api/set-aside", web::get().to(set_aside::list))
        .route("/menshen/api/set-aside/retry", web::post().to(set_aside::retry));
    for kind in urls::Kind::ALL {
        let get = move |deps: Data<LocalDeps>| async move { urls::get(&deps, kind) };
        let set =
            move |deps: Data<LocalDeps>, call: body::Call| async move { urls::set(&deps, kind, call).await };
        config
            .route(&fog(kind.name()), web::get().to(get))
            .route(&fog(kind.name()), web::post().to(set))
            .route(&fog(kind.name()), web::put().to(set));
    }
}
