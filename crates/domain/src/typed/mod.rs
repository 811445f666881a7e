//! Reading values that people write (configuration, model descriptions, pipelines, changes): what is wrong is told as the key, what is
//! there and what is wanted, and never in the words of a library.

mod fault;
mod node;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::fault::{Found, TypeFault, Wanted, Wrong};
use self::node::Node;

/// Reads a value.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, TypeFault> {
    T::deserialize(Node(value))
}

#[cfg(test)]
mod tests;
