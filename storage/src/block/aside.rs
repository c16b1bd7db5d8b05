//! Where the work on a block's bytes is done: long work on a thread of its own, short work here.

/// Bytes up to which work is done where it is asked for: handing it to another thread and back
/// takes longer, and no other task waits noticeably meanwhile.
pub(super) const SHORT: usize = 32 << 10;

/// Hashes, seals, opens or compresses `bytes` bytes without keeping other tasks waiting. Work that
/// was handed on is done to its end even if nobody waits for it any more.
///
/// # Panics
/// If `work` does.
pub(crate) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= SHORT {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("no panic in work on a block")
}
