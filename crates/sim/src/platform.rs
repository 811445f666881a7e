//! `menshen-sim platform`: a management platform that runs until the process is ended.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use menshen_testbed::platform::{PlatformConfig, SimPlatform};

/// How the platform is set up.
#[derive(Args, Debug, Clone)]
pub struct PlatformArgs {
    /// Address to listen on 监听地址
    #[arg(long, default_value = "127.0.0.1:9061")]
    pub listen: SocketAddr,
    /// Licence code of the box that may log in 可以登录的盒子授权码
    #[arg(long, default_value = "UMOTRU000120190909103019")]
    pub dev_sno: String,
    /// Port of a RabbitMQ on this machine, user guest 本机 RabbitMQ 端口
    #[arg(long, default_value_t = 5672)]
    pub broker_port: u16,
    /// Folder of photos named name-id-department.jpg: the people whose details the platform knows 人员照片目录
    #[arg(long)]
    pub people: Option<PathBuf>,
    /// File that gets everything received, one JSON object a line 收到的内容写入文件
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// Name no uploadQueue: replies go to notify_path 不用 uploadQueue，应答发到 notify_path
    #[arg(long)]
    pub no_upload_queue: bool,
}

/// Runs until the process is ended; commands are posted to `/sim/command`.
#[allow(clippy::print_stdout, reason = "shows the integrator where the platform listens")]
pub fn run(arguments: &PlatformArgs) -> Result<()> {
    let platform = SimPlatform::start(PlatformConfig {
        listen: arguments.listen,
        dev_sno: arguments.dev_sno.clone(),
        broker_port: arguments.broker_port,
        upload_queue: !arguments.no_upload_queue,
        ledger_file: arguments.ledger.clone(),
        ..PlatformConfig::default()
    })?;
    if let Some(folder) = &arguments.people {
        let count = platform.people().add_folder(folder)?;
        println!("{count} people");
    }
    println!("login url:    {}", platform.login_url());
    println!("send command: curl -d '{{\"method\":\"...\"}}' {}", platform.url("/sim/command"));
    println!("ledger:       curl '{}'", platform.url("/sim/ledger?kind=history&after=0"));
    loop {
        std::thread::park();
    }
}
