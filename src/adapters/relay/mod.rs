//! Door relays: HTTP, Modbus TCP, raw TCP. What was switched on for a time is switched off again, whatever happens.

mod http;
mod modbus;
mod raw;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ports::relay::{DoorRelay, RelayError};
use http::HttpRelay;
pub use http::RelaySetupError;
use menshen_domain::backoff::Backoff;
use menshen_domain::limits;
use menshen_domain::relay::order::{DoorOrder, RelayAddress, RelayCall};

#[derive(Clone)]
pub struct Relays {
    http: HttpRelay,
    /// Outputs that are on, with what switches them off.
    due: Arc<Mutex<Due>>,
}

#[derive(Default)]
struct Due {
    next: u64,
    outputs: HashMap<String, (u64, RelayCall)>,
    /// One speaks to an output at a time, so that "off" of an earlier command never overtakes "on" of a later one.
    turns: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
}

impl Relays {
    pub fn new() -> Result<Self, RelaySetupError> {
        Ok(Self { http: HttpRelay::new()?, due: Arc::default() })
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, output: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.due().turns.entry(output.to_owned()).or_default())
    }

    /// Notes what is due at an output in place of what was, and returns its number.
    fn note(&self, output: &str, rest: Option<&RelayCall>) -> u64 {
        let mut due = self.due();
        due.next += 1;
        let number = due.next;
        match rest {
            Some(rest) => drop(due.outputs.insert(output.to_owned(), (number, rest.clone()))),
            None => drop(due.outputs.remove(output)),
        }
        number
    }

    fn is_due(&self, output: &str, number: u64) -> bool {
        self.due().outputs.get(output).is_some_and(|(due, _)| *due == number)
    }

    fn is_done(&self, output: &str, number: u64) {
        let mut due = self.due();
        if due.outputs.get(output).is_some_and(|(known, _)| *known == number) {
            due.outputs.remove(output);
        }
    }

    /// Once, within the time limit.
    async fn send(&self, call: &RelayCall) -> Result<(), RelayError> {
        let limit = Duration::from_millis(limits::RELAY_TIMEOUT_MS);
        let sent = async {
            match call {
                RelayCall::Http(url) => self.http.call(url.clone()).await,
                RelayCall::Modbus { address, unit, coil, on } => {
                    modbus::write_coil(connect(address).await?, *unit, *coil, *on).await
                }
                RelayCall::Raw { address, bytes, answer } => {
                    raw::send(connect(address).await?, bytes, answer).await
                }
            }
        };
        timeout(limit, sent).await.unwrap_or(Err(RelayError::TimedOut))
    }

    /// Brings an output back to rest after a while, unless a later command took its place: again and again until the
    /// relay takes it.
    fn rest_after(&self, output: String, number: u64, call: RelayCall, after: Duration) {
        let relays = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let (first_ms, cap_ms) = limits::RELAY_REST_BACKOFF_MS;
            let mut backoff = Backoff::new(first_ms, cap_ms);
            let mut tried_ms = 0;
            let turn = relays.turn(&output);
            loop {
                let mine = turn.lock().await;
                if !relays.is_due(&output, number) {
                    return;
                }
                let Err(reason) = relays.send(&call).await else {
                    relays.is_done(&output, number);
                    return;
                };
                drop(mine);
                metrics::counter!("menshen_door_rest_failures_total").increment(1);
                if backoff.failures() == 0 {
                    tracing::error!(output, %reason, "a relay could not be switched off; it is tried again");
                }
                let wait_ms = backoff.next_ms(rand::random());
                tried_ms += wait_ms;
                if tried_ms > limits::RELAY_REST_FOR_MS {
                    tracing::error!(output, %reason, "a relay was not switched off; look after the door");
                    relays.is_done(&output, number);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            }
        });
    }
}

async fn connect(address: &RelayAddress) -> Result<TcpStream, RelayError> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| RelayError::Unreachable(Some(error.kind())))?;
    // A few bytes that must not wait for more.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

impl DoorRelay for Relays {
    fn act(&self, order: DoorOrder) -> BoxFuture<'_, Result<(), RelayError>> {
        async move {
            let after = Duration::from_secs(u64::from(order.seconds));
            let steps = order.steps.into_iter().map(|step| async move {
                let turn = self.turn(&step.output);
                let mine = turn.lock().await;
                let number = self.note(&step.output, step.rest.as_ref());
                let sent = self.send(&step.now).await;
                drop(mine);
                // Also after a failure: what was not answered may have been done.
                if let Some(rest) = step.rest {
                    self.rest_after(step.output, number, rest, after);
                }
                sent
            });
            join_all(steps).await.into_iter().collect()
        }
        .boxed()
    }

    fn rest(&self, outputs: Vec<(String, RelayCall)>) {
        for (output, call) in outputs {
            let number = self.note(&output, Some(&call));
            self.rest_after(output, number, call, Duration::ZERO);
        }
    }

    fn rest_all(&self) -> BoxFuture<'_, ()> {
        async move {
            let due: Vec<_> = self.due().outputs.drain().collect();
            let sent = due.into_iter().map(|(output, (_, call))| async move {
                if let Err(reason) = self.send(&call).await {
                    tracing::error!(output, %reason, "a relay was not switched off; look after the door");
                }
            });
            join_all(sent).await;
        }
        .boxed()
    }
}
