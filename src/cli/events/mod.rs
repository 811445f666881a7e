//! `menshen events`: history from the command line, while the box is not running.

mod list;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
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
    /// List stored events, oldest first, as JSON lines without names and pictures 事件列表
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Events a history receiver refused for good 被拒收的事件
    #[command(subcommand)]
    SetAside(SetAsideCommand),
}

#[derive(Subcommand)]
enum SetAsideCommand {
    /// List receiver, sequence, time and reason of each 列表
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Send them again after the next start, all or some 重新上报
    Retry {
        /// Only those of this receiver address
        #[arg(long)]
        receiver: Option<String>,
        /// Only the one with this sequence
        #[arg(long)]
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
            anyhow!(
                "the box is running on this data folder: stop it first; for events set aside ask its local API, GET http://{listen}/menshen/api/set-aside or \
                 POST http://{listen}/menshen/api/set-aside/retry"
            )
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
    print_line(&format!("{count} will be tried again at the next start"));
    Ok(ExitCode::SUCCESS)
}
