//! What several parts of the box write and others show: facts of the domain behind a lock.
//!
//! The facts and the rules between them are `menshen_domain`'s; here is only the sharing.

pub mod clock;
pub mod models;
pub mod receivers;
pub mod storage;
