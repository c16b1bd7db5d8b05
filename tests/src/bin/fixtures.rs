//! `fixtures DIR [tiny|small|full]`: writes the session of real recordings into a folder.
//!
//! Prints one line: files, bytes. The same bytes on every run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use stemvault_tests::fixtures::{self, Scale};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let folder = PathBuf::from(words.next().context("fixtures DIR [tiny|small|full]")?);
    let scale = match words.next() {
        Some(word) => word.to_string_lossy().parse()?,
        None => Scale::Full,
    };
    fixtures::make(&folder, scale)?;
    let files = fixtures::files(&folder)?;
    let mut bytes = 0;
    for (_, path) in &files {
        bytes += path.metadata()?.len();
    }
    println!("{} files, {bytes} bytes", files.len());
    Ok(())
}
