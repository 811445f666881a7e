//! The web side of a box: health, readiness, metrics, and the local API on an address of its own.

pub mod connections;
pub mod health;
pub mod listener;
pub mod local;
mod methods;

use std::io;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::header::ContentType;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse};

use crate::telemetry::Exporter;
use connections::Connection;
use health::Health;
use listener::Listener;
use methods::Calls;

/// Starts serving; the handle stops it.
pub fn serve(listener: Listener, health: Arc<Health>, metrics: Exporter) -> io::Result<ServerHandle> {
    let (health, metrics) = (Data::from(health), Data::new(metrics));
    let server = listener.serve(move || {
        App::new()
            .app_data(health.clone())
            .app_data(metrics.clone())
            .wrap(from_fn(serving))
            .service(Calls::of("/healthz").get(healthz).resource(not_allowed))
            .service(Calls::of("/readyz").get(readyz).resource(not_allowed))
            .service(Calls::of("/metrics").get(render_metrics).resource(not_allowed))
    })?;
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the web server ended with an error");
        }
    });
    Ok(handle)
}

/// The connection keeps its place while it is served.
async fn serving(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let _serving = request.request().conn_data::<Connection>().map(Connection::serve);
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn not_allowed(_: &HttpRequest) -> HttpResponse {
    HttpResponse::MethodNotAllowed().finish()
}

/// Alive: always 200, with what there is to know.
async fn healthz(health: Data<Health>) -> HttpResponse {
    HttpResponse::Ok().json(health.report())
}

/// Able to do its work: 200, or 503 with the reasons.
async fn readyz(health: Data<Health>) -> HttpResponse {
    let report = health.report();
    if report.ready {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().json(report)
    }
}

/// Prometheus text format.
async fn render_metrics(metrics: Data<Exporter>) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::plaintext()).body(metrics.render())
}
