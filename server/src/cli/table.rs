//! Short tables and plain lines for people; nothing in them can move a terminal's cursor.

use chrono::{DateTime, Utc};
use indicatif::DecimalBytes;
use serde_json::Value;

use stemvault_client::answer::printable;
pub use stemvault_client::terminal::print;

/// Lines up cells under their titles; a column in which nothing stands is left out.
#[must_use]
pub fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let used: Vec<_> = (0..titles.len())
        .filter(|&at| rows.iter().any(|row| !row[at].is_empty()))
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([titles[at].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..titles.len()).map(width).collect();
    let line = |cells: &dyn Fn(usize) -> String| {
        let mut line = String::new();
        for &at in &used {
            let cell = cells(at);
            let fill = widths[at].saturating_sub(cell.chars().count()) + 2;
            line.push_str(&cell);
            line.push_str(&" ".repeat(fill));
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(&|at| titles[at].to_owned());
    for row in &rows {
        text.push_str(&line(&|at| row[at].clone()));
    }
    text
}

/// A text of a JSON object; empty if it is not there.
#[must_use]
pub fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A moment, to the minute; empty if there is none.
#[must_use]
pub fn moment(value: &Value, key: &str) -> String {
    let at = value[key]
        .as_str()
        .and_then(|text| text.parse::<DateTime<Utc>>().ok());
    at.map_or_else(String::new, |at| at.format("%F %R UTC").to_string())
}

/// A number of bytes, in words.
#[must_use]
pub fn bytes(value: &Value, key: &str) -> String {
    let bytes = text(value, key).parse().ok();
    bytes.map_or_else(String::new, |bytes| DecimalBytes(bytes).to_string())
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(n: u64, what: &str) -> String {
    let many = if n == 1 { "" } else { "s" };
    format!("{n} {what}{many}")
}

/// The items of a list; none if it is not there.
#[must_use]
pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_under_one_another_and_empty_ones_are_left_out() {
        let rows = [
            vec!["2026-0117".to_owned(), String::new(), "Bänd".to_owned()],
            vec!["7".to_owned(), String::new(), "x\u{1b}[2J".to_owned()],
        ];
        let table = table(&["NUMBER", "TITLE", "CLIENT"], &rows);
        assert_eq!(
            table,
            "NUMBER     CLIENT\n2026-0117  Bänd\n7          x\u{fffd}[2J\n"
        );
    }

    #[test]
    fn values_are_shown_for_people() {
        let value = json!({"at": "2026-11-23T17:00:01Z", "bytes": "1500000", "n": 3, "none": null});
        assert_eq!(moment(&value, "at"), "2026-11-23 17:00 UTC");
        assert_eq!(bytes(&value, "bytes"), "1.50 MB");
        assert_eq!(text(&value, "n"), "3");
        assert_eq!(text(&value, "none"), "");
        assert!(list(&value, "at").is_empty());
    }
}
