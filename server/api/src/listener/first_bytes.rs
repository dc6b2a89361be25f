//! A connection whose first bytes must come in time. HTTP's own timeouts begin only once it is known which
//! HTTP is spoken, so a client that says nothing, or only part of a preface, would hold its place for ever.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// As many as HTTP/2's preface has, and fewer than any HTTP/1.1 request.
const ENOUGH: usize = 24;

/// A stream that fails where its first bytes do not come in time.
pub(super) struct FirstBytes<S> {
    stream: S,
    waiting: Option<Waiting>,
}

struct Waiting {
    missing: usize,
    timer: Pin<Box<Sleep>>,
}

impl<S> FirstBytes<S> {
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Self { stream, waiting: Some(Waiting { missing: ENOUGH, timer: Box::pin(sleep(within)) }) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buf);
        let Some(waiting) = &mut this.waiting else { return polled };
        if polled.is_pending() {
            ready!(waiting.timer.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        waiting.missing = waiting.missing.saturating_sub(buf.filled().len() - before);
        if waiting.missing == 0 {
            this.waiting = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_enough_bytes_keep_it() {
        let (mut client, server) = duplex(64);
        let mut server = FirstBytes::new(server, Duration::from_secs(1));
        client.write_all(&[0; 23]).await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(server.read(&mut buf).await.unwrap(), 23);
        assert_eq!(server.read(&mut buf).await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (mut client, server) = duplex(64);
        let mut server = FirstBytes::new(server, Duration::from_secs(1));
        client.write_all(&[0; 24]).await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 24);
        let late = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            client.write_all(&[1]).await.unwrap();
        };
        let (read, ()) = tokio::join!(server.read(&mut buf), late);
        assert_eq!(read.unwrap(), 1);
    }
}
