//! How many of the next bytes may come: what was promised to an upload is its own, and a file of
//! unknown length asks as it grows. The floor of free disk is looked at while bytes come in, because
//! something else may fill the disk, and the catalog with it.

use super::bounds::{Bound, Bounds, Disk, Over};
use super::commit::Durable;
use super::limits::STEP;
use super::no::{Asked, No};
use crate::error::Result;
use crate::refusal::Refusal;

impl Durable {
    /// How many of the next `wanted` bytes may come, and why not all. A file that said its length
    /// has its place since it was created.
    pub(super) async fn admit(
        &mut self,
        received: u64,
        wanted: usize,
    ) -> Result<(usize, Option<Refusal>)> {
        if let Some(refusal) = self.below_the_floor(received, wanted).await? {
            return Ok((0, Some(refusal)));
        }
        if self.upload.length.is_some() || received + wanted as u64 <= self.granted {
            return Ok((wanted, None));
        }
        let (order, id) = (self.upload.order, self.upload.id);
        let bounds = self.bounds().await?;
        let most = STEP.max(wanted as u64);
        let (granted, met) = loop {
            self.appends.quota.counted(order).await?;
            let mut ledger = self.appends.intake.ledger();
            if ledger.is_whole(order) {
                break ledger.grow(order, id, received, most, &bounds);
            }
        };
        self.granted = granted;
        let room = granted - received;
        let Some(over) = met.filter(|_| room < wanted as u64) else {
            return Ok((wanted, None));
        };
        let room = usize::try_from(room).expect("less than wanted");
        let asked = Asked::More { safe: granted };
        Ok((room, Some(self.refusal(over, asked).await?)))
    }

    /// Whether a file may be as long as its parts turned out to be. They count already.
    pub(super) async fn check_made(&self, length: u64) -> Result<()> {
        let value = self.appends.core.limits.max_file;
        if length <= value {
            return Ok(());
        }
        let over = Over {
            bound: Bound::File,
            value,
            taken: 0,
        };
        let length = Some(length);
        Err(self.refusal(over, Asked::New { length }).await?.into())
    }

    /// Takes the place for a length that is now known.
    pub(super) async fn reserve_length(&self, length: u64) -> Result<()> {
        let (order, id) = (self.upload.order, self.upload.id);
        let bounds = self.bounds().await?;
        let declared = loop {
            self.appends.quota.counted(order).await?;
            let mut ledger = self.appends.intake.ledger();
            if ledger.is_whole(order) {
                break ledger.declare(order, id, length, &bounds);
            }
        };
        match declared {
            Ok(()) => Ok(()),
            Err(over) => {
                let length = Some(length);
                Err(self.refusal(over, Asked::New { length }).await?.into())
            }
        }
    }

    async fn bounds(&self) -> Result<Bounds> {
        let link = match self.upload.link {
            Some(link) => Some(self.appends.quota.by_link(self.upload.order, link).await?),
            None => None,
        };
        Ok(self
            .appends
            .quota
            .bounds(link, self.appends.quota.disk().await?))
    }

    pub(super) async fn refusal(&self, over: Over, asked: Asked) -> Result<Refusal> {
        let no = No {
            over,
            number: &self.appends.core.order(self.upload.order).await?.number,
            file: self.upload.path.as_str(),
            asked,
        };
        Ok(no.refusal())
    }

    /// Why nothing more may come although it was promised: something else fills the disk. Looked at
    /// once for each [`STEP`], so that the catalog always has room.
    async fn below_the_floor(&self, received: u64, wanted: usize) -> Result<Option<Refusal>> {
        let end = received + wanted as u64;
        if received / STEP == end / STEP {
            return Ok(None);
        }
        let Some(Disk { free, floor }) = self.appends.quota.recent_disk().await? else {
            return Ok(None);
        };
        if free >= floor {
            return Ok(None);
        }
        let over = Over {
            bound: Bound::Floor,
            value: floor,
            taken: 0,
        };
        let safe = received;
        Ok(Some(self.refusal(over, Asked::More { safe }).await?))
    }
}
