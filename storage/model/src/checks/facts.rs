//! What intake remembers of a file's header, small enough for the upload record.

use serde::{Deserialize, Serialize};

use stemvault_codec::audio::{
    Coding, Data, Format, HeaderReader, Packed, SNIFF_LEN, SampleFormat, flac_samples,
};

/// What is known of one file without its name; the checks judge by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Bytes of the file.
    pub length: u64,
    /// What its first bytes are.
    pub format: Option<Format>,
    /// The form of its samples, if its header was understood.
    pub samples: Option<SampleFormat>,
    /// Where its samples lie, if that was found.
    pub data: Option<Data>,
    /// Where it ends according to the container's own size field.
    pub declared_end: Option<u64>,
    /// Whether its first bytes are all zero: a place was kept for it, nothing was written.
    pub blank: bool,
    /// What packed audio promises; files of before this was looked at promise nothing.
    #[serde(default, skip_serializing_if = "Packed::is_unknown")]
    pub packed: Packed,
}

/// How much of a file's facts is final, whatever bytes are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Its length alone.
    Length,
    /// What it is by its first bytes as well, and the form of its samples if that was seen.
    Format,
    /// Everything that submit will judge by.
    Header,
}

impl FileFacts {
    /// Of the bytes that `header` has taken, as if they were the whole file. Of a file that is not
    /// all there yet, correct `length`.
    #[must_use]
    pub fn of(header: &HeaderReader) -> Self {
        let head = header.head();
        let format = header.format();
        Self {
            length: header.offset(),
            format,
            samples: header.samples().or_else(|| {
                (format == Some(Format::Flac))
                    .then(|| flac_samples(head))
                    .flatten()
            }),
            data: header.data().filter(|_| !header.hides_samples()),
            declared_end: header.declared_end(),
            blank: !head.is_empty() && head.iter().all(|byte| *byte == 0),
            packed: header.packed(true),
        }
    }

    /// Of a file of `length` bytes whose first ones `header` has taken, and how much of that the
    /// rest of the file cannot change.
    #[must_use]
    pub fn of_start(header: &HeaderReader, length: u64) -> (Self, Known) {
        let known = if header.offset() >= length {
            Known::Header
        } else if header.head().len() < SNIFF_LEN {
            Known::Length
        } else if header.is_over() {
            Known::Header
        } else {
            Known::Format
        };
        let facts = Self {
            length,
            packed: header.packed(header.offset() >= length),
            ..Self::of(header)
        };
        (facts, known)
    }

    /// The samples, if they are ones that a mix can be made of: not lossy, and making sense.
    #[must_use]
    pub fn usable_samples(&self) -> Option<SampleFormat> {
        self.samples.filter(|samples| {
            matches!(
                samples.coding,
                Coding::Pcm | Coding::Float | Coding::Lossless
            ) && samples.sample_rate > 0
                && samples.is_playable()
        })
    }
}
