//! How fast a body comes. One that holds a place and trickles is given up, so that the place is somebody else's.

use std::time::Duration;

use menshen_domain::limits;

/// What has come of a body, and in what time.
#[derive(Default)]
pub struct BodyPace {
    bytes: usize,
    waited: Duration,
}

impl BodyPace {
    /// Counts bytes that came after `waited`; `false` when the body comes too slowly. Time in which the box itself let it wait is not
    /// counted.
    pub fn goes_on(&mut self, bytes: usize, waited: Duration) -> bool {
        const GRACE: Duration = Duration::from_millis(limits::LOCAL_BODY_GRACE_MS);
        self.bytes += bytes;
        self.waited += waited;
        let counted = self.waited.saturating_sub(GRACE).as_millis();
        self.bytes as u128 * 1000 >= counted * u128::from(limits::LOCAL_BODY_BYTES_PER_S)
    }
}

/// What the sender is told.
pub fn too_slow() -> String {
    let rate = limits::LOCAL_BODY_BYTES_PER_S / 1024;
    format!(
        "the body came too slowly and was given up: at least {rate} KB a second are expected; check the network"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a sender lasts that sends so many bytes in every 100 ms, in seconds; `None`: for two minutes.
    fn lasts(bytes: usize) -> Option<u32> {
        let mut pace = BodyPace::default();
        (1..=1200).find(|_| !pace.goes_on(bytes, Duration::from_millis(100))).map(|tenths| tenths / 10)
    }

    #[test]
    fn a_trickle_is_given_up_and_a_slow_network_is_not() {
        assert_eq!(lasts(1), Some(5));
        assert!(lasts(400).is_some_and(|seconds| seconds <= 11));
        assert_eq!(lasts(820), None, "8 KB a second");
        let mut bursts = BodyPace::default();
        assert!(bursts.goes_on(100_000, Duration::from_secs(5)) && bursts.goes_on(1, Duration::from_secs(7)));
        assert!(!bursts.goes_on(1, Duration::from_secs(10)));
    }
}
