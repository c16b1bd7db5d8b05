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

/// How the sealed content is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// One zstd frame.
    Zstd = 1,
    /// Samples less their prediction; a zstd stream with skippable frames around it.
    Predicted = 2,
}

/// A plain zstd frame is worth its decoding if it saves one part in so many.
const WORTH: usize = 50;
/// For what is no sound.
const LEVEL: i32 = 9;
/// A level of zstd and what is changed of it.
type Tuned = (i32, [CParameter; 3]);
/// A look in strides, at gigabytes a second, that finds long repetitions anywhere in a block.
const QUICK: Tuned = (
    -20,
    [
        CParameter::WindowLog(22),
        CParameter::HashLog(17),
        CParameter::MinMatch(7),
    ],
);
/// For sound that repeats itself exactly, as loops and sampled drums do: what matters is to see a
/// whole block, and level 9 makes no less of it in more than twice the time.
const AGAIN: Tuned = (
    3,
    [
        CParameter::WindowLog(22),
        CParameter::HashLog(18),
        CParameter::ChainLog(18),
    ],
);

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
    let is_worth_it = |packed: &Vec<u8>| packed.len() + plain.len() / WORTH < plain.len();
    let predicted = samples.and_then(|samples| predicted::pack(plain, samples));
    let predicted = predicted.filter(is_worth_it);
    let zstd = match &predicted {
        None => zstd::bulk::compress(plain, LEVEL).ok(),
        Some(predicted) if repeats(plain, predicted.len()) => zstd_with(plain, &AGAIN).ok(),
        Some(_) => None,
    };
    let zstd = zstd.filter(is_worth_it);
    let mut forms: Vec<_> = predicted
        .map(|it| (Codec::Predicted, it))
        .into_iter()
        .chain(zstd.map(|it| (Codec::Zstd, it)))
        .collect();
    forms.sort_by_key(|form| form.1.len());
    let comes_back = |(codec, packed): &(Codec, Vec<u8>)| {
        decode(*codec, packed, plain.len()).is_ok_and(|it| it == plain)
    };
    let smallest = forms.into_iter().find(comes_back);
    smallest.unwrap_or_else(|| (Codec::Stored, plain.to_vec()))
}

/// Whether `plain` repeats itself so much that zstd alone may make less of it than `predicted` bytes.
fn repeats(plain: &[u8], predicted: usize) -> bool {
    zstd_with(plain, &QUICK).is_ok_and(|packed| packed.len() * 2 < predicted * 3)
}

fn zstd_with(plain: &[u8], (level, parameters): &Tuned) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(*level)?;
    for parameter in parameters {
        compressor.set_parameter(*parameter)?;
    }
    compressor.compress(plain)
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
