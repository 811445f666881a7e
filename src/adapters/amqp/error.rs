//! What went wrong with the broker, in the port's words.

use crate::ports::broker::BrokerError;

/// The AMQP reply code of an error, if the broker sent one.
pub fn amqp_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// An AMQP reply code means that the broker was there and said no (403 access refused, 404 not found,
/// 530 not allowed); anything else that it could not be talked to. 320 is a broker shutting down.
pub fn classify(error: lapin::Error) -> BrokerError {
    match amqp_code(&error) {
        Some(320) | None => BrokerError::Unreachable(error.to_string()),
        Some(_) => BrokerError::Refused(error.to_string()),
    }
}

/// The connection was up and broke.
pub fn lost(error: lapin::Error) -> BrokerError {
    BrokerError::Lost(error.to_string())
}
