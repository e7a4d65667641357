//! One open WebSocket from the 101 to its end: a single task that reads, writes and handles
//! timeouts.
//!
//! It is one poll function because all of this happens at once. The gateway must read from a client
//! that does not read, and write to a client that does not send. Ten thousand idle clients must
//! cost little.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, poll_fn};
use futures::stream::FuturesUnordered;
use futures::{SinkExt as _, StreamExt as _};
use local_invoke::Invoke;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::connection::Connection;
use crate::core::Core;
use crate::ending::{CloseRequest, Ending, Manner};
use crate::event::{Body, RequestStamp};
use crate::hooks::Happening;
use crate::message;
use crate::outbox::Frame;
use crate::replies::Trouble;
use crate::throttle::admits;

/// Size of the read buffer of every open connection. It is small so that ten thousand idle
/// connections need 20 MB. Most messages fit.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// Size of the pieces in which a burst of frames is written.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Size of the buffer for discarded data while a refused client finishes sending.
const DISCARD_BUFFER_BYTES: usize = 16 * 1024;

/// A connection's socket, its messages in flight, and its deadline.
pub(crate) struct Session<S, I> {
    core: Arc<Core<I>>,
    connection: Arc<Connection>,
    socket: WebSocketStream<S>,
    /// Running invocations. They are polled in their order of arrival, so functions are invoked in
    /// the order of the messages and run in parallel.
    calls: FuturesUnordered<BoxFuture<'static, Option<Frame>>>,
    deadline: Pin<Box<Sleep>>,
    unflushed: bool,
    /// True if a ping was read whose pong is not written yet.
    owes_pong: bool,
    /// True if writing has failed. The client's last data can still be read.
    cut_off: bool,
}

enum Event {
    Received(Option<Result<Message, SocketError>>),
    DeadlinePassed,
    CloseRequested(CloseRequest),
}

impl<S: AsyncRead + AsyncWrite + Unpin, I: Invoke> Session<S, I> {
    /// Takes over a stream after the 101. `early` contains the bytes that the client sent right
    /// after the handshake.
    pub(crate) async fn new(core: Arc<Core<I>>, connection: Arc<Connection>, stream: S, early: Vec<u8>) -> Self {
        let limits = &core.api.limits;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_frame_size(Some(limits.frame_bytes))
            .max_message_size(Some(limits.message_bytes));
        let deadline = connection.deadline(limits.idle_timeout, limits.connection_duration);
        Self {
            socket: WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await,
            core,
            connection,
            calls: FuturesUnordered::new(),
            deadline: Box::pin(sleep_until(deadline)),
            unflushed: false,
            owes_pong: false,
            cut_off: false,
        }
    }

    /// Runs until the connection ends.
    pub(crate) async fn run(&mut self) -> Ending {
        loop {
            let ending = match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Received(Some(Ok(message))) => self.receive(message),
                Event::Received(Some(Err(error))) => Some(Ending::by_error(&error)),
                Event::Received(None) => Some(Ending::lost()),
                Event::DeadlinePassed => self.check_deadline(),
                Event::CloseRequested(request) => Some(request.into()),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Closes the socket as the ending demands, within the close timeout. Running functions may
    /// finish, but their answers are dropped.
    pub(crate) async fn finish(mut self, ending: &Ending) {
        if !self.calls.is_empty() {
            let mut calls = std::mem::take(&mut self.calls);
            drop(self.core.tasks.spawn(async move { while calls.next().await.is_some() {} }));
        }
        // The result is ignored, because the connection is over in any case.
        let _ = timeout(self.core.api.limits.close_timeout, self.say_goodbye(ending)).await;
    }

    async fn say_goodbye(&mut self, ending: &Ending) -> Result<(), SocketError> {
        match ending.manner {
            Manner::Lost => return Ok(()),
            Manner::ByClient => self.socket.flush().await?,
            Manner::ByGateway => {
                while let Some(frame) = self.connection.outbox.pop() {
                    self.socket.feed(frame.into()).await?;
                }
                self.socket.close(Some(ending.close_frame())).await?;
                while let Some(Ok(_)) = self.socket.next().await {}
            }
            Manner::Failed => {
                self.socket.close(Some(ending.close_frame())).await?;
                return self.hang_up().await;
            }
        }
        Ok(self.socket.get_mut().shutdown().await?)
    }

    /// Closes the sending half, then reads until the client closes its half. Closing a socket with
    /// unread data resets it, and the reset would overtake the close frame.
    async fn hang_up(&mut self) -> Result<(), SocketError> {
        let stream = self.socket.get_mut();
        stream.shutdown().await?;
        let mut discarded = vec![0; DISCARD_BUFFER_BYTES];
        while stream.read(&mut discarded).await? > 0 {}
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.connection.outbox.register(cx);
        if let Some(request) = self.connection.outbox.close_request() {
            return Poll::Ready(Event::CloseRequested(request));
        }
        while let Poll::Ready(Some(frame)) = self.calls.poll_next_unpin(cx) {
            if let Some(frame) = frame {
                self.reply(frame);
            }
        }
        // The reason for a failed write is in the data that can still be read: a close frame, or
        // the same error.
        self.cut_off = self.cut_off || self.poll_write(cx).is_err();
        // The deadline is checked before reading. Otherwise a client that sends without a pause
        // would never reach it.
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::DeadlinePassed);
        }
        if !self.may_read() {
            return Poll::Pending;
        }
        self.socket.poll_next_unpin(cx).map(Event::Received)
    }

    /// Writes waiting frames as far as the socket accepts them, with one flush for the whole burst.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), SocketError> {
        loop {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
            let Some(frame) = self.connection.outbox.pop() else {
                break;
            };
            self.socket.start_send_unpin(frame.into())?;
            self.connection.touch();
            self.unflushed = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx)
        {
            flushed?;
            self.unflushed = false;
            self.owes_pong = false;
        }
        Ok(())
    }

    /// Returns whether the gateway reads from the client now. It does not read while too many
    /// messages are in flight, or while the client does not read its answers. A pong that is not
    /// written yet counts as an answer; otherwise many pings would fill the memory.
    fn may_read(&self) -> bool {
        let in_flight = self.calls.len() < self.core.api.limits.messages_in_flight;
        self.cut_off || (in_flight && !self.owes_pong && !self.connection.outbox.is_full())
    }

    fn receive(&mut self, message: Message) -> Option<Ending> {
        let body = match message {
            Message::Text(text) => Body::Text(text),
            Message::Binary(bytes) if self.core.api.allow_binary => Body::Binary(bytes),
            Message::Binary(_) => return Some(Ending::binary()),
            Message::Close(frame) => return Some(Ending::by_client(frame)),
            // The protocol layer answers pings. Functions never receive them, and they do not reset
            // the idle timeout.
            Message::Ping(_) => {
                (self.unflushed, self.owes_pong) = (true, true);
                return None;
            }
            Message::Pong(_) | Message::Frame(_) => return None,
        };
        self.connection.touch();
        self.core.counters.received(match &body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        });
        if admits(self.core.account.as_ref()) {
            self.calls.push(Box::pin(message::handle(Arc::clone(&self.core), Arc::clone(&self.connection), body)));
        } else {
            self.core.counters.messages_throttled.add_one();
            let request_id = RequestStamp::now().request_id;
            self.reply(Trouble::TooManyRequests.frame(self.connection.id, request_id));
        }
        None
    }

    fn reply(&self, frame: Frame) {
        self.core.counters.sent(frame.len());
        if self.core.hooks.is_observing() {
            let (connection_id, body) = (self.connection.id.as_str(), frame.as_bytes());
            self.core.hooks.observe(Happening::Replied { connection_id, body });
        }
        self.connection.outbox.reply(frame);
    }

    /// Checks the deadline when the timer fires. The timer is moved only then, because moving it
    /// for every message would cost more than it saves.
    fn check_deadline(&mut self) -> Option<Ending> {
        let limits = &self.core.api.limits;
        let deadline = self.connection.deadline(limits.idle_timeout, limits.connection_duration);
        if Instant::now() >= deadline {
            return Some(Ending::going_away());
        }
        self.deadline.as_mut().reset(deadline);
        None
    }
}
