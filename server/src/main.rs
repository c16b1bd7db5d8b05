//! Stemvault.
fn main() {}
