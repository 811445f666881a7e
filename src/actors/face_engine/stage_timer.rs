//! Measures what the stages of the analysis cost.

use std::time::Instant;

use cpu_time::ThreadTime;

use menshen_domain::device::DeviceConfig;

/// Times stages of the analysis.
#[derive(Debug, Clone, Copy)]
pub struct StageTimer<'a> {
    ip: Option<&'a str>,
}

impl<'a> StageTimer<'a> {
    /// For the frames and photos of one device: their processor time is counted for it as well.
    pub fn of_device(device: &'a DeviceConfig) -> Self {
        Self { ip: Some(&device.ip) }
    }

    /// For work that belongs to no device, or whose stages are counted for one already.
    pub fn without_device() -> Self {
        Self { ip: None }
    }

    /// Runs a stage and records how long it took.
    pub fn run<T>(self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let Some(ip) = self.ip else { return run_timed(stage, work) };
        let started = ThreadTime::now();
        let value = run_timed(stage, work);
        let spent = u64::try_from(started.elapsed().as_micros()).unwrap_or_default();
        metrics::counter!("menshen_cpu_microseconds_total", "device" => ip.to_owned(), "stage" => stage)
            .increment(spent);
        value
    }
}

fn run_timed<T>(stage: &'static str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = work();
    metrics::histogram!("menshen_inference_seconds", "stage" => stage)
        .record(started.elapsed().as_secs_f64());
    value
}
