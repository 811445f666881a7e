//! How a record becomes bytes: one version byte, then JSON. JSON because an operator can read it in an
//! emergency and because records of older versions can be upgraded field by field.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Version this build writes.
const VERSION: u8 = 1;

#[derive(Debug)]
pub enum RecordError {
    Newer { found: u8, known: u8 },
    Broken(String),
}

pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, RecordError> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, value).map_err(|error| RecordError::Broken(error.to_string()))?;
    Ok(bytes)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            serde_json::from_slice(body).map_err(|error| RecordError::Broken(error.to_string()))
        }
        Some((&found, _)) if found > VERSION => Err(RecordError::Newer { found, known: VERSION }),
        Some((found, _)) => Err(RecordError::Broken(format!("record version {found} was never written"))),
        None => Err(RecordError::Broken("empty record".to_owned())),
    }
}
