//! Relays that take bytes: `tcp://HOST:PORT?opendoor=HEX&closedoor=HEX&alarm=HEX&rest=HEX&answer=HEX`.
//!
//! Bytes are written in hexadecimal, spaces (`+` or `%20`) between them are allowed; `{seconds}` and `{port}` are replaced by one byte
//! with the command's value. `rest` is sent when the time is over, to relays that do not count it themselves.

use url::Url;

use super::error::{ActionUrlError, DoorOrderError};
use super::order::{DoorStep, RelayAddress, RelayCall, address_of};
use super::{ActionMode, DoorCommand};
use crate::limits;

/// A relay that takes configured bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct RawRelay {
    address: RelayAddress,
    opendoor: Vec<Piece>,
    closedoor: Vec<Piece>,
    alarm: Vec<Piece>,
    rest: Vec<Piece>,
    answer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    Seconds,
    Port,
}

impl RawRelay {
    /// Reads what the address says.
    ///
    /// # Errors
    ///
    /// When a part of it is missing, unknown, too long or not hexadecimal.
    pub fn read(url: &Url) -> Result<Self, ActionUrlError> {
        let address = address_of(url, None)?;
        if !matches!(url.path(), "" | "/") {
            return Err(ActionUrlError::Path);
        }
        let mut read = Self {
            address,
            opendoor: Vec::new(),
            closedoor: Vec::new(),
            alarm: Vec::new(),
            rest: Vec::new(),
            answer: Vec::new(),
        };
        for (key, value) in url.query_pairs() {
            let pieces = pieces(&key, &value)?;
            match key.as_ref() {
                "opendoor" => read.opendoor = pieces,
                "closedoor" => read.closedoor = pieces,
                "alarm" => read.alarm = pieces,
                "rest" => read.rest = pieces,
                "answer" => read.answer = plain(&pieces)?,
                other => {
                    return Err(ActionUrlError::UnknownKey {
                        key: other.to_owned(),
                        known: "opendoor, closedoor, alarm, rest, answer",
                    });
                }
            }
        }
        if read.opendoor.is_empty() {
            return Err(ActionUrlError::NoOpeningBytes);
        }
        Ok(read)
    }

    /// What a command sends.
    ///
    /// # Errors
    ///
    /// When the address holds no bytes for it, or a value does not fit into the byte it is sent as.
    pub fn step(&self, command: &DoorCommand) -> Result<DoorStep, DoorOrderError> {
        let pieces = match command.mode {
            ActionMode::OpenDoor => &self.opendoor,
            ActionMode::CloseDoor => &self.closedoor,
            ActionMode::Alarm => &self.alarm,
        };
        if pieces.is_empty() {
            return Err(DoorOrderError::NoBytes(command.mode.wire()));
        }
        let rests = command.mode != ActionMode::CloseDoor && !self.rest.is_empty();
        Ok(DoorStep {
            output: format!("tcp {} {}", self.address, command.logic_port),
            now: self.call(pieces, command)?,
            rest: if rests { Some(self.call(&self.rest, command)?) } else { None },
        })
    }

    /// The output with the bytes that switch it off, where the address has some.
    pub fn at_rest(&self) -> Option<(String, RelayCall)> {
        let command = DoorCommand::of_match(ActionMode::CloseDoor);
        let call = self.call(&self.rest, &command).ok().filter(|_| !self.rest.is_empty())?;
        Some((format!("tcp {} 0", self.address), call))
    }

    fn call(&self, pieces: &[Piece], command: &DoorCommand) -> Result<RelayCall, DoorOrderError> {
        let byte = |piece: &Piece| match piece {
            Piece::Byte(byte) => Ok(*byte),
            Piece::Seconds => one_byte("action_duration", command.seconds),
            Piece::Port => one_byte("logic_port", command.logic_port),
        };
        let bytes = pieces.iter().map(byte).collect::<Result<_, _>>()?;
        Ok(RelayCall::Raw { address: self.address.clone(), bytes, answer: self.answer.clone() })
    }
}

fn one_byte(field: &'static str, value: u32) -> Result<u8, DoorOrderError> {
    u8::try_from(value).map_err(|_| DoorOrderError::NotOneByte { field, value })
}

fn plain(pieces: &[Piece]) -> Result<Vec<u8>, ActionUrlError> {
    let byte = |piece: &Piece| match piece {
        Piece::Byte(byte) => Ok(*byte),
        _ => Err(ActionUrlError::AnswerPlace),
    };
    pieces.iter().map(byte).collect()
}

fn pieces(key: &str, text: &str) -> Result<Vec<Piece>, ActionUrlError> {
    let wrong = || ActionUrlError::NotHex { key: key.to_owned(), text: text.to_owned() };
    let mut read = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (piece, length) = if rest.starts_with("{seconds}") {
            (Piece::Seconds, "{seconds}".len())
        } else if rest.starts_with("{port}") {
            (Piece::Port, "{port}".len())
        } else {
            let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
            (Piece::Byte(byte), 2)
        };
        read.push(piece);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    if read.is_empty() {
        return Err(wrong());
    }
    if read.len() > limits::RELAY_BYTES_MAX {
        return Err(ActionUrlError::TooManyBytes { key: key.to_owned(), count: read.len() });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(text: &str) -> Result<RawRelay, ActionUrlError> {
        RawRelay::read(&Url::parse(text).unwrap())
    }

    fn bytes(call: &RelayCall) -> &[u8] {
        match call {
            RelayCall::Raw { bytes, .. } => bytes,
            _ => &[],
        }
    }

    #[test]
    fn bytes_are_read_and_filled() {
        let relay =
            relay("tcp://10.0.0.9:8899?opendoor=A0+01%20{port}{seconds}&rest=a0000000&answer=06").unwrap();
        let opening = DoorCommand { mode: ActionMode::OpenDoor, seconds: 7, logic_port: 2, action_port: 0 };
        let step = relay.step(&opening).unwrap();
        assert_eq!(bytes(&step.now), [0xA0, 1, 2, 7]);
        assert_eq!(step.rest.as_ref().map(bytes), Some([0xA0, 0, 0, 0].as_slice()));
        let RelayCall::Raw { address, answer, .. } = step.now else { panic!() };
        assert_eq!((address.to_string().as_str(), answer.as_slice()), ("10.0.0.9:8899", [6].as_slice()));
        let too_long = relay.step(&DoorCommand { seconds: 256, ..opening }).unwrap_err().to_string();
        assert!(too_long.contains("256"), "{too_long}");
        let alarm = relay.step(&DoorCommand { mode: ActionMode::Alarm, ..opening }).unwrap_err().to_string();
        assert!(alarm.contains("alarm=HEX"), "{alarm}");
        assert_eq!(relay.at_rest().map(|(_, call)| bytes(&call).to_vec()), Some(vec![0xA0, 0, 0, 0]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long = format!("tcp://h:1?opendoor={}", "00".repeat(limits::RELAY_BYTES_MAX + 1));
        for (text, expected) in [
            ("tcp://h:1", "must hold opendoor"),
            ("tcp://h:1?opendoor=", "hexadecimal"),
            ("tcp://h:1?opendoor=A", "hexadecimal"),
            ("tcp://h:1?opendoor=A0G1", "hexadecimal"),
            ("tcp://h:1?opendoor=%E9%97%A8", "hexadecimal"),
            ("tcp://h:1?opendoor={mode}", "hexadecimal"),
            ("tcp://h:1?opendoor=A0&answer={port}", "answer"),
            ("tcp://h:1?opendor=A0", "unknown key"),
            ("tcp://h:1/x?opendoor=A0", "path"),
            (long.as_str(), "at most"),
        ] {
            let problem = relay(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
