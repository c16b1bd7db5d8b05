//! A chunk of a container of plain samples, as its head has it.

/// What a chunk is to us.
pub(super) enum What {
    /// The 64-bit sizes of an RF64.
    LongSizes,
    /// The form of the samples.
    Format,
    /// An AIFF sound chunk, whose first eight bytes say where in it the samples begin.
    Sound,
    /// Sample data that begins `.0` bytes behind the chunk's head, `.1` bytes long if known.
    Data(u64, Option<u64>),
    /// Anything else.
    Other,
}

/// The head of a chunk, understood. Offsets are those of the file.
pub(super) struct Chunk {
    pub(super) what: What,
    /// Bytes of the body.
    pub(super) length: u64,
    /// Where the next chunk begins.
    pub(super) next: u64,
}
