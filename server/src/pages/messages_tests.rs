//! The message files beside each other and beside what asks for them: nothing is missing, nothing is
//! left over, and no text stands outside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fluent_bundle::FluentResource;

const LANGUAGES: [&str; 2] = ["en", "fr"];
const FILES: [&str; 2] = ["pages.ftl", "upload.ftl"];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn source(language: &str, file: &str) -> String {
    let path = here().join("messages").join(language).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The variables of each message, by its name.
fn variables(source: &str) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let parsed = FluentResource::try_new(source.to_owned());
    parsed.map_err(|(_, errors)| format!("{errors:?}"))?;
    let mut all = BTreeMap::new();
    let mut last = String::new();
    for line in source.lines() {
        let begins = line.starts_with(|c: char| c.is_ascii_lowercase());
        if let Some((name, _)) = line.split_once(" =").filter(|_| begins) {
            name.clone_into(&mut last);
            if all.insert(last.clone(), BTreeSet::new()).is_some() {
                return Err(format!("{last} stands twice"));
            }
        }
        if line.starts_with('#') {
            continue;
        }
        for after in line.split('$').skip(1) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = after[..end.unwrap_or(after.len())].to_owned();
            all.entry(last.clone()).or_default().insert(name);
        }
    }
    Ok(all)
}

fn files_in(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path, ends));
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_language_says_everything_with_the_same_facts() {
    for file in FILES {
        let [english, french] = LANGUAGES.map(|language| {
            let source = source(language, file);
            // What a message says becomes part of a page as it stands.
            let text = source.lines().filter(|line| !line.starts_with('#'));
            for line in text {
                assert!(!line.contains(['<', '&']), "{language}/{file}: {line}");
            }
            variables(&source).unwrap_or_else(|error| panic!("{language}/{file}: {error}"))
        });
        let names = |all: &BTreeMap<String, _>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&english), names(&french), "{file}");
        for (name, facts) in &french {
            // What the server says itself is its sentence in English, and one by its kind in French.
            let ours = ["kind", "rule"].map(str::to_owned);
            let all: BTreeSet<_> = english[name].iter().cloned().chain(ours).collect();
            assert!(
                facts.is_subset(&all),
                "{file}: {name} has {facts:?}, not {all:?}"
            );
        }
    }
}

/// Every message is asked for by its name somewhere. Who asks for one that is none dies in a test.
#[test]
fn no_message_is_left_over() {
    let rust = files_in(&here().join("src"), &[".rs"]);
    let rust = rust
        .into_iter()
        .chain(files_in(&here().join("templates"), &[".html"]));
    let page = files_in(&here().join("web/src"), &[".ts", ".tsx"]);
    for (file, sources) in [
        ("pages.ftl", rust.collect::<Vec<_>>()),
        ("upload.ftl", page),
    ] {
        let known = variables(&source("en", file)).unwrap();
        let text: String = sources
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        for name in known.keys() {
            assert!(
                text.contains(&format!("\"{name}\"")),
                "nobody says {file}: {name}"
            );
        }
    }
}

/// What of a template stands outside of tags and of what is filled in.
fn words_of(template: &str) -> Vec<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        text.push('\n');
        let end = match &rest[at..] {
            tag if tag.starts_with("{{") => tag.find("}}").map(|end| end + 2),
            tag if tag.starts_with("{%") => tag.find("%}").map(|end| end + 2),
            // What a program is called is no text.
            tag if tag.starts_with("<code>") => tag.find("</code>").map(|end| end + 7),
            tag => tag.find('>').map(|end| end + 1),
        };
        rest = &rest[at + end.unwrap_or(1)..];
    }
    text.push_str(rest);
    let lines = text.lines().map(str::trim);
    let said = lines.filter(|line| line.contains(|c: char| c.is_alphabetic()));
    said.map(str::to_owned).collect()
}

#[test]
fn no_template_has_words_of_its_own() {
    for path in files_in(&here().join("templates"), &[".html"]) {
        let words = words_of(&fs::read_to_string(&path).unwrap());
        assert!(words.is_empty(), "{}: {words:?}", path.display());
    }
}

/// What stands in code and in no sentence.
const CODE: [char; 5] = ['(', ')', '=', ';', '|'];

/// What of a `.tsx` file is read by people though it is no message: text between tags.
fn words_of_page(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in source.lines() {
        let line = line.trim();
        let is_code = line.starts_with("//") || line.starts_with('*') || line.starts_with("/*");
        // What a program is called is no text.
        let name = line.find("<code").zip(line.find("</code>"));
        let line = name.map_or(line.to_owned(), |(at, end)| {
            format!("{}{}", &line[..at], &line[end..])
        });
        let mut rest = if is_code { "" } else { line.as_str() };
        while let Some(at) = rest.find('>') {
            rest = &rest[at + 1..];
            let text = rest.split(['<', '{']).next().unwrap_or_default();
            let closes = rest[text.len()..].starts_with(['<', '{']);
            if closes && !text.contains(CODE) && text.split_whitespace().any(is_word) {
                found.push(text.to_owned());
            }
        }
        // A line of nothing but words, between its tags.
        let plain = |c: char| c.is_alphanumeric() || " ,.;:!?'’“”-".contains(c);
        let words = line.split_whitespace().filter(|word| is_word(word)).count();
        if !is_code && words > 3 && line.chars().all(plain) {
            found.push(line);
        }
    }
    found
}

fn is_word(text: &str) -> bool {
    text.len() > 1
        && text
            .chars()
            .all(|c| c.is_alphabetic() || ",.’'".contains(c))
}

#[test]
fn no_component_of_the_page_has_words_of_its_own() {
    for path in files_in(&here().join("web/src"), &[".tsx"]) {
        let words = words_of_page(&fs::read_to_string(&path).unwrap());
        assert!(words.is_empty(), "{}: {words:?}", path.display());
    }
}

#[test]
fn the_checks_find_what_they_are_for() {
    let said =
        variables("a = x { $n }\nb = { $k ->\n    [one] { $m }\n   *[other] y\n}\n").unwrap();
    let facts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(said["a"], facts(&["n"]));
    assert_eq!(said["b"], facts(&["k", "m"]));
    assert!(variables("a = x\na = y\n").is_err());
    assert!(variables("a = { $\n").is_err());
    let words =
        words_of("<p class=\"x\">{{ words.say(\"y\") }}</p>\n<p>Hello</p><code>b3sum</code>");
    assert_eq!(words, ["Hello"]);
    let page = "<p>{t(\"x\")}</p>\n<p>Hello there</p>\nWhen it is done, choose it again.\n// This is a comment of ours.\n";
    let words = words_of_page(page);
    assert_eq!(words, ["Hello there", "When it is done, choose it again."]);
}
