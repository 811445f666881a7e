//! When a rejected token is worth a new login.
//!
//! The first rejection after a success is: the token has run out. A receiver that rejects one fresh token after the
//! other is itself the trouble, and a login ends the link's connection, so it may ask ever more rarely.

use std::collections::HashMap;

use super::limits;

#[derive(Debug, Clone, Copy)]
struct Asked {
    times: u32,
    last_ms: u64,
}

/// Who asked for a login since the last success there.
#[derive(Debug, Default)]
pub struct ReloginBackoff(HashMap<String, Asked>);

impl ReloginBackoff {
    /// A token was rejected at `url`; whether to ask for a login now. `now_ms` is monotonic.
    pub fn rejected(&mut self, url: &str, now_ms: u64) -> bool {
        let (first_ms, cap_ms) = limits::RELOGIN_ASK_MS;
        match self.0.get_mut(url) {
            None => {
                self.0.insert(url.to_owned(), Asked { times: 1, last_ms: now_ms });
                true
            }
            Some(asked) => {
                let wait_ms = first_ms.saturating_mul(1 << (asked.times - 1).min(32)).min(cap_ms);
                let due = now_ms.saturating_sub(asked.last_ms) >= wait_ms;
                if due {
                    *asked = Asked { times: asked.times.saturating_add(1), last_ms: now_ms };
                }
                due
            }
        }
    }

    /// The token is good there, or no login could be asked for: the next rejection is the first again.
    pub fn forget(&mut self, url: &str) {
        self.0.remove(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_rejection_asks_at_once_and_a_stubborn_receiver_ever_more_rarely() {
        let (first_ms, cap_ms) = limits::RELOGIN_ASK_MS;
        let mut asks = ReloginBackoff::default();
        assert!(asks.rejected("a", 0));
        assert!(!asks.rejected("a", first_ms - 1));
        assert!(asks.rejected("b", 1), "others are not held back");
        assert!(asks.rejected("a", first_ms));
        assert!(!asks.rejected("a", 2 * first_ms));
        assert!(asks.rejected("a", 3 * first_ms));
        let asked =
            (0..100_000_000).step_by(1000).filter(|now_ms| asks.rejected("a", *now_ms)).count() as u64;
        assert!(asked <= 100_000_000 / cap_ms + 10, "{asked}");
        asks.forget("a");
        assert!(asks.rejected("a", 100_000_001));
    }
}
