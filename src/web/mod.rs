//! The web side of a box: health, readiness, metrics, and the local API on an address of its own.

pub mod connections;
pub mod health;
pub mod listener;
pub mod local;

use std::io;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::header::ContentType;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpResponse, get};

use crate::telemetry::Exporter;
use connections::Connection;
use health::Health;
use listener::Listener;

/// Starts serving; the handle stops it.
pub fn serve(listener: Listener, health: Arc<Health>, metrics: Exporter) -> io::Result<ServerHandle> {
    let (health, metrics) = (Data::from(health), Data::new(metrics));
    let server = listener.serve(move || {
        App::new()
            .app_data(health.clone())
            .app_data(metrics.clone())
            .wrap(from_fn(serving))
            .service(healthz)
            .service(readyz)
            .service(render_metrics)
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

/// Alive: always 200, with what there is to know.
#[get("/healthz")]
async fn healthz(health: Data<Health>) -> HttpResponse {
    HttpResponse::Ok().json(health.report())
}

/// Able to do its work: 200, or 503 with the reasons.
#[get("/readyz")]
async fn readyz(health: Data<Health>) -> HttpResponse {
    let report = health.report();
    if report.ready {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().json(report)
    }
}

/// Prometheus text format.
#[get("/metrics")]
async fn render_metrics(metrics: Data<Exporter>) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::plaintext()).body(metrics.render())
}
