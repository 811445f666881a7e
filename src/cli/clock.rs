//! `menshen clock`: whether the clock can be right, of a running box over its local API, else on its data.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::local_api::LocalApi;
use super::output::print_line;
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::ports::clock::Clock as _;
use crate::ports::store::{EventStore as _, StoreError};
use crate::runtime::storage::Storage;
use crate::status::clock::ClockStatus;

#[derive(Args)]
pub struct ClockArgs {
    #[command(subcommand)]
    command: ClockCommand,
}

#[derive(Subcommand)]
enum ClockCommand {
    #[command(
        about = help(
            "Say whether the clock can be right; exit code 1 when it cannot",
            "检查时钟是否可信；不可信时退出码为 1"
        ),
        long_about = help(
            "Say whether the clock can be right; exit code 1 when it cannot.\n\n\
             By a clock that shows a time before the build of this program or before the newest stored event, people whose \
             enrolment has an end_time are not recognised.",
            "检查时钟是否可信；不可信时退出码为 1。\n\n\
             时钟早于程序构建时间或最新事件时间时，有 end_time 的人员不予识别。"
        )
    )]
    Show {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Confirm that the clock is right now and was wrong before, when it stored events of a later time",
        "确认时钟现已正确（此前时钟有误，保存了更晚时间的事件）"
    ))]
    Confirm {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &ClockArgs) -> anyhow::Result<ExitCode> {
    let fault = match &arguments.command {
        ClockCommand::Show { config } => ask(&config.settings()?, false)?,
        ClockCommand::Confirm { config } => ask(&config.settings()?, true)?,
    };
    if let Some(fault) = fault {
        bail!("{fault}");
    }
    print_line(&said!("the clock is plausible", "时钟正常"));
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the clock, after a confirmation if there is to be one.
fn ask(settings: &Settings, confirm: bool) -> anyhow::Result<Option<String>> {
    let events = match Storage::open(settings).and_then(|storage| storage.events()) {
        Ok(events) => events,
        Err(StoreError::Locked { .. }) => {
            let api = LocalApi::new(settings)?;
            let answer = if confirm {
                api.post("/menshen/api/clock/confirm", None)?
            } else {
                api.get("/menshen/api/clock")?
            };
            return Ok(answer["detail"].as_str().map(str::to_owned));
        }
        Err(other) => return Err(other.into()),
    };
    let now_ms = SystemClock::default().wall_ms();
    if confirm {
        events.confirm_clock(now_ms)?;
    }
    let status = ClockStatus::of_build();
    status.event_at(events.newest_event_ms()?);
    Ok(status.fault_at(now_ms).map(|fault| fault.to_string()))
}
