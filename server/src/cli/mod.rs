//! The commands of the one binary: arguments in, words and exit code out.
pub mod connect;
pub mod pull;
pub mod push;

/// `1 file`, `2 files`.
fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}
