//! How right a model is: embeddings of folders of photos, pairs, and rates with their thresholds.
//!
//! `menshen models optimize --int8` accepts a form only by these figures; `menshen-bench` prints them.

pub mod embeddings;
pub mod made_up;
pub mod pairs;
pub mod statistics;
