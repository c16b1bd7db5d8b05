//! Rooms of a crate: which module knows which, and where a type's methods stand.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::sources;

/// Files that may hold inherent methods of one type.
const IMPLS: usize = 3;

/// Types that are scattered still.
const SCATTERED: &[&str] = &["Jobs"];

/// Crates by the folder of their sources.
const CRATES: &[&str] = &[
    "config/src/",
    "storage/src/",
    "storage/model/src/",
    "storage/codec/src/",
    "storage/catalog/src/",
    "scheduler/src/",
    "server/client/src/",
];

/// The module at the top of a crate that a file belongs to, if it is not of tests.
fn top<'a>(source: &str, path: &'a str) -> Option<&'a str> {
    let within = path.strip_prefix(source)?.strip_suffix(".rs")?;
    let of_tests = within
        .split('/')
        .any(|part| part == "tests" || part.ends_with("_tests"));
    let top = within.split('/').next()?;
    (!of_tests && top != "lib" && top != "main").then_some(top)
}

/// What is code for users of the crate: no comments, nothing from the first module of tests on.
fn code(text: &str) -> String {
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules of its crate that code names.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest
                .split([':', ';', ' ', ',', ')', '>', '<'])
                .next()
                .unwrap_or_default(),
        };
        let each = list
            .split(',')
            .filter_map(|name| name.trim().split("::").next());
        names.extend(each.map(str::to_owned));
    }
    names
}

/// A circle of modules, if there is one: each names the next, the last one the first.
fn circle(knows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        knows: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = way.iter().position(|known| known == at) {
            return Some(way[begin..].to_vec());
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.to_owned());
        let next = knows.get(at).into_iter().flatten();
        let found = next
            .filter(|next| *next != at)
            .find_map(|next| walk(next, knows, way, done));
        way.pop();
        done.insert(at.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    knows
        .keys()
        .find_map(|at| walk(at, knows, &mut Vec::new(), &mut done))
}

fn knows(source: &str, files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut knows = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, text) in files {
        if let Some(top) = top(source, path) {
            knows
                .entry(top.to_owned())
                .or_default()
                .extend(named(&code(text)));
        }
    }
    let all: BTreeSet<_> = knows.keys().cloned().collect();
    for names in knows.values_mut() {
        names.retain(|name| all.contains(name));
    }
    knows
}

/// Types whose inherent methods stand in more files than [`IMPLS`], or outside of the folder in which
/// the type is.
fn spread(source: &str, files: &[(String, String)]) -> Vec<String> {
    let mut homes = BTreeMap::<String, BTreeSet<&str>>::new();
    let mut impls = BTreeMap::<String, BTreeSet<&str>>::new();
    for (path, text) in files {
        if top(source, path).is_none() {
            continue;
        }
        for line in code(text).lines() {
            let words: Vec<_> = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect();
            if let Some(at) = words
                .iter()
                .position(|word| matches!(*word, "struct" | "enum"))
                && let Some(name) = words.get(at + 1)
            {
                homes.entry((*name).to_owned()).or_default().insert(path);
            }
            if let Some(name) = of_impl(line) {
                impls.entry(name).or_default().insert(path);
            }
        }
    }
    let mut wrong = Vec::new();
    for (name, places) in impls {
        // Two types of one name are two types.
        let Some(home) = homes.get(&name).filter(|homes| homes.len() == 1) else {
            continue;
        };
        let Some(home) = home.first() else { continue };
        let folder = home.rsplit_once('/').map_or("", |(folder, _)| folder);
        let own = home.trim_end_matches(".rs");
        let outside = places.iter().find(|place| {
            let at = place.rsplit_once('/').map_or("", |(at, _)| at);
            at != folder
                && !at.starts_with(own)
                && !(home.ends_with("mod.rs") && at.starts_with(folder))
        });
        if let Some(outside) = outside {
            wrong.push(format!("{name} is in {home} and has methods in {outside}"));
        }
        if places.len() > IMPLS && !SCATTERED.contains(&name.as_str()) {
            wrong.push(format!(
                "{name} has methods in {} files, {IMPLS} are enough: make a smaller type",
                places.len()
            ));
        }
    }
    wrong
}

/// The type of an inherent `impl` that begins on this line.
fn of_impl(line: &str) -> Option<String> {
    let rest = line.strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(generics) => generics.split_once("> ")?.1,
        None => rest.strip_prefix(' ')?,
    };
    if rest.contains(" for ") {
        return None;
    }
    let path = rest.split(['<', ' ', '{']).next()?;
    Some(path.rsplit("::").next()?.to_owned())
}

fn of(source: &str, files: &[(String, String)]) -> Vec<String> {
    let mut wrong = spread(source, files);
    if let Some(way) = circle(&knows(source, files)) {
        wrong.push(format!(
            "{source}: a circle of modules: {} -> {}",
            way.join(" -> "),
            way[0]
        ));
    }
    wrong
}

#[test]
fn modules_form_no_circle_and_types_stand_in_one_place() -> Result<()> {
    let files = sources()?;
    let wrong: Vec<_> = CRATES
        .iter()
        .flat_map(|source| of(source, &files))
        .collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_circle_and_a_scattered_type_are_found() {
    let file = |path: &str, text: &str| (format!("made/src/{path}"), text.to_owned());
    let sound = [
        file(
            "a.rs",
            "use crate::b::B;\npub struct A;\nimpl A {}\n// crate::c\n",
        ),
        file("a/more.rs", "impl A {}\n"),
        file(
            "b.rs",
            "pub struct B;\nimpl B {}\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
        ),
        file("lib.rs", "mod a;\nmod b;\n"),
    ];
    assert_eq!(of("made/src/", &sound), Vec::<String>::new());
    let of_three = [
        file("a.rs", "use crate::b::B;\n"),
        file("b/mod.rs", "use crate::{c::C, error::Error};\n"),
        file("c.rs", "fn c() -> crate::a::A {}\n"),
    ];
    assert_eq!(
        of("made/src/", &of_three),
        ["made/src/: a circle of modules: a -> b -> c -> a"]
    );
    let outside = [
        file("a.rs", "struct A;\n"),
        file("b/c.rs", "impl crate::a::A {\n"),
    ];
    assert_eq!(
        of("made/src/", &outside),
        ["A is in made/src/a.rs and has methods in made/src/b/c.rs"]
    );
    let slices: Vec<_> = (0..4)
        .map(|at| file(&format!("x/{at}.rs"), "impl<T: Eq> A<T> {\n"))
        .collect();
    let slices = [&slices[..], &[file("x/mod.rs", "struct A<T>(T);\n")]].concat();
    assert_eq!(
        of("made/src/", &slices),
        ["A has methods in 4 files, 3 are enough: make a smaller type"]
    );
}
