//! What happened to a session, as events in the manner of PREMIS: what, when, with which outcome,
//! and in which role whoever did it acted. No names of people.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use stemvault_storage::order::Order;
use stemvault_storage::session::{Receipt, Review};

/// The events of a session, oldest first, as a JSON document.
pub(super) fn events(order: &Order, receipt: &Receipt, now: DateTime<Utc>) -> String {
    let manifest = &receipt.manifest;
    let mut events = Vec::new();
    for file in &manifest.files {
        let mut arrived = event(
            "ingestion",
            file.finished_at,
            "submitter",
            "the last byte arrived, and the BLAKE3 of the whole was kept",
        );
        arrived["object"] = json!({
            "path": format!("data/{}", file.path.as_str()),
            "path_as_sent": file.path.raw(),
            "blake3": file.hash,
            "length": file.length.to_string(),
        });
        events.push(arrived);
    }
    let checks = match manifest.findings.len() {
        0 => "the intake checks found nothing".to_owned(),
        found => {
            format!("the intake checks found {found} things; session-manifest.json lists them")
        }
    };
    events.push(event(
        "submission",
        manifest.sealed_at,
        "submitter",
        &format!(
            "{} files were sealed into this session",
            manifest.files.len()
        ),
    ));
    events.push(event("validation", manifest.sealed_at, "software", &checks));
    match &receipt.row.review {
        Review::Submitted => {}
        Review::Accepted { at, reason } => {
            let reason = reason
                .as_ref()
                .map_or(String::new(), |it| format!(": {it}"));
            let said = format!("accepted{reason}");
            events.push(event("review", *at, "engineer", &said));
        }
        Review::Returned { at, reasons } => {
            let said = format!("returned: {}", reasons.join("; "));
            events.push(event("review", *at, "engineer", &said));
        }
    }
    if let Some(at) = order.completed_at() {
        let said = "the work on the order was done";
        events.push(event("completion", at, "engineer", said));
    }
    let proof = order.proof();
    if let Some(proof) = proof.filter(|it| it.covers(&receipt.row)) {
        let said = format!(
            "every file was written to the archive (attempt {}), read back and compared",
            proof.attempt
        );
        events.push(event("replication", proof.proven_at, "software", &said));
    }
    let from = match order.recalled_until() {
        Some(until) => format!(
            "from the archive, recalled until {}; every block was verified",
            moment(until)
        ),
        _ if receipt.row.released => "from the archive; every block was verified".to_owned(),
        _ => "from the working files; every block was verified".to_owned(),
    };
    events.push(event(
        "dissemination",
        now,
        "software",
        &format!("exported as a bag {from}"),
    ));
    events.sort_by_key(|event| event["date"].as_str().map(str::to_owned));
    let document = json!({
        "order": order.number.to_string(),
        "session": receipt.row.session,
        "kind": manifest.kind.name(),
        "software": format!("Stemvault {}", env!("CARGO_PKG_VERSION")),
        "events": events,
    });
    serde_json::to_string_pretty(&document).expect("JSON is text") + "\n"
}

fn event(kind: &str, at: DateTime<Utc>, role: &str, detail: &str) -> Value {
    json!({
        "type": kind,
        "date": moment(at),
        "agent": {"role": role},
        "outcome": "success",
        "detail": detail,
    })
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
