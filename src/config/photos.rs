//! What is configured of devices that send photos, and of the FTP server some send them to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::reader::Section;
use super::tls::{CertificateFiles, TlsSettings, read_tls};
use super::value_error::ValueError;
use menshen_domain::device::{DeviceConfig, DeviceKind};
use menshen_domain::limits;
use menshen_domain::photo_rules::{DEDUP_DEFAULT_S, FtpAccount, PassMode, PhotoRules};
use menshen_domain::text;

/// Shortest FTP password; it goes over the wire in the clear, and is guessed there too.
const FTP_PASSWORD_MIN: usize = 8;
/// What an address looks like, on the port cameras expect.
const FTP_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 21));

/// Reads the keys of each device's block, and remembers the accounts that are taken.
#[derive(Default)]
pub struct PhotoKeys {
    users: BTreeSet<String>,
}

impl PhotoKeys {
    pub fn read(
        &mut self,
        section: &mut Section<'_>,
        pipeline: &str,
        kind: Option<DeviceKind>,
    ) -> PhotoRules {
        let pass_mode = section.take("pass_mode", PassMode::Normal);
        let dedup_s = section.take_within("dedup_s", DEDUP_DEFAULT_S, 0, limits::PHOTO_DEDUP_S_MAX);
        let online_s = section.take_within("online_s", 0u64, 0, limits::PHOTO_ONLINE_S_MAX);
        let user = section.take("ftp_user", String::new());
        let password = section.take_secret("ftp_password");
        let is_gate = matches!(kind, Some(DeviceKind::Turnstile | DeviceKind::DoorTerminal));
        if pass_mode == PassMode::AllPass && !is_gate {
            section.wrong(
                "pass_mode",
                text!(
                    "all_pass needs a turnstile or door-terminal",
                    "all_pass 仅用于 turnstile 或 door-terminal"
                ),
            );
        }
        let ftp = (pipeline == "ftp").then(|| self.account(section, user.clone(), password.clone()));
        if pipeline != "ftp" && !(user.is_empty() && password.is_empty()) {
            section.wrong("ftp_user", text!("is for pipeline = \"ftp\" only", "仅用于 pipeline = \"ftp\""));
        }
        PhotoRules { pass_mode, dedup_ms: dedup_s * 1000, online_ms: online_s * 1000, ftp }
    }

    fn account(&mut self, section: &Section<'_>, user: String, password: String) -> FtpAccount {
        let is_plain = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if user.is_empty() || !is_plain(&user) {
            section.wrong(
                "ftp_user",
                text!(
                    "must be given: up to 64 printable characters without spaces",
                    "必须填写：不超过 64 个可见字符，不含空格"
                ),
            );
        } else if !self.users.insert(user.clone()) {
            section.wrong(
                "ftp_user",
                text!(
                    "`{user}` is used by two devices; each needs its own account",
                    "`{user}` 被两台设备使用；每台设备需要各自的账号"
                ),
            );
        }
        if password.len() < FTP_PASSWORD_MIN || !is_plain(&password) {
            section.wrong(
                "ftp_password",
                text!(
                    "must be {FTP_PASSWORD_MIN} to 64 printable characters without spaces",
                    "应为 {FTP_PASSWORD_MIN} 到 64 个可见字符，不含空格"
                ),
            );
        }
        FtpAccount { user, password }
    }
}

/// The FTP server.
#[derive(Debug, Clone)]
pub struct FtpSettings {
    /// `None`: it is off.
    pub listen: Option<SocketAddr>,
    pub passive_ports: (u16, u16),
    pub public_host: Option<Ipv4Addr>,
    pub upload_bytes_max: usize,
    pub uploads_per_minute: u32,
    /// With TLS cameras may ask for it (FTPS, explicit).
    pub tls: TlsSettings,
    /// Nobody logs in without it.
    pub require_tls: bool,
}

/// `devices` as they were read: an account is of no use while the server is off.
pub fn read_ftp(
    mut section: Section<'_>,
    devices: &[DeviceConfig],
    tls: Option<&CertificateFiles>,
) -> FtpSettings {
    let listen = section.take_checked("listen", String::new(), |text| match text.as_str() {
        "" => Ok(None),
        text => text
            .parse::<SocketAddr>()
            .map(Some)
            .map_err(|_| ValueError::AddressOrOff { text: text.to_owned(), example: FTP_LISTEN }),
    });
    let passive_ports = section.take_checked("passive_ports", [50_000u16, 50_099], |[first, last]| {
        let fits = first >= 1024 && first <= last;
        fits.then_some((first, last)).ok_or(ValueError::Ports)
    });
    let public_host = section.take_checked("public_host", String::new(), |text| match text.as_str() {
        "" => Ok(None),
        text => text.parse::<Ipv4Addr>().map(Some).map_err(|_| ValueError::Ipv4(text.to_owned())),
    });
    let photo_kb_max = limits::PHOTO_BYTES_MAX / 1024;
    let upload_max_kb = section.take_within("upload_max_kb", 8192usize, 16, photo_kb_max);
    let uploads_per_minute = section.take_within("uploads_per_minute", 300u32, 1, 6000);
    let listen = listen.flatten();
    if listen.is_none() && devices.iter().any(|device| device.photos.ftp.is_some()) {
        section.wrong(
            "listen",
            text!(
                "must be given: a device has pipeline = \"ftp\"",
                "必须填写：有设备使用 pipeline = \"ftp\""
            ),
        );
    }
    if let (Some(IpAddr::V6(_)), Some(_)) = (listen.map(|listen| listen.ip()), public_host.flatten()) {
        section.wrong("public_host", text!("is for an IPv4 listen address", "仅用于 IPv4 的 listen 地址"));
    }
    let tls = read_tls(&mut section, tls);
    let require_tls = section.take("require_tls", false);
    if require_tls && tls == TlsSettings::Off {
        section.wrong(
            "require_tls",
            text!(
                "needs ftp.tls = true, or ftp.tls_cert and ftp.tls_key",
                "需要 ftp.tls = true，或 ftp.tls_cert 和 ftp.tls_key"
            ),
        );
    }
    section.finish();
    FtpSettings {
        tls,
        require_tls,
        listen,
        passive_ports: passive_ports.unwrap_or((50_000, 50_099)),
        public_host: public_host.flatten(),
        upload_bytes_max: upload_max_kb * 1024,
        uploads_per_minute,
    }
}
