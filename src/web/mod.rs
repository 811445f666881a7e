//! The web side of a box: health, readiness, metrics, and the local API on an address of its own.

pub mod health;
pub mod local;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, get};

use crate::telemetry::Exporter;
use health::Health;

/// Starts serving; the handle stops it.
pub fn serve(listen: SocketAddr, health: Arc<Health>, metrics: Exporter) -> io::Result<ServerHandle> {
    let (health, metrics) = (Data::from(health), Data::new(metrics));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(health.clone())
            .app_data(metrics.clone())
            .service(healthz)
            .service(readyz)
            .service(render_metrics)
    })
    .workers(1)
    .disable_signals()
    .bind(listen)?
    .run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the web server ended with an error");
        }
    });
    Ok(handle)
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
