//! What can be wrong with an `action_url`, and with a command for a relay. Texts continue a sentence that begins with the
//! key or the device.

use crate::limits::{RELAY_BYTES_MAX, RELAY_OUTPUTS_MAX};

/// Why a text is no `action_url`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionUrlError {
    /// It cannot be parsed as a URL.
    #[error("is no URL: {0}")]
    NotUrl(#[from] url::ParseError),
    /// Another scheme, or no host.
    #[error("must be http, https, modbus or tcp, with a host")]
    Scheme,
    /// An HTTP template without the place for what is asked.
    #[error("must hold {{mode}}, or opening, closing and alarm would be the same call")]
    NoMode,
    /// Braces that are none of the known places.
    #[error("holds an unknown place in braces; there is {0}")]
    UnknownPlace(String),
    /// No host.
    #[error("names no host")]
    NoHost,
    /// A user or password, for a protocol without logins.
    #[error("holds a user; such a relay knows none")]
    User,
    /// No port, and the protocol has no registered one.
    #[error("names no port, as in tcp://192.168.1.30:8899")]
    NoPort,
    /// A number that is none, or too large.
    #[error("{what} must be a number that fits; `{text}` is none")]
    Number {
        /// The key or part of the URL.
        what: &'static str,
        /// What is written there.
        text: String,
    },
    /// A key in the query that this kind of relay does not have.
    #[error("holds an unknown key `{key}`; there is {known}")]
    UnknownKey {
        /// As written.
        key: String,
        /// The keys there are.
        known: &'static str,
    },
    /// No coil, or more than [`RELAY_OUTPUTS_MAX`].
    #[error("coils must be 1 to {RELAY_OUTPUTS_MAX}")]
    CoilCount,
    /// The last coil's address does not fit into Modbus.
    #[error("coil {0} is beyond the last there can be, {max}", max = u16::MAX)]
    CoilBeyond(u32),
    /// The alarm's coil also opens the door.
    #[error("alarm is one of the coils that open; it must be another")]
    AlarmOpens,
    /// A path, where only a query has a meaning.
    #[error("holds a path; bytes are given as in tcp://192.168.1.30:8899?opendoor=A00101A2")]
    Path,
    /// No bytes that open.
    #[error("must hold opendoor=HEX, the bytes that open")]
    NoOpeningBytes,
    /// A place in braces among the bytes that are waited for.
    #[error("answer holds a place in braces; it must be bytes")]
    AnswerPlace,
    /// Bytes that are not hexadecimal.
    #[error(
        "{key} must be bytes in hexadecimal, as in A00101A2, with {{seconds}} and {{port}} as bytes; `{text}` is not"
    )]
    NotHex {
        /// The query's key.
        key: String,
        /// Its value.
        text: String,
    },
    /// More than [`RELAY_BYTES_MAX`].
    #[error("{key} holds {count} bytes; at most {RELAY_BYTES_MAX} are sent")]
    TooManyBytes {
        /// The query's key.
        key: String,
        /// Bytes it holds.
        count: usize,
    },
}

/// What a relay cannot do of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorOrderError {
    /// With the command's values the template is no URL any more.
    #[error("{0}")]
    NotUrl(#[from] url::ParseError),
    /// An alarm, where no coil is named for it.
    #[error("this relay has no output for an alarm: add alarm=COIL to action_url")]
    NoAlarmOutput,
    /// An output beyond those that are named.
    #[error("logic_port {port}: action_url names {coils} (coils=N adds more)")]
    NoSuchOutput {
        /// The output that was asked for.
        port: u32,
        /// Outputs there are.
        coils: u16,
    },
    /// A mode without bytes.
    #[error("this relay has no bytes for it: add {0}=HEX to action_url")]
    NoBytes(&'static str),
    /// A value that does not fit into the one byte it is sent as.
    #[error("{field} {value}: this relay takes at most 255")]
    NotOneByte {
        /// The command's field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
}
