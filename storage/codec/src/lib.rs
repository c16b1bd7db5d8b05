//! What sound is made of, without any input or output: pure functions and readers of bytes.
//!
//! [`audio`] reads what the header of an audio file says; [`pack`] makes a block's bytes as small as they
//! provably come back. Nothing here trusts a byte: any may be a lie, and none may cause a panic, an endless
//! loop or an allocation without bounds.

pub mod audio;
pub mod pack;
