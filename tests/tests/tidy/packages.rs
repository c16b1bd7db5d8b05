//! What is built into the program: licences that we can ship, and no heavy crate twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::cargo;

const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "Apache-2.0 WITH LLVM-exception",
];

/// Crates of which two versions would be two runtimes, two TLS stacks, or two vocabularies.
const ONCE: &[&str] = &[
    "tokio",
    "hyper",
    "h2",
    "rustls",
    "aws-lc-rs",
    "aws-lc-sys",
    "reqwest",
    "axum",
    "serde",
    "chrono",
    "object_store",
    "blake3",
    "zstd-sys",
    "sled",
];

const NEVER: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "ring",
    "rusqlite",
    "libsqlite3-sys",
];

/// (name, version, licence) of everything that is built for this machine, tests included.
fn built() -> Result<BTreeSet<(String, String, String)>> {
    let words = [
        "tree",
        "--workspace",
        "--locked",
        "-e",
        "normal,build,dev",
        "--prefix",
        "none",
    ];
    let told = cargo(&[&words[..], &["-f", "{p}|{l}"]].concat())?;
    let mut all = BTreeSet::new();
    for line in told.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line.rsplit_once('|').context("a licence column")?;
        let licence = licence.trim_end_matches(" (*)");
        let mut words = package.split(' ');
        let name = words.next().context("a name")?;
        let version = words.next().context("a version")?;
        all.insert((name.to_owned(), version.to_owned(), licence.to_owned()));
    }
    ensure!(all.len() > 100, "cargo tree lists {} packages", all.len());
    Ok(all)
}

#[test]
fn every_licence_is_one_we_can_ship() -> Result<()> {
    for (name, version, licence) in built()? {
        ensure!(
            acceptable(&licence),
            "{name} {version} is under {licence:?}"
        );
    }
    Ok(())
}

#[test]
fn heavy_crates_are_there_once_and_some_never() -> Result<()> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in built()? {
        ensure!(
            !NEVER.contains(&name.as_str()),
            "{name} {version} is in the tree"
        );
        versions.entry(name).or_default().insert(version);
    }
    for name in ONCE {
        let found = versions.get(*name).context(*name)?;
        ensure!(found.len() == 1, "{name} is there as {found:?}");
    }
    Ok(())
}

#[test]
fn licence_expressions_are_read_as_written() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(acceptable(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND MPL-2.0",
        "(GPL-2.0 OR LGPL-2.1)",
    ] {
        assert!(!acceptable(bad), "{bad}");
    }
}

/// Whether an SPDX expression can be fulfilled with licences of the list alone.
fn acceptable(expression: &str) -> bool {
    let expression = strip(expression.trim());
    if let Some((one, other)) = split(expression, " OR ").or_else(|| split(expression, "/")) {
        return acceptable(one) || acceptable(other);
    }
    if let Some((one, other)) = split(expression, " AND ") {
        return acceptable(one) && acceptable(other);
    }
    LICENCES.contains(&expression)
}

/// Takes off parentheses around the whole.
fn strip(expression: &str) -> &str {
    match expression
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
    {
        Some(inner) if split(inner, ")").is_none() => inner,
        _ => expression,
    }
}

/// Splits at the first `word` outside parentheses.
fn split<'e>(expression: &'e str, word: &str) -> Option<(&'e str, &'e str)> {
    let mut depth = 0;
    for (at, letter) in expression.char_indices() {
        if depth == 0 && expression[at..].starts_with(word) {
            return Some((&expression[..at], &expression[at + word.len()..]));
        }
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}
