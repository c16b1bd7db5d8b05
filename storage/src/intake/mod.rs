//! From a stream of bytes to blocks: where blocks end, the hash of the whole file, and what the
//! header says about it. Pure functions of the file's bytes; nothing here does any I/O.
pub mod checks;
pub mod cut;
pub mod facts;
mod family;
pub mod hash;
mod message;
