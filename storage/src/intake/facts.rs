//! What intake remembers of a file's header, small enough for the upload record.

use serde::{Deserialize, Serialize};

use crate::audio::{Coding, Data, Format, HeaderReader, SampleFormat, flac_samples};

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
            data: header.data(),
            declared_end: header.declared_end(),
            blank: !head.is_empty() && head.iter().all(|byte| *byte == 0),
        }
    }

    /// The samples, if they are ones that a mix can be made of: not lossy, and making sense.
    #[must_use]
    pub fn usable_samples(&self) -> Option<SampleFormat> {
        self.samples.filter(|samples| {
            matches!(
                samples.coding,
                Coding::Pcm | Coding::Float | Coding::Lossless
            ) && samples.sample_rate > 0
                && samples.is_coherent()
        })
    }
}
