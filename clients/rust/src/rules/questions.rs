//! Questions that wait for an answer: for history, and who is there.

use std::collections::BTreeMap;

use domain::{RoomId, Sequence, UserId};

use super::event::{NotTaken, Ticket};
use super::room::Ask;
use super::times::{QUESTION_TRIES, WAITING_QUESTIONS};

/// All questions, by the application's number.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeMap<Ticket, Question>);

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) room: RoomId,
    pub(super) limit: usize,
    pub(super) about: About,
    ask: Ask,
    tries: u32,
}

/// What a question is about.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// What was published.
    History {
        /// Only before this.
        before: Option<Sequence>,
    },
    /// Who is there.
    Who {
        /// Only after this name.
        after: Option<UserId>,
    },
}

impl Questions {
    /// Takes a question.
    pub(super) fn push(
        &mut self,
        ticket: Ticket,
        room: RoomId,
        about: About,
        limit: usize,
        now_ms: u64,
    ) -> Result<(), NotTaken> {
        if self.0.len() >= WAITING_QUESTIONS {
            return Err(NotTaken::Questions);
        }
        self.0.insert(ticket, Question { room, limit, about, ask: Ask::At(now_ms), tries: 0 });
        Ok(())
    }

    /// Questions to be sent, and when.
    pub(super) fn due(&self) -> impl Iterator<Item = (Ticket, u64)> {
        self.0.iter().filter_map(|(ticket, question)| match question.ask {
            Ask::At(at_ms) => Some((*ticket, at_ms)),
            Ask::No | Ask::Sent => None,
        })
    }

    /// A question, which is being sent.
    pub(super) fn send(&mut self, ticket: Ticket) -> Option<&Question> {
        let question = self.0.get_mut(&ticket)?;
        question.ask = Ask::Sent;
        Some(question)
    }

    /// A question came to nothing: how many times in a row, this one not counted. `None` if it has been asked often
    /// enough, and is forgotten.
    pub(super) fn failed(&mut self, ticket: Ticket) -> Option<u32> {
        let tries = self.0.get(&ticket)?.tries;
        if tries + 1 >= QUESTION_TRIES {
            self.0.remove(&ticket);
            return None;
        }
        self.0.get_mut(&ticket)?.tries = tries + 1;
        Some(tries)
    }

    /// A question is sent again then.
    pub(super) fn again_at(&mut self, ticket: Ticket, at_ms: u64) {
        if let Some(question) = self.0.get_mut(&ticket) {
            question.ask = Ask::At(at_ms);
        }
    }

    /// A question has its answer. Whether it was waiting for one.
    pub(super) fn done(&mut self, ticket: Ticket) -> bool {
        self.0.remove(&ticket).is_some()
    }

    /// The connection is another: what was sent is sent again at once.
    pub(super) fn interrupted(&mut self, now_ms: u64) {
        for question in self.0.values_mut().filter(|question| question.ask == Ask::Sent) {
            question.ask = Ask::At(now_ms);
        }
    }
}
