//! The incremental reader of audio headers: fed a file's bytes from the start, in pieces of any size,
//! it learns the form of the samples and where they lie.
//!
//! It keeps a few fields and at most two records of [`SNIFF_LEN`] bytes, never a header: chunk bodies
//! are passed over by arithmetic. What it learns depends on the bytes alone, not on the pieces, and
//! its state may be stored and restored between any two of them. The cut of files into blocks stands
//! on it, so **which bytes it takes for samples is a format promise** (see `intake/cut.rs`).

use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, What};
use super::frames::MpegSearch;
use super::sniff::id3_length;
use super::walk::Walk;
use super::{
    Container, Data, Format, Packed, SNIFF_LEN, SampleFormat, aiff, caf, packed, riff, sniff, w64,
    wave,
};

/// Chunks looked at before giving up: a file of zeros behind a good magic must not cost a step per
/// eight bytes. Real files have tens. Part of cut version 1.
const MAX_CHUNKS: u16 = 4096;

/// What the record being gathered is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    Magic,
    Id3,
    Form,
    W64Form,
    ChunkHead,
    LongSizes,
    Format,
    Sound,
    Over,
}

/// See the module. Feed it with [`push`](Self::push), from the first byte of the file on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderReader {
    /// Offset of the next byte to come.
    at: u64,
    record: Record,
    /// Where the record begins; bytes before it are passed over.
    begin: u64,
    /// Bytes that the record has.
    want: u8,
    held: Vec<u8>,
    /// The chunk that the record belongs to.
    chunk_length: u64,
    chunk_next: u64,
    chunks: u16,
    container: Option<Container>,
    declared_end: Option<u64>,
    long_data: Option<u64>,
    samples: Option<SampleFormat>,
    data: Option<Data>,
    /// The first bytes, behind an ID3 tag if there is one: for recognising other formats.
    head: Vec<u8>,
    head_at: u64,
    /// Whether what leads to the samples of an AIFF leads past them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    astray: bool,
    /// Whether there were 64-bit sizes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    long: bool,
    /// Only of what is no container.
    #[serde(default, skip_serializing_if = "MpegSearch::is_new")]
    search: MpegSearch,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Walk::is_nowhere")]
    walk: Box<Walk>,
}

impl Default for HeaderReader {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderReader {
    /// A reader at offset 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            at: 0,
            record: Record::Magic,
            begin: 0,
            want: 4,
            held: Vec::new(),
            chunk_length: 0,
            chunk_next: 0,
            chunks: 0,
            container: None,
            declared_end: None,
            long_data: None,
            samples: None,
            data: None,
            head: Vec::new(),
            head_at: 0,
            long: false,
            astray: false,
            search: MpegSearch::default(),
            walk: Box::new(Walk::begin()),
        }
    }

    /// Takes the next bytes of the file and says how many it took: all of them, or fewer, once, when
    /// it has just learned where the samples lie ([`data`](Self::data)); push the rest again.
    /// Samples never begin before the bytes taken so far.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let knew = self.data.is_some();
        let mut rest = bytes;
        while !rest.is_empty() && (knew || self.data.is_none()) {
            let taken = self.stride(rest.len());
            let (now, later) = rest.split_at(taken);
            self.keep_head(now);
            if self.container.is_none() {
                self.search.push(now);
                self.walk.push(self.at, now);
            }
            if self.record != Record::Over && self.at >= self.begin {
                self.held.extend_from_slice(now);
            }
            self.at = self.at.saturating_add(now.len() as u64);
            rest = later;
            if self.record != Record::Over
                && self.at >= self.begin
                && self.held.len() >= usize::from(self.want)
            {
                let record = std::mem::take(&mut self.held);
                self.read(&record);
            }
        }
        bytes.len() - rest.len()
    }

    /// Offset of the next byte to come: how many were pushed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The container, once its magic was seen; `None` before that and for everything else.
    #[must_use]
    pub fn container(&self) -> Option<Container> {
        self.container
    }

    /// The form of the samples, once seen. May come after [`data`](Self::data) (an AIFF may have
    /// COMM behind SSND).
    #[must_use]
    pub fn samples(&self) -> Option<SampleFormat> {
        self.samples
    }

    /// Whether no program finds its samples: an RF64 without its 64-bit sizes by now, an AIFF that says
    /// that they begin where there are none.
    #[must_use]
    pub fn hides_samples(&self) -> bool {
        self.astray || self.container == Some(Container::Rf64) && !self.long
    }

    /// Where the samples lie, once seen; never changes again.
    #[must_use]
    pub fn data(&self) -> Option<Data> {
        self.data
    }

    /// Where the file ends according to the container's own size field, if it has a usable one.
    #[must_use]
    pub fn declared_end(&self) -> Option<u64> {
        self.declared_end
    }

    /// The first bytes of the file (behind an ID3 tag, if there is one), at most [`SNIFF_LEN`].
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether nothing but [`head`](Self::head) can change any more, whatever is pushed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.record == Record::Over && !self.searches()
    }

    /// Whether all that is still looked for is MPEG audio somewhere behind the first bytes.
    #[must_use]
    pub fn searches(&self) -> bool {
        let may_find = self.container.is_none() && !self.search.is_over();
        self.record == Record::Over && may_find && self.format().is_none()
    }

    /// What the first bytes are; surer the more of them were pushed, final after [`SNIFF_LEN`].
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        // An ID3 tag stands in front of other formats at times; alone it means MP3.
        let is_mp3 = self.head_at > 0 || self.search.is_found();
        sniff(&self.head).or(is_mp3.then_some(Format::Mp3))
    }

    /// How the file stands if it is packed audio; `whole` if the bytes taken are all of it.
    #[must_use]
    pub fn packed(&self, whole: bool) -> Packed {
        let by_head = self.format().map(|format| packed(format, &self.head));
        let by_walk = self.walk.says(whole.then_some(self.at));
        by_head.unwrap_or_default().and(by_walk, self.at)
    }

    /// How many of `most` bytes (at least one) can be taken in one step.
    fn stride(&self, most: usize) -> usize {
        let step = match self.record {
            Record::Over => return most,
            _ if self.at < self.begin => self.begin - self.at,
            _ => (u64::from(self.want)).saturating_sub(self.held.len() as u64),
        };
        usize::try_from(step).map_or(most, |step| step.min(most))
    }

    fn keep_head(&mut self, now: &[u8]) {
        let next = self.head_at.saturating_add(self.head.len() as u64);
        if let Some(skip) = next.checked_sub(self.at)
            && let Some(fresh) = usize::try_from(skip).ok().and_then(|skip| now.get(skip..))
        {
            let room = SNIFF_LEN.saturating_sub(self.head.len());
            self.head.extend_from_slice(&fresh[..room.min(fresh.len())]);
        }
    }

    /// Gathers `want` bytes from offset `begin` on; gives up on a place that has already passed.
    fn gather(&mut self, record: Record, begin: u64, want: u8) {
        let passed = begin < self.at || want == 0;
        (self.record, self.begin, self.want) = if passed {
            (Record::Over, 0, 0)
        } else {
            (record, begin, want)
        };
    }

    fn over(&mut self) {
        self.gather(Record::Over, 0, 0);
    }

    fn next_chunk(&mut self, begin: u64) {
        self.chunks = self.chunks.saturating_add(1);
        match self.container {
            Some(container) if self.chunks <= MAX_CHUNKS => {
                let head = match container {
                    Container::Wav | Container::Rf64 => riff::CHUNK_HEAD,
                    Container::W64 => w64::CHUNK_HEAD,
                    Container::Aiff | Container::Aifc => aiff::CHUNK_HEAD,
                    Container::Caf => caf::CHUNK_HEAD,
                };
                self.gather(Record::ChunkHead, begin, head);
            }
            _ => self.over(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        match self.record {
            Record::Magic => match bytes {
                b"RIFF" | b"RF64" | b"BW64" | b"FORM" => self.gather(Record::Form, self.at, 8),
                b"riff" => self.gather(Record::W64Form, self.at, w64::FORM),
                b"caff" => self.enter(Container::Caf, None, self.at.saturating_add(4)),
                [b'I', b'D', b'3', _] if self.head_at == 0 => {
                    self.gather(Record::Id3, self.at, 6);
                }
                _ => self.over(),
            },
            Record::Id3 => {
                if let Some(length) = id3_length(&self.head).filter(|length| *length > self.at) {
                    self.head_at = length;
                    self.head.clear();
                    self.gather(Record::Magic, length, 4);
                } else {
                    self.over();
                }
            }
            Record::Form => {
                let container = match (&array4(&self.head, 0), &array4(bytes, 4)) {
                    (b"RIFF", b"WAVE") => Container::Wav,
                    (b"RF64" | b"BW64", b"WAVE") => Container::Rf64,
                    (b"FORM", b"AIFF") => Container::Aiff,
                    (b"FORM", b"AIFC") => Container::Aifc,
                    _ => return self.over(),
                };
                let length = match container {
                    Container::Aiff | Container::Aifc => aiff::length(bytes),
                    _ => riff::length(bytes),
                };
                let end = length.map(|length| self.at.saturating_sub(4).saturating_add(length));
                self.enter(container, end, self.at);
            }
            Record::W64Form => match w64::form(bytes) {
                Some(length) => {
                    let end = self.at.saturating_sub(40).saturating_add(length);
                    self.enter(Container::W64, Some(end), self.at);
                }
                None => self.over(),
            },
            Record::ChunkHead => self.read_chunk_head(bytes),
            Record::LongSizes => {
                let (file, data) = riff::long_sizes(bytes);
                self.long = true;
                self.declared_end = file.map(|length| self.head_at.saturating_add(length));
                self.long_data = data;
                self.next_chunk(self.chunk_next);
            }
            Record::Format => {
                self.samples = match self.container {
                    Some(Container::Wav | Container::Rf64 | Container::W64) => wave::samples(bytes),
                    Some(Container::Aiff) => aiff::samples(bytes, false),
                    Some(Container::Aifc) => aiff::samples(bytes, true),
                    Some(Container::Caf) => caf::samples(bytes),
                    None => None,
                };
                // With the data already behind us this was the last thing to learn.
                if self.data.is_some() {
                    self.over();
                } else {
                    self.next_chunk(self.chunk_next);
                }
            }
            Record::Sound => {
                let (skip, length) = aiff::sound(bytes, self.chunk_length);
                self.astray = aiff::leads_out(bytes, self.chunk_length);
                self.found(self.at.saturating_add(skip), length);
            }
            Record::Over => {}
        }
    }

    fn enter(&mut self, container: Container, declared_end: Option<u64>, first_chunk: u64) {
        self.container = Some(container);
        self.search = MpegSearch::default();
        *self.walk = Walk::default();
        self.declared_end = declared_end;
        self.next_chunk(first_chunk);
    }

    fn read_chunk_head(&mut self, bytes: &[u8]) {
        let chunk = match self.container {
            Some(Container::Wav) => riff::chunk(bytes, self.at, None),
            Some(Container::Rf64) => riff::chunk(bytes, self.at, Some(self.long_data)),
            Some(Container::W64) => w64::chunk(bytes, self.at),
            Some(Container::Aiff | Container::Aifc) => aiff::chunk(bytes, self.at),
            Some(Container::Caf) => caf::chunk(bytes, self.at),
            None => None,
        };
        let Some(Chunk { what, length, next }) = chunk else {
            return self.over();
        };
        (self.chunk_length, self.chunk_next) = (length, next);
        let body = |most: u8| u8::try_from(length).map_or(most, |length| length.min(most));
        match what {
            What::LongSizes if length >= 16 => self.gather(Record::LongSizes, self.at, 16),
            What::Format if length > 0 && self.samples.is_none() => {
                self.gather(Record::Format, self.at, body(40));
            }
            What::Sound if length >= 8 && self.data.is_none() => {
                self.gather(Record::Sound, self.at, 8);
            }
            What::Data(skip, length) if self.data.is_none() => {
                self.found(self.at.saturating_add(skip), length);
            }
            _ => self.next_chunk(next),
        }
    }

    fn found(&mut self, offset: u64, length: Option<u64>) {
        let data = Data {
            offset,
            length,
            frame: self.samples.map_or(0, |samples| samples.block_align),
        };
        self.data = Some(data);
        // The format may still follow, but only behind data whose end is known.
        if self.samples.is_none() && data.end().is_some() {
            self.next_chunk(self.chunk_next);
        } else {
            self.over();
        }
    }
}

/// The four bytes at `at`; zeros if they are not there.
fn array4(bytes: &[u8], at: usize) -> [u8; 4] {
    super::array(bytes, at).unwrap_or_default()
}
