//! The configuration of a box under test, written as the TOML that the box reads.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize, Serializer};
use toml::{Table, Value};

use super::broker::free_port;
use super::platform::SimPlatform;

/// Whether a platform manages the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It logs in to a platform.
    Platform,
    /// It has no platform.
    Standalone,
}

/// The address a server of the box listens on: a port of this machine, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub Option<u16>);

impl Listen {
    /// Any free port.
    ///
    /// # Errors
    /// When none is found.
    pub fn anywhere() -> Result<Self> {
        Ok(Self(Some(free_port()?)))
    }

    /// The port; 0 where it does not listen.
    pub fn port(self) -> u16 {
        self.0.unwrap_or(0)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Section {
            listen: String,
        }
        let listen = self.0.map_or_else(String::new, |port| format!("127.0.0.1:{port}"));
        Section { listen }.serialize(serializer)
    }
}

/// Where the box logs in, and as whom.
#[derive(Debug, Clone, Serialize)]
pub struct PlatformSection {
    /// Address of the login call.
    pub login_url: String,
    /// Licence code.
    pub dev_sno: String,
}

/// What becomes of events.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventsSection {
    /// Receivers of real-time events.
    pub realtime_urls: Vec<String>,
    /// Events the box keeps at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_max: Option<u64>,
}

/// A capture device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Device {
    /// What it is called everywhere.
    pub ip: String,
    /// As in `network-camera`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Every other key, as configured.
    #[serde(flatten)]
    pub more: Table,
}

impl Device {
    /// A device with only the keys that it must have.
    pub fn new(ip: &str, kind: &str) -> Self {
        Self { ip: ip.to_owned(), kind: kind.to_owned(), more: Table::new() }
    }

    /// A network camera over RTSP that is called by `name`.
    pub fn camera(name: &str, url: &str) -> Self {
        Self::new(name, "network-camera").with("name", name).with("pipeline", "rtsp").with("url", url)
    }

    /// The device with one more key.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }
}

/// The configuration of a box, with ports of its own.
#[derive(Debug, Clone, Serialize)]
pub struct BoxConfig {
    /// Whether a platform manages it.
    pub mode: Mode,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// `zh` or `en`.
    pub language: String,
    /// Its models, where they are not those of the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models_dir: Option<PathBuf>,
    /// Its pipelines, where they are not those of the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipelines_dir: Option<PathBuf>,
    /// Where it logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformSection>,
    /// What becomes of events.
    pub events: EventsSection,
    /// Health and metrics.
    pub web: Listen,
    /// The local API.
    pub local_api: Listen,
    /// Devices in the order in which they were added.
    pub devices: Vec<Device>,
    /// Whatever else is configured; it goes before the fields above.
    #[serde(skip)]
    more: Table,
}

impl BoxConfig {
    /// A box with its data in `folder/var`, free ports, and no platform.
    ///
    /// # Errors
    /// When no port is free.
    pub fn standalone(folder: &Path) -> Result<Self> {
        Ok(Self {
            mode: Mode::Standalone,
            data_dir: folder.join("var"),
            language: "en".to_owned(),
            models_dir: None,
            pipelines_dir: None,
            platform: None,
            events: EventsSection::default(),
            web: Listen::anywhere()?,
            local_api: Listen::anywhere()?,
            devices: Vec::new(),
            more: Table::new(),
        })
    }

    /// A box that logs in to `platform`, which also gets its real-time events.
    ///
    /// # Errors
    /// When no port is free.
    pub fn managed(folder: &Path, platform: &SimPlatform) -> Result<Self> {
        let mut config = Self::standalone(folder)?;
        config.mode = Mode::Platform;
        config.platform =
            Some(PlatformSection { login_url: platform.login_url(), dev_sno: platform.dev_sno().to_owned() });
        config.events.realtime_urls.push(platform.url("/events"));
        Ok(config)
    }

    /// Adds what `text`, TOML, says: devices after those that are there, other keys in place of those that are there.
    ///
    /// # Errors
    /// When `text` is no TOML, or a device in it has no `ip` or `type`.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let mut table: Table = text.parse().context("the configuration to be added")?;
        if let Some(devices) = table.remove("devices") {
            self.devices.extend(devices.try_into::<Vec<Device>>()?);
        }
        self.merge(table);
        Ok(())
    }

    /// Lays `table` over the configuration.
    pub fn merge(&mut self, table: Table) {
        merge(&mut self.more, table);
    }

    /// Adds the keys in `text`, TOML, to the device that was added last.
    ///
    /// # Errors
    /// When `text` is no TOML, or there is no device.
    pub fn add_to_last_device(&mut self, text: &str) -> Result<()> {
        let Some(device) = self.devices.last_mut() else { bail!("there is no device") };
        device.more.extend(text.parse::<Table>()?);
        Ok(())
    }

    /// The text of the configuration file.
    ///
    /// # Errors
    /// When something in it cannot be written as TOML, such as a path that is no text.
    pub fn to_toml(&self) -> Result<String> {
        let mut table = Table::try_from(self).context("the configuration of the box")?;
        merge(&mut table, self.more.clone());
        Ok(table.to_string())
    }
}

/// Lays `over` over `table`, section by section.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> BoxConfig {
        let mut config = BoxConfig::standalone(Path::new("/tmp/x")).unwrap();
        (config.web, config.local_api) = (Listen(Some(1234)), Listen(None));
        config
    }

    #[test]
    fn what_is_written_is_what_is_configured() {
        let mut config = config();
        config.devices.push(Device::camera("lobby", "rtsp://127.0.0.1:1/lobby"));
        let read: Table = config.to_toml().unwrap().parse().unwrap();
        assert_eq!(read["mode"].as_str(), Some("standalone"));
        assert_eq!(read["data_dir"].as_str(), Some("/tmp/x/var"));
        assert_eq!(read["web"]["listen"].as_str(), Some("127.0.0.1:1234"));
        assert_eq!(read["local_api"]["listen"].as_str(), Some(""));
        assert_eq!(read["devices"][0]["type"].as_str(), Some("network-camera"));
        assert_eq!(read["devices"][0]["url"].as_str(), Some("rtsp://127.0.0.1:1/lobby"));
        assert!(!read.contains_key("models_dir") && !read.contains_key("platform"));
    }

    #[test]
    fn additions_keep_what_they_do_not_name_and_the_order_of_devices() {
        let mut config = config();
        config.events.keep_max = Some(5);
        config.add("[[devices]]\nip = \"first\"\ntype = \"turnstile\"\n").unwrap();
        config.add("[events]\nrealtime_urls = [\"http://x/\"]\n[ftp]\nlisten = \"y\"\n").unwrap();
        config.devices.push(Device::new("second", "usb"));
        config.add_to_last_device("parameters = { a = \"b\" }\n").unwrap();
        let read: Table = config.to_toml().unwrap().parse().unwrap();
        assert_eq!(read["events"]["keep_max"].as_integer(), Some(5));
        assert_eq!(read["events"]["realtime_urls"][0].as_str(), Some("http://x/"));
        assert_eq!(read["ftp"]["listen"].as_str(), Some("y"));
        assert_eq!(read["devices"][0]["ip"].as_str(), Some("first"));
        assert_eq!(read["devices"][1]["parameters"]["a"].as_str(), Some("b"));
        assert!(config.add("[[devices]]\nip = \"no type\"\n").is_err() && config.add("= 1").is_err());
    }
}
