//! Reads that take what is there.
//!
//! A TLS session asks its socket for 4 KiB at a time and hands on one record of at most 16 KiB at
//! a time, and HTTP makes one piece of a body of each. At a gigabyte a second that is a quarter of
//! a million system calls, and as many pieces that wake the task they are for. [`Ahead`] goes
//! below TLS and reads the socket in large steps; [`Full`] goes above it and fills the buffer that
//! it is given with as many records as are there. Neither waits for more than there is; but a task
//! that was given much has to do something with it before it reads on, while it is in the cache and
//! before its sender may send no more.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::listen::pace::Steps;

/// What is read from a socket at once; small enough that the allocator keeps it at hand.
const AHEAD: usize = 64 << 10;

/// After so many bytes without a pause there is one.
const TURN: usize = 256 << 10;

/// Reads ahead. Holds memory only while there is something in it.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    inner: T,
    /// Read, and not asked for yet.
    held: BytesMut,
}

impl<T> Ahead<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            held: BytesMut::new(),
        }
    }
}

impl<T: AsyncRead + Unpin> Ahead<T> {
    /// The first byte that has come, which stays to be read; none if there is an end before.
    pub(crate) async fn first(&mut self) -> io::Result<Option<u8>> {
        if self.held.is_empty() {
            self.held.reserve(AHEAD);
            self.inner.read_buf(&mut self.held).await?;
        }
        Ok(self.held.first().copied())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Ahead<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.held.is_empty() {
            // A no-op while the buffer from before is there.
            this.held.reserve(AHEAD);
            // It reads once or is not ready, so nothing is lost when it is dropped.
            let read = pin!(this.inner.read_buf(&mut this.held)).poll(context);
            if !matches!(read, Poll::Ready(Ok(_))) {
                this.held = BytesMut::new();
            }
            ready!(read)?;
        }
        let now = this.held.len().min(into.remaining());
        into.put_slice(&this.held[..now]);
        this.held.advance(now);
        Poll::Ready(Ok(()))
    }
}

/// Fills the buffer that it is asked to read into, as far as that can be done now.
#[derive(Debug)]
pub(crate) struct Full<T> {
    inner: T,
    /// What came after the bytes that were handed on last.
    failed: Option<io::Error>,
    /// Bytes since the last pause.
    turn: usize,
    /// Where nobody holds back what is read on their behalf.
    steps: Option<Steps>,
}

impl<T> Full<T> {
    pub(crate) fn new(inner: T, steps: Option<Steps>) -> Self {
        Self {
            inner,
            failed: None,
            turn: 0,
            steps,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Full<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let begun = into.filled().len();
        if self.turn >= TURN {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(steps) = &mut self.steps {
            ready!(steps.poll_next(context));
        }
        let polled = self.fill(context, into);
        let read = into.filled().len() - begun;
        match polled {
            Poll::Ready(_) => self.turn += read,
            Poll::Pending => self.turn = 0,
        }
        if let Some(steps) = &mut self.steps {
            steps.count(read);
        }
        polled
    }
}

impl<T: AsyncRead + Unpin> Full<T> {
    fn fill(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begun = into.filled().len();
        loop {
            let before = into.filled().len();
            let read = Pin::new(&mut self.inner).poll_read(context, into);
            let more = into.filled().len() > before && into.remaining() > 0;
            match read {
                Poll::Ready(Ok(())) if more => {}
                Poll::Ready(Err(error)) if before > begun => {
                    self.failed = Some(error);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending if before > begun => return Poll::Ready(Ok(())),
                read => return read,
            }
        }
    }
}

/// Writes go straight through.
macro_rules! writes_through {
    ($name:ident) => {
        impl<T: AsyncWrite + Unpin> AsyncWrite for $name<T> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.inner).poll_write(context, bytes)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }

            fn poll_flush(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_flush(context)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_shutdown(context)
            }
        }
    };
}

writes_through!(Ahead);
writes_through!(Full);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives one piece a read, then what is last.
    struct Pieces {
        pieces: VecDeque<Vec<u8>>,
        last: fn() -> Poll<io::Result<()>>,
        reads: usize,
    }

    fn pieces(pieces: &[usize], last: fn() -> Poll<io::Result<()>>) -> Pieces {
        let mut next = 0..=u8::MAX;
        let mut piece = |length| (0..length).map(|_| next.next().unwrap()).collect();
        Pieces {
            pieces: pieces.iter().map(|length| piece(*length)).collect(),
            last,
            reads: 0,
        }
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reads += 1;
            let Some(mut piece) = self.pieces.pop_front() else {
                return (self.last)();
            };
            let rest = piece.split_off(piece.len().min(into.remaining()));
            into.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    fn read<T: AsyncRead + Unpin>(from: &mut T, most: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut buffer = vec![0; most];
        let mut into = ReadBuf::new(&mut buffer);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let read = Pin::new(from).poll_read(&mut context, &mut into);
        let got = into.filled().to_vec();
        read.map_ok(|()| got)
    }

    fn got(read: Poll<io::Result<Vec<u8>>>) -> Vec<u8> {
        match read {
            Poll::Ready(Ok(got)) => got,
            other => panic!("{other:?}"),
        }
    }

    const BROKEN: fn() -> Poll<io::Result<()>> = || Poll::Ready(Err(io::ErrorKind::Other.into()));

    #[test]
    fn a_buffer_is_filled_with_what_is_there() {
        let mut full = Full::new(pieces(&[3, 4, 5], || Poll::Pending), None);
        assert_eq!(got(read(&mut full, 9)), (0..9).collect::<Vec<u8>>());
        assert_eq!(got(read(&mut full, 9)), [9, 10, 11]);
        assert!(read(&mut full, 9).is_pending());
    }

    #[test]
    fn bytes_come_before_the_error_behind_them_and_the_end_is_seen() {
        let mut full = Full::new(pieces(&[3], BROKEN), None);
        assert_eq!(got(read(&mut full, 9)), [0, 1, 2]);
        full.inner.last = || Poll::Pending;
        assert!(matches!(read(&mut full, 9), Poll::Ready(Err(_))));
        let mut full = Full::new(pieces(&[3], || Poll::Ready(Ok(()))), None);
        assert_eq!(got(read(&mut full, 9)), [0, 1, 2]);
        assert!(got(read(&mut full, 9)).is_empty());
    }

    #[test]
    fn small_reads_are_served_from_one_large_one() {
        let mut ahead = Ahead::new(pieces(&[100, 50], || Poll::Pending));
        let mut all = Vec::new();
        for _ in 0..30 {
            all.extend(got(read(&mut ahead, 5)));
        }
        assert_eq!(all, (0..150).collect::<Vec<u8>>());
        assert_eq!(ahead.inner.reads, 2);
        assert!(read(&mut ahead, 5).is_pending());
        assert_eq!(ahead.held.capacity(), 0, "nothing is held while idle");
        ahead.inner.last = || Poll::Ready(Ok(()));
        assert!(got(read(&mut ahead, 5)).is_empty());
        ahead.inner.last = BROKEN;
        assert!(matches!(read(&mut ahead, 5), Poll::Ready(Err(_))));
    }
}
