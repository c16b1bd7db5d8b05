//! Fragments: the start of a block whose end has not arrived.
//!
//! Small ones are rows of the catalog, sealed; larger ones are objects with a name of their own.
//! Their bytes are read back when the append goes on, and become part of the block.

use bytes::Bytes;
use stemvault_codec::pack::Codec;

use super::commit::Durable;
use crate::block::{BLOCK_MAX, Logical, Overhead, Sealer, open};
use crate::catalog::{Batch, MAX_VALUE};
use crate::error::{Damage, Result};
use crate::ids::FragmentId;
use crate::paths;
use crate::tables;
use crate::upload::Fragment;

/// Plain bytes of the largest fragment that is a row.
const INLINE_MAX: usize = MAX_VALUE - Overhead::BYTES;

/// There are never more: the record stays small.
const FRAGMENTS_MAX: usize = 15;

/// Bytes that are always written together: so few cost no more than none.
const TOGETHER: usize = 1 << 10;

impl Durable {
    pub(super) async fn read_fragment(&self, fragment: &Fragment) -> Result<Bytes> {
        let upload = &self.upload;
        let path = paths::upload(upload.order, upload.id).join(fragment.name());
        let sealed = if fragment.inline {
            let row = self
                .appends
                .core
                .catalog
                .get(&tables::fragment(upload.id, fragment.number))
                .await?;
            row.map(|row| row.value)
        } else {
            self.appends.core.working.get_opt(&path).await?
        };
        let damaged = |detail: String| Damage {
            order: upload.order,
            file: Some(upload.path.as_str().to_owned()),
            what: format!("fragment {} of upload {}", fragment.number, upload.id),
            store: self.appends.core.working.name(),
            object: path.to_string(),
            detail,
        };
        let sealed = sealed.ok_or_else(|| damaged("it is missing".into()))?;
        let plain = open(
            &self.keys,
            upload.order,
            &self.logical(fragment),
            sealed,
            BLOCK_MAX,
        )
        .map_err(|error| damaged(error.to_string()))?;
        if plain.len() != fragment.length as usize {
            return Err(damaged("its length is wrong".into()).into());
        }
        Ok(plain)
    }

    fn logical(&self, fragment: &Fragment) -> Logical {
        Logical::Fragment(format!("{}/{}", self.upload.id, fragment.name()))
    }

    /// Stores the next fragment: what the record then names, and what has to be committed with it.
    pub(super) async fn put_fragment(&self, piece: &[u8]) -> Result<(Fragment, Batch)> {
        let upload = &self.upload;
        let fragment = Fragment {
            number: upload.fragments_made,
            id: FragmentId::random(),
            length: u32::try_from(piece.len()).expect("at most a block"),
            inline: piece.len() <= INLINE_MAX,
        };
        let mut sealer = Sealer::with_capacity(piece.len());
        sealer.push(piece);
        let length = u64::from(fragment.length);
        let what = self.logical(&fragment);
        let sealed = sealer.seal(&self.keys, upload.order, &what, Codec::Stored, length);
        if fragment.inline {
            let row = tables::fragment(upload.id, fragment.number);
            return Ok((fragment, Batch::new().put(row, sealed)));
        }
        let path = paths::upload(upload.order, upload.id).join(fragment.name());
        let working = &self.appends.core.working;
        working.put(&path, sealed, &self.lease).await?;
        Ok((fragment, Batch::new()))
    }
}

/// Takes those fragments off the list that are written again together with `fresh` bytes: the
/// last ones, as long as none is twice as long as what comes behind it. So what stays at least halves
/// from one to the next, their number is small, and a byte is written again only now and then,
/// however many came before it.
pub(super) fn replaced(fragments: &mut Vec<Fragment>, fresh: usize) -> Vec<Fragment> {
    if fragments.len() >= FRAGMENTS_MAX {
        return std::mem::take(fragments);
    }
    let (mut from, mut behind) = (fragments.len(), fresh);
    while let Some(before) = from.checked_sub(1) {
        let length = fragments[before].length as usize;
        if length >= 2 * behind && length + behind > TOGETHER {
            break;
        }
        (from, behind) = (before, behind + length);
    }
    fragments.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(length: usize) -> Fragment {
        Fragment {
            number: 0,
            id: FragmentId::random(),
            length: u32::try_from(length).unwrap(),
            inline: length <= INLINE_MAX,
        }
    }

    /// Writes pieces behind what is there; how many bytes that writes, and the longest list.
    fn written(start: usize, piece: usize, pieces: usize) -> (usize, usize) {
        let mut fragments = vec![fragment(start)];
        let (mut written, mut longest) = (0, 0);
        for _ in 0..pieces {
            let again: u32 = replaced(&mut fragments, piece)
                .iter()
                .map(|it| it.length)
                .sum();
            let length = again as usize + piece;
            written += length;
            fragments.push(fragment(length));
            longest = longest.max(fragments.len());
        }
        let there: u32 = fragments.iter().map(|it| it.length).sum();
        assert_eq!(there as usize, start + pieces * piece);
        (written, longest)
    }

    #[test]
    fn what_is_there_is_not_written_again_for_a_byte() {
        let (bytes, longest) = written(3_900_000, 1, 20_000);
        assert!(
            bytes < 20_000 * 600 && longest < FRAGMENTS_MAX,
            "{bytes} {longest}"
        );
        // In pieces of any length each byte is written some times, and the list stays short.
        for piece in [100, 5_000, 60_000] {
            let pieces = BLOCK_MAX / piece;
            let (bytes, longest) = written(1, piece, pieces);
            assert!(longest < FRAGMENTS_MAX, "{piece}: {longest}");
            assert!(bytes < 14 * piece * pieces, "{piece}: {bytes}");
        }
    }
}
