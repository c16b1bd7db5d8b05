//! What clients see by their links: the upload link, its receipt, what a link lets them download.

pub mod receipt;
pub mod session;
pub mod upload;

/// Names a program in a message whose words are ours.
fn code(program: &str) -> String {
    format!("<code>{program}</code>")
}
