//! The addresses the box listens on: whether they are this machine's, free, and allowed.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::adapters::onvif::discovery::interfaces;
use crate::cli::language::said;
use crate::config::Settings;
use crate::runtime::problems::Problems;

/// `is_running`: a box runs on this data, so its own addresses are taken.
pub fn check_ports(settings: &Settings, is_running: bool) -> Problems {
    let mut listeners = vec![("web.listen", settings.web_listen)];
    listeners.extend(settings.local_api.listen.map(|listen| ("local_api.listen", listen)));
    listeners.extend(settings.local_api.stream_listen.map(|listen| ("local_api.stream_listen", listen)));
    listeners.extend(settings.ftp.listen.map(|listen| ("ftp.listen", listen)));
    let mut problems = Problems::default();
    for (place, (key, listen)) in listeners.iter().enumerate() {
        let meets = |other: &&(&str, SocketAddr)| {
            other.1.port() == listen.port()
                && listen.port() != 0
                && (other.1.ip() == listen.ip()
                    || other.1.ip().is_unspecified()
                    || listen.ip().is_unspecified())
        };
        if let Some((other, _)) = listeners[..place].iter().find(meets) {
            problems.push(said!(
                "`{key}`: {listen} is the address of `{other}` too; each needs its own port",
                "`{key}`：{listen} 与 `{other}` 相同；请使用不同端口"
            ));
            continue;
        }
        if let Err(error) = TcpListener::bind(listen) {
            problems.extend(text(key, *listen, &error, is_running));
        }
    }
    if let Some(listen) = settings.ftp.listen {
        problems.extend(check_passive(listen.ip(), settings.ftp.passive_ports));
    }
    problems
}

/// `None`: it is the running box's.
fn text(key: &str, listen: SocketAddr, error: &std::io::Error, is_running: bool) -> Option<String> {
    let port = listen.port();
    Some(match error.kind() {
        ErrorKind::AddrInUse if is_running => return None,
        ErrorKind::AddrInUse => said!(
            "`{key}`: port {port} is taken by another program (`ss -ltnp | grep :{port}` shows which); stop it, or choose another \
             port",
            "`{key}`：端口 {port} 已被其他程序占用（ss -ltnp | grep :{port} 可查看）；请停止该程序，或更换端口"
        ),
        ErrorKind::PermissionDenied => said!(
            "`{key}`: this user may not listen on port {port}; choose one from 1024 on, or give the right with \
             `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the service's unit",
            "`{key}`：当前用户无权监听端口 {port}；请使用 1024 及以上的端口，或在服务单元中设置 AmbientCapabilities=CAP_NET_BIND_SERVICE"
        ),
        ErrorKind::AddrNotAvailable => said!(
            "`{key}`: this machine has no address {ip}; it has {own}. Use one of them, or 0.0.0.0 for all",
            "`{key}`：本机没有地址 {ip}；本机地址有 {own}。请使用其中之一，或用 0.0.0.0 表示全部",
            ip = listen.ip(),
            own = own_addresses()
        ),
        _ => said!(
            "`{key}`: cannot listen on {listen}: {error}; choose another address",
            "`{key}`：无法监听 {listen}：{error}；请更换地址"
        ),
    })
}

fn own_addresses() -> String {
    let found = interfaces(&[]).unwrap_or_default();
    let mut own: Vec<String> = found.iter().map(|interface| interface.ip.to_string()).collect();
    own.push("127.0.0.1".to_owned());
    own.join(", ")
}

/// A camera that uploads needs one of them.
fn check_passive(ip: IpAddr, (first, last): (u16, u16)) -> Option<String> {
    let is_free = (first..=last).any(|port| TcpListener::bind((ip, port)).is_ok());
    (!is_free).then(|| {
        said!(
            "`ftp.passive_ports`: none of the ports {first} to {last} is free; choose others",
            "`ftp.passive_ports`：端口 {first} 至 {last} 均不可用；请更换"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::source::load_text;

    fn told(more: &str, is_running: bool) -> Vec<String> {
        let text = format!("mode = \"standalone\"\n{more}");
        check_ports(&load_text("m.toml", &text, &Overrides::default()).unwrap(), is_running).texts().collect()
    }

    #[test]
    fn what_cannot_be_listened_on_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let held = TcpListener::bind(taken).unwrap();
        let free = "[local_api]\nlisten = \"\"\n[web]\nlisten = \"127.0.0.1:0\"\n";
        assert_eq!(told(free, false), Vec::<String>::new());
        let web = format!("[local_api]\nlisten = \"\"\n[web]\nlisten = \"{taken}\"\n");
        assert!(told(&web, false)[0].contains("is taken by another program"));
        assert_eq!(told(&web, true), Vec::<String>::new(), "by the running box");
        drop(held);
        let absent = "[local_api]\nlisten = \"\"\n[web]\nlisten = \"203.0.113.7:8886\"\n";
        let absent = told(absent, false);
        assert!(
            absent[0].contains("no address 203.0.113.7") && absent[0].contains("127.0.0.1"),
            "{absent:?}"
        );
        let twice = format!("[local_api]\nlisten = \"{taken}\"\n[web]\nlisten = \"{taken}\"\n");
        assert!(told(&twice, false)[0].contains("is the address of `web.listen` too"));
    }

    #[test]
    fn a_port_without_the_right_to_it_has_its_own_mend() {
        let listen = "0.0.0.0:21".parse().unwrap();
        let told = text("ftp.listen", listen, &ErrorKind::PermissionDenied.into(), false).unwrap();
        assert!(
            told.contains("may not listen on port 21") && told.contains("CAP_NET_BIND_SERVICE"),
            "{told}"
        );
    }
}
