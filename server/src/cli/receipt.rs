//! A receipt in plain words, and whether it says what is here.

use std::collections::BTreeMap;

use anyhow::bail;
use indicatif::DecimalBytes;

use super::outcome::{LISTED, files};
use stemvault_client::answer::printable;
use stemvault_client::names::composed;
use stemvault_client::records::Receipt;
use stemvault_client::terminal::tell;

/// Prints a receipt in plain words.
pub fn print_receipt(receipt: &Receipt) {
    tell(&format!("receipt for order {}", printable(&receipt.order)));
    tell(&format!("  session {}", printable(&receipt.session)));
    if let Some(at) = receipt.sealed_at {
        tell(&format!("  sealed {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
    }
    tell(&format!(
        "  {}, {} ({} bytes)",
        files(receipt.files.len()),
        DecimalBytes(receipt.total_bytes()),
        receipt.total_bytes()
    ));
    for finding in &receipt.findings {
        tell(&format!(
            "  {}: {}",
            printable(&finding.severity),
            printable(&finding.message)
        ));
        for file in finding.files.iter().take(LISTED) {
            tell(&format!("    {}", printable(file)));
        }
        if finding.files.len() > LISTED {
            tell(&format!("    and {} more", finding.files.len() - LISTED));
        }
    }
}

/// Checks that a receipt names every one of `ours`, pairs of path and hash, with that hash.
///
/// # Errors
/// How many it does not name so, and the first of them.
pub fn check_receipt<'a>(
    receipt: &Receipt,
    ours: impl Iterator<Item = (&'a str, &'a str)>,
) -> anyhow::Result<()> {
    let sealed: BTreeMap<_, _> = receipt
        .files
        .iter()
        .map(|file| (composed(&file.path), file.hash.as_str()))
        .collect();
    let wrong: Vec<_> = ours
        .filter(|(path, hash)| sealed.get(&composed(path)) != Some(hash))
        .map(|(path, _)| path)
        .collect();
    if let Some(first) = wrong.first() {
        bail!(
            "the receipt of session {} does not say what is here for {}, the first is {first:?}; \
             keep the files and tell the studio",
            printable(&receipt.session),
            files(wrong.len())
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(files: &[(&str, &str)]) -> Receipt {
        let files: Vec<_> = files
            .iter()
            .map(|(path, hash)| serde_json::json!({"path": path, "length": "1", "hash": hash}))
            .collect();
        let receipt = serde_json::json!({"order": "2026-0117", "session": "ab", "files": files});
        serde_json::from_value(receipt).unwrap()
    }

    #[test]
    fn a_receipt_must_name_every_file_with_its_hash() {
        let ours = [("S/o\u{308}.wav", "aa"), ("S/b.wav", "bb")];
        let check = |files: &[(&str, &str)]| check_receipt(&receipt(files), ours.into_iter());
        let both = [("S/\u{f6}.wav", "aa"), ("S/b.wav", "bb"), ("more", "cc")];
        check(&both).unwrap();
        assert!(check(&both[..1]).is_err());
        let said = check(&[both[0], ("S/b.wav", "cc")]).unwrap_err();
        assert!(said.to_string().contains("\"S/b.wav\""), "{said}");
    }
}
