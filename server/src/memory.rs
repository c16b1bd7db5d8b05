//! How the C library keeps the server's memory.
//!
//! glibc gives a process eight pools of memory for every core, from which freed memory hardly goes
//! back to the system: a server that had submitted 19,000 small files kept 400 MB, of which it used
//! a third. With two pools that are trimmed it is 250 MB, at no cost in speed that we could measure.
//! glibc reads this from the environment when a program starts, so the server starts itself once
//! more, as the same process.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::{env, os::unix::process::CommandExt, process::Command};

/// What is set unless somebody has set any of it: `mallopt(3)`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "1048576"),
];

/// Set in a program that was started once more. A newer glibc takes its own settings away from one that
/// has rights of its file (`setcap`): they alone would never say that it is enough.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const STARTED_AGAIN: &str = "STARTED_AGAIN";

/// Starts this program anew with the settings, if it has none. Returns where that is not needed, and
/// where it cannot be done: then the server needs more memory, and is right in everything else.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_little() {
    let mut names = SETTINGS.iter().map(|(name, _)| *name);
    if env::var_os(STARTED_AGAIN).is_some() || names.any(|name| env::var_os(name).is_some()) {
        return;
    }
    let mut words = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), words.next()) {
        // Comes back only with an error.
        let _ = Command::new(program)
            .arg0(name)
            .args(words)
            .envs(SETTINGS)
            .env(STARTED_AGAIN, "1")
            .exec();
    }
}

/// Other C libraries have no such settings.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_little() {}
