//! Doors of relays that do not count the time themselves: what was opened is closed again, whatever happens to the box.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually};

const ACTION: &str = "/SophonFogSys/api/EventAction";

/// When, and unit, coil, state.
type Said = (Instant, u8, u16, bool);

/// A Modbus-TCP relay, by the specification (Modbus Application Protocol V1.1b3, function 5).
#[derive(Clone)]
pub struct Relay {
    pub port: u16,
    said: Arc<Mutex<Vec<Said>>>,
    /// 0 takes what it is told, anything else is the exception it answers.
    exception: Arc<AtomicU8>,
}

impl Relay {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self { port, said: Arc::default(), exception: Arc::default() };
        let serving = relay.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let relay = serving.clone();
                std::thread::spawn(move || relay.serve(stream));
            }
        });
        relay
    }

    fn serve(&self, mut stream: TcpStream) {
        // Transaction (2), protocol (2) = 0, length (2) = 6, unit, function, coil (2), value (2).
        let mut request = [0; 12];
        while stream.read_exact(&mut request).is_ok() {
            assert_eq!((&request[2..6], request[7]), ([0, 0, 0, 6].as_slice(), 5), "{request:?}");
            let exception = self.exception.load(Ordering::SeqCst);
            let answer = if exception == 0 {
                let on = match request[10..12] {
                    [0xFF, 0] => true,
                    [0, 0] => false,
                    _ => panic!("{request:?}"),
                };
                let coil = u16::from_be_bytes([request[8], request[9]]);
                self.said.lock().unwrap().push((Instant::now(), request[6], coil, on));
                request.to_vec()
            } else {
                [&request[..5], &[3, request[6], 0x85, exception]].concat()
            };
            stream.write_all(&answer).unwrap();
        }
    }

    /// Coil and state of everything it was told, in order.
    pub fn told(&self) -> Vec<(u16, bool)> {
        self.said.lock().unwrap().iter().map(|(_, _, coil, on)| (*coil, *on)).collect()
    }

    /// When it was told each of them.
    pub fn times(&self) -> Vec<Instant> {
        self.said.lock().unwrap().iter().map(|(at, ..)| *at).collect()
    }

    fn forget(&self) {
        self.said.lock().unwrap().clear();
    }
}

fn bed_with(action_url: &str) -> TestBed {
    let mut bed = TestBed::standalone();
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"gate\"\ntype = \"turnstile\"\npipeline = \"post\"\naction_url = \"{action_url}\"\n"
    ));
    bed
}

fn start(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
}

fn act(bed: &TestBed, more: &Value) -> Value {
    let mut action = json!({ "action_ip": "gate", "action_mode": "opendoor", "action_duration": 1 });
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, body) = http::json(bed.local_port, "PUT", ACTION, &json!({ "action": [action] }));
    assert_eq!(status, 200, "{body}");
    body["data"]["action"][0].clone()
}

#[test]
fn a_coil_that_opens_a_door_closes_it_again() {
    let relay = Relay::new();
    let mut bed = bed_with(&format!("modbus://127.0.0.1:{}/4?unit=7&coils=2&alarm=9", relay.port));
    start(&mut bed);
    let told = |what: &str, expected: &[(u16, bool)]| {
        eventually(what, SOON, || (relay.told() == expected).then_some(()));
        relay.forget();
    };
    eventually("whatever was left on is switched off", SOON, || (relay.told().len() == 3).then_some(()));
    assert!(relay.told().iter().all(|(_, on)| !on), "{:?}", relay.told());
    relay.forget();

    let answer = act(&bed, &json!({ "logic_port": 2, "id": "call-1" }));
    assert_eq!((&answer["result"], &answer["id"]), (&json!(true), &json!("call-1")));
    told("a pulse", &[(5, true), (5, false)]);
    let again = act(&bed, &json!({ "logic_port": 2, "id": "call-1" }));
    assert_eq!(again["result"], json!(false));
    assert!(again["message"].as_str().unwrap().contains("carried out already"), "{again}");
    act(&bed, &json!({ "action_mode": "alarm" }));
    told("the alarm", &[(9, true), (9, false)]);

    // Whoever comes while the door is open keeps it open.
    act(&bed, &json!({ "logic_port": 1, "action_duration": 2 }));
    std::thread::sleep(Duration::from_secs(1));
    act(&bed, &json!({ "logic_port": 1, "action_duration": 2 }));
    eventually("it closes", SOON, || relay.told().contains(&(4, false)).then_some(()));
    assert_eq!(relay.told(), [(4, true), (4, true), (4, false)]);
    let said = relay.said.lock().unwrap().clone();
    assert!(said.iter().all(|(_, unit, ..)| *unit == 7), "{said:?}");
    let open = said[2].0 - said[1].0;
    assert!(
        open >= Duration::from_millis(1900),
        "closed {open:?} after the second command, two seconds asked"
    );
    relay.forget();
    act(&bed, &json!({ "logic_port": 1, "action_duration": 60 }));
    act(&bed, &json!({ "logic_port": 1, "action_mode": "closedoor" }));
    told("closed at once", &[(4, true), (4, false)]);

    // A relay that refuses: the door's answer says so, and "off" goes on until it takes it.
    relay.exception.store(2, Ordering::SeqCst);
    let answer = act(&bed, &json!({ "logic_port": 1 }));
    assert_eq!((&answer["result"], &answer["code"]), (&json!(false), &json!(50072)), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("coil 4"), "{answer}");
    eventually("it is tried again", SOON, || {
        (bed.metric("menshen_door_rest_failures_total") >= 1.0).then_some(())
    });
    relay.exception.store(0, Ordering::SeqCst);
    told("and switched off", &[(4, false)]);

    // The test from the command line goes through the running box.
    let output = bed.run(&["devices", "door", "gate", "--seconds", "1", "--port", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told("fired by hand", &[(4, true), (4, false)]);
    let output = bed.run(&["devices", "door", "gate", "alarm", "--port", "3", "--seconds", "1"]);
    assert!(output.status.success(), "an alarm has one output");
    told("rung by hand", &[(9, true), (9, false)]);
    let refused = bed.run(&["devices", "door", "gate", "--port", "3"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("logic_port 3"));

    // Stopped in the middle, the box closes the door before it goes.
    act(&bed, &json!({ "logic_port": 1, "action_duration": 600 }));
    bed.stop();
    told("closed by the box that stops", &[(4, true), (4, false)]);
    // Without a box the command does it by itself.
    let output = bed.run(&["devices", "door", "gate", "--seconds", "1", "--port", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told("fired without a box", &[(4, true), (4, false)]);
}

#[test]
fn a_box_that_was_killed_closes_the_door_when_it_comes_back() {
    let relay = Relay::new();
    let mut bed = bed_with(&format!("modbus://127.0.0.1:{}/0", relay.port));
    start(&mut bed);
    eventually("at rest", SOON, || (relay.told() == [(0, false)]).then_some(()));
    relay.forget();
    act(&bed, &json!({ "action_duration": 3600 }));
    bed.kill9();
    assert_eq!(relay.told(), [(0, true)]);
    start(&mut bed);
    eventually("closed", SOON, || (relay.told() == [(0, true), (0, false)]).then_some(()));
    bed.stop();
}

/// Takes bytes, connection by connection, and answers each with the same.
fn bytes_relay(answer: &'static [u8]) -> (u16, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let noted = Arc::clone(&got);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(answer).unwrap();
            let mut rest = bytes.to_vec();
            stream.read_to_end(&mut rest).unwrap();
            noted.lock().unwrap().push(rest);
        }
    });
    (port, got)
}

#[test]
fn bytes_open_a_door_and_their_answer_is_read() {
    let (port, got) = bytes_relay(&[0x06]);
    let url = |port: u16| {
        format!("tcp://127.0.0.1:{port}?opendoor=A001{{port}}{{seconds}}&rest=A0000000&answer=06")
    };
    let mut bed = bed_with(&url(port));
    start(&mut bed);
    let told = |what: &str, expected: &[[u8; 4]]| {
        eventually(what, SOON, || (*got.lock().unwrap() == expected).then_some(()));
        got.lock().unwrap().clear();
    };
    told("at rest", &[[0xA0, 0, 0, 0]]);
    let answer = act(&bed, &json!({ "logic_port": 2 }));
    assert_eq!(answer["result"], json!(true), "{answer}");
    told("opened, and brought back", &[[0xA0, 1, 2, 1], [0xA0, 0, 0, 0]]);
    let close = json!({ "action": [{ "action_ip": "gate", "action_mode": "closedoor" }] });
    let (status, body) = http::json(bed.local_port, "PUT", ACTION, &close);
    let told = body["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && told.contains("closedoor=HEX"), "{body}");
    bed.stop();

    // A relay that answers something else has not opened.
    let (port, _) = bytes_relay(&[0x15]);
    let mut bed = bed_with(&url(port));
    start(&mut bed);
    let answer = act(&bed, &json!({}));
    assert!(answer["message"].as_str().unwrap().contains("answered 15 in place of 06"), "{answer}");
    bed.stop();

    // And one that is not there is told as that, without its address.
    let mut bed = bed_with("tcp://127.0.0.1:1?opendoor=A0");
    start(&mut bed);
    let answer = act(&bed, &json!({}));
    assert!(answer["message"].as_str().unwrap().contains("cannot be reached"), "{answer}");
    bed.stop();
}
