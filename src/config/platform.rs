//! `[platform]`: where the box logs in, as whom, and what the platform reads.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::reader::Section;
use super::receivers::http_url;
use crate::regular_file;
use menshen_domain::device::NO_LICENCE_CODE;
use menshen_domain::link::LoginMethod;
use menshen_domain::report_options::{Dialect, OcclusionTrue};
use menshen_domain::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Platform,
    Standalone,
}

#[derive(Debug, Clone)]
pub struct PlatformSettings {
    pub login_url: Url,
    pub login_method: LoginMethod,
    pub ca_file: Option<PathBuf>,
    /// Whether it adds, changes and removes devices.
    pub manages_devices: bool,
}

/// What the section says.
pub struct PlatformKeys {
    /// `None` in standalone mode.
    pub platform: Option<PlatformSettings>,
    pub dev_sno: String,
    pub require_tls: bool,
    pub dialect: Dialect,
    pub occlusion_true: OcclusionTrue,
}

/// # Errors
/// Are noted in the section.
pub fn read_platform(mut section: Section<'_>, mode: Mode) -> PlatformKeys {
    let login_url = section.take("login_url", String::new());
    let login_method = section.take("login_method", LoginMethod::Get);
    let dev_sno = section.take("dev_sno", String::new());
    let ca_file = section.take("ca_file", PathBuf::new());
    let require_tls = section.take("require_tls", false);
    let dialect = section.take("dialect", Dialect::default());
    let occlusion_true = section.take("occlusion_true", OcclusionTrue::default());
    let manages_devices = section.take("manages_devices", true);
    if dev_sno.contains(char::is_whitespace) {
        section.wrong(
            "dev_sno",
            text!(
                "must not hold spaces; copy the licence code as the platform shows it",
                "不能含空格；请按平台显示的授权码原样填写"
            ),
        );
    }
    let platform = match mode {
        Mode::Standalone => None,
        Mode::Platform => {
            if dev_sno.is_empty() {
                section.wrong(
                    "dev_sno",
                    text!(
                        "must be given in platform mode: the licence code the platform issued",
                        "平台模式下必须填写：平台签发的授权码"
                    ),
                );
            }
            if login_url.is_empty() {
                section.wrong(
                    "login_url",
                    text!(
                        "must be given in platform mode, as in http://host:9061/api/gateway/login",
                        "平台模式下必须填写，如 http://host:9061/api/gateway/login"
                    ),
                );
                None
            } else {
                http_url(login_url).map_err(|error| section.wrong("login_url", error)).ok()
            }
        }
    };
    if !ca_file.as_os_str().is_empty()
        && let Err(no_file) = regular_file::look(&ca_file)
    {
        section.wrong("ca_file", no_file.text(&ca_file));
    }
    if require_tls && platform.as_ref().is_some_and(|url| url.scheme() != "https") {
        section.wrong(
            "login_url",
            text!(
                "must begin with https://, since platform.require_tls is on",
                "platform.require_tls 已启用，须以 https:// 开头"
            ),
        );
    }
    section.finish();
    let ca_file = Some(ca_file).filter(|path| !path.as_os_str().is_empty());
    let dev_sno = if dev_sno.is_empty() { NO_LICENCE_CODE.to_owned() } else { dev_sno };
    let platform =
        platform.map(|login_url| PlatformSettings { login_url, login_method, ca_file, manages_devices });
    PlatformKeys { platform, dev_sno, require_tls, dialect, occlusion_true }
}
