//! The sealed object: what lies in a bucket.
//!
//! ```text
//! offset  length
//!  0      4   magic "STMV"
//!  4      1   version 1
//!  5      1   algorithm 1 = AES-256-GCM
//!  6      1   codec 0 = stored, 1 = zstd, 2 = predicted
//!  7      1   0
//!  8      8   key id
//! 16     12   random nonce
//! 28      8   plain length, big-endian: bytes after decoding
//! 36      n   ciphertext
//! 36+n   16   tag
//! ```
//! Associated data: the 36 header bytes, the 16 bytes of the `OrderId`, the logical name. Never the
//! path: a bucket may be moved, but an object cannot be passed off as another.

use aws_lc_rs::aead::{Aad, Nonce};
use bytes::{BufMut, Bytes, BytesMut};

use super::buffer::{Buffer, Buffers};
use crate::ids::{AttemptId, BlockHash, OrderId, SessionId, random};
use crate::keys::SealingKeys;
use stemvault_codec::pack::{self, Codec};

const MAGIC: &[u8; 4] = b"STMV";
const VERSION: u8 = 1;
const AES_256_GCM: u8 = 1;
const TAG_LEN: usize = 16;

/// Bytes in front of the ciphertext.
pub const HEADER_LEN: usize = 36;

/// What sealing adds to an object.
pub struct Overhead;

impl Overhead {
    /// Bytes of header and tag together.
    pub const BYTES: usize = HEADER_LEN + TAG_LEN;
}

/// What an object is, bound into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logical {
    /// The block of this hash.
    Block(BlockHash),
    /// A fragment; its own unique name.
    Fragment(String),
    /// A manifest.
    Manifest(SessionId),
    /// An archive index.
    Index(AttemptId),
    /// An order record.
    Record(u64),
    /// A tombstone.
    Tombstone,
    /// A part of a catalog snapshot: which snapshot, and which of its parts.
    Snapshot(String),
    /// The draft of a form; a row of the catalog, not an object.
    Draft,
    /// What somebody said of a decision; part of an entry of the audit log.
    Said,
}

impl Logical {
    fn name(&self) -> String {
        match self {
            Self::Block(hash) => format!("block:{hash}"),
            Self::Fragment(name) => format!("fragment:{name}"),
            Self::Manifest(session) => format!("manifest:{session}"),
            Self::Index(attempt) => format!("index:{attempt}"),
            Self::Record(version) => format!("record:{version}"),
            Self::Tombstone => "tombstone".to_owned(),
            Self::Snapshot(part) => format!("snapshot:{part}"),
            Self::Draft => "draft".to_owned(),
            Self::Said => "said".to_owned(),
        }
    }
}

/// Why an object does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Shorter than a header, or not ours.
    #[error("it is no sealed object")]
    NotSealed,
    /// Written by a later version.
    #[error(
        "it has format version {0}, algorithm {1}, codec {2}, which this version does not know"
    )]
    Unknown(u8, u8, u8),
    /// Sealed with another key.
    #[error("it was sealed with key {0}")]
    OtherKey(String),
    /// The tag does not fit: bytes were changed, or it is another object.
    #[error("its bytes were changed, or it is another object")]
    Forged,
    /// It does not decode to the length it promises.
    #[error("it does not decode: {0}")]
    Undecodable(String),
}

/// A buffer that is filled with plain bytes and then sealed where it is.
#[derive(Debug)]
pub struct Sealer {
    held: Held,
}

#[derive(Debug)]
enum Held {
    Heap(BytesMut),
    Pages(Buffer),
}

impl Sealer {
    /// A buffer that takes `expected` plain bytes without growing.
    #[must_use]
    pub fn with_capacity(expected: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(expected + Overhead::BYTES);
        buffer.put_bytes(0, HEADER_LEN);
        Self {
            held: Held::Heap(buffer),
        }
    }

    /// The same, of a block that is put soon.
    pub(crate) fn for_block(expected: usize, buffers: &Buffers) -> Self {
        let Some(mut buffer) = buffers.take(expected) else {
            return Self::with_capacity(expected);
        };
        buffer.push(&[0; HEADER_LEN]);
        Self {
            held: Held::Pages(buffer),
        }
    }

    /// Adds plain bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.held {
            Held::Heap(buffer) => buffer.extend_from_slice(bytes),
            Held::Pages(buffer) => buffer.push(bytes),
        }
    }

    /// The plain bytes so far.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        let held = match &self.held {
            Held::Heap(buffer) => &buffer[..],
            Held::Pages(buffer) => buffer,
        };
        &held[HEADER_LEN..]
    }

    /// Seals the buffer. `plain_len` is the length after decoding by `codec`.
    #[must_use]
    pub fn seal(
        mut self,
        keys: &SealingKeys,
        order: OrderId,
        what: &Logical,
        codec: Codec,
        plain_len: u64,
    ) -> Bytes {
        let nonce = random::<12>();
        let mut header = [0; HEADER_LEN];
        header[..4].copy_from_slice(MAGIC);
        header[4..8].copy_from_slice(&[VERSION, AES_256_GCM, codec as u8, 0]);
        header[8..16].copy_from_slice(&keys.id());
        header[16..28].copy_from_slice(&nonce);
        header[28..].copy_from_slice(&plain_len.to_be_bytes());
        let held = match &mut self.held {
            Held::Heap(buffer) => &mut buffer[..],
            Held::Pages(buffer) => buffer,
        };
        let (head, content) = held.split_at_mut(HEADER_LEN);
        head.copy_from_slice(&header);
        let tag = keys
            .data()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(&header, order, what)),
                content,
            )
            .expect("an object is far below the limit of AES-GCM");
        self.push(tag.as_ref());
        match self.held {
            Held::Heap(buffer) => buffer.freeze(),
            Held::Pages(buffer) => Bytes::from_owner(buffer),
        }
    }
}

/// Seals bytes that stand elsewhere, compressed if that saves anything.
#[must_use]
pub fn seal_copy(keys: &SealingKeys, order: OrderId, what: &Logical, plain: &[u8]) -> Bytes {
    let packed = zstd::bulk::compress(plain, 3)
        .ok()
        .filter(|packed| packed.len() < plain.len());
    let (content, codec) = packed
        .as_deref()
        .map_or((plain, Codec::Stored), |packed| (packed, Codec::Zstd));
    let mut sealer = Sealer::with_capacity(content.len());
    sealer.push(content);
    sealer.seal(keys, order, what, codec, plain.len() as u64)
}

/// Opens an object and decodes it. `limit` bounds the plain length, so that a forged length
/// cannot exhaust memory.
///
/// # Errors
/// See [`SealError`]; whatever is wrong, no byte of it comes out.
pub fn open(
    keys: &SealingKeys,
    order: OrderId,
    what: &Logical,
    sealed: Bytes,
    limit: usize,
) -> Result<Bytes, SealError> {
    if sealed.len() < Overhead::BYTES || &sealed[..4] != MAGIC {
        return Err(SealError::NotSealed);
    }
    let header: [u8; HEADER_LEN] = sealed[..HEADER_LEN].try_into().expect("checked above");
    let codec = match header[4..8] {
        [VERSION, AES_256_GCM, 0, 0] => Codec::Stored,
        [VERSION, AES_256_GCM, 1, 0] => Codec::Zstd,
        [VERSION, AES_256_GCM, 2, 0] => Codec::Predicted,
        _ => return Err(SealError::Unknown(header[4], header[5], header[6])),
    };
    if header[8..16] != keys.id() {
        return Err(SealError::OtherKey(hex::encode(&header[8..16])));
    }
    let nonce = header[16..28].try_into().expect("twelve bytes");
    let plain_len = u64::from_be_bytes(header[28..].try_into().expect("eight bytes"));
    let mut buffer = sealed
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let length = keys
        .data()
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(&header, order, what)),
            &mut buffer[HEADER_LEN..],
        )
        .map_err(|_| SealError::Forged)?
        .len();
    let content = buffer.freeze().slice(HEADER_LEN..HEADER_LEN + length);
    let plain_len = usize::try_from(plain_len)
        .ok()
        .filter(|length| *length <= limit);
    let plain_len =
        plain_len.ok_or_else(|| SealError::Undecodable("it claims to be too long".into()))?;
    match codec {
        Codec::Stored if content.len() == plain_len => Ok(content),
        _ => pack::decode(codec, &content, plain_len)
            .map(Bytes::from)
            .map_err(|error| SealError::Undecodable(error.to_string())),
    }
}

fn associated(header: &[u8; HEADER_LEN], order: OrderId, what: &Logical) -> Vec<u8> {
    [&header[..], order.as_bytes(), what.name().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: OrderId = OrderId([3; 16]);

    #[test]
    fn what_is_sealed_opens_only_as_itself() {
        let keys = SealingKeys::random();
        let what = Logical::Record(7);
        for plain in [&b""[..], b"x", &[9; 100_000]] {
            let sealed = seal_copy(&keys, ORDER, &what, plain);
            assert_eq!(
                open(&keys, ORDER, &what, sealed.clone(), 100_000).unwrap(),
                plain
            );
            let forged = Err(SealError::Forged);
            assert_eq!(
                open(&keys, OrderId([4; 16]), &what, sealed.clone(), 100_000),
                forged
            );
            assert_eq!(
                open(&keys, ORDER, &Logical::Record(8), sealed.clone(), 100_000),
                forged
            );
            let other = open(&SealingKeys::random(), ORDER, &what, sealed, 100_000);
            assert!(matches!(other, Err(SealError::OtherKey(_))));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let keys = SealingKeys::random();
        let sealed = seal_copy(&keys, ORDER, &Logical::Tombstone, b"nothing personal");
        for at in 0..sealed.len() * 8 {
            let mut bad = sealed.to_vec();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(
                open(&keys, ORDER, &Logical::Tombstone, bad.into(), 100).is_err(),
                "bit {at}"
            );
        }
    }

    #[test]
    fn a_claimed_length_is_bounded() {
        let keys = SealingKeys::random();
        let sealed = seal_copy(&keys, ORDER, &Logical::Tombstone, &[0; 5000]);
        assert!(matches!(
            open(&keys, ORDER, &Logical::Tombstone, sealed, 4999),
            Err(SealError::Undecodable(_))
        ));
    }
}
