//! What a stream's threads cost in processor time. GStreamer lends its threads to many pipelines one after the other, so a
//! thread's time counts from when it enters a stream to when it leaves it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer::StreamStatusType;
use gstreamer::message::StreamStatus;
use rustix::thread::{Pid, gettid};
use rustix::time::{ClockId, clock_gettime};

/// Threads that work for one stream.
#[derive(Default)]
pub struct Cost(Mutex<Threads>);

#[derive(Default)]
struct Threads {
    /// Each with its time when it came.
    here: HashMap<i32, Duration>,
    /// Of those that have gone.
    spent: Duration,
}

impl Cost {
    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told of a thread by itself.
    pub fn note(&self, status: &StreamStatus) {
        let thread = Pid::as_raw(Some(gettid()));
        match status.get().0 {
            StreamStatusType::Enter => drop(self.threads().here.insert(thread, own_time())),
            StreamStatusType::Leave => {
                let mut threads = self.threads();
                if let Some(came) = threads.here.remove(&thread) {
                    threads.spent += own_time().saturating_sub(came);
                }
            }
            _ => {}
        }
    }

    /// Processor time of the stream so far.
    pub fn spent(&self) -> Duration {
        let threads = self.threads();
        let ticking =
            threads.here.iter().filter_map(|(thread, came)| Some(time_of(*thread)?.saturating_sub(*came)));
        threads.spent + ticking.sum::<Duration>()
    }
}

fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Of another thread of this process, to a hundredth of a second; `None` when it has ended.
fn time_of(thread: i32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    let ticks = ticks_of(&stat)?;
    Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Fields 14 and 15 of proc(5)'s stat, user and system time; the name, field 2, may hold anything but ends with the last `)`.
fn ticks_of(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_whatever_the_thread_is_called() {
        let stat = "71 (queue:) (0:src) S 1 71 71 0 -1 4194368 120 0 0 0 250 40 0 0 20 0 9 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(290));
        assert_eq!(ticks_of("71 (x"), None);
        assert_eq!(ticks_of("71 (x) S 1"), None);
    }

    #[test]
    fn a_thread_that_works_is_seen_from_outside() {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::spawn(move || {
            while own_time() < Duration::from_millis(200) {
                std::hint::black_box((0..10_000).sum::<u64>());
            }
            tell.send((Pid::as_raw(Some(gettid())), own_time())).unwrap();
            let _ = stopped.recv();
        });
        let (thread, by_itself) = told.recv().unwrap();
        let seen = time_of(thread).unwrap();
        assert!(seen.abs_diff(by_itself) < Duration::from_millis(100), "{seen:?} {by_itself:?}");
        drop(stop);
        worker.join().unwrap();
    }
}
