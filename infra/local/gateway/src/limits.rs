//! Every limit of the gateway: its default, what it is for, and where the number comes from.

use std::time::Duration;

/// What the gateway enforces. `Limits::default()` is API Gateway; tests shorten what they wait for.
///
/// Source of the quotas: <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest payload of one inbound frame, in bytes; a larger one closes the socket with 1009.
    pub frame_bytes: usize,
    /// Largest inbound message (all its frames) and largest route response, in bytes.
    pub message_bytes: usize,
    /// Largest body of a `PostToConnection`, in bytes; a larger one is 413.
    pub post_bytes: usize,
    /// A connection without data in either direction for this long is closed with 1001.
    pub idle_timeout: Duration,
    /// A connection is closed with 1001 at this age, whatever it does.
    pub connection_duration: Duration,
    /// How long the gateway waits for a function or an authorizer. The function is not stopped.
    pub integration_timeout: Duration,
    /// Requests of the account: handshakes, inbound messages and `@connections` calls together. `None` is unlimited.
    pub account_rate: Option<Rate>,
    /// New connections. `None` is unlimited.
    pub connect_rate: Option<Rate>,
    /// What the gateway keeps for a client that does not read, in bytes; beyond it a post is 429.
    pub outbound_buffer_bytes: usize,
    /// Kernel send buffer of a client's socket, in bytes (`SO_SNDBUF`); `None` leaves it to the kernel.
    pub socket_send_buffer_bytes: Option<usize>,
    /// Invocations in flight for one connection; beyond it the gateway stops reading from the client.
    pub messages_in_flight: usize,
    /// Longest request target (path and query), in bytes; a longer one is 414.
    pub url_bytes: usize,
    /// Largest sum of header names and values of a request, in bytes; a larger one is 431.
    pub header_bytes: usize,
    /// Largest result of an authorizer, in bytes; a larger one is a configuration error (500).
    pub authorizer_result_bytes: usize,
    /// How long a client may take to send a request head, and how long a kept-alive connection may rest.
    pub header_read_timeout: Duration,
    /// How long a management call takes before anything comes of it. On AWS 20 to 100 ms are seen; here nothing unless
    /// it is asked for.
    pub call_latency: Duration,
    /// How long a caller may take to send the body of a management call.
    pub body_read_timeout: Duration,
    /// How long the gateway waits for the other half of a closing handshake.
    pub close_timeout: Duration,
    /// How long stopping may take: closing every socket and running every `$disconnect`.
    pub drain_timeout: Duration,
}

/// A token bucket: `burst` tokens at most, refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second. Zero is read as one: a bucket that never refills is a wall, not a rate.
    pub per_second: u32,
    /// Tokens in a full bucket. Zero is read as one.
    pub burst: u32,
}

/// Quota "WebSocket frame size": 32 KB.
pub const FRAME_BYTES: usize = 32 * 1024;
/// Quota "Message payload size": 128 KB.
pub const MESSAGE_BYTES: usize = 128 * 1024;
/// `PostToConnectionRequest.Data` in the service model: `"max": 131072`.
pub const POST_BYTES: usize = 131_072;
/// What API Gateway meters as one message: 32 KB or a part of it.
pub const METERED_UNIT_BYTES: usize = 32 * 1024;
/// Quota "Idle Connection Timeout": 10 minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Quota "Connection duration for WebSocket API": 2 hours.
pub const CONNECTION_DURATION: Duration = Duration::from_secs(2 * 60 * 60);
/// Quota "Integration timeout": 50 ms to 29 s; the default is the maximum.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// Quota "Throttle quota per account, per Region across HTTP APIs, REST APIs, WebSocket APIs, and WebSocket callback
/// APIs": 10,000 requests a second with a bucket of 5,000.
pub const ACCOUNT_RATE: Rate = Rate { per_second: 10_000, burst: 5_000 };
/// Quota "New connections per second per account per Region": 500, with a burst of 500.
pub const CONNECT_RATE: Rate = Rate { per_second: 500, burst: 500 };
/// AWS names the buffer ("the WebSocket client side buffer is full") but not its size: four of the largest messages.
pub const OUTBOUND_BUFFER_BYTES: usize = 4 * MESSAGE_BYTES;
/// Left alone, Linux takes up to 4 MiB for a client that reads nothing, and the buffer above would never be seen full.
pub const SOCKET_SEND_BUFFER_BYTES: usize = MESSAGE_BYTES;
/// AWS documents none; enough never to be seen by an honest client, and an end to what a hostile one can hold.
pub const MESSAGES_IN_FLIGHT: usize = 100;
/// Quota "WebSocket URL length": 4,096 characters (counted here without scheme and host).
pub const URL_BYTES: usize = 4_096;
/// Quota "Total combined size of request line and header values" of REST and HTTP APIs; not confirmed for WebSocket.
pub const HEADER_BYTES: usize = 10_240;
/// Quota "AWS Lambda authorizer result size": 8 KB.
pub const AUTHORIZER_RESULT_BYTES: usize = 8 * 1024;
/// AWS documents none; a minute is the idle timeout of its load balancers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// AWS documents none; the slowest post that is worth waiting for.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 6455 section 7.1.1 leaves it to the server; a client that takes longer is gone.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than [`CLOSE_TIMEOUT`], shorter than the five seconds in which the runner must have stopped.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

const _: () = assert!(FRAME_BYTES <= MESSAGE_BYTES, "a message holds at least one whole frame");
const _: () = assert!(POST_BYTES <= OUTBOUND_BUFFER_BYTES, "the largest post fits into an empty buffer");
const _: () = assert!(CLOSE_TIMEOUT.as_millis() < DRAIN_TIMEOUT.as_millis(), "sockets close before stopping gives up");
const _: () = assert!(IDLE_TIMEOUT.as_millis() < CONNECTION_DURATION.as_millis(), "idle ends before the duration does");

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: FRAME_BYTES,
            message_bytes: MESSAGE_BYTES,
            post_bytes: POST_BYTES,
            idle_timeout: IDLE_TIMEOUT,
            connection_duration: CONNECTION_DURATION,
            integration_timeout: INTEGRATION_TIMEOUT,
            account_rate: Some(ACCOUNT_RATE),
            connect_rate: Some(CONNECT_RATE),
            outbound_buffer_bytes: OUTBOUND_BUFFER_BYTES,
            socket_send_buffer_bytes: Some(SOCKET_SEND_BUFFER_BYTES),
            messages_in_flight: MESSAGES_IN_FLIGHT,
            url_bytes: URL_BYTES,
            header_bytes: HEADER_BYTES,
            authorizer_result_bytes: AUTHORIZER_RESULT_BYTES,
            header_read_timeout: HEADER_READ_TIMEOUT,
            call_latency: Duration::ZERO,
            body_read_timeout: BODY_READ_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}
