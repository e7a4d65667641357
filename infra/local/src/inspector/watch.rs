//! Converts the reports of the gateway, the functions, the queues and the faults to events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use local_faults::Fault;
use local_gateway::{CallOutcome, Happening, ManagementMethod};
use local_lambda::{Output, Record, Report, Status};
use local_queues::{Happening as OfQueue, Label, Observer};

use super::event::{Event, Kind, Payload};
use super::feed::Feed;
use super::logs::{Line, Logs};
use super::metrics::Metrics;

/// Reports the output of functions.
#[derive(Clone)]
pub(crate) struct Functions {
    feed: Feed,
    logs: Arc<Logs>,
    metrics: Arc<Metrics>,
    seen: Arc<Mutex<HashMap<Arc<str>, Requests>>>,
}

/// The last request id of each process of a function.
type Requests = HashMap<u64, Arc<str>>;

impl Functions {
    pub(super) fn new(feed: Feed, logs: Arc<Logs>, metrics: Arc<Metrics>) -> Self {
        Self { feed, logs, metrics, seen: Arc::default() }
    }

    /// Records an occurrence in a process.
    pub(crate) fn record(&self, function: &str, process: u64, record: &Record<'_>) {
        match *record {
            Record::ProcessStarted { pid } => {
                self.feed.record(Kind::ProcessStarted, || Event::ProcessStarted { function, process, pid });
            }
            Record::Start { request_id, event } => {
                self.requests(function, |_, requests| requests.insert(process, request_id.into()));
                self.feed.record(Kind::InvocationStarted, || {
                    let payload = Payload::new(event);
                    Event::InvocationStarted { function, process, request_id, payload }
                });
            }
            Record::Line { output, text } => self.line(function, process, output, text),
            Record::Report(report) => {
                self.feed.record(Kind::InvocationEnded, || ended(function, process, report));
            }
            Record::ProcessEnded { reason } => {
                self.requests(function, |_, requests| requests.remove(&process));
                self.feed.record(Kind::ProcessEnded, || Event::ProcessEnded { function, process, reason });
            }
        }
    }

    fn line(&self, function: &str, process: u64, output: Output, text: &str) {
        let output = match output {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        };
        let (name, request_id) =
            self.requests(function, |name, requests| (Arc::clone(name), requests.get(&process).cloned()));
        self.feed.record(Kind::Log, || {
            let (request_id, text) = (request_id.as_deref(), Payload::new(text.as_bytes()));
            Event::Log { function, process, request_id, output, text }
        });
        self.metrics.record(text);
        self.logs.keep(Line::new(name, process, request_id, output, text));
    }

    fn requests<R>(&self, function: &str, act: impl FnOnce(&Arc<str>, &mut Requests) -> R) -> R {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let name = seen.get_key_value(function).map_or_else(|| Arc::from(function), |(name, _)| Arc::clone(name));
        let requests = seen.entry(Arc::clone(&name)).or_default();
        act(&name, requests)
    }
}

fn ended<'a>(function: &'a str, process: u64, report: &'a Report) -> Event<'a> {
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    Event::InvocationEnded {
        function,
        process,
        request_id: &report.request_id,
        status: match report.status {
            Status::Success => "success",
            Status::Error => "error",
            Status::Timeout => "timeout",
        },
        duration_ms: ms(report.duration),
        init_ms: report.init_duration.map(ms),
        memory_mb: report.max_memory_mb,
    }
}

/// Reports the events of messages.
pub(super) struct Queues(pub(super) Feed);

impl Observer for Queues {
    fn is_observing(&self) -> bool {
        self.0.is_recording()
    }

    fn observe(&self, queue: &str, happening: OfQueue<'_>) {
        let Self(feed) = self;
        match happening {
            OfQueue::Sent { message: Label { id: message_id, group }, body } => {
                let body = Payload::new(body.as_bytes());
                feed.record(Kind::MessageSent, || Event::MessageSent { queue, message_id, group, body });
            }
            OfQueue::Received { message: Label { id: message_id, group }, receive_count } => {
                let event = || Event::MessageReceived { queue, message_id, group, receive_count };
                feed.record(Kind::MessageReceived, event);
            }
            OfQueue::Deleted { message: Label { id: message_id, group } } => {
                feed.record(Kind::MessageDeleted, || Event::MessageDeleted { queue, message_id, group });
            }
            OfQueue::DeadLettered { message: Label { id: message_id, group }, to } => {
                feed.record(Kind::MessageDeadLettered, || Event::MessageDeadLettered { queue, message_id, group, to });
            }
            OfQueue::Redriven { message: Label { id: message_id, group } } => {
                feed.record(Kind::MessageRedriven, || Event::MessageRedriven { queue, message_id, group });
            }
            OfQueue::Expired { message: Label { id: message_id, group } } => {
                feed.record(Kind::MessageExpired, || Event::MessageExpired { queue, message_id, group });
            }
        }
    }
}

/// Records an event of the gateway. `caller_of` returns the name of a caller by its access key.
pub(super) fn of_gateway(feed: &Feed, happening: Happening<'_>, caller_of: impl FnOnce(&str) -> String) {
    match happening {
        Happening::Opened { connection_id, source_ip, user_agent } => feed.record(Kind::ConnectionOpened, || {
            Event::ConnectionOpened { connection_id, source_ip: source_ip.to_string(), user_agent }
        }),
        Happening::Refused { status, source_ip } => feed
            .record(Kind::ConnectionRefused, || Event::ConnectionRefused { status, source_ip: source_ip.to_string() }),
        Happening::Closed { connection_id, code, reason } => {
            feed.record(Kind::ConnectionClosed, || Event::ConnectionClosed { connection_id, code, reason });
        }
        Happening::Received { connection_id, request_id, route, body } => feed.record(Kind::FrameReceived, || {
            Event::FrameReceived { connection_id, request_id, route, body: Payload::new(body) }
        }),
        Happening::Replied { connection_id, body } => {
            feed.record(Kind::FrameReplied, || Event::FrameReplied { connection_id, body: Payload::new(body) });
        }
        Happening::Called { call, outcome, body } => {
            let connection_id = call.connection_id;
            if call.method == ManagementMethod::Post && feed.records(Kind::Posted) {
                let (by, body) = (caller_of(call.access_key_id), Payload::new(body.unwrap_or_default()));
                let outcome = if outcome == CallOutcome::Done { "delivered" } else { name_of(outcome) };
                feed.record(Kind::Posted, || Event::Posted { connection_id, by: &by, outcome, body });
            } else if call.method != ManagementMethod::Post && feed.records(Kind::Called) {
                let (by, method) = (caller_of(call.access_key_id), call.method.name());
                let outcome = name_of(outcome);
                feed.record(Kind::Called, || Event::Called { connection_id, by: &by, method, outcome });
            }
        }
    }
}

/// Records that a fault happened.
pub(super) fn of_fault(feed: &Feed, fault: Fault) {
    let (number, what) = fault.describe();
    feed.record(Kind::FaultFired, || Event::FaultFired { fault: number, what });
}

fn name_of(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Done => "done",
        CallOutcome::AnswerLost => "answer_lost",
        CallOutcome::Gone => "gone",
        CallOutcome::Throttled => "throttled",
        CallOutcome::BufferFull => "buffer_full",
        CallOutcome::TooLarge => "too_large",
        CallOutcome::Forbidden => "forbidden",
        CallOutcome::Invalid => "invalid",
        CallOutcome::Unavailable => "unavailable",
        CallOutcome::Hung => "hung",
    }
}
