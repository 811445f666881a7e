//! The options every command has: where settings come from.

use std::path::PathBuf;

use clap::Args;

use super::language::help;
use crate::config::{Overrides, Settings, inspect, load};
use crate::runtime::problems::Problems;

/// Where settings come from.
#[derive(Args, Clone)]
pub struct ConfigArgs {
    #[arg(long, default_value = "config/menshen.toml", help = help("Configuration file", "配置文件"))]
    pub config: PathBuf,
    #[arg(long = "set", value_name = "KEY=VALUE", help = help("Override one key, as in `--set web.listen=127.0.0.1:9000`; may be repeated", "覆盖一个配置项，如 --set web.listen=127.0.0.1:9000；可重复"))]
    pub set: Vec<String>,
}

impl ConfigArgs {
    fn overrides(&self) -> Result<Overrides, Problems> {
        Overrides::new(std::env::vars(), &self.set).map_err(Problems::one)
    }

    /// Loads the settings.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn settings(&self) -> Result<Settings, Problems> {
        load(&self.config, &self.overrides()?).map_err(Problems::from_iter)
    }

    /// The settings as far as they can be read, with everything that is wrong in them.
    ///
    /// # Errors
    /// When there is no TOML to read.
    pub fn inspect(&self) -> Result<(Settings, Problems), Problems> {
        let (settings, errors) = inspect(&self.config, &self.overrides()?).map_err(Problems::from_iter)?;
        Ok((settings, errors.into_iter().collect()))
    }
}
