//! Why a stream is not up: one classification for the list of devices, the probe, the check and the log.

use std::fmt;

use super::repeated::says_the_same;
use super::status::Language;
use super::text::spoken;
use crate::tr;

/// What an installer would do something else about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFault {
    /// The address is none.
    Address(String),
    /// The name of the host is not known.
    Name(String),
    /// The machine is there; nothing serves the port.
    Refused(String),
    /// Nothing answers at `host:port`: it is off, or somewhere else.
    NoAnswer(String),
    /// It cannot be reached, or what answers is something else.
    Unreachable(String),
    /// User name or password.
    Unauthorized,
    /// The camera asks for the password in a way that cannot be answered.
    LoginScheme(String),
    /// The camera is there, the stream is not.
    NotFound(String),
    /// What comes cannot be decoded here.
    Codec(String),
    /// The device's keys do not fit its pipeline.
    Configuration(String),
    /// Nothing has come for so many milliseconds.
    Silent(u64),
    /// Packets have come for so many milliseconds, and no picture could be made of them.
    NoKeyFrame(u64),
    /// A live stream came to its end.
    Ended,
    /// In the words of the library.
    Other(String),
}

impl StreamFault {
    /// For machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Name(_) => "dns",
            Self::Refused(_) => "refused",
            Self::NoAnswer(_) => "no-answer",
            Self::Unreachable(_) => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::LoginScheme(_) => "login-scheme",
            Self::NotFound(_) => "not-found",
            Self::Codec(_) => "codec",
            Self::Configuration(_) => "configuration",
            Self::Silent(_) => "no-pictures",
            Self::NoKeyFrame(_) => "no-key-frame",
            Self::Ended | Self::Other(_) => "stream",
        }
    }

    /// Whether it says what another one does, whatever libraries counted in their words.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_same_kind = std::mem::discriminant(self) == std::mem::discriminant(other);
        is_same_kind && says_the_same(&self.text(Language::En), &other.text(Language::En))
    }

    /// What it is and what to do, for the installer.
    #[allow(clippy::too_many_lines, reason = "one entry a fault, in two languages")]
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Address(why) => tr!(
                language,
                "the address is no URL: {why}; as in rtsp://192.168.1.25/ch1",
                "地址不正确：{why}；示例 rtsp://192.168.1.25/ch1"
            ),
            Self::Name(host) => tr!(
                language,
                "the name `{host}` is not known: check its spelling and the DNS server, or use the IP address",
                "域名“{host}”无法解析：请检查拼写和 DNS，或改用 IP 地址"
            ),
            Self::Refused(at) => tr!(
                language,
                "{at} refuses the connection: the machine is there, nothing serves this port; check the port",
                "{at} 拒绝连接：设备在线，但该端口没有服务，请检查端口"
            ),
            Self::NoAnswer(at) => tr!(
                language,
                "{at} does not answer: check power, cable, network and firewall",
                "{at} 无应答：请检查电源、网线、网段和防火墙"
            ),
            Self::Unreachable(why) => tr!(
                language,
                "the camera cannot be reached: {why}; check network and port",
                "无法连接摄像机：{why}；请检查网络和端口"
            ),
            Self::Unauthorized => tr!(
                language,
                "the user name or the password is wrong (401 Unauthorized): `menshen devices change IP user=… password=…`",
                "用户名或密码不正确（401 Unauthorized）：menshen devices change IP user=… password=…"
            ),
            Self::LoginScheme(why) => tr!(
                language,
                "the camera's way to ask for the password cannot be answered, set it to digest (MD5) or digest/basic: {why}",
                "摄像机的认证方式无法应答，请改为 digest（MD5）或 digest/basic：{why}"
            ),
            Self::NotFound(why) => tr!(
                language,
                "the camera has no such stream (404), check the path: {why}",
                "设备上没有这个码流（404），请检查路径：{why}"
            ),
            Self::Codec(why) => tr!(
                language,
                "what it sends cannot be decoded here, set the camera to H.264: {why}",
                "码流无法解码，请把摄像机设为 H.264：{why}"
            ),
            Self::Configuration(why) => {
                tr!(language, "its configuration does not fit: {why}", "参数不正确：{why}")
            }
            Self::Silent(ms) => tr!(
                language,
                "no frame for {seconds:.1} s: check the camera, the stream's settings and its key-frame interval",
                "{seconds:.1} 秒没有图像：请检查摄像机、码流设置与关键帧间隔",
                seconds = *ms as f64 / 1000.0
            ),
            Self::NoKeyFrame(ms) => tr!(
                language,
                "packets came for {seconds} s and no picture could be made of them: set the camera to H.264 and its key-frame \
                 interval to 1-2 s",
                "{seconds} 秒内有数据但没有图像：请把摄像机设为 H.264，关键帧间隔（I 帧间隔）设为 1-2 秒",
                seconds = ms / 1000
            ),
            Self::Ended => tr!(
                language,
                "the live stream ended: the camera closed it; check whether it restarts or has too many viewers",
                "摄像机结束了码流：请检查摄像机是否重启，或连接数是否已满"
            ),
            Self::Other(why) => tr!(language, "the stream broke off: {why}", "码流中断：{why}"),
        }
    }
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(spoken()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_in_both_languages() {
        let why = || "w".to_owned();
        let all = [
            StreamFault::Address(why()),
            StreamFault::Name(why()),
            StreamFault::Refused(why()),
            StreamFault::NoAnswer(why()),
            StreamFault::Unreachable(why()),
            StreamFault::Unauthorized,
            StreamFault::LoginScheme(why()),
            StreamFault::NotFound(why()),
            StreamFault::Codec(why()),
            StreamFault::Configuration(why()),
            StreamFault::Silent(5_000),
            StreamFault::NoKeyFrame(60_000),
            StreamFault::Ended,
            StreamFault::Other(why()),
        ];
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        for fault in all {
            let (en, zh) = (fault.text(Language::En), fault.text(Language::Zh));
            assert!(!en.contains(is_han) && zh.contains(is_han) && !fault.kind().is_empty(), "{en} {zh}");
        }
    }
}
