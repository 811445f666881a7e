//! `menshen bench search`: the gallery's search against the plain scan, on made-up people.

use anyhow::{Error, Result};
use cpu_time::ThreadTime;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use menshen::evaluation::made_up::{made_up_gallery, unit_vector};
use menshen_domain::candidate::Scope;
use menshen_domain::person::DEFAULT_PERMISSION_GROUP;
use menshen_sim::figures::print_figures;

/// As SFace has.
const DIMENSION: usize = 128;
/// Probes searched together.
const BATCH: usize = 32;
/// A probe is a made-up person with this much of another person in it: similar to one, and not too much.
const NOISE: f32 = 0.6;

pub fn search(people: usize, probes: usize) -> Result<()> {
    let before = resident_bytes();
    let gallery = made_up_gallery("bench@1", DIMENSION, people).map_err(Error::msg)?;
    let after = resident_bytes();
    let permissions = [DEFAULT_PERMISSION_GROUP.to_owned()];
    let groups = Scope::of_permissions(&permissions);
    // The people's own vectors come from this seed too, see `made_up_gallery`.
    let mut own = StdRng::seed_from_u64(1);
    let mut random = StdRng::seed_from_u64(2);
    let probes: Vec<Vec<f32>> = (0..probes)
        .map(|_| {
            let noise = unit_vector(&mut random, DIMENSION);
            let person = unit_vector(&mut own, DIMENSION);
            let share = NOISE * random.random_range(0.0f32..1.5);
            let mixed: Vec<f32> = person.iter().zip(&noise).map(|(a, b)| a + share * b).collect();
            let norm = mixed.iter().map(|value| value * value).sum::<f32>().sqrt();
            mixed.into_iter().map(|value| value / norm).collect()
        })
        .collect();
    let views: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();

    let started = ThreadTime::now();
    let fast: Vec<_> = views.iter().map(|probe| gallery.search(probe, groups, 1)).collect();
    let fast_ms = started.elapsed().as_secs_f64() * 1000.0;
    let started = ThreadTime::now();
    let together: Vec<_> =
        views.chunks(BATCH).flat_map(|batch| gallery.search_batch(batch, groups, 1)).collect();
    let batch_ms = started.elapsed().as_secs_f64() * 1000.0;
    let started = ThreadTime::now();
    let plain: Vec<_> = views.iter().map(|probe| gallery.search_plain(probe, groups, 1)).collect();
    let plain_ms = started.elapsed().as_secs_f64() * 1000.0;
    let identical = fast.iter().zip(&plain).zip(&together).filter(|((a, b), c)| a == b && a == c).count();

    let each = probes.len().max(1) as f64;
    print_figures(&json!({
        "bench": "search",
        "rows": gallery.features(),
        "dimension": DIMENSION,
        "kernel": menshen_gallery::kernel_name(),
        "probes": probes.len(),
        "top_1_identical_to_plain": identical,
        "cpu_ms_per_probe": fast_ms / each,
        "cpu_ms_per_probe_batched": batch_ms / each,
        "cpu_ms_per_probe_plain_f32": plain_ms / each,
        "resident_bytes_per_person": after.saturating_sub(before) as f64 / people.max(1) as f64,
        "large_page_bytes": large_page_bytes(),
        "optimised": !cfg!(debug_assertions),
    }));
    Ok(())
}

fn resident_bytes() -> u64 {
    let (Ok(pid), Ok(mut system)) = (sysinfo::get_current_pid(), System::new()) else { return 0 };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map_or(0, sysinfo::Process::memory)
}

/// Memory of this process in large pages; `None` where the kernel does not report it.
fn large_page_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:"))?;
    Some(kilobytes.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
