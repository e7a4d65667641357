//! Drives the rules: passes socket messages and commands to them, and carries out their outputs.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use domain::{PublicationId, RoomId};
use protocol::reply::{History, Who};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::handle::{Command, PublishError, QuestionError};
use super::options::{Options, lasts};
use super::socket::{self, Said};
use crate::rules::{Client, Event, LinkId, Loss, Output, Ticket};

/// Messages that wait for a socket to send them. A socket with more is treated as lost.
const OUTGOING: usize = 256;
/// Messages from all sockets that wait for the rules. When the queue is full, the sockets are not
/// read.
const INCOMING: usize = 256;
/// Messages handled in a row before the clock is checked. Messages come first, so that a pong that
/// has arrived is not missed. The maximum keeps a busy room from stopping the clock.
const MESSAGES_IN_A_ROW: u32 = 256;
/// Time for sockets to close at the end. Sockets that take longer are dropped.
const FAREWELL: Duration = Duration::from_secs(3);

type Accepted = oneshot::Sender<Result<(), PublishError>>;
type Page<T> = oneshot::Sender<Result<T, QuestionError>>;

/// One client and its sockets.
pub(super) struct Driver {
    client: Client,
    options: Options,
    began: Instant,
    links: HashMap<LinkId, mpsc::Sender<String>>,
    sockets: JoinSet<()>,
    said: mpsc::Sender<(LinkId, Said)>,
    heard: mpsc::Receiver<(LinkId, Said)>,
    receipts: HashMap<(RoomId, PublicationId), Vec<Accepted>>,
    histories: HashMap<Ticket, Page<History>>,
    rosters: HashMap<Ticket, Page<Who>>,
    next_ticket: u64,
    events: mpsc::Sender<Event>,
}

impl Driver {
    pub(super) fn new(options: Options, events: mpsc::Sender<Event>) -> Self {
        let (said, heard) = mpsc::channel(INCOMING);
        let client = Client::new(options.seed, 0);
        Self {
            client: if options.token.is_renewed() { client.with_renewals() } else { client },
            options,
            began: Instant::now(),
            links: HashMap::new(),
            sockets: JoinSet::new(),
            said,
            heard,
            receipts: HashMap::new(),
            histories: HashMap::new(),
            rosters: HashMap::new(),
            next_ticket: 1,
            events,
        }
    }

    /// Runs until the client has ended.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut messages = 0;
        while self.carry_out().await {
            let wake = self.client.next_wakeup_ms();
            if messages >= MESSAGES_IN_A_ROW && wake.is_some_and(|at| at <= self.now_ms()) {
                messages = 0;
                self.client.tick(self.now_ms());
                continue;
            }
            tokio::select! {
                biased;
                () = self.events.closed() => break,
                Some(_) = self.sockets.join_next() => {}
                Some(command) = commands.recv() => match command {
                    Command::Close => break,
                    command => self.obey(command),
                },
                Some((link, said)) = self.heard.recv() => {
                    messages += 1;
                    self.hear(link, said);
                }
                () = sleep(self.began, wake) => {
                    messages = 0;
                    self.client.tick(self.now_ms());
                }
            }
        }
        self.say_farewell().await;
    }

    /// Carries out the outputs of the rules. Returns false if the client must end.
    async fn carry_out(&mut self) -> bool {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect(link) => self.open(link),
                Output::Send { link, text } => self.send(link, text),
                Output::Renew(link) => {
                    self.sockets.spawn(socket::renew(link, self.options.clone(), self.said.clone()));
                }
                // The socket closes itself when its sender is dropped.
                Output::CloseSocket(link) => drop(self.links.remove(&link)),
                Output::Event(event) => {
                    let ended = matches!(event, Event::Ended { .. });
                    if !self.tell(event).await || ended {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn open(&mut self, link: LinkId) {
        let (outgoing, waiting) = mpsc::channel(OUTGOING);
        self.links.insert(link, outgoing);
        self.sockets.spawn(socket::run(link, self.options.clone(), waiting, self.said.clone()));
    }

    fn send(&mut self, link: LinkId, text: String) {
        let taken = self.links.get(&link).is_some_and(|outgoing| outgoing.try_send(text).is_ok());
        if !taken && self.links.remove(&link).is_some() {
            self.client.closed(link, Loss::Silent, self.now_ms());
        }
    }

    fn hear(&mut self, link: LinkId, said: Said) {
        let now_ms = self.now_ms();
        match said {
            Said::Open { token_lasts } => {
                self.client.connected(link, now_ms);
                if let Some(lasts) = token_lasts {
                    self.client.token_lasts(link, millis(lasts), now_ms);
                }
            }
            Said::Token(Some(token)) => {
                let lasts_ms = lasts(&token, SystemTime::now()).map(millis);
                self.client.renew(link, &token, lasts_ms, now_ms);
            }
            Said::Token(None) => self.client.not_renewed(link, now_ms),
            Said::Text(text) => self.client.received(link, text.as_str(), now_ms),
            Said::Lost(loss) => {
                self.links.remove(&link);
                self.client.closed(link, loss, now_ms);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now_ms = self.now_ms();
        // The caller may have stopped waiting for the result.
        match command {
            Command::Join { room, since, taken } => drop(taken.send(self.client.join(room, since, now_ms))),
            Command::Leave { room } => self.client.leave(&room, now_ms),
            Command::Say { room, key, data } => {
                if let Err(not_taken) = self.client.say(&room, key.as_ref(), &data) {
                    tracing::debug!(%not_taken, "cannot send an ephemeral publication: the client has ended; the publication is dropped");
                }
            }
            Command::Publish { room, pid, data, outcome } => {
                match self.client.publish(room.clone(), pid.clone(), data, now_ms) {
                    Ok(()) => self.receipts.entry((room, pid)).or_default().push(outcome),
                    Err(not_taken) => drop(outcome.send(Err(not_taken.into()))),
                }
            }
            Command::History { room, before, limit, page } => {
                let ticket = self.ticket();
                match self.client.history(ticket, room, before, limit, now_ms) {
                    Ok(()) => drop(self.histories.insert(ticket, page)),
                    Err(not_taken) => drop(page.send(Err(not_taken.into()))),
                }
            }
            Command::Who { room, after, limit, page } => {
                let ticket = self.ticket();
                match self.client.who(ticket, room, after, limit, now_ms) {
                    Ok(()) => drop(self.rosters.insert(ticket, page)),
                    Err(not_taken) => drop(page.send(Err(not_taken.into()))),
                }
            }
            Command::Position { room, at } => drop(at.send(self.client.position(&room).cloned())),
            Command::Close => {}
        }
    }

    /// Passes an event to the caller that waits for it, or else to the application. Returns false
    /// if the application dropped its events.
    async fn tell(&mut self, event: Event) -> bool {
        match event {
            Event::Accepted { room, pid } => self.settle(room, pid, || Ok(())),
            Event::Rejected { room, pid, failure } => {
                self.settle(room, pid, || Err(PublishError::Rejected(failure.clone())));
            }
            Event::History { ticket, page } => {
                if let Some(waiting) = self.histories.remove(&ticket) {
                    let _ = waiting.send(page.map_err(QuestionError::None));
                }
            }
            Event::Who { ticket, page } => {
                if let Some(waiting) = self.rosters.remove(&ticket) {
                    let _ = waiting.send(page.map_err(QuestionError::None));
                }
            }
            other => return self.events.send(other).await.is_ok(),
        }
        true
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn settle(&mut self, room: RoomId, pid: PublicationId, outcome: impl Fn() -> Result<(), PublishError>) {
        for waiting in self.receipts.remove(&(room, pid)).unwrap_or_default() {
            let _ = waiting.send(outcome());
        }
    }

    async fn say_farewell(mut self) {
        self.client.stop();
        self.links.clear();
        self.heard.close();
        let all_closed = async { while self.sockets.join_next().await.is_some() {} };
        // Sockets that have not closed by then are dropped with the set.
        let _ = timeout(FAREWELL, all_closed).await;
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn sleep(began: Instant, wake_ms: Option<u64>) {
    match wake_ms {
        Some(at_ms) => sleep_until(began + Duration::from_millis(at_ms)).await,
        None => std::future::pending().await,
    }
}
