//! What is wrong with the value of a pipeline's parameter.

use menshen_domain::text::spoken;
use menshen_domain::tr;

/// A value does not fit its parameter. Shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterError {
    Url { shown: String },
    NoHost { shown: String },
    NotOneOf { value: String, known: String },
    NoFile(String),
    NotDevice(String),
    NoDevice(String),
    NotWithin { value: String, min: i64, max: i64 },
}

impl std::fmt::Display for ParameterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&match self {
            Self::Url { shown } => tr!(
                spoken(),
                "`{shown}` is no URL, as in rtsp://192.168.1.25/ch1",
                "`{shown}` 不是 URL，示例 rtsp://192.168.1.25/ch1"
            ),
            Self::NoHost { shown } => tr!(spoken(), "`{shown}` names no host", "`{shown}` 缺少主机"),
            Self::NotOneOf { value, known } => {
                tr!(spoken(), "`{value}` is not one of {known}", "`{value}` 不是以下之一：{known}")
            }
            Self::NoFile(path) => tr!(spoken(), "there is no file `{path}`", "没有文件 `{path}`"),
            Self::NotDevice(path) => tr!(
                spoken(),
                "`{path}` is no device; expected /dev/..., as in /dev/video0",
                "`{path}` 不是设备；应为 /dev/...，如 /dev/video0"
            ),
            Self::NoDevice(path) => tr!(
                spoken(),
                "there is no device `{path}`; is the camera plugged in? See ls /dev/video*",
                "没有设备 `{path}`；摄像机是否已插好？请用 ls /dev/video* 查看"
            ),
            Self::NotWithin { value, min, max } => tr!(
                spoken(),
                "`{value}` is not a whole number from {min} to {max}",
                "`{value}` 不是 {min} 到 {max} 之间的整数"
            ),
        })
    }
}
