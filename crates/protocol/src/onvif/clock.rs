//! The camera's clock, which its password digests are made with.

use menshen_domain::validity::days;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the epoch, of a date and time in UTC. `None` for what is no date.
pub fn utc_ms(date: (i64, i64, i64), time: (i64, i64, i64)) -> Option<i64> {
    let ((year, month, day), (hour, minute, second)) = (date, time);
    let is_date = (1970..=2199).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // 60 is a leap second.
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    (is_date && is_time)
        .then(|| days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)
}

/// As in `2026-01-31T18:00:05.250Z`.
pub fn utc_text(ms: i64) -> String {
    let (mut day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // The year is found from its average length, at most one off.
    let mut year = 1970 + day.div_euclid(365);
    while days(year, 1, 1) > day {
        year -= 1;
    }
    day -= days(year, 1, 1);
    let month = (1..=12).rev().find(|month| days(year, *month, 1) - days(year, 1, 1) <= day).unwrap_or(1);
    let date = day - (days(year, month, 1) - days(year, 1, 1)) + 1;
    let (second, milli) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
