//! Rotation, backup and restore over a whole vault in memory: cut at every write, beside orders
//! that are created and purged meanwhile, on a key store that garbles.

mod house;
mod mended;
mod rotation;
mod saved;
