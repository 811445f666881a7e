//! Facts about the machine, with sysinfo.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sysinfo::{Components, Disks, MacAddr, Networks, System};

use crate::ports::system::{SystemFacts, SystemProbe};

/// The facts of the machine cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read facts of this machine: {reason}")]
pub struct ProbeError {
    reason: String,
}

/// Reads the machine's facts; `toward` is the platform's address, to find the interface that leads there.
pub struct MachineProbe {
    data_dir: PathBuf,
    toward: Option<SocketAddr>,
    system: Mutex<System>,
}

impl MachineProbe {
    /// # Errors
    /// When the operating system gives no facts at all.
    pub fn new(data_dir: PathBuf, toward: Option<SocketAddr>) -> Result<Self, ProbeError> {
        let mut system = System::new().map_err(|error| ProbeError { reason: error.to_string() })?;
        // CPU load is a difference between two looks; this is the first.
        system.refresh_cpu_usage();
        Ok(Self { data_dir, toward, system: Mutex::new(system) })
    }

    /// The local address packets to the platform leave from. Connecting a UDP socket sends nothing.
    fn local_ip(&self) -> IpAddr {
        let toward = self.toward.unwrap_or_else(|| SocketAddr::from(([192, 0, 2, 1], 9)));
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
            .and_then(|socket| {
                socket.connect(toward)?;
                socket.local_addr()
            })
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
    }
}

/// MAC of the interface that has `ip`, else of the first one with a MAC at all.
fn mac_of(ip: IpAddr) -> MacAddr {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return MacAddr::UNSPECIFIED };
    let mut interfaces: Vec<_> = networks.iter().collect();
    interfaces.sort_by(|a, b| a.0.cmp(b.0));
    let real = |mac: &MacAddr| *mac != MacAddr::UNSPECIFIED;
    interfaces
        .iter()
        .find(|(_, data)| data.ip_networks().iter().any(|network| network.addr == ip))
        .map(|(_, data)| data.mac_address())
        .filter(real)
        .or_else(|| interfaces.iter().map(|(_, data)| data.mac_address()).find(real))
        .unwrap_or(MacAddr::UNSPECIFIED)
}

impl SystemProbe for MachineProbe {
    fn look(&self) -> SystemFacts {
        let ip = self.local_ip();
        let mac = mac_of(ip);
        let hex = hex::encode(mac.0);
        let disks = Disks::new_with_refreshed_list().ok();
        let data_dir = std::path::absolute(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone());
        let disk = disks
            .iter()
            .flat_map(|disks| disks.iter())
            .filter(|disk| data_dir.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().as_os_str().len());
        let components = Components::new_with_refreshed_list().ok();
        let temperature_c = components
            .iter()
            .flat_map(|components| components.iter())
            .filter_map(sysinfo::Component::temperature)
            .filter(|degrees| degrees.is_finite())
            .max_by(f32::total_cmp);
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        system.refresh_cpu_usage();
        system.refresh_cpu_frequency();
        system.refresh_memory();
        SystemFacts {
            ip: ip.to_string(),
            hex_mac: format!("0x{hex}"),
            hostname: System::host_name().ok().unwrap_or_default(),
            cpu_percent: system.global_cpu_usage(),
            cpu_type: system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            cpu_mhz: system.cpus().iter().map(sysinfo::Cpu::frequency).max().unwrap_or_default(),
            cpu_count: system.cpus().len(),
            memory_total: system.total_memory(),
            memory_used: system.used_memory(),
            disk_total: disk.map_or(0, sysinfo::Disk::total_space),
            disk_free: disk.map_or(0, sysinfo::Disk::available_space),
            temperature_c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_is_plausible() {
        let facts = MachineProbe::new(".".into(), None).unwrap().look();
        assert_eq!(facts.hex_mac.len(), 14);
        assert!(facts.memory_total > facts.memory_used && facts.memory_used > 0);
        assert!(facts.disk_total >= facts.disk_free && facts.disk_total > 0);
        assert!((0.0..=100.0).contains(&facts.cpu_percent) && facts.cpu_count > 0);
        assert!(facts.ip.parse::<IpAddr>().is_ok());
    }
}
