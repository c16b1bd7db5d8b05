//! Stemvault server library.
