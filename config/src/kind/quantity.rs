//! A number with its unit: lengths of time ("15 s"), sizes ("100 GB", "256 MiB"), days, months.
//!
//! Promise: a number without a unit is never guessed at, and a value shows as the shortest text
//! that reads back as exactly the same value.

use std::fmt;
use std::time::Duration;

use super::{Kind, Wrong, bare, quoted};
use crate::file::Raw;

/// Calendar-independent days, as in "90 days".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(pub u32);

/// Calendar months, as in "24 months". How long they are depends on when they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Months(pub u32);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "day" } else { "days" })
    }
}

impl fmt::Display for Months {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.0 == 1 { "month" } else { "months" };
        write!(f, "{} {unit}", self.0)
    }
}

/// A unit: singular, plural, what else is understood, and how many of the smallest it is.
struct Unit(&'static str, &'static str, &'static [&'static str], u64);

const SPAN: &[Unit] = &[
    Unit("ms", "ms", &["millisecond", "milliseconds"], 1),
    Unit("s", "s", &["sec", "second", "seconds"], 1_000),
    Unit("min", "min", &["m", "minute", "minutes"], 60_000),
    Unit("h", "h", &["hour", "hours"], 3_600_000),
    Unit("day", "days", &["d"], 86_400_000),
    Unit("week", "weeks", &["w"], 604_800_000),
];
const SIZE: &[Unit] = &[
    Unit("B", "B", &["byte", "bytes"], 1),
    Unit("kB", "kB", &[], 1_000),
    Unit("MB", "MB", &[], 1_000_000),
    Unit("GB", "GB", &[], 1_000_000_000),
    Unit("TB", "TB", &[], 1_000_000_000_000),
    Unit("KiB", "KiB", &[], 1 << 10),
    Unit("MiB", "MiB", &[], 1 << 20),
    Unit("GiB", "GiB", &[], 1 << 30),
    Unit("TiB", "TiB", &[], 1 << 40),
];
const DAYS: &[Unit] = &[
    Unit("day", "days", &["d"], 1),
    Unit("week", "weeks", &["w"], 7),
];
const MONTHS: &[Unit] = &[
    Unit("month", "months", &[], 1),
    Unit("year", "years", &[], 12),
];

/// A number with a unit, within a range.
pub(crate) struct Quantity<T> {
    units: &'static [Unit],
    /// The unit suggested to whoever forgot one.
    usual: &'static str,
    from: &'static str,
    to: &'static str,
    make: fn(u64) -> T,
    take: fn(&T) -> u64,
    /// Only the smallest unit, in the words of the studio ("90 days", never "12 weeks").
    plain: bool,
}

/// A length of time; milliseconds are the finest unit.
pub(crate) fn span(
    usual: &'static str,
    from: &'static str,
    to: &'static str,
) -> Quantity<Duration> {
    Quantity {
        units: SPAN,
        usual,
        from,
        to,
        make: Duration::from_millis,
        take: |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        plain: false,
    }
}

/// A size in bytes.
pub(crate) fn size(usual: &'static str, from: &'static str, to: &'static str) -> Quantity<u64> {
    Quantity {
        units: SIZE,
        usual,
        from,
        to,
        make: |bytes| bytes,
        take: |bytes| *bytes,
        plain: false,
    }
}

/// A number of days.
pub(crate) fn days(from: &'static str, to: &'static str) -> Quantity<Days> {
    Quantity {
        units: DAYS,
        usual: "days",
        from,
        to,
        make: |days| Days(u32::try_from(days).unwrap_or(u32::MAX)),
        take: |days| u64::from(days.0),
        plain: true,
    }
}

/// A number of calendar months.
pub(crate) fn months(from: &'static str, to: &'static str) -> Quantity<Months> {
    Quantity {
        units: MONTHS,
        usual: "months",
        from,
        to,
        make: |months| Months(u32::try_from(months).unwrap_or(u32::MAX)),
        take: |months| u64::from(months.0),
        plain: true,
    }
}

/// Reads a length of time of any length: "90 s", "14 days", "14d". The error says what to write.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let any = span("days", "0 ms", "36500 days");
    any.parse(&Raw::Plain(text.to_owned()))
        .map_err(|refused| format!("{}; {}", refused.wrong, refused.instead))
}

/// Reads a size: "100 GB" (powers of 1000), "256 MiB" (powers of 1024). The error says what to
/// write.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let any = size("GB", "0 B", "1000000 TB");
    any.parse(&Raw::Plain(text.to_owned()))
        .map_err(|refused| format!("{}; {}", refused.wrong, refused.instead))
}

impl<T> Quantity<T> {
    /// How many of the smallest unit a text means.
    fn count(&self, text: &str) -> Result<u64, Wrong> {
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(text.len());
        let (number, unit) = (text[..split].replace('_', ""), text[split..].trim());
        if number.is_empty() || unit.starts_with(['.', ',']) {
            return Err(self.not_understood(text));
        }
        if unit.is_empty() {
            return Err(Wrong::new(
                format!("{} has no unit", quoted(text)),
                format!("write \"{number} {}\"", self.usual),
            ));
        }
        let same = |name: &str| name.eq_ignore_ascii_case(unit);
        let Some(unit) = self
            .units
            .iter()
            .find(|u| same(u.0) || same(u.1) || u.2.iter().any(|other| same(other)))
        else {
            let names: Vec<&str> = self.units.iter().map(|unit| unit.1).collect();
            return Err(Wrong::new(
                format!("{} has a unit that is not known here", quoted(text)),
                format!("write a number and one of {}", names.join(", ")),
            ));
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit.3))
            .ok_or_else(|| self.out_of_range(text))
    }

    fn not_understood(&self, text: &str) -> Wrong {
        Wrong::new(
            format!("{} is not a whole number with a unit", quoted(text)),
            self.range(),
        )
    }

    fn out_of_range(&self, text: &str) -> Wrong {
        Wrong::new(format!("{} is out of range", quoted(text)), self.range())
    }

    fn range(&self) -> String {
        format!("write a value from \"{}\" to \"{}\"", self.from, self.to)
    }

    fn show_count(&self, count: u64) -> String {
        let units = if self.plain {
            &self.units[..1]
        } else {
            self.units
        };
        let best = units
            .iter()
            .filter(|unit| count.is_multiple_of(unit.3))
            .min_by_key(|unit| (count / unit.3, unit.3));
        let Unit(one, many, _, factor) = best.expect("the first unit is 1 and divides everything");
        let number = count / factor;
        let unit = if number == 1 { one } else { many };
        format!("{number} {unit}")
    }
}

impl<T> Kind for Quantity<T> {
    type Value = T;

    fn parse(&self, raw: &Raw) -> Result<T, Wrong> {
        let text = match raw {
            Raw::Plain(text) => bare(text),
            Raw::Text(text) => text,
            Raw::Integer(number) if *number >= 0 => {
                return Err(Wrong::new(
                    format!("{number} has no unit"),
                    format!("write \"{number} {}\"", self.usual),
                ));
            }
            Raw::Integer(number) => return Err(self.not_understood(&number.to_string())),
            _ => {
                return Err(Wrong::new(
                    "is not a text with a number and a unit",
                    self.range(),
                ));
            }
        };
        let count = self.count(text)?;
        let bound = |text| self.count(text).expect("the range in settings.rs is valid");
        if (bound(self.from)..=bound(self.to)).contains(&count) {
            Ok((self.make)(count))
        } else {
            Err(self.out_of_range(text))
        }
    }

    fn show(&self, value: &T) -> String {
        quoted(&self.show_count((self.take)(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_mean_what_they_say() {
        for (text, millis) in [
            ("15 s", 15_000),
            ("14d", 1_209_600_000),
            ("1 h", 3_600_000),
            ("250ms", 250),
            ("1_000 minutes", 60_000_000),
            ("2 Weeks", 1_209_600_000),
        ] {
            assert_eq!(
                parse_span(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        assert_eq!(parse_size("100 GB"), Ok(100_000_000_000));
        assert_eq!(parse_size("256 MiB"), Ok(268_435_456));
        assert_eq!(parse_size("1 kb"), Ok(1_000));
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_value() {
        let any = size("GB", "0 B", "1000000 TB");
        for (bytes, shown) in [
            (0, "\"0 B\""),
            (268_435_456, "\"256 MiB\""),
            (100_000_000_000, "\"100 GB\""),
            (1_025, "\"1025 B\""),
        ] {
            assert_eq!(any.show(&bytes), shown);
            let text = shown.trim_matches('"').to_owned();
            assert_eq!(any.parse(&Raw::Text(text)), Ok(bytes));
        }
        let any = span("s", "0 ms", "100 days");
        assert_eq!(any.show(&Duration::from_secs(90)), "\"90 s\"");
        assert_eq!(any.show(&Duration::from_secs(86_400)), "\"1 day\"");
        assert_eq!(
            months("1 month", "9 years").show(&Months(24)),
            "\"24 months\""
        );
        assert_eq!(days("1 day", "99 days").show(&Days(1)), "\"1 day\"");
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, refusal) in [
            ("90", "\"90\" has no unit; write \"90 days\""),
            (
                "3 months",
                "\"3 months\" has a unit that is not known here; \
                 write a number and one of ms, s, min, h, days, weeks",
            ),
            (
                "1.5 h",
                "\"1.5 h\" is not a whole number with a unit; \
                 write a value from \"0 ms\" to \"36500 days\"",
            ),
            (
                "99999999999999999999 s",
                "\"99999999999999999999 s\" is out of range; \
                 write a value from \"0 ms\" to \"36500 days\"",
            ),
        ] {
            assert_eq!(parse_span(text), Err(refusal.to_owned()), "{text}");
        }
    }
}
