//! The far end of an outage: takes events on any path, remembers ids and times, and keeps no pictures.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use menshen_testbed::platform::ledger::now_ms;

/// One event as it arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: String,
    pub in_timestamp: u64,
    pub at_ms: u64,
    pub bytes: usize,
}

#[derive(Deserialize)]
struct Body {
    ext_data: ExtData,
}

#[derive(Deserialize)]
struct ExtData {
    event_id: String,
    in_timestamp: u64,
}

/// A receiver; its threads end with the process.
#[derive(Clone, Default)]
pub struct Target {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Target {
    pub fn listen(&self, port: u16) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let target = self.clone();
        std::thread::Builder::new().name("target".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let target = target.clone();
                // A connection that breaks off is the box's business.
                std::thread::spawn(move || target.serve(stream).ok());
            }
        })?;
        Ok(())
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let at_ms = now_ms();
            let Body { ext_data } = serde_json::from_slice(&body).map_err(io::Error::other)?;
            let arrival = Arrival {
                id: ext_data.event_id,
                in_timestamp: ext_data.in_timestamp,
                at_ms,
                bytes: body.len(),
            };
            self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
        }
    }
}
