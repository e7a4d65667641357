//! Questions that wait for an answer: for history, and for members.

use std::collections::BTreeMap;

use domain::{RoomId, Sequence, UserId};

use super::event::{NotTaken, Ticket};
use super::room::Ask;
use super::times::{QUESTION_TRIES, WAITING_QUESTIONS};

/// All waiting questions, by the application's ticket.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeMap<Ticket, Question>);

/// One waiting question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) room: RoomId,
    pub(super) limit: usize,
    pub(super) about: About,
    ask: Ask,
    tries: u32,
}

/// The subject of a question.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// The publications of a room.
    History {
        /// Only publications before this sequence.
        before: Option<Sequence>,
    },
    /// The members of a room.
    Who {
        /// Only users after this name.
        after: Option<UserId>,
    },
}

impl Questions {
    /// Adds a question.
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

    /// Questions to send, and the time to send them.
    pub(super) fn due(&self) -> impl Iterator<Item = (Ticket, u64)> {
        self.0.iter().filter_map(|(ticket, question)| match question.ask {
            Ask::At(at_ms) => Some((*ticket, at_ms)),
            Ask::No | Ask::Sent => None,
        })
    }

    /// Starts a question. Returns it.
    pub(super) fn send(&mut self, ticket: Ticket) -> Option<&Question> {
        let question = self.0.get_mut(&ticket)?;
        question.ask = Ask::Sent;
        Some(question)
    }

    /// Handles a failed question. Returns the number of failures in a row before this one. Removes
    /// the question, and returns `None`, if it was sent often enough.
    pub(super) fn failed(&mut self, ticket: Ticket) -> Option<u32> {
        let tries = self.0.get(&ticket)?.tries;
        if tries + 1 >= QUESTION_TRIES {
            self.0.remove(&ticket);
            return None;
        }
        self.0.get_mut(&ticket)?.tries = tries + 1;
        Some(tries)
    }

    /// Schedules a question again.
    pub(super) fn again_at(&mut self, ticket: Ticket, at_ms: u64) {
        if let Some(question) = self.0.get_mut(&ticket) {
            question.ask = Ask::At(at_ms);
        }
    }

    /// Removes an answered question. Returns true if it was waiting.
    pub(super) fn done(&mut self, ticket: Ticket) -> bool {
        self.0.remove(&ticket).is_some()
    }

    /// Schedules the questions in flight again at once, because the connection was replaced.
    pub(super) fn interrupted(&mut self, now_ms: u64) {
        for question in self.0.values_mut().filter(|question| question.ask == Ask::Sent) {
            question.ask = Ask::At(now_ms);
        }
    }
}
