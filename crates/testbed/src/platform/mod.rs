//! A management platform that speaks the protocol, for the demo, the tests, and integrators without one.

pub mod behaviour;
pub mod http;
pub mod ledger;
pub mod mq;
pub mod people;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use clap::Args;
use serde_json::{Value, json};

use behaviour::Behaviour;
use ledger::{Entry, Ledger};
use people::People;

/// How a simulated platform is set up.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    pub dev_sno: String,
    /// 0: there is no broker, only the HTTP side.
    pub broker_port: u16,
    /// Port the login document names, when something stands between the box and the broker.
    pub told_broker_port: Option<u16>,
    /// Whether the login document names an `uploadQueue`; without one replies go to `notify_path`.
    pub upload_queue: bool,
    /// Whether the login document names FIQA queues.
    pub fiqa: bool,
    /// Number of history receivers in `recordAddr`.
    pub receivers: usize,
    /// `recordAddr` as given, in place of the platform's own receivers.
    pub record_addr: Option<String>,
    pub record_period_s: u64,
    /// Which pictures history shall carry: registry photo, scene, face crop.
    pub record_pictures: [bool; 3],
    pub monitor_period_s: u64,
    /// Everything received, one JSON object a line.
    pub ledger_file: Option<PathBuf>,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dev_sno: "UMOTRU000120190909103019".to_owned(),
            broker_port: 5672,
            told_broker_port: None,
            upload_queue: true,
            fiqa: false,
            receivers: 1,
            record_addr: None,
            record_period_s: 1,
            record_pictures: [true; 3],
            monitor_period_s: 2,
            ledger_file: None,
        }
    }
}

/// What the HTTP and MQ sides share.
pub struct State {
    pub config: PlatformConfig,
    pub ledger: Ledger,
    pub behaviour: Behaviour,
    pub people: People,
    /// Laid over the login document, key by key.
    login_patch: Mutex<Value>,
}

/// A running platform; dropping it stops it. It can go down and come back: what it knows and has received
/// stays, as in a database of its own.
pub struct SimPlatform {
    state: Arc<State>,
    address: SocketAddr,
    /// Absent without a broker, and while it is down.
    mq: Mutex<Option<mq::MqSide>>,
    /// Absent while it is down.
    server: Mutex<Option<(ServerHandle, JoinHandle<()>)>>,
}

/// A port that was left a moment ago may still be in use.
const LISTEN_TRIES: u32 = 50;
const LISTEN_RETRY: Duration = Duration::from_millis(100);

impl SimPlatform {
    /// Starts the HTTP side on a thread of its own and the MQ side beside it.
    pub fn start(config: PlatformConfig) -> Result<Self, String> {
        let ledger = Ledger::new(config.ledger_file.as_deref()).map_err(|error| error.to_string())?;
        let state = Arc::new(State {
            config,
            ledger,
            behaviour: Behaviour::default(),
            people: People::default(),
            login_patch: Mutex::default(),
        });
        let (address, server, thread) = http::start(Arc::clone(&state), state.config.listen)?;
        let platform =
            Self { state, address, mq: Mutex::default(), server: Mutex::new(Some((server, thread))) };
        platform.start_mq()?;
        Ok(platform)
    }

    fn start_mq(&self) -> Result<(), String> {
        if self.state.config.broker_port != 0 {
            let side = mq::MqSide::start(Arc::clone(&self.state))?;
            *self.mq.lock().unwrap_or_else(PoisonError::into_inner) = Some(side);
        }
        Ok(())
    }

    /// Breaks off whatever is going on and listens no more.
    pub fn go_down(&self) {
        let mq = self.mq.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut mq) = mq {
            mq.stop();
        }
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((server, thread)) = server {
            // Ends the server's system; the thread then ends by itself.
            drop(server.stop(false));
            let _ = thread.join();
        }
    }

    /// Listens at the same address again.
    pub fn come_back(&self) -> Result<(), String> {
        let mut tries = 0;
        let (server, thread) = loop {
            match http::start(Arc::clone(&self.state), self.address) {
                Ok((_, server, thread)) => break (server, thread),
                Err(error) if tries == LISTEN_TRIES => return Err(error),
                Err(_) => std::thread::sleep(LISTEN_RETRY),
            }
            tries += 1;
        };
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some((server, thread));
        self.start_mq()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn login_url(&self) -> String {
        self.url("/api/gateway/login")
    }

    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    pub fn behaviour(&self) -> &Behaviour {
        &self.state.behaviour
    }

    pub fn people(&self) -> &People {
        &self.state.people
    }

    /// Publishes a command to the box and waits for the broker's confirm.
    pub fn publish(&self, command: &Value) -> Result<(), String> {
        self.publish_raw(command.to_string().into_bytes())
    }

    /// Publishes any bytes.
    pub fn publish_raw(&self, body: Vec<u8>) -> Result<(), String> {
        // The lock is not held while the broker is waited for: the platform may go down meanwhile.
        let jobs = self.mq.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(mq::MqSide::jobs);
        jobs.ok_or("this platform is down or has no broker")?.publish(body)
    }

    /// Publishes a command with a fresh `messageId` and waits for its reply.
    pub fn command(&self, mut command: Value, limit: Duration) -> Result<Value, String> {
        let id = fresh_id(&mut command);
        self.publish(&command)?;
        self.reply(&id, limit)
    }

    fn reply(&self, id: &str, limit: Duration) -> Result<Value, String> {
        self.state
            .ledger
            .wait(limit, |entry| entry.is_reply() && entry.body["messageId"] == id)
            .map(|entry: Entry| entry.body)
            .ok_or_else(|| format!("no reply within {limit:?}"))
    }

    /// Has a picture judged over the FIQA queues, by whichever box takes it.
    pub fn fiqa(&self, photo_base64: &str, level: &str, limit: Duration) -> Result<Value, String> {
        let info = json!({ "image_base64_str": photo_base64, "fiqa_level": level });
        self.fiqa_command(json!({ "method": "fiqa", "info": info }), limit)
    }

    /// Sends any command over the FIQA queue and waits for its reply.
    pub fn fiqa_command(&self, mut command: Value, limit: Duration) -> Result<Value, String> {
        let id = fresh_id(&mut command);
        self.publish_fiqa_all(&[command])?;
        self.reply(&id, limit)
    }

    /// Publishes commands to the FIQA queue, one right after the other.
    pub fn publish_fiqa_all(&self, commands: &[Value]) -> Result<(), String> {
        let bodies = commands.iter().map(|command| command.to_string().into_bytes()).collect();
        mq::publish_fiqa(&self.state, bodies)
    }

    /// From now on the login document has these values laid over it; objects are merged, null removes.
    pub fn patch_login(&self, patch: Value) {
        *self.state.login_patch.lock().unwrap_or_else(PoisonError::into_inner) = patch;
    }
}

fn fresh_id(command: &mut Value) -> String {
    let id = uuid::Uuid::now_v7().to_string();
    command["messageId"] = Value::from(id.clone());
    id
}

/// As in RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else { return };
    for (key, change) in changes {
        match change {
            Value::Null => drop(into.as_object_mut().map(|fields| fields.remove(key))),
            Value::Object(_) if into[key].is_object() => merge(&mut into[key], change),
            _ => into[key] = change.clone(),
        }
    }
}

impl State {
    fn patched(&self, mut document: Value) -> Value {
        merge(&mut document, &self.login_patch.lock().unwrap_or_else(PoisonError::into_inner));
        document
    }
}

impl Drop for SimPlatform {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// `menshen sim platform`
#[derive(Args, Debug, Clone)]
pub struct PlatformArgs {
    #[arg(long, default_value = "127.0.0.1:9061")]
    pub listen: SocketAddr,
    #[arg(long, default_value = "UMOTRU000120190909103019")]
    pub dev_sno: String,
    /// Port of a RabbitMQ on this machine, user guest
    #[arg(long, default_value_t = 5672)]
    pub broker_port: u16,
    /// Folder of photos named name-id-department.jpg: the people whose details the platform knows
    #[arg(long)]
    pub people: Option<PathBuf>,
    /// File that gets everything received, one JSON object a line
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// Name no uploadQueue: replies go to notify_path
    #[arg(long)]
    pub no_upload_queue: bool,
}

/// Runs until the process is ended; commands are posted to `/sim/command`.
#[allow(clippy::print_stdout, reason = "tells the integrator where to look")]
pub fn run(arguments: &PlatformArgs) -> Result<ExitCode, Vec<String>> {
    let config = PlatformConfig {
        listen: arguments.listen,
        dev_sno: arguments.dev_sno.clone(),
        broker_port: arguments.broker_port,
        upload_queue: !arguments.no_upload_queue,
        ledger_file: arguments.ledger.clone(),
        ..PlatformConfig::default()
    };
    let platform = SimPlatform::start(config).map_err(|error| vec![error])?;
    if let Some(folder) = &arguments.people {
        let count = platform.people().add_folder(folder).map_err(|error| vec![error])?;
        println!("{count} people");
    }
    println!("login url:    {}", platform.login_url());
    println!("send command: curl -d '{{\"method\":\"...\"}}' {}", platform.url("/sim/command"));
    println!("ledger:       curl '{}'", platform.url("/sim/ledger?kind=history&after=0"));
    loop {
        std::thread::park();
    }
}
