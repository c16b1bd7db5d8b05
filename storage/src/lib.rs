//! The nouns of Stemvault, their bytes and their memory.
pub mod audio;
pub mod clock;
pub mod ids;
pub mod intake;
pub mod path;
