//! Dates of the box's log, which its own wall clock writes.

pub const DAY_S: i64 = 86_400;

/// The date (UTC) of a time in seconds, as log lines begin: `2026-11-24`.
pub fn date(seconds: i64) -> String {
    // Days to a civil date, after Howard Hinnant.
    let days = seconds.div_euclid(DAY_S) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_553_933, "2026-11-24"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(super::date(seconds), expected);
        }
    }
}
