//! A session of the chat: joins rooms, publishes typed lines, and shows events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Data, Position, PublicationId, RoomId, UserId, limits};
use jiff::tz::TimeZone;
use protocol::block::Block;
use protocol::reply::History;
use roomcast_client::connection::{Events, Handle, PublishError, QuestionError};
use roomcast_client::rules::{Event, Message};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::terminal::Terminal;
use crate::view::{self, Line, plain};

/// Without a terminal: the time to wait for pending output after the last line was accepted.
const LINGER: Duration = Duration::from_secs(5);
/// Results of questions that wait to be shown.
const PAGES: usize = 16;

/// The result of a question to the server.
enum Fetched {
    /// The history of a room before the join, with the position of the join.
    Earlier(RoomId, Position, Result<History, QuestionError>),
    /// A line to show.
    Line(Line),
}

/// One session of the chat.
pub(crate) struct Session {
    handle: Handle,
    terminal: Terminal,
    zone: TimeZone,
    history: u8,
    /// The user of this terminal, if it was given. The chat does not announce this user's own
    /// arrival.
    user: Option<UserId>,
    /// The room that typed lines are published to.
    current: Option<RoomId>,
    /// Rooms whose join is not answered yet.
    entering: BTreeSet<RoomId>,
    /// Rooms whose history is being fetched. Live publications wait until the history is shown.
    opening: BTreeMap<RoomId, Vec<Message>>,
    fetched: mpsc::Sender<Fetched>,
    url: String,
    /// The last line that reported a lost connection.
    offline: Option<Line>,
    /// Publications of this session that have not been delivered to it yet.
    not_back: BTreeSet<PublicationId>,
    all_accepted: bool,
}

/// The meaning of a typed line.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Nothing,
    Join(RoomId),
    Leave,
    Who,
    Quit,
    Say(String),
    Wrong(String),
}

impl Session {
    pub(crate) fn new(handle: Handle, terminal: Terminal, url: String, history: u8, user: Option<UserId>) -> Self {
        let (fetched, _) = mpsc::channel(1);
        let zone = TimeZone::system();
        Self {
            handle,
            terminal,
            zone,
            history,
            user,
            current: None,
            entering: BTreeSet::new(),
            opening: BTreeMap::new(),
            fetched,
            url,
            offline: None,
            not_back: BTreeSet::new(),
            all_accepted: true,
        }
    }

    /// Runs until the user quits, or until input has ended and every line is accepted. Returns true
    /// if every line was accepted.
    pub(crate) async fn run(mut self, room: RoomId, mut events: Events) -> bool {
        let (fetched, mut has_come) = mpsc::channel(PAGES);
        self.fetched = fetched;
        self.join(room).await;
        let mut sending: JoinSet<Result<PublicationId, PublishError>> = JoinSet::new();
        let mut typing = true;
        let mut linger_until = None;
        loop {
            if !typing && sending.is_empty() {
                if self.terminal.is_interactive() || self.is_quiet() {
                    break;
                }
                linger_until.get_or_insert_with(|| Instant::now() + LINGER);
            }
            tokio::select! {
                line = self.terminal.typed.recv(), if typing => match line.map(|line| understand(&line)) {
                    Some(Typed::Quit) => break,
                    Some(typed) => {
                        self.obey(typed, &mut sending).await;
                        self.terminal.go_on();
                    }
                    None => typing = false,
                },
                event = events.next() => match event {
                    Some(event) => self.hear(event),
                    None => {
                        self.all_accepted &= sending.is_empty();
                        if !(typing && self.terminal.is_interactive()) {
                            self.all_accepted = false;
                            break;
                        }
                        self.status("the client has ended; press Enter to exit");
                        self.terminal.typed.recv().await;
                        break;
                    }
                },
                Some(fetched) = has_come.recv() => match fetched {
                    Fetched::Earlier(room, head, page) => self.show_earlier(&room, &head, page),
                    Fetched::Line(line) => self.terminal.show(&line),
                },
                Some(sent) = sending.join_next() => self.sent(sent),
                () = wait_until(linger_until) => break,
            }
        }
        self.handle.close().await;
        self.terminal.close();
        self.all_accepted
    }

    async fn obey(&mut self, typed: Typed, sending: &mut JoinSet<Result<PublicationId, PublishError>>) {
        match typed {
            Typed::Nothing | Typed::Quit => {}
            Typed::Join(room) => self.join(room).await,
            Typed::Leave => match self.current.take() {
                Some(room) => {
                    // If the client has ended, an event reports it.
                    let _ = self.handle.leave(room).await;
                }
                None => self.status("in no room; /join ROOM first"),
            },
            Typed::Who => self.ask_who(),
            Typed::Say(text) => self.say(&text, sending).await,
            Typed::Wrong(problem) => self.status(&problem),
        }
    }

    async fn join(&mut self, room: RoomId) {
        self.current = Some(room.clone());
        self.entering.insert(room.clone());
        if let Err(error) = self.handle.join(room, None).await {
            self.status(&error.to_string());
        }
    }

    async fn say(&mut self, text: &str, sending: &mut JoinSet<Result<PublicationId, PublishError>>) {
        let Some(room) = self.current.clone() else {
            self.all_accepted = false;
            return self.status("in no room; /join ROOM first");
        };
        let data = match Data::text(text) {
            Ok(data) => data,
            Err(reject) => {
                self.all_accepted = false;
                return self.status(&reject.message);
            }
        };
        match self.handle.publish(room, data).await {
            Ok(receipt) => {
                self.not_back.insert(receipt.pid().clone());
                sending.spawn(receipt.accepted());
            }
            Err(error) => {
                self.all_accepted = false;
                self.status(&error.to_string());
            }
        }
    }

    fn sent(&mut self, sent: Result<Result<PublicationId, PublishError>, tokio::task::JoinError>) {
        let problem = match sent {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.all_accepted = false;
        // The error does not name the publication, and a refused one is never delivered.
        self.not_back.clear();
        self.status(&format!("not sent: {}", plain(&problem)));
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Message(message) => match self.opening.get_mut(&message.room) {
                Some(waiting) => waiting.push(message),
                None => self.show(&message),
            },
            Event::Presence { room, came, went, .. } => {
                let others = |names: Vec<UserId>| names.into_iter().filter(|name| Some(name) != self.user.as_ref());
                let (came, went) = (others(came).collect::<Vec<_>>(), others(went).collect::<Vec<_>>());
                let lines = view::presence(&room, self.current.as_ref(), &came, &went);
                lines.iter().for_each(|line| self.terminal.show(line));
            }
            Event::Joined { ref room, ref head, .. } => {
                self.entering.remove(room);
                if let Some(line) = view::status(&event) {
                    self.terminal.show(&line);
                }
                self.fetch_earlier(room.clone(), head.clone());
            }
            Event::Left { ref room } | Event::Removed { ref room, .. } | Event::Refused { ref room, .. } => {
                self.entering.remove(room);
                self.opening.remove(room);
                if let Some(line) = view::status(&event) {
                    self.terminal.show(&line);
                }
            }
            Event::Offline { because, .. } => {
                // A failed attempt with the same reason as the last one is not shown again.
                let line = view::offline(&because, &self.url);
                if self.offline.as_ref() != Some(&line) {
                    self.terminal.show(&line);
                    self.offline = Some(line);
                }
            }
            other => {
                if other == Event::Online {
                    self.offline = None;
                }
                if let Some(line) = view::status(&other) {
                    self.terminal.show(&line);
                }
            }
        }
    }

    /// Requests the publications before the join. Later ones arrive live.
    fn fetch_earlier(&mut self, room: RoomId, head: Position) {
        if self.history == 0 {
            return;
        }
        self.opening.insert(room.clone(), Vec::new());
        let (handle, fetched, limit) = (self.handle.clone(), self.fetched.clone(), usize::from(self.history));
        tokio::spawn(async move {
            let page = handle.history(room.clone(), Some(head.sequence.next()), limit).await;
            // If the session has ended, the result is dropped.
            let _ = fetched.send(Fetched::Earlier(room, head, page)).await;
        });
    }

    /// Requests the members of the current room.
    fn ask_who(&self) {
        let Some(room) = self.current.clone() else { return self.status("in no room; /join ROOM first") };
        let (handle, fetched) = (self.handle.clone(), self.fetched.clone());
        tokio::spawn(async move {
            let line = match handle.who(room.clone(), None, limits::WHO_USERS).await {
                Ok(who) => view::who(&who),
                Err(error) => Line::Status(format!("cannot list the members of {room}: {}", plain(&error.to_string()))),
            };
            let _ = fetched.send(Fetched::Line(line)).await;
        });
    }

    fn show_earlier(&mut self, room: &RoomId, head: &Position, page: Result<History, QuestionError>) {
        let Some(waiting) = self.opening.remove(room) else { return };
        match page {
            Ok(page) if page.ep == head.epoch => {
                page.history.iter().flat_map(messages).for_each(|message| self.show(&message));
            }
            Ok(_) => {}
            Err(error) => self.status(&format!("no history of {room}: {}", plain(&error.to_string()))),
        }
        waiting.iter().for_each(|message| self.show(message));
    }

    /// Returns true if all expected output has been shown.
    fn is_quiet(&self) -> bool {
        self.entering.is_empty() && self.opening.is_empty() && self.not_back.is_empty()
    }

    fn show(&mut self, message: &Message) {
        self.not_back.remove(&message.pid);
        self.terminal.show(&view::said(message, self.current.as_ref(), &self.zone));
    }

    fn status(&self, text: &str) {
        self.terminal.show(&Line::Status(text.to_owned()));
    }
}

fn messages(block: &Block) -> impl Iterator<Item = Message> + '_ {
    block.messages().map(|(sequence, message)| Message {
        room: block.room.clone(),
        at: Position { epoch: block.ep.clone(), sequence },
        pid: message.id.clone(),
        by: message.by.clone(),
        from: message.from.clone(),
        accepted_at: message.at,
        data: message.data.clone(),
    })
}

fn understand(line: &str) -> Typed {
    let line = line.trim();
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match command {
        "" => Typed::Nothing,
        "/quit" => Typed::Quit,
        "/leave" => Typed::Leave,
        "/who" => Typed::Who,
        "/join" => match RoomId::parse(rest.trim()) {
            Ok(room) => Typed::Join(room),
            Err(reject) => Typed::Wrong(reject.message),
        },
        other if other.starts_with('/') => Typed::Wrong(format!(
            "unknown command {}; the commands are /join ROOM, /leave, /who and /quit",
            plain(other)
        )),
        _ => Typed::Say(line.to_owned()),
    }
}

async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_a_slash() {
        let room = RoomId::parse("team:7").unwrap();
        for (line, typed) in [
            ("  ", Typed::Nothing),
            (" hi there ", Typed::Say("hi there".to_owned())),
            ("/join team:7", Typed::Join(room.clone())),
            ("/join   team:7 ", Typed::Join(room)),
            ("/leave", Typed::Leave),
            ("/who", Typed::Who),
            ("/quit", Typed::Quit),
        ] {
            assert_eq!(understand(line), typed, "{line}");
        }
        for wrong in ["/join", "/join a b", "/dance"] {
            assert!(matches!(understand(wrong), Typed::Wrong(_)), "{wrong}");
        }
    }
}
