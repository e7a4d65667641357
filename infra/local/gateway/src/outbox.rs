//! The outbound frames of one client: a queue that counts bytes.
//!
//! A caller adds a frame and learns at once whether there was room. The connection's task removes
//! frames and writes them. No caller waits for a client, so a slow client costs only its own
//! buffer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;

use bytes::Bytes;
use futures::task::AtomicWaker;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::ending::CloseRequest;

/// One message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The result of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posted {
    /// The frame was added and will be written.
    Accepted,
    /// The buffer is full, because the client does not read.
    Full,
    /// The connection is closing.
    Closed,
}

/// The queue of outbound frames of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the connection's task.
    reader: AtomicWaker,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    close: Option<CloseRequest>,
    closed: bool,
}

/// Overhead that is added to every frame's length, so that many empty frames also fill the buffer.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Capacity above which an empty queue releases its memory.
const KEPT_FRAMES: usize = 64;

impl Frame {
    /// Returns the payload.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the length of the payload in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl From<Frame> for Message {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl Outbox {
    /// Creates an empty queue that accepts posts until `limit_bytes` are waiting.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { state: Mutex::default(), reader: AtomicWaker::new(), limit_bytes }
    }

    /// Adds a post if there is room. An empty queue accepts a frame of any size.
    pub(crate) fn post(&self, frame: Frame) -> Posted {
        let mut state = self.lock();
        if state.closed || state.close.is_some() {
            return Posted::Closed;
        }
        if state.bytes > 0 && state.bytes + frame.len() + FRAME_OVERHEAD_BYTES > self.limit_bytes {
            return Posted::Full;
        }
        state.push(frame);
        drop(state);
        self.reader.wake();
        Posted::Accepted
    }

    /// Adds a reply of the gateway itself, even if the queue is full. While the queue is over its
    /// limit, the gateway reads no messages of this client, so there are never more replies than
    /// messages in flight.
    pub(crate) fn reply(&self, frame: Frame) {
        self.lock().push(frame);
    }

    /// Requests that the connection closes after the frames in the queue. Returns `false` if it is
    /// already closing.
    pub(crate) fn request_close(&self, request: CloseRequest) -> bool {
        let mut state = self.lock();
        if state.closed || state.close.is_some() {
            return false;
        }
        state.close = Some(request);
        drop(state);
        self.reader.wake();
        true
    }

    /// Refuses all later posts. Frames in the queue can still be removed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Removes and returns the next frame to write.
    pub(crate) fn pop(&self) -> Option<Frame> {
        let mut state = self.lock();
        let frame = state.frames.pop_front()?;
        state.bytes -= frame.len() + FRAME_OVERHEAD_BYTES;
        if state.frames.is_empty() && state.frames.capacity() > KEPT_FRAMES {
            state.frames = VecDeque::new();
        }
        Some(frame)
    }

    /// Returns the request to close the connection, if there is one.
    pub(crate) fn close_request(&self) -> Option<CloseRequest> {
        self.lock().close
    }

    /// Returns whether the queue is at its limit. The gateway then stops reading from the client.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().bytes >= self.limit_bytes
    }

    /// Registers the task of `cx`. The next post or close request wakes it.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len() + FRAME_OVERHEAD_BYTES;
        self.frames.push_back(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame::Text("x".repeat(bytes).into())
    }

    #[test]
    fn a_queue_takes_posts_until_its_bytes_are_full_and_again_when_it_was_read() {
        let outbox = Outbox::new(1_000);
        let accepted = (0..100).take_while(|_| outbox.post(frame(36)) == Posted::Accepted).count();
        assert_eq!(accepted, 10);
        assert!(outbox.is_full());
        assert!(outbox.pop().is_some());
        assert_eq!(outbox.post(frame(36)), Posted::Accepted);
    }

    #[test]
    fn an_empty_queue_has_room_for_anything_and_a_flood_of_empty_frames_has_an_end() {
        let outbox = Outbox::new(1_000);
        assert_eq!(outbox.post(frame(5_000)), Posted::Accepted);
        assert_eq!(outbox.post(frame(0)), Posted::Full);
        outbox.pop();
        assert_eq!(
            (0..1_000).filter(|_| outbox.post(frame(0)) == Posted::Accepted).count(),
            1_000 / FRAME_OVERHEAD_BYTES
        );
    }

    #[test]
    fn a_closing_queue_takes_nothing_more_and_gives_what_it_has() {
        let outbox = Outbox::new(1_000);
        outbox.post(frame(1));
        assert!(outbox.request_close(CloseRequest::Deleted));
        assert!(!outbox.request_close(CloseRequest::Stopping));
        assert_eq!(outbox.close_request(), Some(CloseRequest::Deleted));
        assert_eq!(outbox.post(frame(1)), Posted::Closed);
        assert!(outbox.pop().is_some());
        assert!(outbox.pop().is_none());
    }
}
