//! `menshen run`

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::ConfigArgs;
use crate::config::Settings;
use crate::config::settings::LogFormat;

pub fn run(arguments: &ConfigArgs) -> Result<ExitCode, Vec<String>> {
    let settings = arguments.settings()?;
    start_log(&settings);
    actix::System::new().block_on(crate::runtime::run(settings))?;
    Ok(ExitCode::SUCCESS)
}

/// Logs to the standard error, as a service manager expects.
pub fn start_log(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
