//! Commands that are known, and refused whole: what they ask for is not done on this box, and never causes a request.

use serde_json::{Map, Value};
use url::Url;

/// A command that is refused. Holds what the log may say of it, and nothing else: no link, no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedCommand {
    /// `download_package`: an archive whose script is to be run.
    DownloadPackage {
        /// `package_name`.
        name: String,
        /// Host of `package_download_link`.
        host: String,
    },
    /// `frp_control`: a tunnel into this network.
    FrpControl {
        /// `action`.
        action: String,
    },
}

impl RefusedCommand {
    /// The command of that name; `None` for all others.
    pub fn read(method: &str, fields: &Map<String, Value>) -> Option<Self> {
        match method {
            "download_package" => {
                let info = fields.get("download_package_info").and_then(Value::as_object);
                let text = |key: &str| info.and_then(|info| info.get(key)).and_then(Value::as_str);
                let url = text("package_download_link").and_then(|link| Url::parse(link).ok());
                let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
                Some(Self::DownloadPackage {
                    name: short(text("package_name").unwrap_or_default()),
                    host: short(host),
                })
            }
            "frp_control" => {
                let action = fields.get("action").and_then(Value::as_str).unwrap_or_default();
                Some(Self::FrpControl { action: short(action) })
            }
            _ => None,
        }
    }

    /// Its method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::DownloadPackage { .. } => "download_package",
            Self::FrpControl { .. } => "frp_control",
        }
    }

    /// Why.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DownloadPackage { .. } => "remote packages are not executed on this box",
            Self::FrpControl { .. } => "remote tunnels are not opened on this box",
        }
    }
}

/// Foreign text for one line of the log.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_secret_is_read() {
        let read = |method: &str, body: Value| RefusedCommand::read(method, body.as_object().unwrap());
        let package = read(
            "download_package",
            json!({ "download_package_info": {
                "package_name": "patch\n.tar.gz", "package_download_link": "http://u:s3cret@10.0.0.1:8/x?token=s3cret",
            }}),
        );
        let expected =
            RefusedCommand::DownloadPackage { name: "patch.tar.gz".to_owned(), host: "10.0.0.1".to_owned() };
        assert_eq!(package, Some(expected));
        let tunnel = read(
            "frp_control",
            json!({ "action": "start", "frp_config_info_list": [{ "section_info": { "token": "s3cret" } }] }),
        );
        assert!(tunnel.is_some() && !format!("{tunnel:?}").contains("s3cret"), "{tunnel:?}");
        assert!(read("frp_control", json!({})).is_some() && read("download_package", json!({})).is_some());
        assert_eq!(read("add_users_plus", json!({})), None);
    }
}
