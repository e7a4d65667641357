//! The judgement of what is known of a publication, and the next command.

use domain::limits;
use serde::Serialize;

use super::facts::{Facts, MemberFact, ShardFact, Subject};

/// The judgement on a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// False if something is wrong, or is not known.
    pub(crate) is_well: bool,
    #[serde(rename = "verdict")]
    pub(crate) text: String,
    /// The command to run next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl Verdict {
    fn well(text: impl Into<String>) -> Self {
        Self { is_well: true, text: text.into(), next: None }
    }

    fn wrong(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { is_well: false, text: text.into(), next: Some(next.into()) }
    }

    /// Judges the facts. A dead letter outweighs progress: the shard went on without its members.
    pub(crate) fn of(facts: &Facts) -> Self {
        let Some(position) = &facts.position else { return Self::without_position(facts) };
        let room = &facts.room;
        if facts.head.as_ref().is_none_or(|head| head.epoch != position.epoch) {
            return Self::wrong(
                format!(
                    "it has a position in the epoch {}, which is over: members went on in another one",
                    position.epoch
                ),
                format!("roomcast room {room}"),
            );
        }
        if let Some(members) = &facts.members {
            return Self::of_member(facts, members);
        }
        if let Some(letter) = facts.letters.first() {
            let reason = letter.reason.as_deref().unwrap_or("it was received too often");
            return Self::wrong(
                format!("{} It is a dead letter: {reason}.", given(&facts.shards, facts)),
                format!("repair the cause, then roomcast dead-letters redrive {} --room {room}", letter.queue),
            );
        }
        let waiting = facts.shards.iter().filter(|shard| is_owed(shard, facts)).count();
        if waiting == 0 {
            return Self::well(given(&facts.shards, facts));
        }
        Self::wrong(format!("{} The others wait; nothing is lost.", given(&facts.shards, facts)), "roomcast doctor")
    }

    fn without_position(facts: &Facts) -> Self {
        let room = &facts.room;
        if let Some(letter) = facts.letters.first() {
            let reason = letter.reason.as_deref().unwrap_or("it was received too often");
            return Self::wrong(
                format!("it has no position: it is a dead letter in {} ({reason})", letter.queue),
                format!("repair the cause, then roomcast dead-letters redrive {} --room {room}", letter.queue),
            );
        }
        match (&facts.head, &facts.subject) {
            (None, _) => Self::wrong(
                format!("room {room} has no head: nothing was published in it"),
                "check the name of the room",
            ),
            (Some(head), Subject::Sequence(sequence)) => Self::wrong(
                format!("sequence {} was not given yet: the head is at {}", sequence.get(), head.sequence.get()),
                format!("roomcast history {room} --limit 5"),
            ),
            (Some(_), Subject::Id(id)) => Self::wrong(
                format!(
                    "no publication {id} is in the log or among the ids of backends. It was never accepted, it still waits \
                     in a queue, or it is older than 24 h and of a user"
                ),
                format!("roomcast explain {room} {id} --by USER, or roomcast doctor"),
            ),
        }
    }

    fn of_member(facts: &Facts, members: &[MemberFact]) -> Self {
        let room = &facts.room;
        let Some(member) = members.first() else {
            return Self::wrong(
                "the member is not in the room now: it left, or its connection ended. A client that returns resumes from \
                 the log",
                format!("roomcast who {room}"),
            );
        };
        let lacks = |member: &&MemberFact| {
            facts.letters.iter().find(|letter| letter.members.iter().any(|one| one == member.connection.as_ref()))
        };
        if let Some(letter) = members.iter().find_map(|member| lacks(&member)) {
            return Self::wrong(
                format!("the member lacks it: a letter in {} names its connection", letter.queue),
                format!("repair the cause, then roomcast dead-letters redrive {} --room {room}", letter.queue),
            );
        }
        let sequenced_at = facts.row.as_ref().map(|row| row.sequenced_at);
        let joined_before = |member: &&MemberFact| sequenced_at.is_none_or(|at| member.joined_at <= at);
        let Some(owed) = members.iter().find(joined_before) else {
            return Self::well(
                "the member joined after it was sequenced: no delivery was owed. Its client reads it by history or resume",
            );
        };
        let shard = facts.shards.iter().find(|shard| shard.shard == owed.shard);
        if shard.is_some_and(|shard| shard.has(facts.position.as_ref())) {
            return Self::well(format!(
                "its shard {} was given it: connection {} was posted to, or is late and is posted to again. Its client \
                 finds a gap with its next ping, within {} min",
                owed.shard,
                owed.connection,
                limits::KEEP_ALIVE.as_secs_f64() / 60.0
            ));
        }
        Self::wrong(format!("its shard {} was not given it yet; nothing is lost", member.shard), "roomcast doctor")
    }
}

/// Returns whether a shard has members and was not given the publication.
fn is_owed(shard: &ShardFact, facts: &Facts) -> bool {
    shard.members > 0 && !shard.has(facts.position.as_ref())
}

fn given(shards: &[ShardFact], facts: &Facts) -> String {
    let with_members: Vec<&ShardFact> = shards.iter().filter(|shard| shard.members > 0).collect();
    let given = with_members.iter().filter(|shard| shard.has(facts.position.as_ref())).count();
    let members: u64 = with_members.iter().map(|shard| shard.members).sum();
    format!("Given to {given} of {} shards with members ({members} members now).", with_members.len())
}

#[cfg(test)]
mod tests {
    use aws_adapters::ShardProgress;
    use domain::{ConnectionId, Epoch, Head, Position, PublicationId, Range, RoomId, Sequence, Shard, Timestamp};

    use super::super::facts::Letter;
    use super::*;

    fn epoch() -> Epoch {
        Epoch::parse("k7Qf").unwrap()
    }

    fn shard(number: u16, members: u64, through: u64) -> ShardFact {
        let range = Range { epoch: epoch(), after: Sequence::ZERO, through: Sequence::new(through) };
        let progress = Some(ShardProgress { range, recorded_at: Timestamp::from_ms(5_000) });
        ShardFact { shard: Shard::new(number), members, progress }
    }

    fn facts(shards: Vec<ShardFact>) -> Facts {
        let room = RoomId::parse("lobby").unwrap();
        let head = Head { sequence: Sequence::new(9), sent: Sequence::new(9), ..Head::new(&room, epoch()) };
        Facts {
            room,
            subject: Subject::Id(PublicationId::parse("p7").unwrap()),
            head: Some(head),
            position: Some(Position { epoch: epoch(), sequence: Sequence::new(7) }),
            row: None,
            remembered: None,
            shards,
            letters: Vec::new(),
            members: None,
        }
    }

    fn letter(members: &[&str]) -> Letter {
        let members = members.iter().map(|one| (*one).to_owned()).collect();
        let reason = Some("AccessDenied".to_owned());
        Letter { queue: "deliveries-dead".to_owned(), since: Timestamp::from_ms(6_000), reason, members }
    }

    fn member(connection: &str, number: u16) -> MemberFact {
        let connection = ConnectionId::parse(connection).unwrap();
        MemberFact { connection, shard: Shard::new(number), joined_at: Timestamp::from_ms(1_000) }
    }

    #[test]
    fn a_shard_without_members_is_owed_nothing() {
        let verdict = Verdict::of(&facts(vec![shard(0, 3, 7), shard(1, 0, 2)]));
        assert_eq!(verdict, Verdict::well("Given to 1 of 1 shards with members (3 members now)."));
        let verdict = Verdict::of(&facts(vec![shard(0, 3, 7), shard(1, 2, 6)]));
        assert!(!verdict.is_well && verdict.text.starts_with("Given to 1 of 2 shards"), "{verdict:?}");
    }

    #[test]
    fn a_letter_outweighs_the_progress_of_its_shard() {
        let verdict = Verdict::of(&Facts { letters: vec![letter(&["c1"])], ..facts(vec![shard(0, 3, 9)]) });
        assert!(!verdict.is_well && verdict.text.contains("AccessDenied"), "{verdict:?}");
        let next = verdict.next.unwrap();
        assert!(next.ends_with("roomcast dead-letters redrive deliveries-dead --room lobby"), "{next}");
    }

    #[test]
    fn a_member_lacks_it_if_a_letter_names_its_connection_and_otherwise_its_shard_decides() {
        let of = |members: Vec<MemberFact>, letters: Vec<Letter>, through: u64| {
            Verdict::of(&Facts { members: Some(members), letters, ..facts(vec![shard(0, 3, through)]) })
        };
        assert!(of(vec![member("c1", 0)], vec![letter(&["c1"])], 9).text.starts_with("the member lacks it"));
        assert!(of(vec![member("c2", 0)], vec![letter(&["c1"])], 9).is_well);
        assert!(!of(vec![member("c2", 0)], vec![], 6).is_well);
        assert!(of(vec![], vec![], 9).text.starts_with("the member is not in the room now"));
    }

    #[test]
    fn without_a_position_the_letter_or_the_lack_of_one_is_named() {
        let lost = Facts { position: None, ..facts(vec![]) };
        assert!(Verdict::of(&lost).next.unwrap().contains("--by USER"));
        let dead = Facts { letters: vec![letter(&[])], ..lost };
        assert!(Verdict::of(&dead).text.contains("it is a dead letter in deliveries-dead (AccessDenied)"));
    }
}
