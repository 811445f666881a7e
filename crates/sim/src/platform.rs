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
    /// Name FIQA queues, for `fiqa` beside other commands 使用独立的 FIQA 队列
    #[arg(long)]
    pub fiqa: bool,
    /// Say recordUploadInfo (generation 2.6): 0 or 1 登录应答带 recordUploadInfo（2.6 代）
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub record_upload_info: Option<u8>,
}

/// Runs until the process is ended; commands are posted to `/sim/command`.
#[allow(clippy::print_stdout, reason = "shows the integrator where the platform listens")]
pub fn run(arguments: &PlatformArgs) -> Result<()> {
    let platform = SimPlatform::start(PlatformConfig {
        listen: arguments.listen,
        dev_sno: arguments.dev_sno.clone(),
        broker_port: arguments.broker_port,
        upload_queue: !arguments.no_upload_queue,
        fiqa: arguments.fiqa,
        upload_info: arguments.record_upload_info.map(|on| on == 1),
        ledger_file: arguments.ledger.clone(),
        ..PlatformConfig::default()
    })?;
    if let Some(folder) = &arguments.people {
        let count = platform.people().add_folder(folder)?;
        println!("{count} people");
    }
    println!("login url:    {}", platform.login_url());
    println!("examples:     curl {}", platform.url("/sim/commands"));
    let (example, send) = (platform.url("/sim/commands/add_device"), platform.url("/sim/command?wait_s=30"));
    println!("send command: curl -s {example} | curl -d @- '{send}'");
    println!("ledger:       curl '{}'", platform.url("/sim/ledger?kind=history&after=0"));
    loop {
        std::thread::park();
    }
}
