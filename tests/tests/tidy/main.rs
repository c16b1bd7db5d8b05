//! The house rules that a machine can hold: the dependency arrows, the top level, the length and
//! the opening of every file; in [`rooms`], which module knows which; in [`packages`], what we stand on.

mod packages;
mod rooms;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Lines a source file may have.
const LONGEST: usize = 400;

/// Longer files, each with its reason.
const LONGER: &[(&str, &str)] = &[];

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "config",
    "storage",
    "scheduler",
    "server",
    "tests",
    "deploy",
];

/// Who may stand on whom; the crate's name without the prefix.
const ARROWS: &[(&str, &[&str])] = &[
    ("stemvault-config", &[]),
    ("stemvault-catalog", &[]),
    ("stemvault-codec", &[]),
    ("stemvault-model", &["stemvault-codec"]),
    (
        "stemvault-storage",
        &["stemvault-catalog", "stemvault-codec", "stemvault-model"],
    ),
    (
        "stemvault-scheduler",
        &["stemvault-config", "stemvault-storage"],
    ),
    ("stemvault-client", &["stemvault-codec", "stemvault-model"]),
    (
        "stemvault",
        &[
            "stemvault-client",
            "stemvault-config",
            "stemvault-codec",
            "stemvault-storage",
            "stemvault-scheduler",
        ],
    ),
    ("stemvault-tests", &["stemvault"]),
    ("stemvault-fuzz", &["stemvault"]),
];

/// What a crate must not depend on, and why it would be tempting.
const NOT_IN: &[(&str, &[&str])] = &[
    (
        "stemvault",
        &["sled", "object_store", "sqlx", "tokio-postgres"],
    ),
    (
        "stemvault-scheduler",
        &["axum", "hyper", "tower", "sled", "object_store"],
    ),
    (
        "stemvault-client",
        &["axum", "sled", "object_store", "tokio-cron-scheduler"],
    ),
    (
        "stemvault-storage",
        &["axum", "hyper", "tokio-cron-scheduler", "sled"],
    ),
    (
        "stemvault-config",
        &["axum", "object_store", "sled", "tokio"],
    ),
    ("stemvault-catalog", &["axum", "object_store"]),
    (
        "stemvault-codec",
        &["axum", "object_store", "sled", "tokio", "futures"],
    ),
    (
        "stemvault-model",
        &[
            "axum",
            "object_store",
            "sled",
            "tokio",
            "futures",
            "async-trait",
        ],
    ),
];

/// Rooms that do not know each other, or not what another one stands on.
const APART: &[(&str, &[&str])] = &[
    ("server/src/upload/tus/", &["upload::ietf"]),
    ("server/src/upload/ietf/", &["upload::tus"]),
    ("storage/src/", &["sled::"]),
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests lies in the workspace")
        .to_path_buf()
}

fn output(program: &str, words: &[&str]) -> Result<String> {
    let ran = Command::new(program)
        .args(words)
        .current_dir(root())
        .output();
    let ran = ran.with_context(|| format!("{program} is needed"))?;
    let err = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{program} {words:?}: {err}");
    Ok(String::from_utf8(ran.stdout)?)
}

fn cargo(words: &[&str]) -> Result<String> {
    output(
        &std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()),
        words,
    )
}

/// Everything in the repository and beside it, but for what git ignores.
fn tree() -> Result<Vec<String>> {
    let words = [
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ];
    let listed = output("git", &words)?;
    let there = |path: &&str| !path.is_empty() && root().join(path).is_file();
    Ok(listed
        .split('\0')
        .filter(there)
        .map(str::to_owned)
        .collect())
}

pub(crate) fn sources() -> Result<Vec<(String, String)>> {
    let code = |path: &String| {
        let end = Path::new(path)
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default();
        matches!(end, "rs" | "ts" | "tsx" | "mjs")
    };
    tree()?
        .into_iter()
        .filter(code)
        .map(|path| Ok((path.clone(), std::fs::read_to_string(root().join(path))?)))
        .collect()
}

fn packages() -> Result<Vec<Value>> {
    let told = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"])?;
    let told: Value = serde_json::from_str(&told)?;
    Ok(told["packages"].as_array().context("packages")?.clone())
}

fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter_map(|dependency| dependency["name"].as_str())
        .collect()
}

#[test]
fn the_arrows_point_one_way() -> Result<()> {
    let packages = packages()?;
    ensure!(
        packages.len() == ARROWS.len(),
        "a crate is not in the list of arrows"
    );
    for package in &packages {
        let name = package["name"].as_str().context("a name")?;
        let arrows = ARROWS.iter().find(|(known, _)| *known == name);
        let (_, allowed) =
            arrows.with_context(|| format!("{name} is not in the list of arrows"))?;
        let all = dependencies(package);
        for dependency in all
            .iter()
            .filter(|dependency| dependency.starts_with("stemvault"))
        {
            ensure!(
                allowed.contains(dependency),
                "{name} must not know {dependency}"
            );
        }
        let banned = NOT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(&[][..], |(_, b)| b);
        let shipped = package["dependencies"].as_array().into_iter().flatten();
        let shipped = shipped.filter(|dependency| dependency["kind"] != "dev");
        let shipped: BTreeSet<_> = shipped.filter_map(|it| it["name"].as_str()).collect();
        for dependency in banned {
            ensure!(
                !shipped.contains(dependency),
                "{name} must not depend on {dependency}"
            );
        }
    }
    Ok(())
}

#[test]
fn names_stay_behind_their_seams() -> Result<()> {
    for (path, text) in sources()? {
        let banned: &[&str] = match path.split('/').next() {
            Some("server") => &["sled::", "object_store::"],
            Some("scheduler") => &["axum::", "sled::", "object_store::"],
            Some("storage") => &["axum::", "hyper::"],
            _ => &[],
        };
        let apart = APART.iter().filter(|(room, _)| path.starts_with(room));
        for name in apart.flat_map(|(_, names)| *names) {
            ensure!(!text.contains(name), "{path} names {name}");
        }
        // Tests of a crate stand on both sides of its seams: they inject faults there.
        let banned = if path.contains("/tests/") {
            &[]
        } else {
            banned
        };
        for name in banned {
            ensure!(!text.contains(name), "{path} names {name}");
        }
    }
    Ok(())
}

#[test]
fn the_top_level_holds_nothing_else() -> Result<()> {
    for path in tree()? {
        let top = path.split('/').next().unwrap_or(&path);
        let known = top.starts_with('.') || TOP_LEVEL.contains(&top);
        ensure!(known, "{top} does not belong on the top level");
    }
    Ok(())
}

#[test]
fn files_are_short_open_with_what_they_are_and_leave_nothing_undone() -> Result<()> {
    let mut known: BTreeSet<_> = LONGER.iter().map(|(path, _)| *path).collect();
    let undone = ["todo", "dbg", "unimplemented"].map(|word| format!("{word}!("));
    for (path, text) in sources()? {
        let lines = text.lines().count();
        let expected = known.remove(path.as_str());
        ensure!(
            lines <= LONGEST || expected,
            "{path} has {lines} lines, {LONGEST} are enough"
        );
        ensure!(
            lines > LONGEST || !expected,
            "{path} is short now: take it off the list"
        );
        ensure!(
            !path.ends_with(".rs") || text.starts_with("//!"),
            "{path} does not open with what it is and what it promises"
        );
        for word in &undone {
            ensure!(!text.contains(word), "{path} has {word}");
        }
    }
    ensure!(known.is_empty(), "no such files: {known:?}");
    Ok(())
}
