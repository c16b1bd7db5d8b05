//! Blocks: up to 4 MiB of a file, named by the BLAKE3 of their plain bytes, stored sealed.

mod aside;
mod background;
mod buffer;
mod seal;

pub(crate) use aside::aside;
pub(crate) use background::Background;
pub(crate) use buffer::Buffers;
pub use seal::{HEADER_LEN, Logical, Overhead, SealError, Sealer, open, seal_copy};

/// The longest block, in bytes.
pub const BLOCK_MAX: usize = 4 << 20;
