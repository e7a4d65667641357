//! Members that are the npm client in Node (`clients/web`). A child process runs the built package.
//! Each event of its rooms is a line of JSON on its stdout, and the ledger records it as for all
//! other members.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::sleep_until;

use super::task::Seat;
use crate::ledger::{Heard, How, Micros, Sequence};
use crate::run::world::{Stage, World, add};
use crate::scenario::schedule::{Goes, connects_at, goes};
use crate::scenario::{Churn, Going};

/// The program that runs the package.
const PROGRAM: &str = "scripts/members.mjs";
/// Files that the program needs, in `clients/web`, each with the command that makes it.
const NEEDS: [(&str, &str); 2] = [("dist/esm/index.js", "npm run build"), ("node_modules/ws", "npm ci")];
/// The oldest major version of Node that the package supports.
const NODE_MAJOR: u32 = 20;

/// The reason why npm members cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the package is missing.
    #[error("npm members need {path}: run `{command}` in clients/web")]
    NotBuilt {
        /// The file that is missing.
        path: String,
        /// The command that makes it.
        command: &'static str,
    },
    /// Node does not start, or is too old.
    #[error("npm members need Node {major} or later: {0}", major = NODE_MAJOR)]
    NoNode(String),
    /// The process failed during the run.
    #[error("the process of the npm members failed, so they receive nothing more: {0}")]
    Process(#[from] std::io::Error),
}

/// An event of a member, with its number among all members.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Online,
    Offline { member: usize },
    Joined { member: usize, epoch: String, position: Sequence },
    Message { member: usize, epoch: String, position: Sequence, pid: String },
    Missed { member: usize, epoch: String, after: Sequence, through: Sequence },
    Resumed { member: usize },
    Closed { member: usize, reason: String },
}

/// The first line for the program.
#[derive(Serialize)]
struct Start<'a> {
    url: &'a str,
    token: Option<&'a str>,
    members: Vec<StartMember>,
}

#[derive(Serialize)]
struct StartMember {
    member: usize,
    room: String,
    device: String,
    guest: String,
    after_ms: i64,
}

/// The state of one member, as its events report it.
struct Member {
    seat: Seat,
    /// The intended time of its connection.
    due: Micros,
    /// The time since which it is joining or resuming.
    coming_since: Option<Micros>,
    has_joined: bool,
    /// The epoch and the position of the last publication that its application received.
    last: Option<(String, Sequence)>,
    /// The time of its last churn, in the schedule's time.
    went: Micros,
}

/// All npm members of a run, by their numbers among all members.
struct Members {
    world: Arc<World>,
    members: HashMap<usize, Member>,
    /// The churn that resets a connection. The client returns by its own rules.
    resets: Vec<Churn>,
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/web")
}

/// Checks that the package is built, and that Node is installed.
///
/// # Errors
/// [`Error`] with the command that makes what is missing.
pub fn check() -> Result<(), Error> {
    let output = std::process::Command::new("node").arg("--version").output();
    let version = output.map_err(|error| Error::NoNode(error.to_string()))?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR) {
        return Err(Error::NoNode(format!("this is {version:?}")));
    }
    for (path, command) in NEEDS {
        if !package().join(path).exists() {
            return Err(Error::NotBuilt { path: format!("clients/web/{path}"), command });
        }
    }
    Ok(())
}

/// Runs these members until the run is over.
pub async fn live(world: Arc<World>, seats: Vec<Seat>) {
    if let Err(error) = run(&world, seats).await {
        world.complain(&error);
    }
}

async fn run(world: &Arc<World>, seats: Vec<Seat>) -> Result<(), Error> {
    let mut child = Command::new("node")
        .arg(PROGRAM)
        .current_dir(package())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // Both pipes were requested above.
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
    let mut members = Members::new(world, seats);
    stdin.write_all(members.start().as_bytes()).await?;
    let mut lines = BufReader::new(stdout).lines();
    let mut stage = world.stage();
    loop {
        let now = *stage.borrow_and_update();
        if now == Stage::Over {
            return Ok(end(child, stdin, lines).await?);
        }
        let reset = members.next_reset(now);
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => members.read(&line),
                None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            },
            () = sleep_until(world.clock.instant(reset.map_or(Micros::MAX, |(at, ..)| at))) => {
                if let Some((_, number, goes)) = reset {
                    members.reset(number, goes, &mut stdin).await?;
                }
            }
            _ = stage.changed() => {}
        }
    }
}

/// Ends the program, which ends with its stdin. The program blocks while its stdout is full, so the
/// rest is read too.
async fn end(mut child: Child, stdin: ChildStdin, mut lines: Lines<BufReader<ChildStdout>>) -> std::io::Result<()> {
    drop(stdin);
    while lines.next_line().await?.is_some() {}
    child.wait().await.map(|_| ())
}

impl Members {
    fn new(world: &Arc<World>, seats: Vec<Seat>) -> Self {
        let member = |seat: Seat| {
            let due = connects_at(&world.scenario.ramp, seat.of_all);
            (seat.of_all, Member { seat, due, coming_since: Some(due), has_joined: false, last: None, went: 0 })
        };
        let is_reset = |churn: &&Churn| churn.kind != Going::Leave;
        Self {
            world: Arc::clone(world),
            members: seats.into_iter().map(member).collect(),
            resets: world.scenario.churn.iter().filter(is_reset).copied().collect(),
        }
    }

    /// The first line for the program.
    fn start(&self) -> String {
        let now = self.world.clock.now();
        let member = |Member { seat, due, .. }: &Member| {
            let device = format!("npm-{}", seat.of_all);
            StartMember {
                member: seat.of_all,
                room: self.world.room(seat.room).name().to_owned(),
                // A guest's secret has at least 22 characters.
                guest: format!("{device:-<24}"),
                device,
                after_ms: (due - now).max(0) / 1_000,
            }
        };
        let start = Start {
            url: &self.world.target.url,
            token: self.world.target.token.as_deref(),
            members: self.members.values().map(member).collect(),
        };
        // Strings and numbers always serialize.
        serde_json::to_string(&start).unwrap_or_default() + "\n"
    }

    /// Handles a line of the program.
    fn read(&mut self, line: &str) {
        let now = self.world.clock.now();
        match serde_json::from_str(line) {
            Ok(Event::Online) => add(&self.world.counts.connected, 1),
            Ok(Event::Offline { member }) => self.offline(member, now),
            Ok(Event::Joined { member, epoch, position }) => self.joined(member, &epoch, position, now),
            Ok(Event::Message { member, epoch, position, pid }) => self.message(member, epoch, position, &pid, now),
            Ok(Event::Missed { member, epoch, after, through }) => {
                self.missed(member, &epoch, after, through);
                self.resumed(member, now);
            }
            Ok(Event::Resumed { member }) => self.resumed(member, now),
            Ok(Event::Closed { member, reason }) => {
                self.world.complain(&format!("the room of npm member {member} closed: {reason}"));
            }
            Err(error) => self.world.complain(&format!("cannot read an event of an npm member: {error}")),
        }
    }

    fn message(&mut self, number: usize, epoch: String, at: Sequence, pid: &str, now: Micros) {
        let Some(member) = self.members.get_mut(&number) else { return };
        let Seat { room: room_number, member: own, .. } = member.seat;
        let mut room = self.world.room(room_number);
        room.knows(&epoch);
        if let Some((_, last)) = member.last.as_ref().filter(|(known, last)| *known == epoch && at <= *last) {
            room.tally.duplicates += 1;
            let text = || format!("{pid} reached the application of npm member {own} at position {at}, after {last}");
            room.tally.sample("duplicated", text);
        }
        member.last = Some((epoch, at));
        let how = if member.has_joined && member.coming_since.is_some() { How::Resume } else { How::Live };
        let publication = match self.world.pids.read(pid) {
            Some(pid) if pid.room == room_number => pid.number,
            Some(_) => {
                let name = room.name().to_owned();
                return room.foreign(own, &name, pid);
            }
            None => return room.phantom(own, at, pid),
        };
        let latency = room.hear(own, Heard { number: publication, at, how, now, timed: true });
        drop(room);
        add(&self.world.counts.delivered, 1);
        let mut recorder = self.world.recorder();
        recorder.count(now, 1);
        if let Some(latency) = latency {
            recorder.deliver(now, latency);
        }
    }

    fn missed(&mut self, number: usize, epoch: &str, after: Sequence, through: Sequence) {
        let Some(member) = self.members.get(&number) else { return };
        let mut room = self.world.room(member.seat.room);
        if room.knows(epoch) {
            room.tell_missed(member.seat.member, after + 1, through);
        }
    }

    fn joined(&mut self, number: usize, epoch: &str, at: Sequence, now: Micros) {
        let Some(member) = self.members.get_mut(&number) else { return };
        self.world.room(member.seat.room).join(member.seat.member, epoch, at, now);
        member.coming_since = None;
        member.has_joined = true;
        add(&self.world.counts.joined, 1);
        self.world.recorder().join.record(now - member.due);
    }

    fn offline(&mut self, number: usize, now: Micros) {
        let Some(member) = self.members.get_mut(&number) else { return };
        self.world.counts.connected.fetch_sub(1, Ordering::Relaxed);
        add(&self.world.counts.lost, 1);
        member.coming_since.get_or_insert(now);
    }

    /// Records the end of an absence, if the member was away.
    fn resumed(&mut self, number: usize, now: Micros) {
        let Some(member) = self.members.get_mut(&number) else { return };
        let Some(since) = member.coming_since.take() else { return };
        add(&self.world.counts.resumed, 1);
        self.world.recorder().resume.record(now - since);
    }

    /// The next reset of a connection: its time, the number of the member, and the churn.
    fn next_reset(&self, stage: Stage) -> Option<(Micros, usize, Goes)> {
        let Stage::Phases(begin) = stage else { return None };
        let next = |(number, member): (&usize, &Member)| {
            goes(&self.resets, *number, member.went).map(|goes| (begin + goes.at, *number, goes))
        };
        self.members.iter().filter_map(next).min_by_key(|(at, ..)| *at)
    }

    async fn reset(&mut self, number: usize, goes: Goes, stdin: &mut ChildStdin) -> std::io::Result<()> {
        if let Some(member) = self.members.get_mut(&number) {
            member.went = goes.at;
        }
        stdin.write_all(format!("reset {number}\n").as_bytes()).await
    }
}
