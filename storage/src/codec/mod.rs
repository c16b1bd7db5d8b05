//! The archive's codec: a block's bytes to the smallest form of them that provably comes back.
//!
//! Three forms: as it is, one zstd frame, or predicted: samples are predicted from those before them,
//! and only what the prediction misses is kept. Pure functions of their arguments. [`encode`] decodes
//! and compares what it made before it hands it out; [`decode`] takes any bytes, never panics, and
//! allocates no more than a few times the length it was promised. `FORMATS.md` describes every bit.

mod bits;
mod estimate;
mod exponent;
mod gain;
#[cfg(test)]
mod golden;
mod golomb;
mod kernels;
mod lpc;
mod planes;
mod predicted;
mod real;
mod restore;
mod samples;
mod scaled;
mod span;
mod stream;
#[cfg(test)]
mod tests;

pub use samples::{Number, Samples};

use zstd::zstd_safe::CParameter;

use crate::block::Codec;

/// A plain zstd frame is worth its decoding if it saves one part in so many.
const WORTH: usize = 50;
/// For what is no sound.
const LEVEL: i32 = 9;
/// For a quick look.
const QUICK: i32 = -20;

/// Why packed bytes do not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// What zstd says.
    #[error("{0}")]
    Zstd(String),
    /// Written by a later version.
    #[error("its prediction has version {0}, which this version does not know")]
    Version(u8),
    /// It contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
    /// It does not decode to the length it promises.
    #[error("its length is wrong")]
    Length,
}

/// Packs a block into the smallest of its forms. `samples` says what lies in it, if that is known;
/// where it is wrong, it costs ratio only.
#[must_use]
pub fn encode(plain: &[u8], samples: Option<&Samples>) -> (Codec, Vec<u8>) {
    let comes_back = |codec: Codec, packed: &[u8]| {
        decode(codec, packed, plain.len()).is_ok_and(|it| it == plain)
    };
    let predicted = samples
        .and_then(|samples| predicted::pack(plain, samples))
        .filter(|packed| packed.len() < plain.len() && comes_back(Codec::Predicted, packed));
    if let Some(packed) = &predicted
        && !repeats(plain, packed.len())
    {
        return (Codec::Predicted, predicted.unwrap_or_default());
    }
    let zstd = zstd::bulk::compress(plain, LEVEL)
        .ok()
        .filter(|packed| {
            packed.len() + plain.len() / WORTH <= plain.len() && packed.len() < plain.len()
        })
        .filter(|packed| comes_back(Codec::Zstd, packed));
    match (predicted, zstd) {
        (Some(predicted), Some(zstd)) if predicted.len() < zstd.len() => {
            (Codec::Predicted, predicted)
        }
        (Some(predicted), None) => (Codec::Predicted, predicted),
        (_, Some(zstd)) => (Codec::Zstd, zstd),
        (None, None) => (Codec::Stored, plain.to_vec()),
    }
}

/// Whether `plain` repeats itself so much that zstd alone may make less of it than `predicted` bytes.
/// A quick look in strides finds most of what a long one would.
fn repeats(plain: &[u8], predicted: usize) -> bool {
    let look = || {
        let mut quick = zstd::bulk::Compressor::new(QUICK)?;
        for parameter in [
            CParameter::WindowLog(22),
            CParameter::HashLog(17),
            CParameter::MinMatch(7),
        ] {
            quick.set_parameter(parameter)?;
        }
        quick.compress(plain)
    };
    look().map_or(true, |packed| packed.len() * 2 < predicted * 3)
}

/// Unpacks to exactly `plain_len` bytes.
///
/// # Errors
/// If `packed` is nothing that decodes to them.
pub fn decode(codec: Codec, packed: &[u8], plain_len: usize) -> Result<Vec<u8>, DecodeError> {
    match codec {
        Codec::Stored if packed.len() == plain_len => Ok(packed.to_vec()),
        Codec::Stored => Err(DecodeError::Length),
        Codec::Zstd => stream::unzstd(packed, plain_len),
        Codec::Predicted => predicted::unpack(packed, plain_len),
    }
}
