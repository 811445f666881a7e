//! `menshen check --online`: every connection of the box is tried, each for some seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, unbounded};
use url::Url;

use crate::adapters::amqp::AmqpConnector;
use crate::adapters::camera::GstOpener;
use crate::adapters::camera::reach::{reach, reach_port};
use crate::cli::language::said;
use crate::cli::output::{print_line, print_note};
use crate::config::Settings;
use crate::config::settings::PlatformSettings;
use crate::ports::broker::BrokerError;
use crate::ports::camera::{StreamNotice, StreamOpener as _, StreamSpec};
use crate::ports::platform::PlatformError;
use crate::runtime::platform::Platform;
use crate::runtime::problems::Problems;
use menshen_domain::device::DeviceConfig;
use menshen_domain::history::shown;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::limits;
use menshen_domain::relay::action_url::ActionUrl;
use menshen_domain::stream_fault::StreamFault;
use menshen_protocol::login::{BrokerAddress, Session};

const ITEM: Duration = Duration::from_secs(limits::CHECK_ITEM_S);

/// One connection, and how trying it went.
struct Tried {
    what: String,
    result: Result<String, String>,
}

/// Tries everything, says each item as it is done, and returns how many there were and what is wrong.
pub fn check(settings: &Settings) -> (usize, Problems) {
    let mut done = Done::default();
    try_platform(settings, &mut done);
    let cameras: Vec<&DeviceConfig> =
        settings.devices.iter().filter(|device| device.enabled && !device.is_push()).collect();
    try_cameras(settings, &cameras, &mut done);
    for device in settings.devices.iter().filter(|device| device.enabled) {
        let Some((host, port)) = device.action_url.as_ref().and_then(ActionUrl::place) else { continue };
        let ip = &device.ip;
        begin(&said!("door of device `{ip}` at {host}:{port}", "设备 `{ip}` 的门 {host}:{port}"));
        let within = Duration::from_millis(limits::CHECK_CONNECT_MS);
        let result = reach_port(&host, port, within).map_err(|fault| relay_text(&fault));
        done.add(Tried {
            what: said!("door of device `{ip}`", "设备 `{ip}` 的门"),
            result: result.map(|()| said!("answers", "可连接")),
        });
    }
    (done.count, done.problems)
}

#[derive(Default)]
struct Done {
    count: usize,
    problems: Problems,
}

impl Done {
    fn add(&mut self, Tried { what, result }: Tried) {
        self.count += 1;
        match result {
            Ok(how) => print_line(&said!("ok: {what}: {how}", "正常：{what}：{how}")),
            Err(why) => self.problems.push(said!("{what}: {why}", "{what}：{why}")),
        }
    }
}

fn begin(what: &str) {
    print_note(&said!("trying: {what} …", "正在测试：{what} …"));
}

/// Login, broker, and the receivers the login names and the configuration has.
fn try_platform(settings: &Settings, done: &mut Done) {
    let mut receivers: Vec<Url> =
        [&settings.events.realtime_urls, &settings.events.history_urls, &settings.monitor_urls]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
    if let Some(platform) = &settings.platform {
        let host = platform.login_url.host_str().unwrap_or_default();
        begin(&said!("login at {host}", "登录 {host}"));
        let what = said!("login at {host}", "登录 {host}");
        match log_in(settings) {
            Err(why) => {
                done.add(Tried { what, result: Err(why) });
                print_note(&said!(
                    "the broker is not tried: the login names it",
                    "未测试消息服务器：其地址由登录返回"
                ));
            }
            Ok((session, took)) => {
                let seconds = took.as_secs_f64();
                done.add(Tried {
                    what,
                    result: Ok(said!("logged in after {seconds:.1} s", "{seconds:.1} 秒登录成功")),
                });
                for at in session.rabbitmq.addresses() {
                    begin(&said!("broker at {at}", "消息服务器 {at}"));
                    let result = try_broker(settings, platform, &session, &at);
                    done.add(Tried { what: said!("broker at {at}", "消息服务器 {at}"), result });
                }
                receivers.extend(session.record_urls.iter().cloned());
                receivers.extend(session.device_monitor_url.iter().cloned());
            }
        }
    }
    receivers.sort();
    receivers.dedup();
    for url in receivers {
        let at = shown(&url);
        begin(&said!("receiver {at}", "接收地址 {at}"));
        let result = reach(url.as_str()).map_err(|fault| receiver_text(&fault));
        done.add(Tried {
            what: said!("receiver {at}", "接收地址 {at}"),
            result: result.map(|()| said!("answers", "可连接")),
        });
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

fn log_in(settings: &Settings) -> Result<(Session, Duration), String> {
    let platform = Platform::build(settings).map_err(|error| error.to_string())?;
    let began = Instant::now();
    let answer = runtime()?.block_on(async { tokio::time::timeout(ITEM, platform.api.log_in()).await });
    let seconds = limits::CHECK_ITEM_S;
    match answer {
        Err(_) => Err(said!(
            "no answer within {seconds} s: the platform is slow or stuck; try its address in a browser",
            "{seconds} 秒内没有应答：平台繁忙或无响应；请用浏览器访问其地址"
        )),
        Ok(Err(error)) => Err(platform_text(&error)),
        Ok(Ok(session)) => Ok((session, began.elapsed())),
    }
}

/// What is wrong with a login, and the mend.
fn platform_text(error: &PlatformError) -> String {
    if let Some(refusal) = error.login_refusal() {
        return refusal.text().to_string();
    }
    match error {
        PlatformError::Unreachable { host, reason } => said!(
            "{host} cannot be reached: {reason}; check platform.login_url, network, firewall and, with https, platform.ca_file",
            "无法连接 {host}：{reason}；请检查 platform.login_url、网络、防火墙，https 还需检查 platform.ca_file"
        ),
        PlatformError::Status { host, status: 401 | 403, detail, .. } => said!(
            "{host} refuses this box{detail}: check platform.dev_sno, and whether the platform knows the device",
            "{host} 拒绝登录{detail}：请检查 platform.dev_sno，并确认平台已登记本设备"
        ),
        PlatformError::Status { host, status: 404, .. } => said!(
            "{host} has no login there (404): check the path of platform.login_url",
            "{host} 上没有该登录地址（404）：请检查 platform.login_url 的路径"
        ),
        PlatformError::Status { host, status, detail, .. } => said!(
            "{host} answered {status}{detail}: something is wrong on the platform; see its log",
            "{host} 返回 {status}{detail}：平台端异常，请查看平台日志"
        ),
        PlatformError::Redirect { host, status, to, .. } => said!(
            "{host} answered {status}: it has moved to {to}; set platform.login_url to that",
            "{host} 返回 {status}：地址已改为 {to}；请相应修改 platform.login_url"
        ),
        PlatformError::Data { host, reason } => said!(
            "{host} answered something unusable: {reason}; is platform.login_url the login of this platform?",
            "{host} 返回的内容无法使用：{reason}；请确认 platform.login_url 是该平台的登录地址"
        ),
        PlatformError::Page { host } => said!(
            "{host} answered a web page in place of data: check the path of platform.login_url, or a gateway in between",
            "{host} 返回的是网页：请检查 platform.login_url 的路径，或中间的网关"
        ),
        PlatformError::NotSecure { host } => said!(
            "{host} is no https address, and platform.require_tls is on: set an https login_url, or platform.require_tls = false",
            "{host} 不是 https 地址，而 platform.require_tls 已启用：请改用 https 的 login_url，或设 platform.require_tls = false"
        ),
        PlatformError::TooLarge { host, max_bytes } => said!(
            "the answer of {host} is larger than {max_bytes} bytes: is this the platform?",
            "{host} 的应答超过 {max_bytes} 字节：请确认该地址是管理平台"
        ),
    }
}

fn try_broker(
    settings: &Settings,
    platform: &PlatformSettings,
    session: &Session,
    address: &BrokerAddress,
) -> Result<String, String> {
    let connector = AmqpConnector::new(platform.ca_file.clone(), settings.require_tls);
    let tried = runtime()?
        .block_on(async { tokio::time::timeout(ITEM, connector.try_out(address, &session.rabbitmq)).await });
    let (host, port, seconds) = (address.host.as_str(), address.port, limits::CHECK_ITEM_S);
    match tried {
        Ok(Ok(())) => Ok(said!("logged in", "登录成功")),
        Ok(Err(BrokerError::Refused(why))) => Err(said!(
            "it refuses the user, the password or the virtual host that the platform named: {why}; correct them on the platform",
            "拒绝了平台给出的用户、密码或虚拟主机：{why}；请在平台上更正"
        )),
        Ok(Err(error)) => {
            let fault = reach_port(host, port, Duration::from_millis(limits::CHECK_CONNECT_MS)).err();
            let why = fault.map_or_else(|| error.to_string(), |fault| receiver_text(&fault));
            Err(said!(
                "{why}; the platform named this address: correct it there, or open the firewall for port {port}",
                "{why}；该地址由平台给出：请在平台上更正，或在防火墙放行端口 {port}"
            ))
        }
        Err(_) => Err(said!(
            "no answer within {seconds} s: is port {port} that of AMQP, with or without TLS as the platform says?",
            "{seconds} 秒内没有应答：端口 {port} 是否为 AMQP，TLS 是否与平台所给一致？"
        )),
    }
}

/// The words for a camera, of a web server.
fn receiver_text(fault: &StreamFault) -> String {
    match fault {
        StreamFault::Refused(at) => said!(
            "{at} refuses the connection: the machine is there, nothing serves this port; start the service, or correct the port",
            "{at} 拒绝连接：主机在线，但该端口没有服务；请启动服务，或更正端口"
        ),
        StreamFault::Unreachable(why) => {
            said!(
                "it cannot be reached: {why}; check network and firewall",
                "无法连接：{why}；请检查网络和防火墙"
            )
        }
        other => other.to_string(),
    }
}

fn relay_text(fault: &StreamFault) -> String {
    match fault {
        StreamFault::Refused(at) => said!(
            "{at} refuses the connection: the relay is there and nothing serves this port; check the port in action_url",
            "{at} 拒绝连接：继电器在线，但该端口没有服务；请检查 action_url 的端口"
        ),
        StreamFault::NoAnswer(at) => said!(
            "the relay at {at} does not answer: check its power, cable and address",
            "继电器 {at} 无应答：请检查其电源、网线和地址"
        ),
        other => receiver_text(other),
    }
}

/// Some cameras at the same time, each until its first picture.
fn try_cameras(settings: &Settings, cameras: &[&DeviceConfig], done: &mut Done) {
    // What is wrong with pipelines was told before.
    let Ok(opener) = GstOpener::new(&settings.pipelines_dir) else { return };
    let (next, total) = (AtomicUsize::new(0), cameras.len());
    let (sender, results) = unbounded();
    std::thread::scope(|scope| {
        for _ in 0..limits::CHECK_CAMERAS_AT_ONCE.min(total) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while let Some(device) = cameras.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (name, ip) = (&device.name, &device.ip);
                    begin(&said!("camera `{name}` ({ip})", "摄像机 `{name}`（{ip}）"));
                    let result = first_picture(&opener, device).map_err(|fault| fault.to_string());
                    let what = said!("camera `{name}` ({ip})", "摄像机 `{name}`（{ip}）");
                    let _ = sender.send(Tried { what, result });
                }
            });
        }
        drop(sender);
        results.iter().for_each(|tried| done.add(tried));
    });
}

fn first_picture(opener: &GstOpener, device: &DeviceConfig) -> Result<String, StreamFault> {
    let began = Instant::now();
    if let Some(url) = device.parameters.get("url").filter(|url| url.contains("://")) {
        reach(url)?;
    }
    let spec = StreamSpec {
        device_id: device.ep_id.clone(),
        pipeline: device.pipeline.clone(),
        parameters: device.parameters.clone(),
    };
    let (sender, news) = bounded(8);
    let frames = sender.clone();
    let stream = opener
        .open(
            &spec,
            Arc::new(move |frame| {
                let _ = frames.try_send(Ok((frame.width, frame.height)));
                SinkFeedback::Accepted
            }),
            Arc::new(move |notice| {
                let fault = match notice {
                    StreamNotice::Decoding { .. } => return,
                    StreamNotice::Failed(failure) => failure.into(),
                    StreamNotice::Ended => StreamFault::Ended,
                };
                let _ = sender.try_send(Err(fault));
            }),
        )
        .map_err(StreamFault::from)?;
    let silent_ms = limits::CHECK_ITEM_S * 1_000;
    let seen = news.recv_timeout(ITEM.saturating_sub(began.elapsed())).unwrap_or_else(|_| {
        Err(if stream.packets() > 0 {
            StreamFault::NoKeyFrame(silent_ms)
        } else {
            StreamFault::Silent(silent_ms)
        })
    });
    // Closing a broken stream may take a while; the answer does not wait for it.
    std::thread::spawn(move || drop(stream));
    let ((width, height), seconds) = (seen?, began.elapsed().as_secs_f64());
    Ok(said!("{width}x{height}, first picture after {seconds:.1} s", "{width}×{height}，{seconds:.1} 秒出图"))
}
