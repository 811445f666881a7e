//! Door relays over Modbus TCP: one coil a call.

use tokio::net::TcpStream;
use tokio_modbus::client::{Writer as _, tcp};
use tokio_modbus::slave::Slave;

/// Writes one coil.
pub async fn write_coil(stream: TcpStream, unit: u8, coil: u16, on: bool) -> Result<(), String> {
    let mut relay = tcp::attach_slave(stream, Slave(unit));
    match relay.write_single_coil(coil, on).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(exception)) => Err(format!("refused coil {coil}: {exception}")),
        Err(error) => Err(format!("answered nothing of use: {error}")),
    }
}
