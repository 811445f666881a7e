//! `menshen events`: history from the command line, while the box is not running.

mod list;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::output::print_line;
use crate::adapters::store::RedbEventStore;
use crate::ports::outbox::Outbox as _;
use crate::ports::store::StoreError;
use crate::runtime::storage::Storage;
use menshen_domain::history::shown;
use menshen_domain::limits;

#[derive(Args)]
pub struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Subcommand)]
enum EventsCommand {
    #[command(about = help("List stored events, oldest first, as JSON lines without names and pictures", "列出已保存的事件，旧的在前，JSON 行，不含姓名和图片"))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(subcommand)]
    #[command(about = help("Events a history receiver refused for good", "被历史接收方拒收的事件"))]
    SetAside(SetAsideCommand),
}

#[derive(Subcommand)]
enum SetAsideCommand {
    #[command(about = help("List receiver, sequence, time and reason of each", "列出接收方、序号、时间和原因"))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Send them again after the next start, all or some", "下次启动后重新上报，全部或部分"))]
    Retry {
        #[arg(long, help = help("Only those of this receiver address", "只处理该接收地址的"))]
        receiver: Option<String>,
        #[arg(long, help = help("Only the one with this sequence", "只处理该序号的"))]
        sequence: Option<u64>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &EventsArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        EventsCommand::List { config } => list::list(&open(config)?),
        EventsCommand::SetAside(SetAsideCommand::List { config }) => list(&open(config)?),
        EventsCommand::SetAside(SetAsideCommand::Retry { receiver, sequence, config }) => {
            retry(&open(config)?, receiver.as_deref(), *sequence)
        }
    }
}

pub fn open(config: &ConfigArgs) -> anyhow::Result<RedbEventStore> {
    let settings = config.settings()?;
    Storage::open(&settings).and_then(|storage| storage.events()).map_err(|error| match error {
        StoreError::Locked { .. } => {
            let listen =
                settings.local_api.listen.map_or_else(|| "local_api.listen".to_owned(), |a| a.to_string());
            anyhow!(said!(
                "the box is running on this data folder: stop it first; for events set aside ask its local API, GET \
                 http://{listen}/menshen/api/set-aside or POST http://{listen}/menshen/api/set-aside/retry",
                "门神正在使用该数据目录：请先停止；被拒收的事件可通过本地接口查看，GET http://{listen}/menshen/api/set-aside 或 \
                 POST http://{listen}/menshen/api/set-aside/retry"
            ))
        }
        other => other.into(),
    })
}

fn list(store: &RedbEventStore) -> anyhow::Result<ExitCode> {
    let mut skip = 0;
    loop {
        let rows = store.set_asides(skip, limits::SET_ASIDE_PAGE)?;
        for row in &rows {
            let receiver = url::Url::parse(&row.receiver).map_or_else(|_| "?".to_owned(), |url| shown(&url));
            let retry = if row.retry { "\tretry" } else { "" };
            print_line(&format!("{receiver}\t{}\t{}\t{}{retry}", row.sequence, row.at_ms, row.reason));
        }
        if rows.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        skip += rows.len();
    }
}

fn retry(store: &RedbEventStore, receiver: Option<&str>, sequence: Option<u64>) -> anyhow::Result<ExitCode> {
    let count = store.retry_set_aside(receiver, sequence)?;
    print_line(&said!("{count} will be tried again at the next start", "{count} 条将在下次启动时重新上报"));
    Ok(ExitCode::SUCCESS)
}
