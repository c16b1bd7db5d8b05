//! Dates as people write them: RFC 3339, a day of the studio's calendar, or a span from now.
//!
//! The server reads them, not the command line: only it knows the studio's time zone and clock.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use stemvault_config::parse_span;
use stemvault_storage::refusal::{Refusal, RefusalKind};

/// What `text` means at `now`. A day means its end: something that holds until the 3rd holds on
/// the 3rd.
///
/// # Errors
/// When it is none of the three forms; says which there are.
pub fn when(text: &str, now: DateTime<Utc>, zone: Tz) -> Result<DateTime<Utc>, Refusal> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return end_of(day, zone).ok_or_else(|| refuse(text));
    }
    span(text)
        .ok()
        .and_then(|span| now.checked_add_signed(span))
        .ok_or_else(|| refuse(text))
}

/// A length of time: `14 days`, `91d`, `5m`.
///
/// # Errors
/// When it is none; says what to write.
pub fn span(text: &str) -> Result<TimeDelta, Refusal> {
    let bad = |detail: String| Refusal::new(RefusalKind::BadRequest, detail);
    let span = parse_span(text.trim()).map_err(bad)?;
    TimeDelta::from_std(span).map_err(|_| bad(format!("{text:?} is too long")))
}

/// The moment at which a day of the studio ends: midnight, or the first moment after it that the
/// zone has.
fn end_of(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let mut midnight = day
        .checked_add_days(Days::new(1))?
        .and_hms_opt(0, 0, 0)
        .expect("midnight is a time");
    for _ in 0..96 {
        if let Some(at) = zone.from_local_datetime(&midnight).earliest() {
            return Some(at.with_timezone(&Utc));
        }
        midnight += TimeDelta::minutes(15);
    }
    None
}

fn refuse(text: &str) -> Refusal {
    let message = format!(
        "{text:?} is no date: write a day (2026-11-23), a moment (2026-11-23T17:00:00+01:00) or a span from now (14 days)"
    );
    Refusal::new(RefusalKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        let now = "2026-06-01T10:00:00Z".parse().unwrap();
        when(text, now, chrono_tz::Europe::Berlin).map_or_else(
            |refusal| refusal.message,
            |at| at.format("%FT%TZ").to_string(),
        )
    }

    #[test]
    fn three_ways_to_say_when() {
        assert_eq!(at("2026-06-03T12:00:00+02:00"), "2026-06-03T10:00:00Z");
        assert_eq!(at("2026-06-03"), "2026-06-03T22:00:00Z");
        assert_eq!(at("2026-12-03"), "2026-12-03T23:00:00Z");
        assert_eq!(at(" 14 days"), "2026-06-15T10:00:00Z");
        assert_eq!(at("91d"), "2026-08-31T10:00:00Z");
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for bad in ["", "soon", "2026-13-01", "01.02.2026", "14"] {
            assert!(at(bad).contains("14 days"), "{bad}: {}", at(bad));
        }
    }

    #[test]
    fn a_midnight_that_summer_time_skips_is_the_next_moment() {
        // In Beirut 2022-03-27 began at 01:00.
        let end = end_of("2022-03-26".parse().unwrap(), chrono_tz::Asia::Beirut).unwrap();
        assert_eq!(end.to_rfc3339(), "2022-03-26T22:00:00+00:00");
    }
}
