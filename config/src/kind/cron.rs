//! When a job runs, in the notation of cron: five fields, read in studio time.

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

/// The fields, and the numbers that each takes.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
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
        let text = fields.join(" ");
        let times = text.parse().ok();
        // The library passes over what is missing in a list.
        let times = times.filter(|_| !fields.iter().any(|field| has_gap(field)));
        match times {
            Some(times) => Ok(Cron { times, text }),
            None => Err(wrong(typed, &fields)),
        }
    }

    fn show(&self, value: &Cron) -> String {
        quoted(&value.text)
    }
}

/// Whether an item of a list is missing.
fn has_gap(field: &str) -> bool {
    field.split(',').any(str::is_empty)
}

/// Names the first field that is wrong by itself; they do not depend on each other.
fn wrong(typed: &str, fields: &[&str]) -> Wrong {
    let is_wrong = |place: usize| {
        let mut alone = ["*"; FIELDS.len()];
        alone[place] = fields[place];
        has_gap(fields[place]) || alone.join(" ").parse::<croner::Cron>().is_err()
    };
    let Some(place) = (0..FIELDS.len()).find(|place| is_wrong(*place)) else {
        return Wrong::new(
            format!("{} is no time that ever comes", quoted(typed)),
            "write fields that go together, as in \"30 3 * * *\" for every day at 03:30",
        );
    };
    let (name, from, to) = FIELDS[place];
    Wrong::new(
        format!(
            "{} is no {name} in {}",
            quoted(fields[place]),
            quoted(typed)
        ),
        format!("write *, or numbers from {from} to {to}, as in */2, 1-5 or 1,3"),
    )
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
            "0 ,3 * * *",
            "0 0 1,,2 * *",
            "+5 * * * *",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
