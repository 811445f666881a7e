//! What came of a change whose parts succeed or fail alone, in the words of the audit log.

/// The parts of one change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeParts {
    done: usize,
    failed: usize,
    /// Why the first one failed, where there is a code for it.
    code: Option<i64>,
}

impl ChangeParts {
    /// Counts a part by its status code; 0 is success.
    pub fn count(&mut self, code: i64) {
        if code == 0 {
            self.done += 1;
        } else {
            if self.failed == 0 {
                self.code = Some(code);
            }
            self.failed += 1;
        }
    }

    /// Counts parts for whose failures there is no code.
    pub fn count_all(&mut self, done: usize, failed: usize) {
        self.done += done;
        self.failed += failed;
    }

    /// Whether nothing is different from before: the call was refused with a code before any part was done, or all parts failed.
    pub fn changed_nothing(self, refusal: Option<i64>) -> bool {
        self.done == 0 && (self.failed > 0 || refusal.is_some())
    }

    /// `ok`; the code of a call that was refused; or how many parts failed, with the code of the first.
    pub fn text(mut self, refusal: Option<i64>) -> String {
        match refusal {
            Some(code) if self.done + self.failed == 0 => return code.to_string(),
            // What was still to be done when the call ended.
            Some(code) => self.count(code),
            None => {}
        }
        let Self { done, failed, code } = self;
        let code = code.map_or_else(String::new, |code| format!(" ({code})"));
        match (done, failed) {
            (_, 0) => "ok".to_owned(),
            (0, _) => format!("failed: {failed} of {failed}{code}"),
            _ => format!("partial: {failed} of {} failed{code}", done + failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_parts() {
        for (codes, refusal, text, changed_nothing) in [
            (&[][..], None, "ok", false),
            (&[], Some(40_091), "40091", true),
            (&[0, 0], None, "ok", false),
            (&[50_072], None, "failed: 1 of 1 (50072)", true),
            (&[40_401, 50_072, 40_401], None, "failed: 3 of 3 (40401)", true),
            (&[0, 40_401, 50_072], None, "partial: 2 of 3 failed (40401)", false),
            (&[0], Some(50_072), "partial: 1 of 2 failed (50072)", false),
            (&[40_401], Some(50_072), "failed: 2 of 2 (40401)", true),
        ] {
            let mut parts = ChangeParts::default();
            for code in codes {
                parts.count(*code);
            }
            assert_eq!(parts.text(refusal), text);
            assert_eq!(parts.changed_nothing(refusal), changed_nothing, "{text}");
        }
        let mut parts = ChangeParts::default();
        parts.count_all(2, 1);
        assert_eq!(parts.text(None), "partial: 1 of 3 failed");
    }
}
