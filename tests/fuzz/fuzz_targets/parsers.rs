//! The fuzzer over every parser that strangers feed. `STEMVAULT_FUZZ` names one of
//! `stemvault::fuzz::TARGETS`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use stemvault::fuzz::TARGETS;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let wanted = std::env::var("STEMVAULT_FUZZ").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        let (_, target) = found.unwrap_or_else(|| panic!("STEMVAULT_FUZZ names one of {names:?}"));
        TARGET.set(*target).expect("begun once");
    },
    |bytes: &[u8]| TARGET.get().expect("begun")(bytes)
);
