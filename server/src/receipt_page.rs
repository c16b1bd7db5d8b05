//! The receipt of a session as a page: read, kept and printed by the one who sent it. No script.

use std::fmt::Write as _;

use chrono_tz::Tz;
use stemvault_storage::checks::Severity;
use stemvault_storage::session::{Manifest, Receipt, Review};

use crate::form::{INCOMPLETE, LEFT_OUT, label};
use crate::page::{Escaped, Size};

/// The page's title.
#[must_use]
pub fn title(receipt: &Receipt) -> String {
    format!("Receipt for order {}", receipt.manifest.number)
}

/// The page's body; times are those of the studio.
#[must_use]
pub fn body(receipt: &Receipt, zone: Tz) -> String {
    let manifest = &receipt.manifest;
    let mut html = String::new();
    let mut say = |text: std::fmt::Arguments<'_>| {
        html.write_fmt(text).expect("a string takes everything");
    };
    let sealed = manifest.sealed_at.with_timezone(&zone);
    say(format_args!(
        "<p class=\"screen\">Print or save this page. Its address works as long as the studio keeps the order, unless it takes the upload link back.</p>\n\
         <dl>\n<dt>Received</dt><dd>{} files, {} ({} bytes)</dd>\n<dt>Submitted</dt><dd>{} ({zone})</dd>\n<dt>State</dt><dd>{}</dd>\n<dt>Session</dt><dd><code>{}</code></dd>\n",
        manifest.files.len(),
        Size(manifest.bytes()),
        manifest.bytes(),
        sealed.format("%Y-%m-%d %H:%M:%S"),
        state(&receipt.row.review),
        receipt.row.session,
    ));
    for (name, value) in &manifest.form {
        let label = match name.as_str() {
            INCOMPLETE => "Submitted by the studio, incomplete".to_owned(),
            LEFT_OUT => "Left out by the sender".to_owned(),
            name => label(name),
        };
        say(format_args!(
            "<dt>{}</dt><dd>{}</dd>\n",
            Escaped(label),
            Escaped(value)
        ));
    }
    say(format_args!("</dl>\n"));
    if let Review::Returned { reasons, .. } = &receipt.row.review {
        say(format_args!("<h2>Why it came back</h2>\n<ul>\n"));
        for reason in reasons {
            say(format_args!("<li>{}</li>\n", Escaped(reason)));
        }
        say(format_args!("</ul>\n"));
    }
    if !manifest.findings.is_empty() {
        say(format_args!("<h2>What the checks found</h2>\n<ul>\n"));
        for finding in &manifest.findings {
            let how = match finding.severity {
                Severity::Refuse => "To be mended",
                Severity::Warn | Severity::Ignore => "Please look",
            };
            say(format_args!(
                "<li>{how}: {}</li>\n",
                Escaped(&finding.message)
            ));
        }
        say(format_args!("</ul>\n"));
    }
    say(format_args!(
        "<h2>Files</h2>\n<p>{}</p>\n",
        compared(manifest)
    ));
    say(format_args!(
        "<table>\n<thead><tr><th scope=\"col\">File</th><th scope=\"col\">Bytes</th><th scope=\"col\">BLAKE3, as <code>b3sum</code> prints it</th><th scope=\"col\">Checked</th></tr></thead>\n<tbody>\n"
    ));
    for file in &manifest.files {
        say(format_args!(
            "<tr><td>{}</td><td class=\"size\">{}</td><td><code>{}</code></td><td>{}</td></tr>\n",
            Escaped(file.path.as_str()),
            file.length,
            file.hash,
            if file.checked { "yes" } else { "no" }
        ));
    }
    say(format_args!("</tbody>\n</table>\n"));
    html
}

/// How the files compare with those of their sender, in a sentence.
fn compared(manifest: &Manifest) -> String {
    let all = manifest.files.len();
    match manifest.files.iter().filter(|file| file.checked).count() {
        0 => "What arrived was not compared with the files on the sender&#39;s computer afterwards.".to_owned(),
        some if some == all => {
            "Checked: after the files had arrived, the sender&#39;s computer read every one of them again and compared it. What is here is what was there.".to_owned()
        }
        some => format!(
            "Checked, {some} of {all}: after these files had arrived, the sender&#39;s computer read them again and compared them. What is here is what was there."
        ),
    }
}

fn state(review: &Review) -> &'static str {
    match review {
        Review::Submitted => "submitted; the studio has not looked at it yet",
        Review::Accepted { .. } => "accepted by the studio",
        Review::Returned { .. } => "returned: some of it has to be sent again",
    }
}
