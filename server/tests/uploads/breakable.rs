//! A store that fails for a while.

use std::path::PathBuf;

/// The folder of an upload in the store. It changes places with a file and back in one step each:
/// tries at the store that are under way never meet a moment without either.
#[derive(Clone)]
pub struct Breakable(pub PathBuf);

impl Breakable {
    fn aside(&self) -> PathBuf {
        self.0.with_extension("aside")
    }

    fn exchange(&self) {
        let (at, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
        rustix::fs::renameat_with(at, &self.0, at, self.aside(), flags).unwrap();
    }

    pub fn break_it(&self) {
        std::fs::write(self.aside(), "in the way").unwrap();
        self.exchange();
    }

    pub fn repair(&self) {
        self.exchange();
        std::fs::remove_file(self.aside()).unwrap();
    }
}
