//! `menshen settings`: values of the configuration file that were changed while the box ran.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::local_api::LocalApi;
use super::note_change::write_down;
use super::offline::offline;
use super::output::print_line;
use crate::adapters::changes_file::ChangesFile;
use crate::config::Settings;
use crate::ports::changes::ChangesStore as _;
use crate::runtime::overridden::overridden;
use crate::runtime::storage::key_places;
use menshen_domain::changed_setting::ChangedSetting;

#[derive(Args)]
pub struct SettingsArgs {
    #[command(subcommand)]
    command: SettingsCommand,
}

#[derive(Subcommand)]
enum SettingsCommand {
    #[command(about = help(
        "List the values that were changed while the box ran, so that those of the configuration file do not count",
        "列出运行中修改过、使配置文件不生效的值"
    ))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Go back to the configuration file's value of a key",
        "恢复配置文件中某项的值"
    ))]
    Reset {
        #[arg(help = help("The key, as in recognition.threshold", "配置项，如 recognition.threshold"))]
        key: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &SettingsArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        SettingsCommand::List { config } => list(&config.settings()?),
        SettingsCommand::Reset { key, config } => reset(&config.settings()?, key),
    }
}

fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    let values = overridden(settings, &ChangesFile::new(key_places(settings)).load()?);
    if values.is_empty() {
        print_line(&said!(
            "nothing was changed: the configuration file counts",
            "没有修改过的值：以配置文件为准"
        ));
    }
    for value in values {
        print_line(&value.text().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn reset(settings: &Settings, key: &str) -> anyhow::Result<ExitCode> {
    let known: Vec<&str> = ChangedSetting::ALL.into_iter().map(ChangedSetting::key).collect();
    let known = known.join(", ");
    let setting = ChangedSetting::find(key).ok_or_else(|| {
        anyhow!(said!(
            "`{key}` is no key that is changed while the box runs; there is {known}",
            "`{key}` 不是可在运行中修改的项；有 {known}"
        ))
    })?;
    if setting == ChangedSetting::Embedder {
        let file = &settings.recognition.embedder;
        return Err(anyhow!(said!(
            "another embedder has to embed everybody first: menshen models use {file}",
            "更换特征模型需先为所有人员重新提取特征：menshen models use {file}"
        )));
    }
    let was_changed = if let Some(files) = offline(settings)? {
        let was_changed = setting.is_in(&files.tuner.changes());
        if was_changed {
            let done = files.tuner.change(|changes| setting.clear(changes));
            write_down(settings, "settings reset", key, &done);
            done?;
        }
        was_changed
    } else {
        let body = json!({ "key": key });
        let answer = LocalApi::new(settings)?.post("/menshen/api/settings/reset", Some(&body))?;
        answer["was_changed"].as_bool() == Some(true)
    };
    print_line(&if was_changed {
        said!("{key}: as the configuration file says", "{key}：已恢复为配置文件的值")
    } else {
        said!("{key}: was not changed", "{key}：没有修改过")
    });
    Ok(ExitCode::SUCCESS)
}
