//! Facts about the machine, for the status report.

/// One look at the machine. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SystemFacts {
    pub ip: String,
    /// `0x` and 12 lower-case hex digits.
    pub hex_mac: String,
    pub hostname: String,
    /// 0–100 over all cores, since the last look.
    pub cpu_percent: f32,
    /// The processor's name; empty where the system does not tell it.
    pub cpu_type: String,
    /// The fastest core's frequency; 0 where the system does not tell it.
    pub cpu_mhz: u64,
    /// Cores as the system counts them.
    pub cpu_count: usize,
    pub memory_total: u64,
    pub memory_used: u64,
    /// Of the disk that holds `data_dir`.
    pub disk_total: u64,
    pub disk_free: u64,
    /// °C; absent when the machine has no sensor.
    pub temperature_c: Option<f32>,
}

pub trait SystemProbe: Send + Sync {
    /// Blocks for a few milliseconds.
    fn look(&self) -> SystemFacts;
}
