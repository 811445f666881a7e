//! Why a platform refuses a login, where its code says so.

use super::text;
use super::text::Text;

/// An outcome of a login that the platform names by a code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// 600000: nobody has entered this box's licence code there.
    UnknownLicence,
    /// 600002: the licence code belongs to another box.
    AlreadyRegistered,
    /// 500001: what the platform knows of its message queue is wrong.
    BrokerParameters,
}

impl LoginRefusal {
    /// What a platform's code means; `None` for any other.
    pub fn of_code(code: i64) -> Option<Self> {
        match code {
            600_000 => Some(Self::UnknownLicence),
            600_002 => Some(Self::AlreadyRegistered),
            500_001 => Some(Self::BrokerParameters),
            _ => None,
        }
    }

    /// The platform's code.
    pub fn code(self) -> i64 {
        match self {
            Self::UnknownLicence => 600_000,
            Self::AlreadyRegistered => 600_002,
            Self::BrokerParameters => 500_001,
        }
    }

    /// Whether somebody has to do something before another try can succeed: then asking often is of no use.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::UnknownLicence | Self::AlreadyRegistered)
    }

    /// For the installer: what is wrong, and what to do.
    pub fn text(self) -> Text {
        match self {
            Self::UnknownLicence => text!(
                "the platform does not know the licence code of this box (600000): compare platform.dev_sno with the code the \
                 platform shows, and have this box entered there",
                "平台不认识本机的授权码（600000）：请核对 platform.dev_sno 与平台显示的授权码，并在平台上登记本机"
            ),
            Self::AlreadyRegistered => text!(
                "the licence code of this box is registered for another one (600002): use another code in platform.dev_sno, or, if \
                 this box took the place of that one, have the code released on the platform",
                "本机的授权码已被其他设备登记（600002）：请在 platform.dev_sno 填写其他授权码；如本机是替换旧设备，请在平台上解除原登记"
            ),
            Self::BrokerParameters => text!(
                "the platform's parameters of its message queue are wrong (500001): whoever runs the platform has to correct them; \
                 nothing is wrong on this box",
                "平台的消息队列参数有误（500001）：请平台管理员更正；本机无需处理"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Language;

    #[test]
    fn each_code_is_told_with_what_to_do() {
        for (code, needs_a_person) in [(600_000, true), (600_002, true), (500_001, false)] {
            let refusal = LoginRefusal::of_code(code).unwrap();
            assert_eq!(refusal.needs_a_person(), needs_a_person, "{code}");
            for language in [Language::En, Language::Zh] {
                assert!(refusal.text().of(language).contains(&code.to_string()), "{code}");
            }
        }
        assert_eq!(LoginRefusal::of_code(0), None);
        assert_eq!(LoginRefusal::of_code(40071), None);
    }
}
