//! Which calls this box has, made from the same table as its routes.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::state::LocalDeps;
use crate::web::methods::Calls;

/// The calls by path, each with its methods.
#[derive(Debug, Clone)]
pub struct CallIndex(Value);

impl CallIndex {
    pub fn of<'a>(calls: impl Iterator<Item = &'a Calls>) -> Self {
        let mut calls: Vec<&Calls> = calls.collect();
        calls.sort_unstable_by_key(|calls| calls.path());
        let entry =
            |calls: &&Calls| json!({ "path": calls.path(), "methods": calls.methods().collect::<Vec<_>>() });
        Self(json!({ "calls": calls.iter().map(entry).collect::<Vec<_>>() }))
    }
}

/// `calls`: `[{"path","methods"}]`, sorted by path; a part in braces stands for any one part of a path.
pub async fn list(deps: Data<LocalDeps>, index: Data<CallIndex>) -> HttpResponse {
    deps.respond(Ok(index.0.clone()))
}
