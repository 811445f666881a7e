//! Door relays.

use futures_util::future::BoxFuture;

use menshen_domain::relay::order::{DoorOrder, RelayCall};
use menshen_domain::status::Language;
use menshen_domain::text::spoken;
use menshen_domain::tr;

/// Why a relay did not take a command. It names no address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayError {
    TimedOut,
    /// With what the operating system says, where it says something.
    Unreachable(Option<std::io::ErrorKind>),
    /// An HTTP status other than success.
    Status(u16),
    Refused {
        coil: u16,
        exception: String,
    },
    Unusable(String),
    Broken(String),
    Silent(String),
    /// Other bytes than were expected, both in hexadecimal digits.
    Unexpected {
        got: String,
        expected: String,
    },
}

impl RelayError {
    /// What it is and what to do, for the installer.
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::TimedOut => tr!(
                language,
                "the relay gave no answer within the time limit: check its power, its cable and the address in action_url",
                "继电器在时限内没有应答：请检查其电源、网线和 action_url 的地址"
            ),
            Self::Unreachable(Some(std::io::ErrorKind::ConnectionRefused)) => tr!(
                language,
                "the relay cannot be reached: it refuses the connection; check the port in action_url",
                "无法连接继电器：连接被拒绝；请检查 action_url 的端口"
            ),
            Self::Unreachable(_) => tr!(
                language,
                "the relay cannot be reached: check its power, its cable and the address in action_url",
                "无法连接继电器：请检查其电源、网线和 action_url 的地址"
            ),
            Self::Status(status) => tr!(
                language,
                "the relay answered {status}: check the path, and user and password, in action_url",
                "继电器返回 {status}：请检查 action_url 的路径、用户名和密码"
            ),
            Self::Refused { coil, exception } => tr!(
                language,
                "the relay refused coil {coil}: {exception}; check coils and unit in action_url",
                "继电器拒绝线圈 {coil}：{exception}；请检查 action_url 的 coils 和 unit"
            ),
            Self::Unusable(why) => tr!(
                language,
                "the relay answered nothing of use: {why}; is action_url of the right kind?",
                "继电器的应答无法使用：{why}；请检查 action_url 的类型"
            ),
            Self::Broken(why) => {
                tr!(language, "the relay broke the connection: {why}", "继电器断开了连接：{why}")
            }
            Self::Silent(why) => tr!(
                language,
                "the relay did not answer: {why}; check what `answer` in action_url expects",
                "继电器没有应答：{why}；请检查 action_url 的 answer"
            ),
            Self::Unexpected { got, expected } => tr!(
                language,
                "the relay answered {got} in place of {expected}",
                "继电器返回 {got}，而不是 {expected}"
            ),
        }
    }
}

impl std::fmt::Display for RelayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(spoken()))
    }
}

impl std::error::Error for RelayError {}

pub trait DoorRelay: Send + Sync {
    /// Carries out an order once, within a short time limit, and never again. What has a way back to rest is brought
    /// there when the time is over.
    ///
    /// # Errors
    /// When a relay did not take its part of the order; another part may have been done.
    fn act(&self, order: DoorOrder) -> BoxFuture<'_, Result<(), RelayError>>;

    /// Brings outputs to rest in the background, until they are there.
    fn rest(&self, outputs: Vec<(String, RelayCall)>);

    /// Brings to rest now what is on: the box stops.
    fn rest_all(&self) -> BoxFuture<'_, ()>;
}
