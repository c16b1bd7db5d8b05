//! The nouns of Stemvault, their bytes and their memory.
pub mod catalog;
pub mod clock;
pub mod ids;
