//! What went wrong with the broker, in the port's words.

use lapin::protocol::AMQPErrorKind;

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

/// The broker closed a channel (a soft error of AMQP), and not the connection.
pub fn is_of_channel(error: &lapin::Error) -> bool {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Soft(_)),
        _ => false,
    }
}

/// The broker closed the channel since the message is longer than it takes (`max_message_size`):
/// `PRECONDITION_FAILED - message size 20000000 is larger than configured max size 16777216`.
pub fn is_too_long(error: &lapin::Error) -> bool {
    const PRECONDITION_FAILED: u16 = 406;
    amqp_code(error) == Some(PRECONDITION_FAILED) && error.to_string().contains("message size")
}

/// How long a message may be, as far as that text says so.
pub fn longest_message(text: &str) -> Option<usize> {
    let (_, limit) = text.split_once("larger than")?;
    let digits = limit.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}

/// The connection was up and broke.
pub fn lost(error: lapin::Error) -> BrokerError {
    BrokerError::Lost(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_tells_how_long_a_message_may_be() {
        for (text, expected) in [
            (
                "PRECONDITION_FAILED - message size 20000000 is larger than configured max size 16777216",
                Some(16_777_216),
            ),
            ("PRECONDITION_FAILED - message size 20 is larger than max size 16'", Some(16)),
            ("PRECONDITION_FAILED - message size is wrong", None),
        ] {
            assert_eq!(longest_message(text), expected, "{text}");
        }
    }
}
