//! Door relays that take bytes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ports::relay::RelayError;

/// Sends the bytes, and waits for the answer where one is asked for.
pub async fn send(mut stream: TcpStream, bytes: &[u8], answer: &[u8]) -> Result<(), RelayError> {
    let failed = |error: std::io::Error| RelayError::Broken(error.to_string());
    stream.write_all(bytes).await.map_err(failed)?;
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).await.map_err(|error| RelayError::Silent(error.to_string()))?;
    if got != answer {
        return Err(RelayError::Unexpected { got: hex::encode(&got), expected: hex::encode(answer) });
    }
    // Closing in order delivers what was sent; cheap boards forget what came with a reset.
    stream.shutdown().await.map_err(failed)
}
