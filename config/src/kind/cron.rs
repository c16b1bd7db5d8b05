//! When a job runs, in the notation of cron: five fields, read in studio time.
//!
//! The library that reads it takes more than anybody means: MON as minute 1, a list with a gap, a word
//! with a number glued to it. So the fields are checked here first, and what is wrong is named.

use std::fmt;

use super::{Kind, Wrong, quoted, text};
use crate::file::Raw;

/// A cron expression of five fields: minute, hour, day of month, month, day of week.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    text: String,
    times: croner::Cron,
}

impl Cron {
    /// When it is met.
    #[must_use]
    pub fn times(&self) -> &croner::Cron {
        &self.times
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Name, smallest and largest number of a field, and the words it knows.
struct Field(&'static str, u32, u32, &'static [&'static str]);

const FIELDS: [Field; 5] = [
    Field("minute", 0, 59, &[]),
    Field("hour", 0, 23, &[]),
    Field("day of month", 1, 31, &[]),
    Field(
        "month",
        1,
        12,
        &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    ),
    Field(
        "day of week",
        0,
        7,
        &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    ),
];

/// See [`Cron`].
pub(crate) struct CronKind;

impl Kind for CronKind {
    type Value = Cron;

    fn parse(&self, raw: &Raw) -> Result<Cron, Wrong> {
        let typed = text(raw, "30 3 * * *")?;
        let fields: Vec<&str> = typed.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(Wrong::new(
                format!("{} is not five cron fields", quoted(typed)),
                "write minute, hour, day of month, month and day of week, as in \"30 3 * * *\" \
                 for every day at 03:30",
            ));
        }
        for (written, field) in fields.iter().zip(&FIELDS) {
            if !written.split(',').all(|part| field.takes(part)) {
                let Field(name, from, to, _) = field;
                return Err(Wrong::new(
                    format!("{} is no {name} in {}", quoted(written), quoted(typed)),
                    format!("write *, or numbers from {from} to {to}, as in */2, 1-5 or 1,3"),
                ));
            }
        }
        let text = fields.join(" ");
        match text.parse() {
            Ok(times) => Ok(Cron { text, times }),
            Err(error) => Err(Wrong::new(
                format!("{} is no cron expression: {error}", quoted(typed)),
                "write five fields that go together, as in \"30 3 * * *\" for every day at 03:30",
            )),
        }
    }

    fn show(&self, value: &Cron) -> String {
        quoted(&value.text)
    }
}

impl Field {
    /// Whether one item of the field's list is `*`, a number, a word or a range, with or without
    /// a step.
    fn takes(&self, part: &str) -> bool {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if step.is_some_and(|step| step.parse::<u32>().map_or(true, |step| step == 0)) {
            return false;
        }
        match range.split_once('-') {
            _ if range == "*" => true,
            Some((first, last)) => matches!(
                (self.number(first), self.number(last)), (Some(first), Some(last)) if first <= last
            ),
            None => self.number(range).is_some(),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let Field(name, from, to, words) = self;
        // The first Sunday is SUN#1, the last Friday FRI#L; L alone is the last day of a month.
        let text = match (*name, text.split_once('#')) {
            ("day of week", Some((day, "1" | "2" | "3" | "4" | "5" | "L"))) => day,
            ("day of month", None) if text == "L" => return Some(*to),
            _ => text,
        };
        let word = words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text));
        match word {
            Some(position) => u32::try_from(position).ok().map(|position| position + from),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|n| (from..=to).contains(&n))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Wrong> {
        let cron = CronKind.parse(&Raw::Text(text.to_owned()))?;
        Ok(cron.to_string())
    }

    #[test]
    fn five_fields_with_ranges_steps_and_words() {
        for good in [
            "0 * * * *",
            "*/15 9-17 * * MON-FRI",
            "0 5 * * SUN#1",
            "0 0 L JAN,jul *",
            "0-30/10 1,2,3 1 1 7",
        ] {
            assert_eq!(parse(good), Ok(good.to_owned()));
        }
        assert_eq!(parse(" 0  4 * * * "), Ok("0 4 * * *".to_owned()));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "@daily",
            "0 * * *",
            "0 0 0 * * *",
            "60 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "0 x * * *",
            "0, * * * *",
            "+5 * * * *",
            "0 ,3 * * *",
            "0 0 1,,2 * *",
            "*,1 * * * *",
            "MON 3 * * *",
            "0 0 JAN * *",
            "0 0 * MON *",
            "0 0 * 0JAN *",
            "0 0 15W * *",
            "0 0 * * 5L",
            "0 0 ? * *",
            "0 0 * * +1",
            "0 0 * * MON/MON",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
