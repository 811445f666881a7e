//! The clients of the live stream, what each has asked for, and what waits for it.
//!
//! The reporter puts messages in and never waits for a client; the web side takes them out at each client's own pace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::erased_people::ErasedPeople;
use super::newest::NewestQueue;
use crate::telemetry;
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_protocol::flat_event::device_id_of;
use menshen_protocol::live_event::StreamConfig;

/// Which pictures a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveForm {
    pub face: bool,
    pub register: bool,
}

/// The messages of one event, one a form that is asked for.
pub struct LiveMessages {
    pub event: Arc<EventRecord>,
    pub forms: BTreeMap<LiveForm, Bytes>,
}

/// Cloning shares it.
#[derive(Clone)]
pub struct LiveStream(Arc<Shared>);

struct Shared {
    erased: ErasedPeople,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    last: u64,
    all: BTreeMap<u64, Client>,
}

struct Client {
    form: LiveForm,
    /// Empty before the client has said what it wants.
    devices: BTreeSet<String>,
    waiting: Arc<NewestQueue<Waiting>>,
}

struct Waiting {
    event: Arc<EventRecord>,
    message: Bytes,
}

/// One client; dropping it forgets it.
pub struct LiveClient {
    number: u64,
    stream: LiveStream,
    waiting: Arc<NewestQueue<Waiting>>,
}

impl LiveStream {
    /// Messages of people in `erased` are not sent any more.
    pub fn new(erased: ErasedPeople) -> Self {
        Self(Arc::new(Shared { erased, clients: Mutex::default() }))
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new client, which gets nothing until it is configured.
    pub fn join(&self) -> LiveClient {
        let waiting = Arc::new(NewestQueue::new(limits::STREAM_QUEUE));
        let mut clients = self.clients();
        clients.last += 1;
        let number = clients.last;
        let form = LiveForm { face: false, register: false };
        clients.all.insert(number, Client { form, devices: BTreeSet::new(), waiting: Arc::clone(&waiting) });
        drop(clients);
        LiveClient { number, stream: self.clone(), waiting }
    }

    /// The forms in which clients ask for events of this device; empty when nobody does.
    pub fn forms(&self, device_id: &str) -> BTreeSet<LiveForm> {
        let clients = self.clients();
        let asking = clients.all.values().filter(|client| client.devices.contains(device_id));
        asking.map(|client| client.form).collect()
    }

    /// Puts an event's message before every client that asks for it. Waits for nobody.
    pub fn publish(&self, messages: &LiveMessages) {
        let device_id = device_id_of(&messages.event.device);
        for client in self.clients().all.values().filter(|client| client.devices.contains(&device_id)) {
            // A client that has just asked for another form gets the next event.
            let Some(message) = messages.forms.get(&client.form) else { continue };
            let waiting = Waiting { event: Arc::clone(&messages.event), message: message.clone() };
            if client.waiting.push(waiting).is_some() {
                count("dropped");
            }
        }
    }

    /// Forgets what waits, as a wipe of events asks for.
    pub fn forget(&self) {
        for client in self.clients().all.values() {
            client.waiting.retain(|_| false);
        }
    }
}

impl LiveClient {
    /// Replaces what the client asked for before. What waits of other devices is not wanted any more.
    pub fn configure(&self, config: &StreamConfig) {
        let devices = config.devices();
        let mut clients = self.stream.clients();
        let Some(client) = clients.all.get_mut(&self.number) else { return };
        client.waiting.retain(|waiting| devices.contains(&device_id_of(&waiting.event.device)));
        client.form = LiveForm { face: config.need_face, register: config.need_register };
        client.devices = devices;
    }

    /// The next message.
    pub fn poll_next(&self, context: &Context<'_>) -> Poll<Bytes> {
        loop {
            let Poll::Ready(Waiting { event, message }) = self.waiting.poll_next(context) else {
                return Poll::Pending;
            };
            if !self.stream.0.erased.has(&event) {
                count("sent");
                return Poll::Ready(message);
            }
            count("erased");
        }
    }
}

impl Drop for LiveClient {
    fn drop(&mut self) {
        self.stream.clients().all.remove(&self.number);
    }
}

/// Counts a message by what became of it.
pub fn count(result: &'static str) {
    telemetry::STREAM_MESSAGES.of(result).increment(1);
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use menshen_domain::device_id;
    use menshen_domain::erasure::ErasedPerson;
    use menshen_domain::event::{EventDevice, EventIdentity, ShotQuality, WantAction};
    use menshen_domain::person::PersonKind;
    use serde_json::json;

    use super::*;

    const BARE: LiveForm = LiveForm { face: false, register: false };

    fn messages(number: usize, ip: &str) -> LiveMessages {
        let device: EventDevice =
            serde_json::from_value(json!({ "ep_id": ip, "ip": ip, "device_type": "0" })).unwrap();
        let who = EventIdentity {
            id: "1001".to_owned(),
            name: "x".to_owned(),
            kind: PersonKind::Employee,
            registry_photo: None,
        };
        let event = EventRecord {
            event_id: number.to_string(),
            device,
            identity: Some(who),
            timestamp_ms: 1_000,
            in_timestamp_ms: 1_000,
            out_timestamp_ms: 1_000,
            score: 0.9,
            similarity: None,
            want_action: WantAction::Nothing,
            quality: ShotQuality::default(),
            spot_pic: None,
            face_pic: None,
            model: String::new(),
            why: None,
            feature: None,
        };
        let forms = BTreeMap::from([(BARE, Bytes::from(number.to_string()))]);
        LiveMessages { event: Arc::new(event), forms }
    }

    fn configured(stream: &LiveStream, ips: &[&str]) -> LiveClient {
        let client = stream.join();
        ask(&client, ips);
        client
    }

    fn ask(client: &LiveClient, ips: &[&str]) {
        let ids: Vec<String> = ips.iter().map(|ip| device_id::of_ip(ip)).collect();
        let config = json!({ "event_list": ids }).to_string();
        client.configure(&StreamConfig::parse(config.as_bytes()).unwrap());
    }

    fn heard(client: &LiveClient) -> Vec<usize> {
        let context = Context::from_waker(Waker::noop());
        let next = || match client.poll_next(&context) {
            Poll::Ready(message) => Some(std::str::from_utf8(&message).unwrap().parse().unwrap()),
            Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_client_has_its_own_newest_messages_of_its_devices() {
        let stream = LiveStream::new(ErasedPeople::default());
        let (slow, other) = (configured(&stream, &["a"]), configured(&stream, &["b"]));
        let silent = stream.join();
        assert_eq!(stream.forms(&device_id::of_ip("a")), BTreeSet::from([BARE]));
        assert!(stream.forms(&device_id::of_ip("c")).is_empty());
        for number in 0..40 {
            stream.publish(&messages(number, if number < 36 { "a" } else { "b" }));
        }
        assert_eq!(heard(&slow), (36 - limits::STREAM_QUEUE..36).collect::<Vec<_>>());
        assert_eq!(heard(&other), [36, 37, 38, 39]);
        assert!(heard(&silent).is_empty());
        drop(other);
        assert!(stream.forms(&device_id::of_ip("b")).is_empty(), "nobody asks any more");
    }

    #[test]
    fn a_new_configuration_an_erasure_and_a_wipe_take_out_what_waits() {
        let erased = ErasedPeople::default();
        let stream = LiveStream::new(erased.clone());
        let client = configured(&stream, &["a", "b"]);
        stream.publish(&messages(1, "a"));
        stream.publish(&messages(2, "b"));
        ask(&client, &["b"]);
        assert_eq!(heard(&client), [2]);
        stream.publish(&messages(3, "b"));
        erased.add("job", &[ErasedPerson { id: "1001".to_owned(), ..ErasedPerson::default() }], 2_000, 0);
        assert!(heard(&client).is_empty(), "of somebody who was erased");
        let stream = LiveStream::new(ErasedPeople::default());
        let client = configured(&stream, &["a"]);
        stream.publish(&messages(4, "a"));
        stream.forget();
        assert!(heard(&client).is_empty());
    }
}
