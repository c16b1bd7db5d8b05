//! Proof of recall: reading a proven archive again, a sample of it or the whole, and what is known
//! of it since.
//!
//! Every block that is read is opened, decoded and compared with its BLAKE3; of a whole reading
//! every file is compared with its manifest as well. All that is wrong is named, not only the first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::path::Path;

use crate::block::Background;
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, OrderAt};
use crate::error::{Damage, Result};
use crate::ids::{AttemptId, Chance, OrderId, SessionId};
use crate::manifests::Manifests;
use crate::order::{Order, Proof, Unproven};
use crate::paths;
use crate::source::Source;
use crate::source::flaw::{Flaw, Part, Tier, found};
use crate::tables::{self, Proven, load, load_all, put};

/// Blocks that are read while others are decoded.
const READ_AHEAD: usize = 2;

/// The longest description of what is wrong that an order bears, in bytes.
const FIRST_MAX: usize = 1000;

/// What a sample is drawn from.
struct Sample<'a> {
    /// The files of a session.
    sources: &'a [Source],
    /// What the store lists of the attempt: every object and its size.
    listed: &'a HashMap<Path, u64>,
}

/// How much of an archive is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every block, and every file as a whole.
    Whole,
    /// Of each session so many percent of its blocks, and at least so many; and every one that is
    /// missing from the store's list, or has another size there.
    Sample {
        /// Percent.
        percent: u64,
        /// Blocks.
        blocks: u64,
    },
}

/// What a reading found.
#[derive(Debug, Default)]
pub struct Reread {
    /// How many blocks were read.
    pub blocks: u64,
    /// Of how many.
    pub of: u64,
    /// What did not come back.
    pub flaws: Vec<Flaw>,
}

/// Archives read again.
#[derive(Clone, Debug)]
pub struct Proofs {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) background: Arc<Background>,
}

impl Proofs {
    /// Reads the proven attempt of an order from the store, and nothing from memory.
    ///
    /// # Errors
    /// When a store or the catalog does not answer; what is damaged or missing is in the answer.
    pub async fn reread(
        &self,
        order: &Order,
        proof: &Proof,
        extent: Extent,
        chance: &mut Chance,
    ) -> Result<Reread> {
        self.core.marks.expect_stores().await?;
        let mut reread = Reread::default();
        let index = self.manifests.read_index(order.id, proof.attempt).await;
        let part = || Part::Index(proof.attempt);
        let Some(index) = found(&mut reread.flaws, Tier::Archive, part, index)? else {
            return Ok(reread);
        };
        let index = Arc::new(index);
        // A sample reads few; what the store does not list as it was written is read in any case.
        let folder = paths::attempt(order.id, proof.attempt);
        let listed = self.core.archive.list(&folder).await?.into_iter().collect();
        let mut rows = self.core.sessions(order.id).await?;
        rows.retain(|row| proof.covers(row));
        for session in rows.into_iter().map(|row| row.session) {
            let manifest = self.manifests.read_manifest(order.id, session).await;
            let part = || Part::Manifest(session);
            let Some(manifest) = found(&mut reread.flaws, Tier::Archive, part, manifest)? else {
                continue;
            };
            let manifest = Arc::new(manifest);
            let mut sources = Vec::with_capacity(manifest.files.len());
            for at in 0..manifest.files.len() {
                let (manifest, index) = (Arc::clone(&manifest), Arc::clone(&index));
                let source = Source::in_attempt(&self.core, order.id, manifest, at, index).await;
                let part = || Part::File;
                let source = found(&mut reread.flaws, Tier::Archive, part, source)?;
                sources.extend(source.map(|source| source.in_background(&self.background)));
            }
            match extent {
                Extent::Whole => {
                    for source in &sources {
                        reread.whole(session, source).await?;
                    }
                }
                Extent::Sample { percent, blocks } => {
                    let share = (percent, blocks);
                    let sample = Sample {
                        sources: &sources,
                        listed: &listed,
                    };
                    reread.sample(session, sample, share, chance).await?;
                }
            }
        }
        Ok(reread)
    }

    /// When the archive of an order was last read with nothing amiss: since it was proven, or then.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn last_proven(&self, order: &Order) -> Result<Option<Proven>> {
        let row = load::<Proven>(&*self.core.catalog, &tables::proven(order.id)).await?;
        Ok(last(order, row.map(|(row, _)| row)))
    }

    /// The same of all orders that have an archive.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn all_last_proven(&self, orders: &[Order]) -> Result<Vec<(OrderId, Proven)>> {
        let rows = load_all::<Proven>(&*self.core.catalog, &tables::provens()).await?;
        let rows: HashMap<_, _> = rows.into_iter().map(|(key, row, _)| (key, row)).collect();
        let of = |order: &Order| {
            let row = rows.get(&tables::proven(order.id)).copied();
            Some((order.id, last(order, row)?))
        };
        Ok(orders.iter().filter_map(of).collect())
    }

    /// Notes a reading in which nothing was amiss. `false` if the order changed meanwhile.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn note_proven(&self, at: &OrderAt, proven: &Proven) -> Result<bool> {
        let id = at.order.id;
        let batch = put(Batch::new(), tables::proven(id), proven)
            .expect(tables::gate(id), Expect::At(at.gate));
        match self.core.catalog.commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }
}

/// The row, if it is of the attempt that counts; before the first reading, the proof itself.
fn last(order: &Order, row: Option<Proven>) -> Option<Proven> {
    let proof = order.proof()?;
    let row = row.filter(|row| row.attempt == proof.attempt);
    Some(row.unwrap_or(Proven {
        attempt: proof.attempt,
        at: proof.proven_at,
        percent: 100,
        whole_at: proof.proven_at,
    }))
}

impl Reread {
    /// What share of the blocks was read, in percent: 100 only if all were, 0 only if none.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let percent = (self.blocks * 100).checked_div(self.of).unwrap_or(100);
        u8::try_from(percent.max(u64::from(self.blocks > 0))).unwrap_or(100)
    }

    async fn whole(&mut self, session: SessionId, source: &Source) -> Result<()> {
        let count = source.block_count();
        self.of += count as u64;
        self.blocks += count as u64;
        let known = self.flaws.len();
        let (mut hash, mut sha256, mut length) = (blake3::Hasher::new(), Context::new(&SHA256), 0);
        let file = source.clone();
        let mut blocks = futures::stream::iter(0..count)
            .map(move |at| {
                let file = file.clone();
                async move { (at, file.block(at).await) }
            })
            .buffered(READ_AHEAD);
        while let Some((at, block)) = blocks.next().await {
            let part = || block_of(session, source, at);
            if let Some(plain) = found(&mut self.flaws, Tier::Archive, part, block)? {
                hash.update(&plain);
                sha256.update(&plain);
                length += plain.len() as u64;
            }
        }
        let entry = source.entry();
        let sha256 = hex::encode(sha256.finish());
        let wrong = if self.flaws.len() > known {
            None
        } else if length != entry.length {
            Some(format!("it has {length} bytes instead of {}", entry.length))
        } else if hash.finalize() != *entry.hash.as_bytes() {
            Some("its BLAKE3 is another".to_owned())
        } else if source.sha256().is_some_and(|known| known != sha256) {
            Some("its SHA-256 is another".to_owned())
        } else {
            None
        };
        let damage = wrong.map(|detail| source.damage("the file", String::new(), detail));
        self.flaws.extend(damage.map(|damage| Flaw {
            tier: Tier::Archive,
            part: Part::File,
            damage,
        }));
        Ok(())
    }

    async fn sample(
        &mut self,
        session: SessionId,
        Sample { sources, listed }: Sample<'_>,
        (percent, least): (u64, u64),
        chance: &mut Chance,
    ) -> Result<()> {
        let ends: Vec<u64> = sources
            .iter()
            .scan(0, |end, source| {
                *end += source.block_count() as u64;
                Some(*end)
            })
            .collect();
        let all = ends.last().copied().unwrap_or(0);
        let count = (all * percent).div_ceil(100).max(least).min(all);
        let mut chosen: BTreeSet<_> = chance.sample(count, all).into_iter().collect();
        let blocks = sources
            .iter()
            .flat_map(|source| (0..source.block_count()).map(move |at| (source, at)));
        let odd = (0..).zip(blocks).filter(|(_, (source, at))| {
            let size = listed.get(&source.path(*at));
            size.is_none_or(|size| source.stored(*at).is_some_and(|stored| stored != *size))
        });
        chosen.extend(odd.map(|(nth, _)| nth));
        self.of += all;
        self.blocks += chosen.len() as u64;
        let mut read = futures::stream::iter(chosen)
            .map(|nth| {
                let file = ends.partition_point(|end| *end <= nth);
                let begin = file.checked_sub(1).map_or(0, |before| ends[before]);
                let at = usize::try_from(nth - begin).expect("a block of the file");
                let source = sources[file].clone();
                async move { (file, at, source.block(at).await.map(drop)) }
            })
            .buffered(READ_AHEAD);
        while let Some((file, at, block)) = read.next().await {
            let part = || block_of(session, &sources[file], at);
            found(&mut self.flaws, Tier::Archive, part, block)?;
        }
        Ok(())
    }
}

fn block_of(session: SessionId, source: &Source, at: usize) -> Part {
    Part::Block {
        session,
        source: source.clone(),
        at,
    }
}

/// What to write on an order of whose archive this did not come back.
#[must_use]
pub fn unproven(damaged: &[Damage], attempt: AttemptId, at: DateTime<Utc>) -> Option<Unproven> {
    let mut first = damaged.first()?.to_string();
    while first.len() > FIRST_MAX {
        first.pop();
    }
    Some(Unproven {
        attempt,
        at,
        damaged: damaged.len() as u64,
        first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let percent = |blocks, of| {
            Reread {
                blocks,
                of,
                flaws: Vec::new(),
            }
            .percent()
        };
        let shares = [(0, 0), (1, 1000), (999, 1000), (5, 5), (0, 5), (1, 2)];
        let expected = [100, 1, 99, 100, 0, 50];
        assert_eq!(shares.map(|(blocks, of)| percent(blocks, of)), expected);
    }
}
