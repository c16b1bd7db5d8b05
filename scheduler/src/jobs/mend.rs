//! Mending, as proof, scrub and repair do it: every flaw is tried, and each comes out as a note.

use stemvault_storage::core::OrderAt;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::flaw::Flaw;
use stemvault_storage::order::Order;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::vault::Vault;

use crate::jobs::run::Note;

/// What came of some flaws.
#[derive(Debug, Default)]
pub(super) struct Mended {
    pub(super) healed: u64,
    /// What no copy could mend.
    pub(super) left: Vec<Flaw>,
    pub(super) notes: Vec<Note>,
}

/// Tries to heal each of these flaws of an order.
pub(super) async fn mend(vault: &Vault, at: &OrderAt, flaws: Vec<Flaw>) -> Result<Mended> {
    let mut mended = Mended::default();
    for flaw in flaws {
        match vault.healer.heal(at, &flaw).await {
            Ok(Some(from)) => {
                let damage = &flaw.damage;
                let detail = format!("mended from {from}: {}", short(damage));
                mended
                    .notes
                    .push(Note::new(&at.order.number, "heal", detail));
                mended.healed += 1;
            }
            Ok(None) => mended.left.push(flaw),
            Err(Error::Damaged(_) | Error::Key(_)) => mended.left.push(flaw),
            Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::TakenOver => {
                return Ok(mended);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(mended)
}

/// Says of what could not be mended which it is, and what to do.
pub(super) fn left_over(order: &Order, flaws: &[Flaw]) -> Vec<Note> {
    let note = |flaw: &Flaw| {
        let damage = &flaw.damage;
        tracing::error!(order = %order.number, order.id = %order.id, tier = flaw.tier.name(), file = damage.file, what = damage.what, object = damage.object, detail = damage.detail, "bad, and no copy could mend it: restore this object from your own copy of the bucket");
        metrics::counter!("stemvault_not_mended_total", "tier" => flaw.tier.name()).increment(1);
        Note::new(&order.number, "heal", format!("failed: {}", short(damage)))
    };
    flaws.iter().map(note).collect()
}

/// What is bad, with the file first: a note has not much room.
pub(super) fn short(damage: &stemvault_storage::error::Damage) -> String {
    let file = damage.file.as_deref().unwrap_or("");
    let object = &damage.object;
    let name = object.rsplit_once('/').map_or(&**object, |(_, name)| name);
    format!(
        "{} {file:?}: {} ({}, object {name})",
        damage.what, damage.detail, damage.store
    )
}
