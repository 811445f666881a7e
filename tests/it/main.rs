//! Tests of the vision chain on real models and real photos, which need `scripts/setup --tests` to have run, and of the
//! platform client on a simulated platform.

mod attributes;
mod fiqa;
mod platform;
mod vision;
