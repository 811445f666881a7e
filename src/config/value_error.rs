//! What can be wrong with a value, beyond its type and its bounds.

use std::fmt;
use std::net::SocketAddr;

use menshen_domain::limits;
use menshen_domain::limits::{RELAY_BYTES_MAX, RELAY_OUTPUTS_MAX};
use menshen_domain::relay::error::ActionUrlError;
use menshen_domain::status::Language;
use menshen_domain::text::{Text, spoken};
use menshen_domain::tr;
use menshen_domain::view::RegionError;

/// What is wrong with a value, and what is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueError {
    Url(String),
    Scheme(String),
    Address { text: String, example: SocketAddr },
    AddressOrOff { text: String, example: SocketAddr },
    Ports,
    Ipv4(String),
    LogLevel(String),
    Regions(usize),
    Region(RegionError),
    Rotation,
    PixelAspect(String),
    Accelerator(String),
    ScoreRange([f32; 3]),
}

impl ValueError {
    /// In words.
    fn text(&self, language: Language) -> String {
        match self {
            Self::Url(text) => tr!(
                language,
                "`{text}` is no URL; as in http://192.168.1.10:9061/path",
                "`{text}` 不是 URL；示例 http://192.168.1.10:9061/path"
            ),
            Self::Scheme(scheme) => {
                tr!(language, "`{scheme}` is not http or https", "`{scheme}` 不是 http 或 https")
            }
            Self::Address { text, example } => tr!(
                language,
                "`{text}` is no address; expected IP:PORT, as in {example}",
                "`{text}` 不是地址；应为 IP:端口，如 {example}"
            ),
            Self::AddressOrOff { text, example } => tr!(
                language,
                "`{text}` is no address; expected IP:PORT, as in {example}, or \"\" for off",
                "`{text}` 不是地址；应为 IP:端口，如 {example}，或 \"\" 表示关闭"
            ),
            Self::Ports => tr!(
                language,
                "must be [first, last], from 1024 on, as in [50000, 50099]",
                "应为 [起始, 结束]，从 1024 起，如 [50000, 50099]"
            ),
            Self::Ipv4(text) => tr!(
                language,
                "`{text}` is no IPv4 address, as in 192.168.1.10",
                "`{text}` 不是 IPv4 地址，如 192.168.1.10"
            ),
            Self::LogLevel(text) => tr!(
                language,
                "`{text}` is no log level; there is error, warn, info, debug, trace, off",
                "`{text}` 不是日志级别；可用 error、warn、info、debug、trace、off"
            ),
            Self::Regions(count) => tr!(
                language,
                "{count} regions; at most {max} are possible",
                "{count} 个区域；最多 {max} 个",
                max = limits::REGIONS_MAX
            ),
            Self::Region(RegionError::NotShares(given)) => tr!(
                language,
                "{given:?} must be shares of the picture, 0 to 1: [left, top, right, bottom]",
                "{given:?} 应为占画面的比例，0 到 1：[左, 上, 右, 下]"
            ),
            Self::Region(RegionError::TooSmall(given)) => tr!(
                language,
                "{given:?} must be at least {min} wide and high, with left before right and top before bottom",
                "{given:?} 的宽和高至少为 {min}，且左小于右、上小于下",
                min = menshen_domain::view::REGION_SIDE_MIN
            ),
            Self::Rotation => {
                tr!(
                    language,
                    "must be 0, 90, 180 or 270, degrees clockwise",
                    "应为 0、90、180 或 270（顺时针角度）"
                )
            }
            Self::PixelAspect(text) => tr!(
                language,
                "`{text}` is no form of a pixel; width:height, as in \"12:11\", or \"\" as the stream says",
                "`{text}` 不是像素宽高比；应为 宽:高，如 \"12:11\"，或 \"\"（以码流为准）"
            ),
            Self::Accelerator(text) => tr!(
                language,
                "`{text}` is no accelerator; there are openvino:CPU, openvino:GPU, openvino:NPU, or \"\" for none",
                "`{text}` 不是加速器；可用 openvino:CPU、openvino:GPU、openvino:NPU，或 \"\" 表示不用"
            ),
            Self::ScoreRange(given) => tr!(
                language,
                "must rise from at least 0 to at most 100, as in [0, 82, 100]; got {given:?}",
                "应从不小于 0 递增到不大于 100，如 [0, 82, 100]；当前为 {given:?}"
            ),
        }
    }
}

impl From<RegionError> for ValueError {
    fn from(error: RegionError) -> Self {
        Self::Region(error)
    }
}

impl From<ValueError> for Text {
    fn from(error: ValueError) -> Self {
        Self::new(|language| error.text(language))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(spoken()))
    }
}

impl std::error::Error for ValueError {}

/// What is wrong with an `action_url`. Those that know relays read on in English words of the relay's protocol.
pub fn action_url_text(error: &ActionUrlError) -> Text {
    Text::new(|language| match (language, error) {
        (_, ActionUrlError::NotUrl(_)) => tr!(
            language,
            "is no URL, as in http://192.168.1.30/open?mode={{mode}}",
            "不是 URL，示例 http://192.168.1.30/open?mode={{mode}}"
        ),
        (Language::En, error) => error.to_string(),
        (Language::Zh, error) => action_url_zh(error),
    })
}

fn action_url_zh(error: &ActionUrlError) -> String {
    match error {
        ActionUrlError::NotUrl(_) => "不是 URL".to_owned(),
        ActionUrlError::Scheme => "应为 http、https、modbus 或 tcp，并含主机".to_owned(),
        ActionUrlError::NoMode => "应含 {mode}，否则开门、关门和报警是同一次调用".to_owned(),
        ActionUrlError::UnknownPlace(known) => format!("花括号中的名称未知；可用的有 {known}"),
        ActionUrlError::NoHost => "缺少主机".to_owned(),
        ActionUrlError::User => "含有用户名；此类继电器不支持登录".to_owned(),
        ActionUrlError::NoPort => "缺少端口，如 tcp://192.168.1.30:8899".to_owned(),
        ActionUrlError::Number { what, text } => format!("{what} 应为范围内的数字；`{text}` 不是"),
        ActionUrlError::UnknownKey { key, known } => format!("未知的键 `{key}`；可用的有 {known}"),
        ActionUrlError::CoilCount => format!("coils 应为 1 到 {RELAY_OUTPUTS_MAX}"),
        ActionUrlError::CoilBeyond(coil) => format!("线圈 {coil} 超出最大值 {}", u16::MAX),
        ActionUrlError::AlarmOpens => "alarm 与开门线圈相同；必须不同".to_owned(),
        ActionUrlError::Path => "含有路径；字节应写作 tcp://192.168.1.30:8899?opendoor=A00101A2".to_owned(),
        ActionUrlError::NoOpeningBytes => "应含 opendoor=HEX，即开门的字节".to_owned(),
        ActionUrlError::AnswerPlace => "answer 含有花括号；应为字节".to_owned(),
        ActionUrlError::NotHex { key, text } => {
            format!("{key} 应为十六进制字节，如 A00101A2，{{seconds}} 和 {{port}} 作为字节；`{text}` 不是")
        }
        ActionUrlError::TooManyBytes { key, count } => {
            format!("{key} 有 {count} 字节；最多发送 {RELAY_BYTES_MAX} 字节")
        }
    }
}
