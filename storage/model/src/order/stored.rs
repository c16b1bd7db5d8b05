//! An order as its rows and records hold it: flat, as it has always been. What the stages do not allow is
//! refused when it is read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::{Archive, Ended, Kept, RetentionClock, Sealing, State};
use super::terms::{Client, Hold, Policy, Proof, Unproven};
use super::{Order, Stage};
use crate::audit::Head;
use crate::ids::OrderId;
use crate::number::OrderNumber;

#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    id: OrderId,
    number: OrderNumber,
    client: Client,
    created_at: DateTime<Utc>,
    version: u64,
    gate: u64,
    #[serde(flatten)]
    stage: StoredStage,
    completed_at: Option<DateTime<Utc>>,
    policy: Option<Policy>,
    hold: Option<Hold>,
    proof: Option<Proof>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven: Option<Unproven>,
    #[serde(default, skip_serializing_if = "Head::is_empty")]
    audit: Head,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
enum StoredStage {
    Open,
    Sealing(Sealing),
    Completed,
    Archived,
    Releasing,
    Released,
    Recalled { until: DateTime<Utc> },
    Purging,
    Purged,
}

impl From<Order> for Stored {
    fn from(order: Order) -> Self {
        let ended = order.state.ended();
        let (proof, unproven) = match order.state.archive() {
            Some(archive) => (Some(archive.proof.clone()), archive.doubt.clone()),
            None => (None, None),
        };
        let stage = match order.state {
            State::Open { .. } => StoredStage::Open,
            State::Sealing { sealing, .. } => StoredStage::Sealing(sealing),
            State::Completed { .. } => StoredStage::Completed,
            State::Archived(_) => StoredStage::Archived,
            State::Releasing(_) => StoredStage::Releasing,
            State::Released(_) => StoredStage::Released,
            State::Recalled { until, .. } => StoredStage::Recalled { until },
            State::Purging { .. } => StoredStage::Purging,
            State::Purged(_) => StoredStage::Purged,
        };
        Self {
            id: order.id,
            number: order.number,
            client: order.client,
            created_at: order.created_at,
            version: order.version,
            gate: order.gate,
            stage,
            completed_at: ended.completed_at,
            policy: ended.policy,
            hold: order.hold,
            proof,
            unproven,
            audit: order.audit,
        }
    }
}

impl TryFrom<Stored> for Order {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let number = stored.number.clone();
        let (completed_at, policy) = (stored.completed_at, stored.policy);
        let doubt = stored.unproven;
        let archive = stored.proof.map(|proof| Archive { proof, doubt });
        let lacks = |stage: Stage, what: &str| {
            format!("order {number} is {} and has no {what}", stage.name())
        };
        let clock = |stage| {
            let both = completed_at.zip(policy);
            let both = both.map(|(completed_at, policy)| RetentionClock {
                completed_at,
                policy,
            });
            both.ok_or_else(|| lacks(stage, "retention clock"))
        };
        let kept = |stage, archive: Option<Archive>| {
            let archive = archive.ok_or_else(|| lacks(stage, "proof"))?;
            let clock = clock(stage)?;
            Ok::<_, String>(Kept { clock, archive })
        };
        let ended = Ended {
            completed_at,
            policy,
        };
        let state = match stored.stage {
            StoredStage::Open => State::Open { earlier: archive },
            StoredStage::Sealing(sealing) => State::Sealing {
                sealing,
                earlier: archive,
            },
            StoredStage::Completed => State::Completed {
                clock: clock(Stage::Completed)?,
                earlier: archive,
            },
            StoredStage::Archived => State::Archived(kept(Stage::Archived, archive)?),
            StoredStage::Releasing => State::Releasing(kept(Stage::Releasing, archive)?),
            StoredStage::Released => State::Released(kept(Stage::Released, archive)?),
            StoredStage::Recalled { until } => State::Recalled {
                kept: kept(Stage::Recalled, archive)?,
                until,
            },
            StoredStage::Purging => State::Purging { ended, archive },
            StoredStage::Purged => State::Purged(ended),
        };
        Ok(Self {
            id: stored.id,
            number: stored.number,
            client: stored.client,
            created_at: stored.created_at,
            version: stored.version,
            gate: stored.gate,
            state,
            hold: stored.hold,
            audit: stored.audit,
        })
    }
}
