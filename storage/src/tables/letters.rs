//! No two kinds of rows share a letter.

use std::collections::BTreeMap;

/// Rows of two kinds under one letter would be read as each other.
#[test]
fn a_letter_stands_for_the_rows_of_one_file() {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, text) in [
        ("tables", include_str!("../tables.rs")),
        ("attempts", include_str!("attempts.rs")),
        ("audit", include_str!("audit.rs")),
        ("care", include_str!("care.rs")),
        ("masters", include_str!("masters.rs")),
        ("runs", include_str!("runs.rs")),
    ] {
        for after in text.split("key(b'").skip(1) {
            let known = files.entry(&after[..1]).or_default();
            if !known.contains(&file) {
                known.push(file);
            }
        }
    }
    // Words of masters and of the mirror's begin, and orders whose mirror is known: no two alike.
    assert_eq!(files.remove("m").unwrap(), ["care", "masters"]);
    files.retain(|_, files| files.len() > 1);
    assert!(files.is_empty(), "{files:?}");
}
