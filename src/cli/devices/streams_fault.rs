//! The texts an installer reads when a camera gives no streams.

use crate::adapters::onvif::OnvifError;
use menshen_domain::status::Language;
use menshen_protocol::onvif::soap::SoapError;

/// For machines.
pub fn kind(error: &OnvifError) -> &'static str {
    match error {
        OnvifError::Name(_) => "dns",
        OnvifError::Refused(_) => "refused",
        OnvifError::NoAnswer(_) => "no-answer",
        OnvifError::Unreachable(..) => "unreachable",
        OnvifError::TimedOut(_) => "timeout",
        OnvifError::Broken(..) => "broken-off",
        OnvifError::Certificate(_) => "certificate",
        OnvifError::Redirected(_) => "redirected",
        OnvifError::Unauthorized { .. } => "unauthorized",
        OnvifError::LoginScheme(_) => "login-scheme",
        OnvifError::NotOnvif { .. } => "not-onvif",
        OnvifError::Xml(_, SoapError::Missing(_)) => "incomplete",
        OnvifError::Xml(..) => "xml",
        OnvifError::Fault(..) => "fault",
        OnvifError::TooLarge(_) => "too-large",
        OnvifError::NoMedia => "no-media",
        OnvifError::NoProfiles => "no-profiles",
    }
}

/// What it is and what to do.
#[allow(clippy::too_many_lines, reason = "one entry an error, in two languages")]
pub fn text(error: &OnvifError, language: Language) -> String {
    let both = |zh: String, en: String| pick(language, zh, en);
    match error {
        OnvifError::Name(host) => both(
            format!("域名“{host}”无法解析：请检查拼写和 DNS，或改用 IP 地址"),
            format!(
                "the name `{host}` is not known: check its spelling and the DNS server, or use the IP address"
            ),
        ),
        OnvifError::Refused(at) => both(
            format!(
                "{at} 拒绝连接：设备在线，但该端口没有服务；ONVIF 常用 80、8000、8080、8899、2020，\
                 menshen devices discover 可列出"
            ),
            format!(
                "{at} refuses: the machine is there, nothing serves this port. ONVIF is often on 80, 8000, 8080, 8899 or \
                 2020; menshen devices discover shows it"
            ),
        ),
        OnvifError::NoAnswer(at) => both(
            format!("{at} 无应答：请检查电源、网线、网段和防火墙"),
            format!("{at} does not answer: check power, cable, network and firewall"),
        ),
        OnvifError::Unreachable(at, why) => {
            both(format!("无法连接 {at}：{why}"), format!("{at} cannot be reached: {why}"))
        }
        OnvifError::TimedOut(step) => both(
            format!("{step} 超时：端口已连接，但摄像机没有在时限内应答；请重启摄像机或检查端口"),
            format!(
                "{step} timed out: the port takes connections and nothing answers in time; restart the camera, or check the \
                 port"
            ),
        ),
        OnvifError::Broken(step, why) => both(
            format!("{step} 时连接中断：{why}；该端口可能不是 HTTP"),
            format!("the connection broke off at {step}: {why}; is this port HTTP?"),
        ),
        OnvifError::Certificate(why) => both(
            format!("摄像机证书不受信任（{why}）：请改用 http://，密码不会明文发送"),
            format!(
                "the camera's certificate is not trusted ({why}): use http://, passwords are not sent as such"
            ),
        ),
        OnvifError::Redirected(to) => both(
            format!("摄像机要求改用 {to}：请以该地址查询"),
            format!("the camera sends its callers to {to}: ask that address"),
        ),
        OnvifError::Unauthorized { had_login, clock_unknown, .. } => {
            unauthorized(*had_login, *clock_unknown, language)
        }
        OnvifError::LoginScheme(why) => {
            both(format!("摄像机的认证方式无法应答，请改为 digest（MD5）：{why}"), why.clone())
        }
        OnvifError::NotOnvif { status, what } => not_onvif(*status, what, language),
        OnvifError::Xml(step, what) => both(
            format!("{step} 的应答无法读取：{what}；请升级摄像机固件，或查阅厂商的 RTSP 路径"),
            format!(
                "the camera's answer to {step} cannot be read: {what}; update its firmware, or look the RTSP path up in its \
                 manual"
            ),
        ),
        OnvifError::Fault(step, fault) => {
            both(format!("摄像机拒绝了 {step}：{fault}"), format!("the camera refused {step}: {fault}"))
        }
        OnvifError::TooLarge(step) => both(
            format!("{step} 的应答过大，已停止读取"),
            format!("the answer to {step} is too large and was not read to its end"),
        ),
        OnvifError::NoMedia => both(
            "设备没有媒体服务：它不是摄像机或录像机".to_owned(),
            "it has no media service: this is no camera and no recorder".to_owned(),
        ),
        OnvifError::NoProfiles => both(
            "摄像机没有码流配置：请在其网页中启用主码流".to_owned(),
            "the camera has no profiles: switch its main stream on in its web page".to_owned(),
        ),
    }
}

/// `zh` or `en`, by the language of the box.
fn pick(language: Language, zh: String, en: String) -> String {
    if language == Language::Zh { zh } else { en }
}

fn unauthorized(had_login: bool, clock_unknown: bool, language: Language) -> String {
    if !had_login {
        return pick(
            language,
            "摄像机要求登录（401）：请加 --user 和 --password-stdin".to_owned(),
            "the camera wants a login (401): give --user and --password-stdin".to_owned(),
        );
    }
    let mut text = pick(
        language,
        "用户名或密码不正确，或该用户无 ONVIF 权限（401 / NotAuthorized）：部分厂商的 ONVIF 用户需单独创建；\
         多次错误会锁定账号，请勿反复尝试"
            .to_owned(),
        "the user name or the password is wrong, or the user may not use ONVIF (401 / NotAuthorized): some makers keep \
         ONVIF users apart. Cameras lock accounts after a few wrong tries"
            .to_owned(),
    );
    if clock_unknown {
        text.push_str(&pick(
            language,
            "。摄像机未给出时间，摘要按本机时间计算：请核对摄像机时钟".to_owned(),
            ". The camera did not give its time, so this machine's was used: check the camera's clock"
                .to_owned(),
        ));
    }
    text
}

fn not_onvif(status: u16, what: &SoapError, language: Language) -> String {
    let (zh, en) = match what {
        SoapError::Page => ("网页", "a web page".to_owned()),
        _ => ("非 SOAP 内容", what.to_string()),
    };
    pick(
        language,
        format!(
            "该地址不是 ONVIF 服务（HTTP {status}，{zh}）：请在摄像机中启用 ONVIF（海康：网络 → 高级 → 集成协议），\
             并检查端口和路径"
        ),
        format!(
            "this is no ONVIF service (HTTP {status}, {en}): switch ONVIF on in the camera (Hikvision: Network, \
             Advanced, Integration Protocol), and check port and path"
        ),
    )
}
