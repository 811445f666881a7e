//! A private RabbitMQ on loopback that can be killed, frozen and started again; several live side by side, alone or as a
//! cluster, of the packaged version or of version 4.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::process::Process;

/// The server itself; the wrapper in the path changes user, which a private broker must not.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const PORTS: std::ops::Range<u16> = 10_000..30_000;
const PORT_TRIES: u32 = 100;
/// Starts with new ports when another process took one of them in the seconds before it was listened on.
const START_TRIES: u32 = 3;
/// Three nodes at once on a busy machine take their time.
const READY_WITHIN: Duration = Duration::from_mins(3);

/// The control program itself, for the same reason.
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// Which RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// That of the machine's packages.
    Packaged,
    /// The program that runs one in a folder of its own (`scripts/rabbitmq4`).
    Beside(PathBuf),
}

impl Version {
    /// RabbitMQ 4, where it is there and this user may run it.
    pub fn four() -> Option<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
        let is_there =
            Command::new(repository.join("scripts/rabbitmq4")).arg("--check").output().ok()?.status;
        is_there.success().then(|| Self::Beside(repository.join(".setup/rabbitmq4/run")))
    }

    /// Every one that is there.
    pub fn all() -> Vec<Self> {
        std::iter::once(Self::Packaged).chain(Self::four()).collect()
    }
}

/// A RabbitMQ of its own: data, ports and node name are used by no other.
pub struct PrivateBroker {
    version: Version,
    folder: PathBuf,
    ports: Ports,
    process: Option<Process>,
    /// More lines of `rabbitmq.conf`, and more arguments of the Erlang machine.
    more_config: String,
    more_arguments: String,
    /// Its epmd serves the other nodes of a cluster too.
    shares_epmd: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl Ports {
    fn free() -> io::Result<Self> {
        Ok(Self { amqp: free_port()?, distribution: free_port()?, epmd: free_port()? })
    }
}

impl PrivateBroker {
    /// Starts a broker with its data in `folder` and waits until it answers.
    ///
    /// # Errors
    /// When RabbitMQ is not installed or does not come up.
    pub fn start(folder: &Path) -> io::Result<Self> {
        Self::start_with(folder, "", "")
    }

    /// As [`start`](Self::start), with more lines of `rabbitmq.conf` and more arguments of the Erlang machine, as in
    /// `-rabbit consumer_timeout 5000`.
    ///
    /// # Errors
    /// When RabbitMQ is not installed or does not come up.
    pub fn start_with(folder: &Path, more_config: &str, more_arguments: &str) -> io::Result<Self> {
        Self::start_version(Version::Packaged, folder, more_config, more_arguments)
    }

    /// As [`start_with`](Self::start_with), of a version.
    ///
    /// # Errors
    /// When RabbitMQ is not installed or does not come up.
    pub fn start_version(
        version: Version,
        folder: &Path,
        more_config: &str,
        more_arguments: &str,
    ) -> io::Result<Self> {
        let mut broker = Self::new(version, folder, more_arguments)?;
        more_config.clone_into(&mut broker.more_config);
        for _ in 1..START_TRIES {
            match broker.restart() {
                Err(_) if broker.log().contains("eaddrinuse") => {
                    broker.kill9();
                    broker.ports = Ports::free()?;
                }
                started => return started.map(|()| broker),
            }
        }
        broker.restart().map(|()| broker)
    }

    fn new(version: Version, folder: &Path, more_arguments: &str) -> io::Result<Self> {
        if version == Version::Packaged && !Path::new(SERVER).is_file() {
            return Err(io::Error::other(format!("{SERVER} is missing; scripts/setup installs RabbitMQ")));
        }
        fs::create_dir_all(folder)?;
        Ok(Self {
            version,
            folder: folder.canonicalize()?,
            ports: Ports::free()?,
            process: None,
            more_config: String::new(),
            more_arguments: more_arguments.to_owned(),
            shares_epmd: false,
        })
    }

    /// A node of a cluster with the epmd at `epmd`, not started.
    pub(crate) fn node(version: Version, folder: &Path, more_arguments: &str, epmd: u16) -> io::Result<Self> {
        let mut node = Self::new(version, folder, more_arguments)?;
        node.ports.epmd = epmd;
        node.shares_epmd = true;
        Ok(node)
    }

    /// Its own lines of `rabbitmq.conf`, from the next start on.
    pub(crate) fn set_config(&mut self, more_config: &str) {
        more_config.clone_into(&mut self.more_config);
    }

    /// Where it keeps its data.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("console.log")).unwrap_or_default()
    }

    /// Port of AMQP.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The name of its node.
    pub fn node_name(&self) -> String {
        format!("menshen{}@localhost", self.ports.amqp)
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// `kill -9` of the broker, in the middle of whatever it does.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
        // The node's name stays registered with epmd, which would refuse the next one.
        self.end_epmd();
    }

    /// Ends it in good order, by force after `limit`.
    ///
    /// # Errors
    /// When its end cannot be waited for.
    pub fn stop(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        self.process.take().map(|mut process| process.stop(limit)).transpose()
    }

    /// Stops the process without a word: connections stay open, nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&self) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal("STOP"))
    }

    /// Continues a frozen one.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal("CONT"))
    }

    /// Starts it (again) on the same port with the same data.
    ///
    /// # Errors
    /// When it does not come up within two minutes.
    pub fn restart(&mut self) -> io::Result<()> {
        self.launch()?;
        self.wait_ready()
    }

    /// Starts it (again), and does not wait for it.
    pub(crate) fn launch(&mut self) -> io::Result<()> {
        self.kill9();
        let file = |name: &str| self.folder.join(name);
        let config = format!("listeners.tcp.1 = 127.0.0.1:{}\n{}", self.ports.amqp, self.more_config);
        fs::write(file("rabbitmq.conf"), config)?;
        fs::write(file("enabled_plugins"), "[].\n")?;
        let log = fs::File::create(file("console.log"))?;
        let mut command = self.command(SERVER);
        command
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                format!(
                    "-kernel inet_dist_use_interface {{127,0,0,1}} +S 2:2 +sbwt none {}",
                    self.more_arguments
                ),
            )
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(Process::spawn(&mut command)?);
        Ok(())
    }

    /// A RabbitMQ program that finds this node and no other.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = match &self.version {
            Version::Packaged => Command::new(program),
            Version::Beside(run) => {
                let mut command = Command::new("unshare");
                command.arg("--mount").arg(run).arg(&self.folder).arg(program);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .env("RABBITMQ_NODENAME", self.node_name())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `rabbitmqctl` on it and returns what it says.
    ///
    /// # Errors
    /// When the program fails; its errors are in the text.
    pub fn control(&self, arguments: &[&str]) -> io::Result<String> {
        self.tool(CONTROL, arguments)
    }

    /// Runs a program of RabbitMQ on it and returns what it says.
    pub(crate) fn tool(&self, program: &str, arguments: &[&str]) -> io::Result<String> {
        let output = self.command(program).args(arguments).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("{program} {}: {errors}", arguments.join(" "))))
    }

    /// Waits until it answers.
    pub(crate) fn wait_ready(&mut self) -> io::Result<()> {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if !self.is_running() {
                break;
            }
            if answers(self.ports.amqp) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = self.log();
        let tail: String =
            log.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(io::Error::other(format!("RabbitMQ did not come up:\n{tail}")))
    }

    /// The node's epmd outlives it; it is found by the port only it was given.
    fn end_epmd(&self) {
        if self.shares_epmd {
            return;
        }
        let Ok(entries) = fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let ours = format!("ERL_EPMD_PORT={}", self.ports.epmd);
            let is_ours = environment.split(|b| *b == 0).any(|part| part == ours.as_bytes());
            if name.trim() == "epmd" && is_ours {
                let _ = Command::new("kill").arg(entry.file_name()).stderr(Stdio::null()).status();
            }
        }
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A RabbitMQ that is ready answers the protocol header with `connection.start`.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut first = [0u8; 1];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
        && stream.read_exact(&mut first).is_ok()
        && first == [1]
}

/// A free port below the range outgoing connections take theirs from (32768 and up), which would snatch it before it
/// is listened on; RabbitMQ's derived ports (AMQP + 20000) do not reach that far down either.
///
/// # Errors
/// When none of a hundred ports was free.
pub fn free_port() -> io::Result<u16> {
    let mut failure = io::Error::other("no port was tried");
    for _ in 0..PORT_TRIES {
        let port = rand::random_range(PORTS);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
