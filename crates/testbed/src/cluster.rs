//! Three private RabbitMQ nodes in one cluster on loopback: they can be killed, frozen, cut off from each other and
//! drained, one at a time.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::broker::{PrivateBroker, Version, free_port};
use super::process::Process;

/// The fewest of which one may fail.
pub const NODES: usize = 3;
/// Starts with new ports when another process took one of them.
const START_TRIES: u32 = 3;
const EPMD_WITHIN: Duration = Duration::from_secs(10);
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// All nodes see each other within this after a start.
const TOGETHER_WITHIN: Duration = Duration::from_secs(90);
/// A node that was frozen or cut off sees the others again within this, or never.
const REJOINED_WITHIN: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);
const UPGRADE: &str = "/usr/lib/rabbitmq/bin/rabbitmq-upgrade";
/// A node that says nothing for so long is down to its neighbours: RabbitMQ waits for a minute, which no campaign has.
const TICK_S: u32 = 10;
/// Nobody else starts nodes here, but a cookie is wanted.
const COOKIE: &str = "MENSHENPRIVATECLUSTER";
/// What two nodes that are cut off from each other think the other's cookie is.
const WRONG_COOKIE: &str = "cut_off";

/// A cluster of its own: data, ports, cookie, and one epmd for all nodes.
pub struct PrivateCluster {
    // Nodes leave before the epmd they are known by.
    nodes: Vec<PrivateBroker>,
    _epmd: Process,
}

impl PrivateCluster {
    /// Starts three nodes with their data in `folder` and waits until all of them are one cluster, which stops a node that
    /// sees no other (`pause_minority`).
    ///
    /// # Errors
    /// When RabbitMQ is not installed, a node does not come up, or they do not find each other.
    pub fn start(version: &Version, folder: &Path) -> io::Result<Self> {
        for _ in 1..START_TRIES {
            match Self::try_start(version, folder) {
                Err(error) if error.to_string().contains("eaddrinuse") => fs::remove_dir_all(folder)?,
                started => return started,
            }
        }
        Self::try_start(version, folder)
    }

    fn try_start(version: &Version, folder: &Path) -> io::Result<Self> {
        let epmd_port = free_port()?;
        let arguments = format!("-kernel net_ticktime {TICK_S}");
        let mut nodes = Vec::new();
        for number in 1..=NODES {
            let folder = folder.join(format!("node{number}"));
            let node = PrivateBroker::node(version.clone(), &folder, &arguments, epmd_port)?;
            let cookie = node.folder().join(".erlang.cookie");
            fs::write(&cookie, COOKIE)?;
            fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
            nodes.push(node);
        }
        let epmd = start_epmd(&nodes[0], epmd_port)?;
        let config = config(&nodes);
        for node in &mut nodes {
            node.set_config(&config);
            node.launch()?;
        }
        for node in &mut nodes {
            node.wait_ready()?;
        }
        let cluster = Self { nodes, _epmd: epmd };
        cluster.wait_together(0, TOGETHER_WITHIN)?;
        Ok(cluster)
    }

    /// Waits until a node sees all others.
    fn wait_together(&self, number: usize, limit: Duration) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let left = limit.saturating_sub(began.elapsed()).as_secs().max(1).to_string();
            // A node that has paused refuses the question.
            match self.nodes[number].control(&["await_online_nodes", &NODES.to_string(), "--timeout", &left])
            {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > limit => return Err(error),
                Err(_) => std::thread::sleep(RETRY),
            }
        }
    }

    /// Waits until a node that was frozen or cut off is one of the others again. RabbitMQ leaves the databases apart where the
    /// node is back before it has noticed that it was away (`running_partitioned_network`); then the node is started again, as
    /// an operator has to, and the answer is `true`.
    ///
    /// # Errors
    /// When it does not come back even so.
    pub fn wait_rejoined(&mut self, number: usize) -> io::Result<bool> {
        if self.wait_together(number, REJOINED_WITHIN).is_ok() {
            return Ok(false);
        }
        self.start_again(number)?;
        Ok(true)
    }

    /// Starts a node, by force where it is running, and waits until it sees the others.
    ///
    /// # Errors
    /// When it does not come up, or does not see them within a minute and a half.
    pub fn start_again(&mut self, number: usize) -> io::Result<()> {
        self.nodes[number].restart()?;
        self.wait_together(number, TOGETHER_WITHIN)
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[PrivateBroker] {
        &self.nodes
    }

    /// A node, to be killed or started.
    pub fn node(&mut self, number: usize) -> &mut PrivateBroker {
        &mut self.nodes[number]
    }

    /// The node that leads a quorum queue of the default virtual host.
    ///
    /// # Errors
    /// When no node that runs knows of the queue.
    pub fn leader(&mut self, queue: &str) -> io::Result<usize> {
        let asked = self.nodes.iter_mut().find_map(|node| node.is_running().then_some(&*node));
        let Some(asked) = asked else { return Err(io::Error::other("no node is running")) };
        let told = asked.control(&["--quiet", "list_queues", "--no-table-headers", "name", "leader"])?;
        let of_queue = |line: &str| {
            let (name, leader) = line.split_once('\t')?;
            (name == queue).then(|| leader.trim().to_owned())
        };
        let leader = told.lines().find_map(of_queue);
        self.nodes
            .iter()
            .position(|node| leader.as_deref() == Some(&*node.node_name()))
            .ok_or_else(|| io::Error::other(format!("the leader of {queue} is none of the nodes: {told}")))
    }

    /// Cuts a node off from the others: connections break, and none comes about again until [`rejoin`](Self::rejoin).
    /// Its clients are not cut off.
    ///
    /// # Errors
    /// When the node cannot be told.
    pub fn cut_off(&self, number: usize) -> io::Result<()> {
        self.with_cookie(number, WRONG_COOKIE, "erlang:disconnect_node(Node)")
    }

    /// The others are there for it again.
    ///
    /// # Errors
    /// When the node cannot be told.
    pub fn rejoin(&self, number: usize) -> io::Result<()> {
        self.with_cookie(number, COOKIE, "net_adm:ping(Node)")
    }

    /// Has a node use a cookie towards all others, and do more for each.
    fn with_cookie(&self, number: usize, cookie: &str, more: &str) -> io::Result<()> {
        let others: Vec<String> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .map(|(_, node)| format!("'{}'", node.node_name()))
            .collect();
        let others = others.join(",");
        let told = format!("[begin erlang:set_cookie(Node, '{cookie}'), {more} end || Node <- [{others}]].");
        self.nodes[number].control(&["eval", &told]).map(drop)
    }

    /// Stops a node as an operator would: its queues and clients go to the others first.
    ///
    /// # Errors
    /// When it cannot be told, or its end cannot be waited for.
    pub fn drain(&mut self, number: usize) -> io::Result<()> {
        self.nodes[number].tool(UPGRADE, &["drain"])?;
        self.nodes[number].stop(STOP_WITHIN).map(drop)
    }

    /// Cuts the power of all nodes.
    pub fn kill9(&mut self) {
        self.nodes.iter_mut().for_each(PrivateBroker::kill9);
    }
}

/// One configuration for all: whoever is first finds the others.
fn config(nodes: &[PrivateBroker]) -> String {
    let mut lines = vec![
        "cluster_partition_handling = pause_minority".to_owned(),
        "cluster_formation.peer_discovery_backend = classic_config".to_owned(),
    ];
    for (number, node) in nodes.iter().enumerate() {
        lines.push(format!("cluster_formation.classic_config.nodes.{} = {}", number + 1, node.node_name()));
    }
    lines.join("\n") + "\n"
}

fn start_epmd(node: &PrivateBroker, port: u16) -> io::Result<Process> {
    let mut command = node.command("epmd");
    // It tells of every look whether it listens.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let epmd = Process::spawn(command.args(["-address", "127.0.0.1", "-port", &port.to_string()]))?;
    let began = Instant::now();
    while TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).is_err() {
        if began.elapsed() > EPMD_WITHIN {
            return Err(io::Error::other(format!("epmd does not listen on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(epmd)
}
