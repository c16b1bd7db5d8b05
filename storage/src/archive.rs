//! The archive of an order: every file cut anew, every block compressed, in a folder of its own per
//! attempt, with an index that is enough to restore every file.
//!
//! An attempt counts for nothing until it was read back, decoded and compared with the manifests;
//! then the proof in the order names it. One that was interrupted is gone on with, as long as the
//! order has not changed ([`attempt`]); what was put is remembered in rows ([`progress`]).

mod attempt;
mod pack;
mod progress;
mod read_back;
mod recut;
mod steps;
mod write;

use std::sync::Arc;

pub use crate::index::{ArchivedBlock, ArchivedFile, ArchivedSession, Index};
pub use attempt::{Claim, Turn};
pub use write::Written;

pub(crate) use attempt::Sights;
pub(crate) use progress::ProgressRows;

use crate::block::Background;
use crate::core::Core;
use crate::intake::Intake;
use crate::manifests::Manifests;
use crate::outlet::Outlet;
use crate::pace::Pace;

/// Writes archives, and reads them back.
#[derive(Clone, Debug)]
pub struct Archiver {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) progress: Arc<ProgressRows>,
    pub(crate) background: Arc<Background>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) sights: Arc<Sights>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{decode, encode};

    #[test]
    fn an_index_of_version_1_stays_readable() {
        let (order, attempt) = ("0".repeat(32), "1".repeat(32));
        let hash = "2".repeat(64);
        let text = format!(
            r#"{{"v":1,"order":"{order}","attempt":"{attempt}","sessions":[{{"session":"{hash}","files":[
            {{"path":"kick.wav","length":"4","hash":"{hash}","sha256":"{hash}",
            "blocks":[{{"hash":"{hash}","length":4,"crc32":7}}]}}]}}]}}"#
        );
        let index: Index = decode(text.as_bytes()).unwrap();
        let block = &index.sessions[0].files[0].blocks[0];
        assert_eq!((block.length, block.codec, block.stored), (4, None, None));
        assert_eq!(decode::<Index>(&encode(&index)).unwrap(), index);
        let later = text.replacen("\"v\":1", "\"v\":3", 1);
        assert!(decode::<Index>(later.as_bytes()).is_err());
    }
}
