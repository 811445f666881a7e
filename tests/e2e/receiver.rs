//! A history receiver of its own kind: it answers what a test tells it to, and remembers what it got.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What a body is answered with; may sleep.
type Rule = Box<dyn Fn(&Value) -> u16 + Send>;

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub line: String,
    pub content_type: String,
    pub status: u16,
    /// JSON, or the fields of a form; an object in a field is read too.
    pub body: Value,
    pub raw: Vec<u8>,
}

impl Got {
    /// Id of the event, in the nested form and in the flat one.
    pub fn event_id(&self) -> String {
        let nested = &self.body["ext_data"]["event_id"];
        nested.as_str().or(self.body["event_id"].as_str()).unwrap_or_default().to_owned()
    }
}

fn read_body(content_type: &str, raw: &[u8]) -> Value {
    if !content_type.starts_with("multipart/") {
        return serde_json::from_slice(raw).unwrap_or_default();
    }
    let mut fields = menshen_protocol::form::read(content_type, raw).unwrap();
    for value in fields.values_mut() {
        let object = value.as_str().filter(|text| text.starts_with('{'));
        if let Some(object) = object.and_then(|text| serde_json::from_str(text).ok()) {
            *value = object;
        }
    }
    Value::Object(fields)
}

#[derive(Clone)]
pub struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    rule: Arc<Mutex<Arc<Mutex<Rule>>>>,
}

impl Receiver {
    pub fn new(rule: impl Fn(&Value) -> u16 + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            got: Arc::default(),
            rule: Arc::new(Mutex::new(Arc::new(Mutex::new(Box::new(rule))))),
        };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let receiver = serving.clone();
                std::thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/record", self.port)
    }

    pub fn answer(&self, rule: impl Fn(&Value) -> u16 + Send + 'static) {
        *self.rule.lock().unwrap() = Arc::new(Mutex::new(Box::new(rule)));
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Ids of the events it took, in the order it took them.
    pub fn taken(&self) -> Vec<String> {
        self.got().iter().filter(|got| got.status == 200).map(Got::event_id).collect()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let (mut length, mut content_type) = (0, String::new());
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                let header = header.trim();
                if header.is_empty() {
                    break;
                }
                let (name, value) = header.split_once(':').unwrap();
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap(),
                    "content-type" => value.trim().clone_into(&mut content_type),
                    _ => {}
                }
            }
            let mut raw = vec![0; length];
            if reader.read_exact(&mut raw).is_err() {
                return;
            }
            let body = read_body(&content_type, &raw);
            let rule = Arc::clone(&self.rule.lock().unwrap());
            let status = rule.lock().unwrap()(&body);
            self.got.lock().unwrap().push(Got {
                line: line.trim().to_owned(),
                content_type,
                status,
                body,
                raw,
            });
            if write!(stream, "HTTP/1.1 {status} Told\r\nContent-Length: 2\r\n\r\n{{}}").is_err() {
                return;
            }
        }
    }
}
