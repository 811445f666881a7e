//! Networks whose callers need no token, and names of the box.

use std::net::IpAddr;

use ipnet::IpNet;

use menshen_domain::limits;
use menshen_domain::status::Language;
use menshen_domain::text::Text;
use menshen_domain::tr;

/// What is wrong with a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworksError {
    TooMany(usize),
    NoNetwork(String),
    Everybody(String),
    NetworkOrAddress { text: String, network: IpNet, address: IpAddr },
    NoHostName(String),
}

impl NetworksError {
    fn text(&self, language: Language) -> String {
        match self {
            Self::TooMany(count) => tr!(
                language,
                "{count} entries; at most {max}",
                "{count} 项；最多 {max} 项",
                max = limits::LOCAL_ALLOW_MAX
            ),
            Self::NoNetwork(text) => tr!(
                language,
                "`{text}` is no network, as in 192.168.1.0/24, and no address, as in 192.168.1.7",
                "`{text}` 不是网段（如 192.168.1.0/24），也不是地址（如 192.168.1.7）"
            ),
            Self::Everybody(text) => tr!(
                language,
                "`{text}` is everybody; name the networks of those who may call",
                "`{text}` 表示所有人；请填写允许调用者所在的网段"
            ),
            Self::NetworkOrAddress { text, network, address } => tr!(
                language,
                "`{text}` may be a network or an address: write \"{network}\" for all of it, or \"{address}\" for the one",
                "`{text}` 可能是网段或地址：整个网段写 \"{network}\"，单个地址写 \"{address}\""
            ),
            Self::NoHostName(text) => tr!(
                language,
                "`{text}` is no host name; without http:// and port, as in box.example",
                "`{text}` 不是主机名；不带 http:// 和端口，如 box.example"
            ),
        }
    }
}

impl From<NetworksError> for Text {
    fn from(error: NetworksError) -> Self {
        Self::new(|language| error.text(language))
    }
}

/// Reads networks: `192.168.1.0/24`, or one address.
///
/// # Errors
/// The first that is none, or all of the world.
pub fn networks(texts: Vec<String>) -> Result<Vec<IpNet>, NetworksError> {
    if texts.len() > limits::LOCAL_ALLOW_MAX {
        return Err(NetworksError::TooMany(texts.len()));
    }
    texts.iter().map(|text| network(text.trim())).collect()
}

fn network(text: &str) -> Result<IpNet, NetworksError> {
    let alone = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let Ok(network) = alone.or_else(|_| text.parse::<IpNet>()) else {
        return Err(NetworksError::NoNetwork(text.to_owned()));
    };
    let text = text.to_owned();
    match network {
        _ if network.prefix_len() == 0 => Err(NetworksError::Everybody(text)),
        _ if network.addr() != network.network() => {
            let (network, address) = (network.trunc(), network.addr());
            Err(NetworksError::NetworkOrAddress { text, network, address })
        }
        _ => Ok(network),
    }
}

/// Reads names of the box as they stand in `Host`, without a port.
///
/// # Errors
/// The first that is none.
pub fn names(texts: Vec<String>) -> Result<Vec<String>, NetworksError> {
    if texts.len() > limits::LOCAL_ALLOW_MAX {
        return Err(NetworksError::TooMany(texts.len()));
    }
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    match texts.iter().find(|text| !is_name(text)) {
        Some(wrong) => Err(NetworksError::NoHostName(wrong.clone())),
        None => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        Text::from(network(text).unwrap_err()).of(Language::En).to_owned()
    }

    #[test]
    fn networks_are_read_and_what_is_none_is_told_with_the_mend() {
        for (text, read) in [
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("10.0.0.5", "10.0.0.5/32"),
            ("fd00::/8", "fd00::/8"),
            ("::ffff:10.0.0.5", "10.0.0.5/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), read);
        }
        let both = told("192.168.1.7/24");
        assert!(both.contains("\"192.168.1.0/24\"") && both.contains("\"192.168.1.7\""), "{both}");
        assert!(told("0.0.0.0/0").contains("everybody") && told("::/0").contains("everybody"));
        for wrong in ["", "192.168.1", "192.168.1.0/33", "box.example", "10.0.0.5:5555"] {
            assert!(told(wrong).contains("as in 192.168.1.0/24"), "{wrong}");
        }
        assert!(networks(vec!["10.0.0.5".to_owned(); limits::LOCAL_ALLOW_MAX + 1]).is_err());
        assert!(names(vec!["box.example".to_owned()]).is_ok());
        for wrong in ["", "box:5555", "http://box", "a b"] {
            assert!(names(vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
