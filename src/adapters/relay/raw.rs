//! Door relays that take bytes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends the bytes, and waits for the answer where one is asked for.
pub async fn send(mut stream: TcpStream, bytes: &[u8], answer: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("broke the connection: {error}");
    stream.write_all(bytes).await.map_err(failed)?;
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).await.map_err(|error| format!("did not answer: {error}"))?;
    if got != answer {
        return Err(format!("answered {} in place of {}", hex::encode(&got), hex::encode(answer)));
    }
    // Closing in order delivers what was sent; cheap boards forget what came with a reset.
    stream.shutdown().await.map_err(failed)
}
