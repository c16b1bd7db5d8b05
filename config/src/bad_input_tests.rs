//! What people get wrong, and the exact words that they are told (`bad_input.txt`).

use std::path::Path;

use crate::{Overrides, Problem, Problems, Settings};

/// Loads `file` with `text` in it and `variables` as the environment.
fn load(file: &Path, text: &str, variables: &[(String, String)]) -> Result<Settings, Problems> {
    std::fs::write(file, text).expect("a writable folder");
    let home = ("HOME".to_owned(), "/home/me".to_owned());
    let variables = variables.iter().cloned().chain([home]);
    Settings::load(Some(file), variables, &Overrides::default())
}

/// Every case of the table: a settings file, `$ NAME=value` for variables, and one `-> ` line for
/// every problem, with F for the file. All of a case's problems and no others are reported.
#[test]
fn every_mistake_is_answered_in_these_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("F");
    let path = file.display().to_string();
    let mut cases = 0;
    for case in include_str!("bad_input.txt").split("\n\n") {
        let (mut text, mut variables, mut expected) = (String::new(), Vec::new(), Vec::new());
        for line in case.lines().filter(|line| !line.starts_with("##")) {
            if let Some(problem) = line.strip_prefix("-> ") {
                expected.push(problem.to_owned());
            } else if let Some(variable) = line.strip_prefix("$ ") {
                let (name, value) = variable.split_once('=').expect("NAME=value");
                variables.push((name.to_owned(), value.to_owned()));
            } else {
                text.push_str(line);
                text.push('\n');
            }
        }
        let problems = load(&file, &text, &variables).err();
        let found: Vec<String> = problems
            .iter()
            .flatten()
            .map(|problem: &Problem| problem.to_string().replace(&path, "F"))
            .collect();
        assert_eq!(found, expected, "for\n{case}");
        assert!(!found.concat().contains("hush"), "a secret in {found:?}");
        cases += 1;
    }
    assert!(cases > 80, "only {cases} cases: is the table still read?");
}

#[test]
fn all_problems_make_one_list() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("F");
    let variables = [("STEMVAULT_LOG_FORMAT".to_owned(), "xml".to_owned())];
    let text = "server.header_timeout = 15\nlog.levle = 1\n";
    let problems = load(&file, text, &variables).expect_err("three mistakes");
    assert_eq!(
        problems
            .to_string()
            .replace(&file.display().to_string(), "F"),
        "there are 3 problems in the settings:\n  \
         - F:1: server.header_timeout: 15 has no unit; write \"15 s\"\n  \
         - F:2: log.levle: no setting has this name; write level\n  \
         - environment STEMVAULT_LOG_FORMAT: log.format: \"xml\" is not a choice here; \
         write one of \"human\", \"json\""
    );
}

#[test]
fn a_flag_for_no_setting_and_a_missing_home_are_problems() {
    let flags = Overrides::default().with("--listn", "server.listne", "x");
    let problems = Settings::load(None, [], &flags).expect_err("two problems");
    assert_eq!(
        problems.to_string(),
        "there are 2 problems in the settings:\n  \
         - flag --listn: server.listne: no setting has this name; write listen\n  \
         - default: data_dir: neither XDG_DATA_HOME nor HOME says where data may be kept; \
         write data_dir = \"/srv/stemvault\" or set STEMVAULT_DATA_DIR"
    );
}

#[test]
fn a_file_found_in_the_data_folder_cannot_move_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("stemvault.toml");
    std::fs::write(&file, "data_dir = \"/elsewhere\"\n").expect("a writable folder");
    let here = folder.path().display().to_string();
    let variables = [("STEMVAULT_DATA_DIR".to_owned(), here.clone())];
    let problems = Settings::load(None, variables, &Overrides::default()).expect_err("a problem");
    assert_eq!(
        problems.to_string().replace(&here, "D"),
        "there is a problem in the settings:\n  \
         - D/stemvault.toml:1: data_dir: names another folder, but this file was found in \"D\"; \
         take it out, or name the file with --config"
    );
}
