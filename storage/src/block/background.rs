//! Work on blocks that nobody waits for: a few threads of their own, at the lowest priority, so that
//! uploads and downloads keep the machine whenever they want it.
//!
//! The threads begin with the first long work and end with the [`Background`]. Short work is done
//! where it is asked for. No more blocks are worked on at once than there are threads: that
//! bounds what the work costs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::oneshot;

use super::aside::SHORT;

/// How far the threads stand back, as `nice` counts: as far as they can.
const NICE: i32 = 19;

type Work = Box<dyn FnOnce() + Send>;

/// The threads.
#[derive(Debug)]
pub(crate) struct Background {
    threads: usize,
    queue: OnceLock<Sender<Work>>,
}

impl Background {
    /// So many threads, at least one.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            queue: OnceLock::new(),
        }
    }

    /// How many blocks are worked on at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Does work on `bytes` bytes when it is its turn. Work that was handed on is done to its end
    /// even if nobody waits for it any more.
    ///
    /// # Panics
    /// If `work` does, or no thread can be had.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes <= SHORT {
            return work();
        }
        let (tell, done) = oneshot::channel();
        let queue = self.queue.get_or_init(|| begin(self.threads));
        queue
            .send(Box::new(move || drop(tell.send(work()))))
            .expect("the threads wait for work as long as it can be sent");
        done.await.expect("no panic in work on a block")
    }
}

fn begin(threads: usize) -> Sender<Work> {
    let (queue, work) = channel();
    let work = Arc::new(Mutex::new(work));
    for _ in 0..threads {
        let work = Arc::clone(&work);
        std::thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || work_off(&work))
            .expect("a thread can be had");
    }
    queue
}

fn work_off(queue: &Mutex<Receiver<Work>>) {
    // On Linux a priority is a thread's own. Where it cannot be changed the work is done all the same.
    let _ = rustix::process::nice(NICE);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else {
            return;
        };
        // Whoever waits for it panics as well; the thread is needed for the others.
        drop(catch_unwind(AssertUnwindSafe(work)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn long_work_is_done_by_so_many_threads_and_no_more() {
        let background = Background::new(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..50).map(|nth| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            background.run(SHORT + 1, move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                nth
            })
        });
        assert_eq!(join_all(work).await, (0..50).collect::<Vec<_>>());
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_takes_no_thread_away() {
        let background = Arc::new(Background::new(1));
        let failing = Arc::clone(&background);
        let failed = tokio::spawn(async move {
            failing.run(SHORT + 1, || panic!("on purpose")).await;
        });
        assert!(failed.await.unwrap_err().is_panic());
        assert_eq!(background.run(SHORT + 1, || 7).await, 7);
    }

    #[tokio::test]
    async fn its_threads_stand_back() {
        let background = Background::new(1);
        let nice = background.run(SHORT + 1, || rustix::process::nice(0));
        assert_eq!(nice.await.unwrap(), NICE);
        assert_eq!(Background::new(0).run(1, || 7).await, 7);
    }
}
