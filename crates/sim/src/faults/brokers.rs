//! The broker of a campaign: one RabbitMQ or a cluster of three, of either version, with either kind of queue.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use menshen_testbed::broker::{PrivateBroker, Version};
use menshen_testbed::cluster::PrivateCluster;
use menshen_testbed::deliveries::Deliveries;
use menshen_testbed::proxy::{Mode, Proxy};

/// Kind of the command queue and the reply queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Queues {
    Classic,
    Quorum,
    /// What the broker makes of a queue that asks for nothing
    AsItComes,
}

/// Which RabbitMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BrokerVersion {
    /// That of the machine's packages
    #[default]
    Packaged,
    /// RabbitMQ 4, put beside by scripts/rabbitmq4
    #[value(name = "4")]
    Four,
}

/// The broker that is asked for.
#[derive(Args, Debug, Clone, Default)]
pub struct BrokerArgs {
    /// Kind of the command and reply queues; quorum in a cluster, else as it comes 队列类型
    #[arg(long, value_enum)]
    pub queues: Option<Queues>,
    /// Which RabbitMQ 使用哪个 RabbitMQ
    #[arg(long, value_enum, default_value_t)]
    pub broker: BrokerVersion,
    /// Three nodes in one cluster, all of them named by the login 三节点集群
    #[arg(long)]
    pub cluster: bool,
}

impl BrokerArgs {
    pub fn queues(&self) -> Queues {
        self.queues.unwrap_or(if self.cluster { Queues::Quorum } else { Queues::AsItComes })
    }

    /// For the platform that declares them.
    pub fn queue_type(&self) -> Option<String> {
        match self.queues() {
            Queues::Classic => Some("classic".to_owned()),
            Queues::Quorum => Some("quorum".to_owned()),
            Queues::AsItComes => None,
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        format!(
            "RabbitMQ {}, {} queues, {}",
            name(self.broker.to_possible_value()),
            name(self.queues().to_possible_value()),
            if self.cluster { "three nodes" } else { "one node" }
        )
    }

    fn version(&self) -> Result<Version> {
        match self.broker {
            BrokerVersion::Packaged => Ok(Version::Packaged),
            BrokerVersion::Four => {
                Version::four().context("RabbitMQ 4 is not here; scripts/rabbitmq4 --check says why")
            }
        }
    }
}

/// The broker, one way or the other.
pub enum Broker {
    Single(Box<PrivateBroker>),
    Cluster(Box<PrivateCluster>),
}

impl Broker {
    pub fn start(folder: &Path, arguments: &BrokerArgs) -> Result<Self> {
        let version = arguments.version()?;
        if !arguments.cluster {
            let broker = PrivateBroker::start_version(version, folder, "", "")?;
            return Ok(Self::Single(Box::new(broker)));
        }
        if arguments.queues() != Queues::Quorum {
            bail!(
                "a classic queue is gone with the one node it lives on: --cluster goes with --queues quorum"
            );
        }
        Ok(Self::Cluster(Box::new(PrivateCluster::start(&version, folder)?)))
    }

    /// AMQP ports of its nodes.
    pub fn ports(&self) -> Vec<u16> {
        self.nodes().iter().map(PrivateBroker::port).collect()
    }

    fn nodes(&self) -> &[PrivateBroker] {
        match self {
            Self::Single(broker) => std::slice::from_ref(broker),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }

    /// Runs `rabbitmqctl` on a node that takes it.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut failure = None;
        for node in self.nodes() {
            match node.control(arguments) {
                Ok(told) => return Ok(told),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| io::Error::other("there is no node")).into())
    }

    pub fn single(&mut self) -> Result<&mut PrivateBroker> {
        match self {
            Self::Single(broker) => Ok(broker),
            Self::Cluster(_) => bail!("a fault of a single broker in a cluster"),
        }
    }

    pub fn cluster(&mut self) -> Result<&mut PrivateCluster> {
        match self {
            Self::Cluster(cluster) => Ok(cluster),
            Self::Single(_) => bail!("a fault of a cluster at a single broker"),
        }
    }
}

/// The proxies between the box and the broker's nodes.
pub struct ToBroker {
    proxies: Vec<Proxy>,
    /// What the broker handed to the box.
    pub deliveries: Deliveries,
}

impl ToBroker {
    pub fn start(ports: &[u16]) -> io::Result<Self> {
        let deliveries = Deliveries::default();
        let proxy = |(number, port): (usize, &u16)| Proxy::before_broker(*port, number, &deliveries);
        let proxies = ports.iter().enumerate().map(proxy).collect::<io::Result<_>>()?;
        Ok(Self { proxies, deliveries })
    }

    pub fn ports(&self) -> Vec<u16> {
        self.proxies.iter().map(Proxy::port).collect()
    }

    pub fn set(&self, mode: Mode) {
        self.proxies.iter().for_each(|proxy| proxy.set(mode));
    }

    pub fn cuts(&self) -> u64 {
        self.proxies.iter().map(Proxy::cuts).sum()
    }

    /// The node the box is connected to; `None` while it is connected to none.
    pub fn node_of_the_box(&self) -> Option<usize> {
        let open = |(number, proxy): (usize, &Proxy)| (proxy.open_connections(), number);
        let (count, number) = self.proxies.iter().enumerate().map(open).max()?;
        (count > 0).then_some(number)
    }
}
