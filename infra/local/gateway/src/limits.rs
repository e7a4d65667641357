//! Every limit of the gateway: its default, its purpose, and the source of the number.

use std::time::Duration;

/// The limits that the gateway enforces. `Limits::default()` has the limits of API Gateway; tests
/// shorten timeouts.
///
/// Source of the quotas:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest payload of one inbound frame, in bytes. A larger frame closes the socket with 1009.
    pub frame_bytes: usize,
    /// Largest inbound message (all its frames) and largest route response, in bytes.
    pub message_bytes: usize,
    /// Largest body of a `PostToConnection`, in bytes. A larger body is answered with 413.
    pub post_bytes: usize,
    /// A connection without data in either direction for this time is closed with 1001.
    pub idle_timeout: Duration,
    /// Maximum age of a connection. At this age it is closed with 1001, even if it is active.
    pub connection_duration: Duration,
    /// How long the gateway waits for a function or an authorizer. The function is not stopped.
    pub integration_timeout: Duration,
    /// How long the gateway waits for a function behind a route of the HTTP API. The function is
    /// not stopped.
    pub http_integration_timeout: Duration,
    /// Largest body of a request to the HTTP API, in bytes. A larger body is answered with 413.
    pub http_body_bytes: usize,
    /// Rate of the account's requests: handshakes, inbound messages and `@connections` calls
    /// together. `None` is unlimited.
    pub account_rate: Option<Rate>,
    /// Rate of new connections. `None` is unlimited.
    pub connect_rate: Option<Rate>,
    /// Size of the buffer for a client that does not read, in bytes. A post beyond it is answered
    /// with 429.
    pub outbound_buffer_bytes: usize,
    /// Kernel send buffer of a client's socket, in bytes (`SO_SNDBUF`). `None` keeps the kernel's
    /// default.
    pub socket_send_buffer_bytes: Option<usize>,
    /// Concurrent invocations for one connection. At this number the gateway stops reading from the
    /// client.
    pub messages_in_flight: usize,
    /// Longest request target (path and query), in bytes. A longer one is answered with 414.
    pub url_bytes: usize,
    /// Largest sum of header names and values of a request, in bytes. A larger sum is answered with
    /// 431.
    pub header_bytes: usize,
    /// Largest result of an authorizer, in bytes. A larger result is a configuration error (500).
    pub authorizer_result_bytes: usize,
    /// How long a client may take to send a request head, and how long a kept-alive connection may
    /// be idle.
    pub header_read_timeout: Duration,
    /// Delay of every management call. AWS shows 20 to 100 ms; the default here is zero.
    pub call_latency: Duration,
    /// How long a caller may take to send the body of a management call.
    pub body_read_timeout: Duration,
    /// How long the gateway waits for the client's part of the closing handshake.
    pub close_timeout: Duration,
    /// How long stopping may take, which includes closing every socket and running every
    /// `$disconnect`.
    pub drain_timeout: Duration,
}

/// A token bucket that holds at most `burst` tokens and is refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second. Zero counts as one, because a bucket that is never refilled would block for
    /// ever.
    pub per_second: u32,
    /// Tokens in a full bucket. Zero counts as one.
    pub burst: u32,
}

/// Quota "WebSocket frame size": 32 KB.
pub const FRAME_BYTES: usize = 32 * 1024;
/// Quota "Message payload size": 128 KB.
pub const MESSAGE_BYTES: usize = 128 * 1024;
/// `PostToConnectionRequest.Data` in the service model: `"max": 131072`.
pub const POST_BYTES: usize = 131_072;
/// The unit in which API Gateway meters messages: each 32 KB or part of it.
pub const METERED_UNIT_BYTES: usize = 32 * 1024;
/// Quota "Idle Connection Timeout": 10 minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Quota "Connection duration for WebSocket API": 2 hours.
pub const CONNECTION_DURATION: Duration = Duration::from_secs(2 * 60 * 60);
/// Quota "Integration timeout": 50 ms to 29 s; the default is the maximum.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// Quota "Maximum integration timeout" of HTTP APIs: 30 seconds.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
pub const HTTP_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Quota "Payload size" of HTTP APIs: 10 MB.
pub const HTTP_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Quota "Throttle quota per account, per Region across HTTP APIs, REST APIs, WebSocket APIs, and
/// WebSocket callback APIs": 10,000 requests a second with a bucket of 5,000.
pub const ACCOUNT_RATE: Rate = Rate { per_second: 10_000, burst: 5_000 };
/// Quota "New connections per second per account per Region": 500, with a burst of 500.
pub const CONNECT_RATE: Rate = Rate { per_second: 500, burst: 500 };
/// Four of the largest messages. AWS names the buffer ("the WebSocket client side buffer is full")
/// but not its size.
pub const OUTBOUND_BUFFER_BYTES: usize = 4 * MESSAGE_BYTES;
/// Without this limit, Linux buffers up to 4 MiB for a client that does not read, so the buffer
/// above would never be full.
pub const SOCKET_SEND_BUFFER_BYTES: usize = MESSAGE_BYTES;
/// AWS documents no limit. A normal client never reaches this number; it limits the memory of a
/// hostile client.
pub const MESSAGES_IN_FLIGHT: usize = 100;
/// Quota "WebSocket URL length": 4,096 characters (counted here without scheme and host).
pub const URL_BYTES: usize = 4_096;
/// Quota "Total combined size of request line and header values" of REST and HTTP APIs. Not
/// confirmed for WebSocket.
pub const HEADER_BYTES: usize = 10_240;
/// Quota "AWS Lambda authorizer result size": 8 KB.
pub const AUTHORIZER_RESULT_BYTES: usize = 8 * 1024;
/// AWS documents no value. One minute is the idle timeout of its load balancers.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// AWS documents no value. A post that takes longer is not worth the wait.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 6455 section 7.1.1 leaves the time to the server. A client that takes longer counts as gone.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than [`CLOSE_TIMEOUT`], and shorter than the five seconds within which the runner must
/// stop.
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
            http_integration_timeout: HTTP_INTEGRATION_TIMEOUT,
            http_body_bytes: HTTP_BODY_BYTES,
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
