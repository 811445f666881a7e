//! Relays that speak Modbus TCP: `modbus://HOST[:502]/COIL?unit=1&coils=1&alarm=COIL`.
//!
//! COIL is the first output's address as the protocol counts, from 0 (many manuals count from 1). A coil stays as it
//! was written, so a command that opens a door must close it as well: each comes with its way back.

use url::Url;

use super::error::{ActionUrlError, DoorOrderError};
use super::order::{DoorStep, RelayAddress, RelayCall, address_of};
use super::{ActionMode, DoorCommand};
use crate::limits;

/// The port Modbus TCP is registered for.
const MODBUS_PORT: u16 = 502;

/// A relay whose outputs are coils.
#[derive(Clone, PartialEq, Eq)]
pub struct ModbusRelay {
    address: RelayAddress,
    unit: u8,
    first: u16,
    /// Outputs that open: `logic_port` 1 is the first of them, 0 all.
    coils: u16,
    alarm: Option<u16>,
}

impl ModbusRelay {
    /// Reads what the address says.
    ///
    /// # Errors
    ///
    /// When a part of it is missing, unknown or out of range.
    pub fn read(url: &Url) -> Result<Self, ActionUrlError> {
        let address = address_of(url, Some(MODBUS_PORT))?;
        let first = number("the coil, as in modbus://192.168.1.30/0,", url.path().trim_start_matches('/'))?;
        let mut read = Self { address, unit: 1, first, coils: 1, alarm: None };
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "unit" => read.unit = number("unit", &value)?,
                "coils" => read.coils = number("coils", &value)?,
                "alarm" => read.alarm = Some(number("alarm", &value)?),
                other => {
                    return Err(ActionUrlError::UnknownKey {
                        key: other.to_owned(),
                        known: "unit, coils, alarm",
                    });
                }
            }
        }
        if read.coils == 0 || read.coils > limits::RELAY_OUTPUTS_MAX {
            return Err(ActionUrlError::CoilCount);
        }
        let last = u32::from(first) + u32::from(read.coils) - 1;
        if last > u32::from(u16::MAX) {
            return Err(ActionUrlError::CoilBeyond(last));
        }
        if read.alarm.is_some_and(|alarm| (first..first + read.coils).contains(&alarm)) {
            return Err(ActionUrlError::AlarmOpens);
        }
        Ok(read)
    }

    /// What a command does to each output it is for.
    ///
    /// # Errors
    ///
    /// When the address names no such output.
    pub fn steps(&self, command: &DoorCommand) -> Result<Vec<DoorStep>, DoorOrderError> {
        let opens = command.mode == ActionMode::OpenDoor;
        let coils = match command.mode {
            ActionMode::OpenDoor | ActionMode::CloseDoor => self.selected(command.logic_port)?,
            ActionMode::Alarm => {
                vec![self.alarm.ok_or(DoorOrderError::NoAlarmOutput)?]
            }
        };
        let turns_on = opens || command.mode == ActionMode::Alarm;
        let step = |coil: u16| DoorStep {
            output: self.output(coil),
            now: self.call(coil, turns_on),
            rest: turns_on.then(|| self.call(coil, false)),
        };
        Ok(coils.into_iter().map(step).collect())
    }

    /// Every output with the call that switches it off.
    pub fn at_rest(&self) -> Vec<(String, RelayCall)> {
        let all = (0..self.coils).map(|at| self.first + at).chain(self.alarm);
        all.map(|coil| (self.output(coil), self.call(coil, false))).collect()
    }

    fn selected(&self, logic_port: u32) -> Result<Vec<u16>, DoorOrderError> {
        match u16::try_from(logic_port) {
            Ok(0) => Ok((0..self.coils).map(|at| self.first + at).collect()),
            Ok(port) if port <= self.coils => Ok(vec![self.first + port - 1]),
            _ => Err(DoorOrderError::NoSuchOutput { port: logic_port, coils: self.coils }),
        }
    }

    fn output(&self, coil: u16) -> String {
        format!("modbus {} {} {coil}", self.address, self.unit)
    }

    fn call(&self, coil: u16, on: bool) -> RelayCall {
        RelayCall::Modbus { address: self.address.clone(), unit: self.unit, coil, on }
    }
}

fn number<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, ActionUrlError> {
    text.parse().map_err(|_| ActionUrlError::Number { what, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(text: &str) -> Result<ModbusRelay, ActionUrlError> {
        ModbusRelay::read(&Url::parse(text).unwrap())
    }

    fn calls(relay: &ModbusRelay, mode: ActionMode, logic_port: u32) -> Result<Vec<String>, DoorOrderError> {
        let command = DoorCommand { mode, seconds: 5, logic_port, action_port: 0 };
        let steps = relay.steps(&command)?;
        Ok(steps.iter().map(|step| format!("{:?} then {:?}", step.now, step.rest)).collect())
    }

    #[test]
    fn a_door_that_is_opened_is_closed_again() {
        let relay = relay("modbus://10.0.0.9/4?unit=3&coils=2&alarm=9").unwrap();
        let coil = |coil: u16, state: &str| format!("modbus 10.0.0.9:502 unit 3 coil {coil} {state}");
        let pulse = |at: u16| format!("{} then Some({})", coil(at, "on"), coil(at, "off"));
        assert_eq!(calls(&relay, ActionMode::OpenDoor, 0).unwrap(), [pulse(4), pulse(5)]);
        assert_eq!(calls(&relay, ActionMode::OpenDoor, 2).unwrap(), [pulse(5)]);
        assert_eq!(calls(&relay, ActionMode::Alarm, 0).unwrap(), [pulse(9)]);
        assert_eq!(
            calls(&relay, ActionMode::CloseDoor, 1).unwrap(),
            [format!("{} then None", coil(4, "off"))]
        );
        assert!(calls(&relay, ActionMode::OpenDoor, 3).unwrap_err().to_string().contains("logic_port 3"));
        let resting: Vec<_> = relay.at_rest().into_iter().map(|(_, call)| format!("{call:?}")).collect();
        assert_eq!(resting, [coil(4, "off"), coil(5, "off"), coil(9, "off")]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("modbus://h", "the coil"),
            ("modbus://h/x", "`x` is none"),
            ("modbus://h/0?unit=300", "unit"),
            ("modbus://h/0?coils=0", "1 to"),
            ("modbus://h/0?coils=99", "1 to"),
            ("modbus://h/65535?coils=2", "65536"),
            ("modbus://h/0?coils=4&alarm=3", "another"),
            ("modbus://h/0?coil=3", "unknown key"),
        ] {
            let problem = relay(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        let no_alarm = relay("modbus://[::1]:1502/0").unwrap();
        assert!(calls(&no_alarm, ActionMode::Alarm, 0).unwrap_err().to_string().contains("alarm=COIL"));
        assert_eq!(no_alarm.address.to_string(), "::1:1502");
    }
}
