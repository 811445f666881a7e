//! Tests of the vision chain on real models and real photos. Needs `scripts/setup --tests` to have run.

mod attributes;
mod fiqa;
mod vision;
