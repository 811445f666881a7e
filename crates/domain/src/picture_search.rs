//! Search by picture: one page of the events that show a face like the one asked about.
//!
//! Pages follow each other by time alone, so a page never ends in the middle of a millisecond: the next one, which begins
//! after (or before) that time, loses no event and shows none twice.

/// How large a page is at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// Events looked at.
    pub looked_at: u64,
    /// Events found.
    pub found: usize,
}

/// What one look showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Not one of those asked about, or not similar enough.
    Other,
    /// Its feature is of another model, and was not compared.
    OtherModel,
    /// Similar enough.
    Hit {
        /// Cosine similarity.
        similarity: f32,
    },
}

/// An event that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its place in history.
    pub sequence: u64,
    /// Cosine similarity.
    pub similarity: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    looked_at: u64,
    other_model: u64,
    found: usize,
}

/// A page being filled by events in the order of their time.
#[derive(Debug)]
pub struct SearchPage {
    limits: PageLimits,
    hits: Vec<Hit>,
    now: Counts,
    /// Time of the events being looked at.
    at_ms: Option<u64>,
    /// Up to the end of the time before.
    whole: Option<(u64, Counts)>,
    has_more: bool,
    not_shown: u64,
}

/// A page that is full, or the last one.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPage {
    /// In the order in which they were looked at.
    pub hits: Vec<Hit>,
    /// Events looked at.
    pub looked_at: u64,
    /// Of those, events whose feature is of another model.
    pub other_model: u64,
    /// Time of the last one looked at, where the next page begins; `None` when there was none.
    pub end_ms: Option<u64>,
    /// Whether there is a next page.
    pub has_more: bool,
    /// Hits beyond the limit within one single millisecond, which no page can show.
    pub not_shown: u64,
}

impl SearchPage {
    /// An empty page.
    pub fn new(limits: PageLimits) -> Self {
        Self {
            limits,
            hits: Vec::new(),
            now: Counts::default(),
            at_ms: None,
            whole: None,
            has_more: false,
            not_shown: 0,
        }
    }

    /// Looks at the next event; `false` when the page is full and the event belongs to the next one.
    pub fn look(&mut self, at_ms: u64, sequence: u64, seen: Seen) -> bool {
        if let Some(before_ms) = self.at_ms.filter(|before_ms| *before_ms != at_ms) {
            self.whole = Some((before_ms, self.now));
            if self.now.looked_at >= self.limits.looked_at || self.hits.len() >= self.limits.found {
                self.has_more = true;
                return false;
            }
        }
        self.at_ms = Some(at_ms);
        let is_full = self.now.looked_at >= self.limits.looked_at
            || matches!(seen, Seen::Hit { .. }) && self.hits.len() >= self.limits.found;
        if let (true, Some((whole_ms, counts))) = (is_full, self.whole) {
            // Back to the end of the time before: this one comes whole with the next page.
            (self.at_ms, self.now, self.has_more) = (Some(whole_ms), counts, true);
            self.hits.truncate(counts.found);
            return false;
        }
        self.now.looked_at += 1;
        match seen {
            Seen::Other => {}
            Seen::OtherModel => self.now.other_model += 1,
            Seen::Hit { .. } if is_full && self.hits.len() >= self.limits.found => self.not_shown += 1,
            Seen::Hit { similarity } => {
                self.hits.push(Hit { sequence, similarity });
                self.now.found = self.hits.len();
            }
        }
        true
    }

    /// What the page holds.
    pub fn finish(self) -> FoundPage {
        FoundPage {
            hits: self.hits,
            looked_at: self.now.looked_at,
            other_model: self.now.other_model,
            end_ms: self.at_ms,
            has_more: self.has_more,
            not_shown: self.not_shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: PageLimits = PageLimits { looked_at: 7, found: 3 };

    /// Every page of these events (time, what was seen), each after the end of the one before.
    fn pages(events: &[(u64, Seen)], limits: PageLimits) -> Vec<FoundPage> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let mut page = SearchPage::new(limits);
            for (sequence, (at_ms, seen)) in events.iter().enumerate() {
                if after.is_none_or(|after| *at_ms > after) && !page.look(*at_ms, sequence as u64, *seen) {
                    break;
                }
            }
            let page = page.finish();
            let (is_last, end_ms) = (!page.has_more, page.end_ms);
            pages.push(page);
            if is_last {
                return pages;
            }
            assert!(end_ms > after, "each page gets on");
            after = end_ms;
        }
    }

    const HIT: Seen = Seen::Hit { similarity: 0.9 };

    #[test]
    fn a_page_never_ends_within_a_millisecond() {
        let events = [(1, HIT), (2, HIT), (2, Seen::OtherModel), (3, HIT), (3, HIT), (4, HIT)];
        let pages = pages(&events, LIMITS);
        let shown: Vec<Vec<u64>> =
            pages.iter().map(|page| page.hits.iter().map(|hit| hit.sequence).collect()).collect();
        assert_eq!(shown, [vec![0, 1], vec![3, 4, 5]]);
        assert_eq!((pages[0].end_ms, pages[0].has_more, pages[0].looked_at), (Some(2), true, 3));
        assert_eq!((pages[0].other_model, pages[1].other_model), (1, 0));
        assert_eq!((pages[1].end_ms, pages[1].has_more), (Some(4), false));
    }

    #[test]
    fn more_hits_in_one_millisecond_than_a_page_holds_are_counted() {
        let pages = pages(&[(1, HIT), (1, HIT), (1, HIT), (1, HIT), (1, HIT), (2, HIT)], LIMITS);
        assert_eq!((pages[0].hits.len(), pages[0].not_shown, pages[0].has_more), (3, 2, true));
        assert_eq!((pages[1].hits.len(), pages[1].has_more), (1, false));
        assert_eq!(SearchPage::new(LIMITS).finish().end_ms, None);
    }

    proptest! {
        #[test]
        fn pages_lose_nothing_and_show_nothing_twice(
            steps in prop::collection::vec((0u64..3, 0u8..3), 0..60),
            looked_at in 1u64..9,
            found in 1usize..5,
        ) {
            let mut at_ms = 1;
            let events: Vec<(u64, Seen)> = steps.iter().map(|(step, kind)| {
                at_ms += step;
                (at_ms, match kind { 0 => Seen::Other, 1 => Seen::OtherModel, _ => HIT })
            }).collect();
            let limits = PageLimits { looked_at, found };
            let pages = pages(&events, limits);
            let shown: Vec<u64> = pages.iter().flat_map(|page| page.hits.iter().map(|hit| hit.sequence)).collect();
            let hits: Vec<u64> =
                (0u64..).zip(&events).filter(|(_, (_, seen))| *seen == HIT).map(|(at, _)| at).collect();
            let not_shown: u64 = pages.iter().map(|page| page.not_shown).sum();
            if not_shown == 0 {
                prop_assert_eq!(&shown, &hits);
            }
            prop_assert_eq!(shown.len() as u64 + not_shown, hits.len() as u64);
            prop_assert!(shown.is_sorted_by(|a, b| a < b));
            prop_assert!(pages.iter().all(|page| page.hits.len() <= found));
            let all_looked_at: u64 = pages.iter().map(|page| page.looked_at).sum();
            prop_assert_eq!(all_looked_at, events.len() as u64);
        }
    }
}
