//! Door relays over Modbus TCP: one coil a call.

use tokio::net::TcpStream;
use tokio_modbus::client::{Writer as _, tcp};
use tokio_modbus::slave::Slave;

use crate::ports::relay::RelayError;

/// Writes one coil.
pub async fn write_coil(stream: TcpStream, unit: u8, coil: u16, on: bool) -> Result<(), RelayError> {
    let mut relay = tcp::attach_slave(stream, Slave(unit));
    match relay.write_single_coil(coil, on).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(exception)) => Err(RelayError::Refused { coil, exception: exception.to_string() }),
        Err(error) => Err(RelayError::Unusable(error.to_string())),
    }
}
