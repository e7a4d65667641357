//! A stream that records its first request head.
//!
//! Events contain header names in the client's spelling, but the HTTP library keeps them in lower
//! case only. So this stream keeps the bytes of the first head until a handshake reads the
//! spelling.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer than any head that the gateway accepts. Names beyond this length are spelled by rule.
const RECORDED_BYTES: usize = 16 * 1024;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A byte stream whose first request head can be read again.
#[derive(Debug)]
pub(crate) struct Recorded<S> {
    stream: S,
    head: Option<Head>,
}

/// The bytes of the first head that were received so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head(Arc<Mutex<Vec<u8>>>);

impl<S> Recorded<S> {
    /// Starts to record `stream`.
    pub(crate) fn new(stream: S) -> (Self, Head) {
        let head = Head::default();
        (Self { stream, head: Some(head.clone()) }, head)
    }

    /// Returns the underlying stream.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl Head {
    /// Removes and returns the header names in the client's spelling and order. Later calls return
    /// an empty list.
    pub(crate) fn take_names(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split("\r\n").skip(1).take_while(|line| !line.is_empty());
        lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
    }

    /// Records bytes. Returns `false` when the head is complete or the record is full.
    fn record(&self, bytes: &[u8]) -> bool {
        let mut head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let searched = head.len().saturating_sub(HEAD_END.len());
        let room = RECORDED_BYTES - head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let complete = head[searched..].windows(HEAD_END.len()).any(|window| window == HEAD_END);
        !complete && head.len() < RECORDED_BYTES
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(head) = &self.head
            && !head.record(&buf.filled()[before..])
        {
            self.head = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_the_client_spelled_them_however_the_bytes_arrived() {
        let request = b"GET /local HTTP/1.1\r\nHost: x\r\nheaderAuth1: a:b\r\nX-ODD: c\r\n\r\nbody: none";
        for size in 1..request.len() {
            let head = Head::default();
            let mut wanted = true;
            for piece in request.chunks(size) {
                wanted = wanted && head.record(piece);
            }
            assert!(!wanted);
            assert_eq!(head.take_names(), ["Host", "headerAuth1", "X-ODD"]);
            assert!(head.take_names().is_empty());
        }
    }

    #[test]
    fn a_head_without_an_end_is_not_kept_for_ever() {
        let head = Head::default();
        assert!(!(0..100).all(|_| head.record(&[b'a'; 1024])));
        assert_eq!(head.0.lock().unwrap().len(), RECORDED_BYTES);
    }
}
